"""A source whose answers are kept in a journal, and come from it as long as it has any.

The same call makes the same points, so what was found at them need not be found again.
"""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from smoothmin import _status
from smoothmin._limits import Halt, Limits
from smoothmin._machine import EPS, LARGE
from smoothmin._protocol import Array
from smoothmin._source import Block, Serial, Source
from smoothmin._status import Status
from smoothmin._vectorized import Vectorized
from smoothmin.constraints.evaluation import ConstrainedColumns, FeasibleLimits, OneByOne
from smoothmin.journal.identity import Identity, changed_code, differing, fitting
from smoothmin.journal.options import Journal
from smoothmin.journal.records import JournalFile, Record
from smoothmin.journal.rounding import Drift

Part: TypeAlias = tuple[NDArray[Any], Any]  # values, and gradients or None


class Journaled(Source):
    """Another source's answers, remembered.

    Parameters
    ----------
    source : Source
    journal : Journal
    words : dict
        What the run is: see `smoothmin.journal.identity`.

    Attributes
    ----------
    seed : int
        For a run that has none of its own: the same for as long as the file is there.

    Raises
    ------
    ValueError, RuntimeError, OSError
        If the file is not the journal of such a problem, is being written by another run, or
        cannot be opened. What is in it is left as it was.

    Warns
    -----
    RuntimeWarning
        If the end of the file is damaged, if ``fun`` is another than it was, if points are
        the same but for rounding, and if the file cannot be written any more.
    """

    def __init__(self, source: Source, journal: Journal, words: Identity) -> None:
        super().__init__(source.objective, source.domain)
        self._source, self._journal = source, journal
        self._words = fitting(words)
        header = {"drawn": secrets.token_hex(16), **self._words}
        self._file = JournalFile(journal.file, header)
        self.seed = int(self._file.header["drawn"], 16)
        self._writes = True
        self._held: Record | None = None  # what of a record has not been served yet
        self._served = 0
        self._drift, self._warned = Drift(), False
        count, checks = self._file.count, min(journal.check, self._file.count)
        self._to_check = set(np.linspace(0, count - 1, checks).astype(int).tolist())
        # by streams, and nothing is known of: what the file has no value of is not yet asked for
        self._unanswered: Array = np.empty((0, self.domain.size))
        # what is lost if the process dies: what was asked of the source in one call
        self._one_by_one = isinstance(source, (Serial, OneByOne))
        try:
            self._compare_words()
        except BaseException:
            self._file.close()
            raise

    def batches(self, blocks: Iterator[Array]) -> Iterator[list[Array]]:
        """As the source likes them."""
        return self._source.batches(blocks)

    @property
    def parallel(self) -> int | None:
        """See `Source`."""
        return self._source.parallel

    @property
    def under_way(self) -> int:
        """See `Source`."""
        return len(self._unanswered) + self._source.under_way

    def stream(self, points: Array, left: int, limits: Limits) -> Block:
        """See `Source`: what came together comes together again."""
        self._unanswered = np.concatenate([self._unanswered, points])
        record = self._next(len(self._unanswered))
        if record is not None:
            return self._streamed_again(record, limits)
        points, self._unanswered = self._unanswered, self._unanswered[:0]
        found, values, ended = self._source.stream(points, left, limits)
        failed = self._keep(found, values, None)
        return found, values, ended or failed

    def _streamed_again(self, record: Record, limits: Limits) -> Block:
        """What the file has of points that were asked for: the nearest to those it has."""
        whole = self._whole(self._unanswered)
        rows: list[int] = []
        for point in record.points:
            away = np.abs(whole - point).max(axis=1)
            away[rows] = np.inf
            rows.append(int(away.argmin()))
        self._compare(whole[rows], record, False)
        found = self._unanswered[rows]
        self._unanswered = np.delete(self._unanswered, rows, axis=0)
        count, ended = self._until(found, record.values, limits)
        return found[:count], record.values[:count].copy(), ended

    def close(self) -> None:
        """Close the file, and the source."""
        self._file.close()
        self._source.close()

    def __call__(
        self, points: NDArray[Any], order: int, limits: Limits, center: Array | None = None
    ) -> Block:
        """See `Source`."""
        points = points if center is None else center + points
        want = order > 1 or (order == 1 and self.objective.has_gradient)
        parts, ended = self._remembered(points, want, limits)
        done = sum(len(part[0]) for part in parts)
        step = 1 if self._one_by_one else max(1, len(points))
        while ended is None and (done < len(points) or not parts):
            asked = points[done : done + step]
            values, gradients, ended = self._source(asked, order, limits)
            if len(values) or not parts:  # of none the width may be unknown
                parts.append((values, gradients))
            done += len(values)
            failed = self._keep(asked[: len(values)], values, gradients)
            ended = ended or failed
        if len(parts) == 1:
            return *parts[0], ended
        gradients = np.concatenate([part[1] for part in parts]) if want else None
        return np.concatenate([part[0] for part in parts]), gradients, ended

    def _remembered(
        self, points: NDArray[Any], want: bool, limits: Limits
    ) -> tuple[list[Part], BaseException | None]:
        """What the journal has of these points, as far as a run would have gone."""
        parts: list[Part] = []
        whole, done = self._whole(points), 0
        ended: BaseException | None = None
        while ended is None and done < len(points):
            record = self._next(len(points) - done)
            if record is None:
                break
            here = slice(done, done + len(record.points))
            self._compare(whole[here], record, want)
            count, ended = self._until(points[here], record.values, limits)
            _, values, gradients = record.rows(slice(count))
            # what is read is not to be written to
            copied = gradients.copy() if want and gradients is not None else None
            parts.append((values.copy(), copied))
            done += count
        return parts, ended

    def _next(self, most: int) -> Record | None:
        """At most so many of the next evaluations that were kept."""
        record = self._held or self._file.next()
        if record is None:
            return None
        self._held = record.rows(slice(most, None)) if len(record.points) > most else None
        return record.rows(slice(most))

    def _until(
        self, points: NDArray[Any], values: NDArray[Any], limits: Limits
    ) -> tuple[int, BaseException | None]:
        """How many of the values a run would have taken, and what would have ended it."""
        if np.iscomplexobj(values) or limits.f_target == -np.inf:
            return len(values), None
        # with constraints the value is the first of a row
        for k in np.flatnonzero(values.reshape(len(values), -1)[:, 0] <= limits.f_target):
            try:
                if isinstance(limits, FeasibleLimits):
                    limits.look_at_point(points[k], values[k])
                else:
                    limits.look_at_value(float(values[k]))
            except Halt as halt:
                # a function of columns has found all of them by then
                whole = isinstance(self._source, (Vectorized, ConstrainedColumns))
                return len(values) if whole else int(k) + 1, halt
        return len(values), None

    def _compare(self, asked: NDArray[Any], record: Record, want: bool) -> None:
        """Raise unless these points are those of the record, or nearly."""
        points = record.points
        fits = points.dtype == asked.dtype
        same = self._drift.rounding(asked, points) if fits else 0
        if same < len(points):
            away = float(np.abs(asked[same] - points[same]).max())
            raise self._refusal(
                f"evaluation {self._served + same + 1} was at another point, {away:.3g} away"
            )
        if want and record.gradients is None:
            raise self._refusal(f"evaluation {self._served + 1} has no gradient")
        if self._drift.largest > 0 and not self._warned:
            self._warned = True
            warnings.warn(
                f"journal {self._file.path!r}: from evaluation {self._served + 1} on points differ "
                f"by rounding from those asked for, by {self._drift.largest:.3g} at first, as with "
                "another processor or library; values are those at the points that were kept",
                RuntimeWarning,
                stacklevel=2,
            )
        self._check(record)
        self._served += len(points)

    def _check(self, record: Record) -> None:
        """Evaluate again what is to be checked."""
        here = range(self._served, self._served + len(record.points))
        for k in sorted(self._to_check.intersection(here)):
            point, value = record.points[k - here.start], record.values[k - here.start]
            free = point if self.domain.free is None else point[self.domain.free]
            again, _, ended = self._source(free[None], 0, Limits())
            if ended is not None:
                raise ended
            if not np.allclose(again[0], value, rtol=EPS**0.5, atol=0, equal_nan=True):
                raise ValueError(
                    f"journal {self._file.path!r}: evaluation {k + 1} was {value}, and is "
                    f"{again[0]} now at the same point: `fun` has changed, or it is noisy"
                )

    def _keep(
        self, points: NDArray[Any], values: NDArray[Any], gradients: Array | None
    ) -> BaseException | None:
        """Write what was found; what ends the run if it cannot be."""
        if not (self._writes and len(values)):
            return None
        whole = self._whole(points)
        rows = max(1, LARGE // whole.shape[1])
        try:
            for k in range(0, len(values), rows):
                self._file.add(Record(whole, values, gradients).rows(slice(k, k + rows)))
        except OSError as error:
            self._writes = False
            return self._failed(error)
        return None

    def _failed(self, error: OSError) -> Halt | None:
        """What is done about a file that cannot be written any more."""
        text = f"journal {self._file.path!r} cannot be written any more ({error})"
        if self._journal.on_failure == "stop":
            return Halt(Status.INTERRUPTED, _status.stopped_by_journal(text))
        warnings.warn(f"{text}: the run goes on without it", RuntimeWarning, stacklevel=2)
        return None

    def _whole(self, points: NDArray[Any]) -> NDArray[Any]:
        """The user's arrays, flat: (k, N)."""
        domain = self.domain
        if domain.free is None:
            return points
        whole = np.empty((len(points), domain.start.size), dtype=points.dtype)
        whole[:] = domain.start
        whole[:, domain.free] = points
        return whole

    def _compare_words(self) -> None:
        """What points cannot tell: other variables, and another function."""
        kept, here = self._file.header, self._words
        if kept["size"] != list(here["size"]):
            raise self._refusal(f"it has {kept['size'][1]} of {kept['size'][0]} variables to vary")
        theirs, ours = (words["problem"].get("constraints") for words in (kept, here))
        if theirs != ours and self._file.count:
            raise self._refusal("it has other constraints")
        python = [words["version"]["python"] for words in (kept, here)]
        changed = list(changed_code(kept, here)) if python[0] == python[1] else []
        if changed and self._file.count:
            warnings.warn(
                f"journal {self._file.path!r} was written with another {', '.join(changed)}, whose "
                "values are used: remove it to begin anew",
                RuntimeWarning,
                stacklevel=2,
            )

    def _refusal(self, why: str) -> ValueError:
        what = differing(self._file.header, self._words)
        return ValueError(
            f"journal {self._file.path!r} is of another run: {why}. {what} Remove the file to "
            "begin anew."
        )
