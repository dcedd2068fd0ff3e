"""A source for objectives that numba has compiled; imports numba.

It begins as `Serial` and goes over to compiled loops when as much time was spent as their
compilation takes: at most twice the time of whoever knew before which was better
(A. R. Karlin et al., "Competitive snoopy caching", Algorithmica 3, 1988). Neither changes a
bit of what is evaluated, nor of what is summed, so that no run depends on the moment.
"""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from smoothmin._domain import Domain
from smoothmin._failures import unguarded
from smoothmin._limits import PROMPT, Limits
from smoothmin._out import IntoOut
from smoothmin._protocol import Answers, Array, Mask, Samples
from smoothmin._source import Block, Objective, Serial, Source
from smoothmin.compiled import _kernels
from smoothmin.compiled.trampoline import (
    Compilation,
    Form,
    NotCompiled,
    Trampoline,
    compilation,
    is_compiled,
    layout,
)

PRICE = 0.2  # seconds that the compilation of a trampoline takes
SUMMED = -1  # an order that no method asks for: values, and of gradients the sum
ALL = np.empty(0, dtype=np.intp)


class Sum:
    """Gradients in sum, and the kernel's room for it: `smoothmin.compiled._kernels`.

    ``kept`` says which of at most ``count`` samples are in it, of ``size`` free of ``width``
    variables; ``state`` is how many, and the index of the lowest value. ``loop`` is the kernel
    with all arguments that calls have in common.
    """

    __slots__ = ("_size", "kept", "loop", "rows", "state", "total")

    def __init__(self, kernel: Callable[..., int], count: int, width: int, size: int) -> None:
        self.kept: Mask = np.empty(count, np.bool_)
        self.rows: Array = np.empty((_kernels.SUM + 1, width))
        self.state: NDArray[np.int64] = np.empty(2, np.int64)
        self.total: Array = self.rows[_kernels.SUM, :size]
        self.loop = partial(kernel, self.kept, self.rows, self.state)
        self._size = size

    def over(self, count: int) -> tuple[Mask | None, Array]:
        """Which of the first ``count`` samples are in the sum, None for all, and the sum."""
        kept: int = self.state.item(0)
        return None if kept == count else self.kept[:count], self.total

    def __getitem__(self, index: int) -> Array:
        """The gradient at the lowest value."""
        assert index == self.state[1]
        lowest: Array = self.rows[_kernels.LOWEST, : self._size]
        return lowest

    def add(self, value: float, row: Array, k: int, values: Array) -> None:
        """Take sample ``k``, as the loop does; ``values`` are those before it."""
        self.kept[k] = math.isfinite(value) and bool(np.isfinite(row).all())
        if self.kept[k]:
            self.state[0] += 1
            self.total += row
        if k == 0 or value < np.fmin(np.inf, values[self.state[1]]):
            self.state[1] = k
            self[k][:] = row


