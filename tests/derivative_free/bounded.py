"""A random quadratic in a random box, often started at bounds, that refuses to be left."""

import numpy as np


def bounded_quadratic(seed, n, narrowest):
    """The function, its start, the bounds, and its lowest value within them."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(-2, 0, n)
    high = low + 10.0 ** rng.uniform(narrowest, 1, n)
    target = rng.uniform(-3, 3, n)

    def fun(x):
        assert np.all((x >= low) & (x <= high))
        return float((np.arange(1, n + 1) * (x - target) ** 2).sum())

    x0 = np.where(rng.random(n) < 0.3, low, rng.uniform(low, high))
    return fun, x0, list(zip(low, high, strict=True)), fun(np.clip(target, low, high))
