"""What is told while a run goes on: lines, a progress bar, records of `logging`.

Nothing is looked at more than once an interval but the clock, and without any of these the
engine has no monitor at all.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from typing import Any

from smoothmin._limits import PROMPT, Limits

LOGGER = "smoothmin"
INTERVAL = 1.0  # seconds between lines, about as fast as they are read
TOLD = ("phase", "radius", "sigma", "stationarity")  # what a line says of a method, if reported


class Monitor:
    """Tells how far a run is.

    Parameters
    ----------
    limits : Limits
    lines : bool
        Whether to print them: to a terminal or a notebook only.
    bar : bool
        Whether to show one, by tqdm; lines are printed where that is not installed.
    """

    def __init__(self, limits: Limits, lines: bool, bar: bool) -> None:
        self._limits, self._log = limits, logging.getLogger(LOGGER)
        self._bar = _bar(limits) if bar else None
        self._lines = (lines or (bar and self._bar is None)) and _is_watched(sys.stdout)
        self._told = self._drawn = limits.started  # when the last line, and the bar, were

    @classmethod
    def of(cls, limits: Limits, disp: bool, progress: bool) -> Monitor | None:
        """One if anybody wants to know."""
        logged = logging.getLogger(LOGGER).isEnabledFor(logging.INFO)
        return cls(limits, disp, progress) if disp or progress or logged else None

    def step(self, nit: int, nfev: int, best: float, info: dict[str, Any]) -> None:
        """After an iterate or an answer: tell, if the last time is long enough ago."""
        now = time.perf_counter()
        if self._bar is not None and now - self._drawn >= PROMPT:
            self._drawn = now
            self._advance(nfev, now)
            self._bar.set_postfix_str(f"best {best:.6g}", refresh=False)
        if now - self._told < INTERVAL:
            return
        self._told = now
        text = self._line(nit, nfev, best, info, now)
        self._log.info(text)
        if self._lines and self._bar is None:
            print(text, flush=True)

    def close(self, nfev: int, message: str) -> None:
        """At the end."""
        self._log.info(message)
        if self._bar is not None:
            self._advance(nfev, time.perf_counter())
            self._bar.close()

    def _line(self, nit: int, nfev: int, best: float, info: dict[str, Any], now: float) -> str:
        parts = [f"iteration {nit}", f"evaluations {nfev}", f"best {best:.8g}"]
        for name in TOLD:
            value = info.get(name)
            if isinstance(value, str):
                parts.append(value)
            elif isinstance(value, (int, float)):
                parts.append(f"{name} {value:.3g}")
        left = self._seconds_left(nfev, now)
        if math.isfinite(left):
            parts.append(f"at most {left:.0f} s left")
        return ", ".join(parts)

    def _seconds_left(self, nfev: int, now: float) -> float:
        """Until the first limit, evaluations taking as long as they took."""
        limits, passed = self._limits, now - self._limits.started
        by_count = passed * (limits.maxfev - nfev) / nfev if nfev else math.inf
        return max(0.0, min(limits.maxtime - passed, by_count))

    def _advance(self, nfev: int, now: float) -> None:
        limits = self._limits
        if limits.maxfev == math.inf and limits.maxtime < math.inf:
            done = min(now - limits.started, limits.maxtime)
        else:
            done = nfev
        self._bar.update(done - self._bar.n)  # type: ignore[union-attr]


def _is_watched(stream: Any) -> bool:
    """Whether somebody reads along: a terminal, or a notebook's stream."""
    try:
        return bool(stream.isatty()) or type(stream).__module__.startswith("ipykernel")
    except (AttributeError, ValueError):  # none, or closed
        return False


def _bar(limits: Limits) -> Any:
    """Tqdm's, if it is installed, against ``maxfev``, else ``maxtime``; off where nobody reads."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    by_time = limits.maxfev == math.inf and limits.maxtime < math.inf
    total = limits.maxtime if by_time else limits.maxfev
    return tqdm(
        total=total if math.isfinite(total) else None,
        unit="s" if by_time else "evaluation",
        disable=None,
        bar_format="{l_bar}{bar}| {n:.1f}/{total:.1f} s{postfix}" if by_time else None,
    )
