"""A run with constraints, as the engine sees it: its beginning, its methods, its result."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from smoothmin._differences import Stencil
from smoothmin._domain import Domain
from smoothmin._limits import Limits
from smoothmin._method import Method
from smoothmin._protocol import Answers, Array, Ask, Multipliers, Problem
from smoothmin.constraints.evaluation import Sizes
from smoothmin.constraints.feasibility import start_within
from smoothmin.constraints.forms import Forms
from smoothmin.constraints.ledger import ConstrainedLedger
from smoothmin.constraints.region import Region
from smoothmin.constraints.result import describe


@dataclass
class Constraints:
    """Constraints checked before a run: the forms, the region, and who learns of its rows."""

    forms: Forms
    region: Region
    sizes: Sizes
    contradiction: str

    @classmethod
    def of(cls, forms: Forms, domain: Domain) -> tuple[Constraints, Domain]:
        """The constraints on this domain, which starts where it may afterwards."""
        region = Region.of(forms, domain)
        domain, contradiction = start_within(region, domain)
        sizes = Sizes([forms.items[k].seen_by(domain.structure) for k in forms.nonlinear])
        return cls(forms, region, sizes, contradiction), domain

    def ledger(self, domain: Domain, limits: Limits, stencil: Stencil | None) -> ConstrainedLedger:
        """The ledger of a run."""
        return ConstrainedLedger(domain, limits, stencil, self.region, self.sizes)


@dataclass
class Constrained:
    """One run: what the engine asks of its constraints."""

    contradiction: str
    ledger: ConstrainedLedger
    domain: Domain
    exact: bool  # whether the user's code computes the function's gradient
    _first: Ask | None = field(default=None, init=False)
    _answers: Answers | None = field(default=None, init=False)

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
        if first is None or answers is None or ask.order > first.order:
            return None
        if not np.array_equal(ask.points, first.points):
            return None
        self._first = None
        if ask.order == 0:
            return Answers(answers.values, None, answers.rows)
        return answers

    def around(self, method: Method, problem: Problem) -> Method:
        """The method, shown a problem that it can take."""
        from smoothmin.constraints.elimination import Eliminated, equalities_of
        from smoothmin.constraints.penalty import ExactPenalty

        equalities = equalities_of(problem.linear)
        rows = problem.nonlinear is not None or problem.linear is not None
        if rows and not method.handles_constraints:
            method = ExactPenalty(method)
        if equalities is None:
            return method
        return Eliminated(method, equalities)

    def describe(self, x: Array, told: Multipliers | None) -> dict[str, Any]:
        """The fields of the result."""
        return describe(self.ledger, self.domain, x, told)
