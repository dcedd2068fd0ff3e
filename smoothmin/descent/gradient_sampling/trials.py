"""When a mechanism is tried in place of plain steps, how long it goes on, when it may return.

Mechanisms that bring much on some functions bring nothing on others, and which is the case
shows by trying. A trial begins where its mechanism has reason to, is judged again and again,
and ends with several bad verdicts in a row. The next has to wait, longer each time, so that
all trials without improvement together take a small share of a run.
"""

from __future__ import annotations

from smoothmin._factors import WITNESSES
from smoothmin.descent.gradient_sampling.settings import TrialSettings

# growth of the wait after a trial that has not paid: n evaluations see O(log n) trials
BACKOFF = 4


class Trials:
    """The trials of one mechanism.

    Attributes
    ----------
    active : bool
        Whether one is under way.
    """

    def __init__(self, settings: TrialSettings) -> None:
        self._settings = settings
        self._wait, self._next_wait = 0, settings.wait
        self._good = self._bad = 0
        self.active = False

    def plain(self, nfev: int) -> None:
        """Take note of a step by other means, of ``nfev`` evaluations."""
        self._wait -= nfev

    @property
    def ready(self) -> bool:
        """Whether the wait is over."""
        return not self.active and self._wait <= 0

    @property
    def paid(self) -> bool:
        """Whether the trial, or the last one, had enough good verdicts."""
        return self._good >= WITNESSES

    def enter(self) -> None:
        """Begin a trial."""
        self.active = True
        self._good = self._bad = 0

    def judge(self, good: bool) -> bool:
        """Take a verdict; whether the trial goes on."""
        self._good += good
        self._bad = 0 if good else self._bad + 1
        if self._bad >= self._settings.strikes:
            self.leave()
        return self.active

    def leave(self) -> None:
        """End the trial."""
        self.active = False
        self._wait = self._next_wait
        if self.paid:
            self._wait = self._next_wait = self._settings.wait
        else:
            self._next_wait *= BACKOFF


class Rates:
    """What steps gain for an evaluation, in windows of ``size`` evaluations or more.

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

    def fall_less(self, share: float) -> bool:
        """Whether the last window gained more than a share of what the one before did."""
        return self.rate > share * self.before > 0
