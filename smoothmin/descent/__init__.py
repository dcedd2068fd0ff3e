"""Methods that move a point: one algorithm a file."""
