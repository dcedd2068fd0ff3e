"""Constrained problems with known minima."""

import numpy as np

# Rosen and Suzuki, HS43: -44 at (0, 1, 2, -1), multipliers (1, 0, 2)


def suzuki(x):
    value = x @ x + x[2] ** 2 - 5 * x[0] - 5 * x[1] - 21 * x[2] + 7 * x[3]
    return value, np.array([2 * x[0] - 5, 2 * x[1] - 5, 4 * x[2] - 21, 2 * x[3] + 7])


def suzuki_rows(x):
    a, b, c, d = x
    return np.array(
        [
            8 - x @ x - a + b - c + d,
            10 - a**2 - 2 * b**2 - c**2 - 2 * d**2 + a + d,
            5 - 2 * a**2 - b**2 - c**2 - 2 * a + b + d,
        ]
    )


def suzuki_slopes(x):
    a, b, c, d = x
    return np.array(
        [
            [-2 * a - 1, -2 * b + 1, -2 * c - 1, -2 * d + 1],
            [-2 * a + 1, -4 * b, -2 * c, -4 * d + 1],
            [-4 * a - 2, -2 * b + 1, -2 * c, 1.0],
        ]
    )


class Counted:
    """A function that counts its calls and keeps the points."""

    def __init__(self, fun):
        self.fun, self.points = fun, []

    def __call__(self, x, *args):
        self.points.append(np.array(x))
        return self.fun(x, *args)

    @property
    def calls(self):
        return len(self.points)
