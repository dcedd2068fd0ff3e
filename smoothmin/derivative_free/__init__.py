"""Methods from values alone."""
