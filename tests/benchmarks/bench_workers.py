"""What workers gain, as a ratio to one process in one run, and what a message to one costs.

64 samples of an objective that takes 20 ms, for two processes of our own, two threads, and a
Dask cluster of two processes on this machine; then the costs of points that take no time, which
`notebooks/06-scaling-out.ipynb` makes its simulation of.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from tables import row

from smoothmin import minimize
from smoothmin._method import Method
from smoothmin._protocol import Ask, Finish
from smoothmin._status import Status

BATCHES = 6


@dataclass(frozen=True)
class Batches(Method):
    """Batches of as many ``points``; ``seconds`` gets how long each took."""

    points: int = 1
    seconds: list = field(default_factory=list)

    def run(self, problem, rng):
        yield Ask(problem.x0[None], 0)
        for _ in range(BATCHES):
            begun = time.perf_counter()
            yield Ask(rng.standard_normal((self.points, problem.x0.size)), 0)
            self.seconds.append(time.perf_counter() - begun)
        return Finish(Status.CONVERGED, "done")


def waiting(x):
    time.sleep(0.02)
    return float(x @ x)


def quick(x):
    return float(x @ x)


def typical(fun, points, workers):
    """Seconds of a batch, the median."""
    seconds = []
    minimize(fun, np.ones(10), method=Batches(points, seconds), workers=workers, rng=0)
    return float(np.median(seconds))


def main():
    from distributed import Client, LocalCluster

    cluster = LocalCluster(2, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster) as client, ThreadPoolExecutor(2) as threads:
        kinds = {"2 processes": 2, "2 threads": threads, "Dask, 2 processes": client}
        print(row("workers", ["gain at 20 ms", "lone point, us", "one of 2000, us"]))
        serial = typical(waiting, 64, None)
        for name, workers in kinds.items():
            gain = serial / typical(waiting, 64, workers)
            one = typical(quick, 1, workers)
            many = typical(quick, 2000, workers)
            print(row(name, [gain, one * 1e6, many / 2000 * 1e6], ".2f"))


if __name__ == "__main__":
    main()
