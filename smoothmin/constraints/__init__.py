"""Constraints: the user's forms, their evaluation, and methods that know of none."""
