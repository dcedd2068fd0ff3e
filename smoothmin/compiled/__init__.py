"""Objectives that numba has compiled: batches of them without a call from Python each."""
