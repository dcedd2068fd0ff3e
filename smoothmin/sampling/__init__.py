"""Sampling: perturbations, aggregation, and the methods built on them."""
