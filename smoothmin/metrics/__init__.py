"""Estimates of the inverse Hessian, one a file, and where they start."""
