"""A run with constraints, as the engine sees it: its beginning, its methods, its result."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from smoothmin._differences import Stencil
from smoothmin._domain import Domain
from smoothmin._limits import Limits
from smoothmin._method import Method
from smoothmin._protocol import Answers, Array, Ask, Multipliers, Problem, Rows
from smoothmin.constraints.evaluation import Sizes, slopes_apart
from smoothmin.constraints.feasibility import start_within
from smoothmin.constraints.forms import Forms
from smoothmin.constraints.kept_differences import KeptStencil
from smoothmin.constraints.ledger import ConstrainedLedger
from smoothmin.constraints.region import FeasibleRegion, part_of
from smoothmin.constraints.result import describe


@dataclass
class Constraints:
    """Constraints checked before a run: the forms, the region, and who learns of its rows."""

    forms: Forms
    region: FeasibleRegion
    sizes: Sizes
    contradiction: str
    told: bool  # whether values come from the user

    @classmethod
    def of(cls, forms: Forms, domain: Domain, *, told: bool) -> tuple[Constraints, Domain]:
        """The constraints on this domain, which starts where it may afterwards."""
        region = FeasibleRegion.of(forms, domain)
        domain, contradiction = start_within(region, domain)
        sizes = Sizes([forms.items[k].seen_by(domain.structure) for k in forms.nonlinear])
        return cls(forms, region, sizes, contradiction, told), domain

    def keeps(self, domain: Domain) -> Callable[[Stencil], Stencil] | None:
        """What turns differences into such that leave nothing that no evaluation may."""
        linear = self.region.linear
        hard = None if linear is None else linear.hard
        functions = any(self.forms.items[k].hard.any() for k in self.forms.nonlinear)
        if hard is None and not functions:
            return None
        rows = None if linear is None or hard is None else part_of(linear, hard)
        return partial(kept, rows, domain)

    def slopes_apart(self, scheme: str | None) -> bool:
        """Whether differences of the function leave Jacobians to be evaluated."""
        if scheme is None or self.told:
            return False
        items = [self.forms.items[k] for k in self.forms.nonlinear]
        return any(slopes_apart(item, scheme) for item in items)

    def ledger(self, domain: Domain, limits: Limits, stencil: Stencil | None) -> ConstrainedLedger:
        """The ledger of a run."""
        return ConstrainedLedger(domain, limits, stencil, self.region, self.sizes)


def kept(rows: Rows | None, domain: Domain, stencil: Stencil) -> Stencil:
    """Differences that leave neither these rows nor the box."""
    return KeptStencil(stencil, rows, domain.box, domain.size)


@dataclass
class ConstrainedRun:
    """One run: what the engine asks of its constraints."""

    contradiction: str
    ledger: ConstrainedLedger
    domain: Domain
    exact: bool  # whether the user's code computes the function's gradient
    _first: Ask | None = field(default=None, init=False)
    _answers: Answers | None = field(default=None, init=False)

    def counted_by(self, ledger: Any) -> ConstrainedRun:
        """The same, to describe a result, by another ledger."""
        other = copy.copy(self)
        other.ledger = ledger
        return other

    def begin(self, problem: Problem) -> Generator[Ask, Answers, Problem]:
        """Evaluate the start; the problem with its rows."""
        if self.ledger.region.has_nonlinear:
            self._first = Ask(np.array(problem.x0)[None], int(self.exact))
            self._answers = yield self._first
        region = self.ledger.region
        return dataclasses.replace(problem, linear=region.linear, nonlinear=region.nonlinear)

    def recall(self, ask: Ask) -> Answers | None:
        """The answer to a request for the start alone, if it is known; once."""
        first, answers = self._first, self._answers
        if first is None or answers is None or not np.array_equal(ask.points, first.points):
            return None
        self._first = None
        if ask.order > first.order:
            ask.known = True
            return None
        if ask.order == 0:
            return Answers(answers.values, None, answers.rows)
        return answers

    def around(self, method: Method, problem: Problem) -> Method:
        """The method, shown a problem that it can take."""
        from smoothmin.constraints.elimination import Eliminated, equalities_of
        from smoothmin.constraints.penalty import ExactPenalty

        equalities = equalities_of(problem.linear)
        if problem.nonlinear is not None or problem.linear is not None:
            method = method.for_constraints() or ExactPenalty(method)
        if equalities is None:
            return method
        return Eliminated(method, equalities)

    def describe(self, x: Array, told: Multipliers | None) -> dict[str, Any]:
        """The fields of the result."""
        return describe(self.ledger, self.domain, x, told)
