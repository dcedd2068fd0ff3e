"""A function that knows how long it took, so that what is left is the library's time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


class Timed:
    """``fun``, and the processor's ``seconds`` spent in it since they were last set to 0."""

    def __init__(self, fun: Callable[[Any], Any]) -> None:
        self._fun = fun
        self.seconds = 0.0

    def __call__(self, x: Any) -> Any:
        """What ``fun`` returns."""
        start = time.process_time()
        out = self._fun(x)
        self.seconds += time.process_time() - start
        return out
