"""Searches along a line, one a file."""
