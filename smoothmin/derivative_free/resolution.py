"""What a model's curvature says where its radius is as small as points can be told apart."""

from __future__ import annotations

from collections import deque

REMEMBERED = 3  # radii: of a model that was refined so often since


class Resolution:
    """Sizes of a model's curvature over shrinking radii.

    Across a kink, where the slope changes by c, a quadratic through values a radius r apart
    has a curvature of about c / r; where a function is smooth curvature stays.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)

    def note(self, radius: float, curvature: float) -> None:
        """Remember what the model was like at a radius that is given up for a smaller one."""
        self._seen.append((radius, curvature))

    def kinked(self, radius: float, curvature: float) -> bool:
        """Whether curvature has grown by more than half of the powers of the radius of a kink's."""
        return any(
            before > radius and curvature * radius**0.5 >= then * before**0.5 > 0
            for before, then in self._seen
        )

    def hidden(
        self, radius: float, slope: float, curvature: float, size: float, fall: float, share: float
    ) -> float:
        """Change of value between points that are not told apart.

        No more than a share of the value or of what it fell by: else points have to be told apart.
        """
        change = slope * radius + 0.5 * curvature * radius**2
        return 0.0 if self.kinked(radius, curvature) else min(change, share * max(size, fall))
