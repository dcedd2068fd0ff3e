"""Fits: residuals one by one instead of the sum of their squares."""
