"""What users give, as type checkers see it: aliases for the signatures of all front ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike


class BoundsLike(Protocol):
    """SciPy's `Bounds`; what is only read may be of any array's type."""

    @property
    def lb(self) -> ArrayLike: ...

    @property
    def ub(self) -> ArrayLike: ...


Fun: TypeAlias = Callable[..., object]
Blocks: TypeAlias = Mapping[str, ArrayLike] | Sequence[ArrayLike]
Start: TypeAlias = ArrayLike | Blocks
Scheme: TypeAlias = Literal["2-point", "3-point", "cs"]
Jac: TypeAlias = Fun | bool | Scheme | None
Pairs: TypeAlias = Sequence[tuple[float | None, float | None]]
Rows: TypeAlias = Sequence[Sequence[float | None]]
BoundsGiven: TypeAlias = BoundsLike | Pairs | Rows | Mapping[str, object]
Integrality: TypeAlias = ArrayLike | Mapping[str, ArrayLike]
Seed: TypeAlias = int | Sequence[int] | np.random.Generator | np.random.BitGenerator | None
Shapes: TypeAlias = Sequence[tuple[int, ...]]
Axes: TypeAlias = Sequence[int] | int
