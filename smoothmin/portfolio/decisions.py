"""What comes next in a search from values alone: a table over what is known.

`next_action` is a pure function of `Facts`: the first row of `TABLE` whose condition holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Action(Enum):
    """What a search from values alone can do next."""

    SCALE = "measure the scale of small start values"
    SAMPLE = "sample the box, since values at the start say nothing"
    MIDDLE = "compare the start with the middle of the box"
    STAR = "the first points of a model"
    TEST = "test whether the function is a sum over the variables"
    SUM = "search every variable of a sum"
    MODEL = "model descent"
    SMOOTHING = "directional smoothing"
    DESCENT = "difference descent from the best point"
    NEAR = "Gaussian search near where a descent creeps"
    COORDINATES = "search along the coordinates"
    SEARCH = "Gaussian search, or a slice of it"
    SCOUT = "short search at another scale"
    POLISH = "difference descent from the best point, at the end of the first round"
    LOOK = "look along rays from a minimum whether there may be others"
    ELSEWHERE = "difference descent from beyond a rise"
    STEPS = "difference descents from beyond the ends of plateaus"
    RESTART = "difference descent from a promising point"
    LARGER = "Gaussian search with a larger population"
    ROUND = "begin the next round"
    END = "end"


@dataclass(frozen=True)
class Facts:
    """What decides about the next action.

    Parameters
    ----------
    n : int
        Number of variables.
    boxed : bool
        Whether bounds say how far every variable moves.
    guessed : bool
        Whether that is a guess.
    finite : bool
        Whether any value was finite.
    no_value : bool
        Whether the start, in a finite box, has no value.
    level : bool
        Whether values around the start, in a finite box, do not differ.
    separable : bool
        Whether the function is known to be a sum over the variables.
    noisy : bool
        Whether noise makes differences useless.
    accurate : bool
        Whether the first step of a model came out as predicted.
    lost : bool
        Whether the first descent ended at no minimum.
    jumps : bool
        Whether that was for want of values, or since they jump.
    settled : bool
        Whether a descent found a minimum.
    evidence : bool
        Whether values along rays from it fall again.
    others : bool
        Whether a descent from beyond a rise led elsewhere.
    scouting : bool
        Whether scouts may go out at all.
    scouts_due : bool
        Whether they have had less than their share beside the first search.
    local_left : bool
        Whether local effort has had less than its share beside the searches.
    flat : bool
        Whether differences were zero along some variables, and nobody has looked yet what lies
        beyond them from the best point.
    futile : bool
        Whether descents make no steps, as on a plateau.
    all_seen : bool
        Whether descents have ended at as many minima as they make one expect.
    round, restarts : float
        The round, the first being 0, and the last one.
    done : frozenset of Action
        In this round.
    few, many : int
        Numbers of variables up to which models are descended, and from which on smoothing
        and coordinates come before distributions.
    """

    n: int
    boxed: bool = False
    guessed: bool = True
    finite: bool = True
    no_value: bool = False
    level: bool = False
    separable: bool = False
    noisy: bool = False
    accurate: bool = False
    lost: bool = False
    jumps: bool = False
    settled: bool = False
    evidence: bool = False
    others: bool = False
    scouting: bool = False
    scouts_due: bool = False
    local_left: bool = False
    flat: bool = False
    futile: bool = False
    all_seen: bool = False
    round: int = 0
    restarts: float = 0
    done: frozenset[Action] = frozenset()
    few: int = 50
    many: int = 100

    @property
    def small(self) -> bool:
        """Whether a model comes before the first differences."""
        return self.n <= self.few

    @property
    def once(self) -> bool:
        """Whether the first minimum is the last, unless something speaks for others."""
        return self.restarts == 0

    @property
    def solved(self) -> bool:
        """Whether nothing speaks for other minima than the one that was found."""
        return self.once and self.settled and Action.LOOK in self.done and not self.others

    @property
    def movable(self) -> bool:
        """Whether descents are of use."""
        return not self.noisy and not self.futile

    @property
    def large(self) -> bool:
        """Whether a distribution learns too slowly to come first."""
        return self.n > self.many


Condition = Callable[[Facts], bool]

# rows of the first round are for actions not done yet; those below for every later round
FIRST: tuple[tuple[Action, Condition], ...] = (
    (Action.SAMPLE, lambda f: f.no_value or f.level),
    (Action.SCALE, lambda f: f.guessed and not f.boxed),
    (Action.MIDDLE, lambda f: f.boxed and not f.once),
    (Action.STAR, lambda f: f.boxed and f.small),
    (Action.MODEL, lambda f: f.accurate),
    (Action.TEST, lambda f: f.boxed and not (f.settled and f.once)),
    (Action.SUM, lambda f: f.separable),
    (Action.DESCENT, lambda f: f.once and not f.boxed),
    (Action.MODEL, lambda f: f.small and not f.separable and not f.settled),
    (Action.SMOOTHING, lambda f: f.large and not f.separable),
    (Action.DESCENT, lambda f: not f.separable and not (f.settled and f.once)),
    (Action.LOOK, lambda f: f.settled and f.once),
    (Action.ELSEWHERE, lambda f: f.evidence),
    (Action.NEAR, lambda f: f.boxed and f.lost and not f.jumps),
    (Action.COORDINATES, lambda f: f.large and f.finite and not f.separable),
    (Action.RESTART, lambda f: f.finite and not f.once and f.movable),
    (Action.SEARCH, lambda f: True),
    (Action.POLISH, lambda f: f.finite),
)
LATER: tuple[tuple[Action, Condition], ...] = (
    (Action.COORDINATES, lambda f: True),
    (Action.LARGER, lambda f: True),
)


def next_action(facts: Facts) -> Action:
    """The first action that is not done and whose condition holds."""
    if facts.flat and facts.movable:
        return Action.STEPS
    if facts.round == 0:
        if facts.no_value and Action.SAMPLE in facts.done:
            return Action.END
        if facts.solved and not (facts.evidence and Action.ELSEWHERE not in facts.done):
            return Action.END
        if facts.scouts_due and Action.SEARCH not in facts.done:
            return Action.SCOUT
        rows = FIRST
    else:
        if facts.local_left and not {Action.COORDINATES, Action.LARGER} & facts.done:
            if facts.scouting:
                return Action.SCOUT
            if facts.movable:
                return Action.RESTART
        rows = LATER
    for action, condition in rows:
        if action not in facts.done and condition(facts):
            return action
    if facts.once and facts.others and facts.local_left and facts.movable and not facts.all_seen:
        return Action.RESTART
    more = facts.finite and facts.round < facts.restarts
    return Action.ROUND if more else Action.END
