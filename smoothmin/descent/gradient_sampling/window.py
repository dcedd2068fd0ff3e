"""What steps gain for an evaluation, compared from window to window."""

from __future__ import annotations


class Window:
    """Gains of steps, taken together until they are ``size`` evaluations or more.

    Parameters
    ----------
    size : int
        Evaluations.

    Attributes
    ----------
    rate, before : float
        Gain for an evaluation in the last full window and in the one before; 0 without one.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.clear()

    def clear(self) -> None:
        """Forget all windows."""
        self.rate = self.before = 0.0
        self._gained, self._spent = 0.0, 0

    def add(self, gained: float, nfev: int) -> bool:
        """Take note of a step; whether that makes the window full, and another begin."""
        self._gained, self._spent = self._gained + gained, self._spent + nfev
        if self._spent < self.size:
            return False
        self.before, self.rate = self.rate, self._gained / self._spent
        self._gained, self._spent = 0.0, 0
        return True
