from __future__ import annotations
from dataclasses import dataclass
from typing import Any, ClassVar
import numpy as np
from smoothmin._method import Method
from smoothmin._protocol import Finish, Problem, Steps
from smoothmin._scale import typical_scale
from smoothmin._status import Status
from smoothmin._verdict import judge
from smoothmin.derivative_free.constrained.linear_set import LinearSet
from smoothmin.derivative_free.constrained.models import Bank
from smoothmin.derivative_free.constrained.rows import Sides
from smoothmin.derivative_free.constrained.trust_region import End, State, TrustRegion


@dataclass(frozen=True)
class ConstrainedModel(Method):
    scale: Any = None
    xtol: float = 1e-8

    def run(self, problem, rng):
        scale = typical_scale(problem, "scale", self.scale)
        sides, region = Sides.of(problem), LinearSet.of(problem, scale)
        k=len(sides)
        n = problem.x0.size
        state = State(problem, scale, rng, sides, region, Bank(n, k), np.ones(k), np.zeros(1+k), np.zeros(k))
        z = region.nearest(problem.x0/scale)
        if z is None: return Finish(Status.PRECISION,"no point")
        tr = TrustRegion(state, self.xtol)
        end = yield from tr.run(z)
        return Finish(Status.PRECISION, f"{end} {tr.delta:.3g}")
