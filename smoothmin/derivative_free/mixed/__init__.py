"""Searches from values alone where some variables are integers."""
