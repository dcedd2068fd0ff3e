"""Perturbations, aggregates, smoothed functions: the reformulation `GradientSampling`."""
