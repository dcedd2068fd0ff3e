"""Run a generator of a descent by hand, with a function that answers."""

import numpy as np

from smoothmin._protocol import Answers, Ask, Problem


def problem(x0, box=None):
    x0 = np.asarray(x0, dtype=float)
    return Problem(x0, box, True, x0.shape)


def drive(steps, fun):
    """What the generator returns; ``fun(x)`` gives value and gradient."""
    reply = None
    while True:
        try:
            message = steps.send(reply)
        except StopIteration as end:
            return end.value
        reply = None
        if isinstance(message, Ask):
            pairs = [fun(x) for x in message.points]
            reply = Answers(np.array([f for f, _ in pairs]), np.array([g for _, g in pairs]))
