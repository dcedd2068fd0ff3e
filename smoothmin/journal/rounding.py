"""Whether a point is another, or the same computed with other rounding.

Another processor, or another library of linear algebra, rounds differently, and a run
whose points come from such computations drifts from the one that was kept. The values it is
sent are those that were kept, so the drift is that of the method's own arithmetic: it is
small beside what the run has covered so far, to half of the digits, and it changes by
little, a quarter of the digits, beside each move.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothmin._machine import EPS, QUARTER_OF_DIGITS
from smoothmin._protocol import Array


class Drift:
    """How far the points of a run have drifted from those that were kept.

    Attributes
    ----------
    largest : float
        The largest element of any drift so far.
    """

    def __init__(self) -> None:
        self.largest = 0.0
        self._last: NDArray[Any] | None = None
        self._drift: NDArray[Any] | None = None
        self._scale: Array | None = None  # (N,): the largest |x| of each variable so far

    def rounding(self, asked: NDArray[Any], kept: NDArray[Any]) -> int:
        """How many of the first points ``asked`` (k, N) are those that were ``kept``."""
        same = self.largest == 0.0 and bool(np.array_equal(asked, kept))
        for k in range(0 if not same else len(kept), len(kept)):
            if not self._follows(asked[k], kept[k]):
                return k
        if same and len(kept):
            self._note(kept[-1], np.zeros_like(kept[-1]), np.abs(kept).max(axis=0))
        return len(kept)

    def _follows(self, asked: NDArray[Any], kept: NDArray[Any]) -> bool:
        drift, size = asked - kept, np.abs(kept)
        scale = size if self._scale is None else np.maximum(size, self._scale)
        floor = drift.size * EPS * scale.max()
        small = bool((np.abs(drift) <= EPS**0.5 * scale + floor).all())
        if small and self._last is not None and self._drift is not None:
            move = np.abs(kept - self._last).max()
            change = min(np.abs(drift - self._drift).max(), np.abs(drift).max())
            small = bool(change <= QUARTER_OF_DIGITS * move + floor)
        if small:
            self.largest = max(self.largest, float(np.abs(drift).max()))
            self._note(kept, drift, scale)
        return small

    def _note(self, last: NDArray[Any], drift: NDArray[Any], scale: Array) -> None:
        self._last, self._drift = last, drift
        self._scale = scale if self._scale is None else np.maximum(self._scale, scale)
