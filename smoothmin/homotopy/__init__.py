"""Many minima, with gradients: method="homotopy"."""
