"""Evaluation by a map-like callable such as ``pool.map``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from numpy.typing import NDArray

from smoothmin._domain import Domain
from smoothmin._limits import Limits
from smoothmin._source import Objective
from smoothmin.workers.advice import explained
from smoothmin.workers.call import Call, Chunk, MarkedCall, mark_of
from smoothmin.workers.distributed import Distributed
from smoothmin.workers.intake import Intake


class Mapped(Distributed):
    """Batches given to ``workers(function, points)``, in whatever order answers come back."""

    def __init__(
        self, objective: Objective, domain: Domain, workers: Callable[..., Iterable[Any]]
    ) -> None:
        super().__init__(objective, domain)
        self._workers = workers

    def _gather(self, batch: NDArray[Any], order: int, limits: Limits, intake: Intake) -> None:
        """See `Distributed`: as far as the map gives answers one by one, so they are taken."""
        points = list(batch)  # a list, since some maps refuse iterators
        where: dict[bytes, list[int]] = defaultdict(list)
        for k in reversed(range(len(points))):
            where[mark_of(points[k])].append(k)
        answers = self._answers(MarkedCall(Call(self.objective, order)), points)
        there = isinstance(answers, (list, tuple))  # so that to look at all costs nothing
        count = 0
        for answer in _each(answers):
            count += 1
            if count <= len(points):
                mark, chunk = _checked(answer)
                if not where[mark]:
                    raise ValueError("workers: an answer came back for a point that was not given")
                intake.put(where[mark].pop(), chunk)
                intake.settle(waiting=there)
                if count < len(points) and not intake.failed:
                    limits.look_at_clock()
        if count != len(points):
            raise ValueError(f"workers: {len(points)} points were given and not as many came back")
        intake.settle(waiting=False)

    def _answers(self, call: MarkedCall, points: list[Any]) -> Any:
        try:
            return self._workers(call, points)
        except Exception as error:
            raise explained(error)  # noqa: B904 (it has its cause)


def _each(answers: Any) -> Iterator[Any]:
    """The answers one by one; what goes wrong on the way is explained."""
    if not isinstance(answers, Iterable):
        raise TypeError(f"workers must return the results of its function, got {answers!r:.80}")
    rest = iter(answers)
    while True:
        try:
            answer = next(rest)
        except StopIteration:
            return
        except Exception as error:
            raise explained(error)  # noqa: B904 (it has its cause)
        yield answer


def _checked(answer: Any) -> tuple[bytes, Chunk]:
    """An answer, if the map has not made something else of it."""
    if isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], Chunk):
        return answer
    raise TypeError(f"workers must return what its function returned, got {answer!r:.80}")
