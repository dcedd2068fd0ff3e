"""Minimization across kinks with a certificate: method="gradient-sampling"."""
