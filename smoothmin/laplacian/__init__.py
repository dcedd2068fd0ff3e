"""Laplacian smoothing: the operator, the reformulation, the method."""
