"""Evaluation by others: processes, threads, any Executor or map, a Dask cluster."""