class Compiled(Source):
    """Batches in compiled loops as soon as that pays, in Python until then.

    ``shared`` says that arrays in ``args`` are not to be written to.
    """

    price: ClassVar[float | None] = None
    shared: ClassVar[bool] = False

    def __init__(self, objective: Objective, domain: Domain) -> None:
        super().__init__(objective, domain)
        self._python = Serial(objective, domain)
        self._start = domain.start.copy()
        self._free = ALL if domain.free is None else domain.free
        self._apart = callable(objective.jac)  # then fun may change its argument, not jac's
        self._compilations: dict[bool, Compilation | None] = {}
        self._trampolines: dict[int, Trampoline] = {}  # by order, those that are there
        self._nowhere = np.full(domain.size, -0.0)  # added to it a point is as it was
        self._kind: Any = None  # numba's, of the data
        self._data: Any = None
        self._sum: Sum | None = None  # taken again, as memory that was just used is fast
        self._called: set[int] = set()  # orders
        self._seconds = 0.0  # of one evaluation, as last measured

    def batches(self, blocks: Any) -> Any:
        """As `Serial`."""
        return self._python.batches(blocks)

    def sample(self, ask: Samples, evaluate: Any) -> Answers:
        """Samples; if their sum is all that is needed, no gradient is ever kept."""
        if not ask.in_sum or self._trampoline(1) is None:
            return super().sample(ask, evaluate)
        found = []
        for steps in ask.blocks():
            values, sums = evaluate(steps, SUMMED, ask.center)
            found.append(values)
            ask.take_sum(values, *sums.over(len(values)))
        return Answers(found[0] if len(found) == 1 else np.concatenate(found), taken=True)

    def __call__(
        self, points: NDArray[Any], order: int, limits: Limits, center: Array | None = None
    ) -> Block:
        """See `Source`; a lone point is as soon evaluated from Python."""
        if order == SUMMED:
            return self._summed(points, limits, center)
        lone = len(points) == 1
        if lone and self._seconds:
            return self._python(points, order, limits, center)
        trampoline = None if lone or points.dtype.kind != "f" else self._trampoline(order)
        if trampoline is not None:
            return self._in_loops(trampoline, points, order, limits, center)
        began = time.perf_counter()
        found = self._python(points, order, limits, center)
        self._pay(order, time.perf_counter() - began, len(points))
        return found

    def _pay(self, order: int, seconds: float, count: int) -> None:
        """Count what was spent in Python on batches, but for the first call, which compiles."""
        self._seconds = seconds / max(1, count)
        spent_on = self._compilations.get(bool(order))
        first = order not in self._called
        self._called.add(order)
        if spent_on is not None and count > 1 and not first:
            spent_on.spent += seconds

    def _trampoline(self, order: int) -> Trampoline | None:
        """The compiled objective, if there is one by now."""
        ready = self._trampolines.get(order)
        if ready is not None:
            return ready
        with_gradient = bool(order) and self.objective.has_gradient
        if with_gradient not in self._compilations:
            self._compilations[with_gradient] = self._compilation(with_gradient)
        price = PRICE if self.price is None else self.price
        found = self._compilations[with_gradient]
        ready = None if found is None else found.trampoline(price)
        if ready is not None:
            self._trampolines[order] = ready
        return ready

    def _compilation(self, with_gradient: bool) -> Compilation | None:
        """What is to be compiled, if it can be."""
        fun, jac = map(unguarded, (self.objective.fun, self.objective.jac))
        paired = self.objective.paired
        last = fun if paired else jac
        into_out = isinstance(last, IntoOut)
        fun, jac = (f.fun if isinstance(f, IntoOut) else f for f in (fun, jac))
        jac = jac if self._apart and with_gradient else None
        if not is_compiled(fun) or not (jac is None or is_compiled(jac)):
            return None
        if self._data is None:
            try:
                laid_out = layout(self.domain.shape, self.objective.args, self.shared)
            except NotCompiled:
                return None
            self._kind, self._data = laid_out
        kind = self._kind
        return compilation(Form(fun, jac, paired, into_out and (paired or jac is not None), kind))

    def _summed(self, points: Array, limits: Limits, center: Any) -> Block:
        """Values and a `Sum`, in one call where nothing has to be looked at in between."""
        count, sums, begun = len(points), self._sum, None
        unwatched = not limits.watched and count * self._seconds < PROMPT
        if unwatched and sums is not None and count <= len(sums.kept):
            values = np.empty(count)
            done = sums.loop(owned(center), owned(points), -math.inf, values, 0, count)
            if done == count:
                return values, sums, None
            begun = values, done
        trampoline = self._trampoline(1)
        assert trampoline is not None
        return self._in_loops(trampoline, points, SUMMED, limits, center, begun)

    def _in_loops(
        self,
        trampoline: Trampoline,
        points: Array,
        order: int,
        limits: Limits,
        center: Any,
        begun: tuple[Array, int] | None = None,
    ) -> Block:
        """Evaluate as many of the points as limits and the user's code let us.

        Some of the values may be there already, in an array with room for all.
        """
        count, target = len(points), limits.f_target
        values, done = (np.empty(count), 0) if begun is None else begun
        gradients = self._room_for(trampoline, count, order)
        loop = self._loop(trampoline, points, center, target, values, gradients)
        ended = None
        while done < count and ended is None:
            begin, end = done, min(count, done + self._unattended())
            try:
                began = time.perf_counter()
                done = loop(begin, end)
                self._seconds = (time.perf_counter() - began) / ((done - begin) or 1)
                if done < end and (done == begin or not values[done - 1] <= target):
                    row, ended = self._in_python(points, done, limits, center, values, gradients)
                    done += row
                elif limits.watched:
                    limits.look(values.item(done - 1))
            except BaseException as error:  # what was evaluated before it must not be lost
                ended = error
        if ended is None:
            return values, gradients, None
        whole = gradients is None or order == SUMMED
        return values[:done], gradients if whole else gradients[:done], ended

    def _room_for(self, trampoline: Trampoline, count: int, order: int) -> Any:
        """What a loop writes gradients to: rows, a `Sum`, or None."""
        if order == SUMMED:
            if self._sum is None or len(self._sum.kept) < count:
                kernel = self._bound_to(trampoline, _kernels.gradients_in_sum, self._apart)
                self._sum = Sum(kernel, count, self._start.size, self.domain.size)
            return self._sum
        return (
            np.empty((count, self.domain.size)) if order and self.objective.has_gradient else None
        )

    def _unattended(self) -> int:
        """How many points are evaluated between two looks at the clock."""
        return max(1, int(PROMPT / self._seconds)) if self._seconds else 1

    def _loop(
        self,
        trampoline: Trampoline,
        points: Array,
        center: Array | None,
        target: float,
        values: Array,
        gradients: Any,
    ) -> Callable[[int, int], int]:
        """What evaluates the points from an index to another and says how far it came."""
        center = self._nowhere if center is None else owned(center)
        to = (center, owned(points), target, values)
        if isinstance(gradients, Sum):
            return partial(gradients.loop, *to)
        if gradients is None:
            return partial(self._bound_to(trampoline, _kernels.values_alone), *to)
        kernel = self._bound_to(trampoline, _kernels.with_gradients, self._apart)
        return partial(kernel, *to, gradients)

    def _bound_to(self, trampoline: Trampoline, kernel: Any, *apart: bool) -> Callable[..., int]:
        """The kernel with its first arguments, which no call changes."""
        where = (trampoline.address, ctypes.addressof(self._data))
        return partial(kernel, *where, *apart, self._start, self._free)

    def _in_python(
        self,
        points: Array,
        k: int,
        limits: Limits,
        center: Array | None,
        values: Array,
        gradients: Any,
    ) -> tuple[int, BaseException | None]:
        """Evaluate the point that the trampoline had no answer for: 1 if there is one."""
        order = 0 if gradients is None else 1
        found, rows, ended = self._python(points[k : k + 1], order, limits, center)
        if len(found):
            if isinstance(gradients, Sum):
                gradients.add(found.item(0), rows[0], k, values)
            elif gradients is not None:
                gradients[k] = rows[0]
            values[k] = found[0]
        return len(found), ended


def owned(array: Array) -> Array:
    """The array as kernels are compiled for: contiguous and writeable."""
    if array.flags.carray:
        return array
    return np.array(array, order="C")
