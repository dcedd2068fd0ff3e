"""What the tests of `Optimizer` share: a kinked function, and how a run is answered."""

import numpy as np
from numpy.testing import assert_array_equal

X0 = np.array([2.0, -1.5, 0.7])


def fun(x):
    return float(np.sum(np.abs(x - 0.3)) + 0.5 * np.sum((x + 0.1) ** 2))


def grad(x):
    return np.sign(x - 0.3) + x + 0.1


def finished(optimizer, fun=fun, grad=grad, told=()):
    """The result, after answering whatever is asked."""
    while not optimizer.stop():
        points = optimizer.ask()
        extra = [] if grad is None else [[grad(x) for x in points]]
        optimizer.tell(points, [fun(x) for x in points], *extra)
    return optimizer.result


def assert_same(a, b):
    for key in ("nit", "nfev", "njev", "status", "success", "message", "method", "fun"):
        assert a[key] == b[key], key
    assert_array_equal(a.x, b.x)
    assert_array_equal(a.jac, b.jac)
