"""What speaks against success at the end of a search from values alone."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from smoothmin._protocol import Done, advance
from smoothmin.derivative_free.verification import verified


@pytest.mark.parametrize(("n", "silent", "ended"), [(2, 11, True), (20, 15, False), (20, 21, True)])
def test_values_that_ended(n, silent, ended):
    x = np.zeros(n)
    problem = SimpleNamespace(x0=x, clip=lambda points: points)
    incumbent = SimpleNamespace(
        x=x, fun=1.0, problem=problem, silent=silent, differs=False, noise=None
    )
    said = advance(verified(incumbent, np.ones(n)))
    assert isinstance(said, Done)
    assert said.value is not None
    assert ("finite" in said.value) == ended
