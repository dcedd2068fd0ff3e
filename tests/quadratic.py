"""A quadratic with its gradient, and a start: the simplest thing to minimize."""

import numpy as np

X0 = np.array([-1.2, 1.0, 0.8])


def quadratic(x):
    return float(np.sum((x - 1) ** 2))


def quadratic_grad(x):
    return 2 * (x - 1)


def both(x):
    return quadratic(x), quadratic_grad(x)
