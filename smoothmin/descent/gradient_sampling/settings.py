"""Every number of "gradient-sampling" that could be another, and switches for its mechanisms.

Where no paper is named the number is a choice, which ``tests/benchmarks/bench_sensitivity.py``
halves and doubles on problems rotated, rescaled and shifted.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TrialSettings:
    """When trials of a mechanism end, and when they may begin again.

    Attributes
    ----------
    strikes : int
        Bad verdicts in a row that end a trial; 1 or more.
    wait : int
        Evaluations by other means before the next trial; 0 or more.
    """

    strikes: int = 2
    wait: int = 100


@dataclass(frozen=True)
class SearchSettings:
    """Quasi-Newton searches, on smooth functions and with a look ahead at kinks.

    Attributes
    ----------
    most_pairs : int
        Pairs of the limited memory before a kink is seen; 20 or more. Up to these as many as the
        cache holds.
    skewed : float
        Mean distance of changes, in units of what the slopes at both ends make them, from a
        half, with which there are kinks, to look ahead to; in (0, 1/2), where a kink anywhere
        in a step makes it 1/4 and a fourth power 1/12 far from its minimum.
    beyond : float
        First trial beyond a kink, in units of the distance to it; above 1.
    blocked : float
        A kink nearer than this share of the step makes it bend; in [0, 1].
    most_cuts : int
        More cuts than these within the reach of a step do not make it bend; 1 or more.
    """

    most_pairs: int = 50
    skewed: float = 0.06
    beyond: float = 1.25
    blocked: float = 0.2
    most_cuts: int = 10


@dataclass(frozen=True)
class SelfScalingSettings:
    """Trials of self-scaling updates.

    Attributes
    ----------
    slow : float
        What a window gains, in units of the one before, where steps are slow; in (0, 1).
    share : float
        Of what plain updates promise, that the first window of a trial is to gain; in [0, 1].
    power : float
        Of tau, by which updates shorten the matrix: 1 in Oren and Luenberger; in (0, 1].
    trials : TrialSettings
        A verdict is on a window.
    """

    slow: float = 0.3
    share: float = 0.5
    power: float = 0.25
    trials: TrialSettings = field(default=TrialSettings(strikes=1, wait=1000))


@dataclass(frozen=True)
class PieceSettings:
    """Models of smooth pieces, and whether they predict.

    Attributes
    ----------
    pieces : int
        Most that are kept, ``2 n + 2`` at most; 2 or more.
    reach : float
        How far points are near, and the first radius, in units of the last step; 1 or more.
    """

    pieces: int = 16
    reach: float = 4.0


@dataclass(frozen=True)
class BundleNewtonSettings:
    """Steps to the minimum of models (Conn, Gould, Toint, *Trust-Region Methods*, 17.1).

    Attributes
    ----------
    predictions : int
        Accurate ones in a row that let a trial begin; 1 or more.
    trusted : float
        Share of the predicted decrease that makes a step good; in (0, 1).
    trials : TrialSettings
        A verdict is on a step.
    """

    predictions: int = 2
    trusted: float = 0.5
    trials: TrialSettings = field(default=TrialSettings(wait=0))


@dataclass(frozen=True)
class CentralBundleSettings:
    """Steps to centres of cuts.

    Attributes
    ----------
    decades : float
        By which gains of other steps are to fall in as many evaluations as variables, and a
        window, or they are slow; above 0. Windows are at least a quarter of the variables.
    closing : float
        What as many evaluations leave of the gap at most; in (0, 1).
    cuts : int
        Tangents kept for each variable; 2 or more.
    trials : TrialSettings
        A verdict is on as many evaluations as variables, and a window.
    """

    decades: float = 1.2
    closing: float = 0.3
    cuts: int = 4
    trials: TrialSettings = field(default=TrialSettings())


@dataclass(frozen=True)
class GradientSamplingSettings:
    """What "gradient-sampling" is made of.

    Attributes
    ----------
    piece_models, central_cuts : bool
        Steps by models of few smooth pieces, and to centres of cuts.
    look_ahead, bending : bool
        First trials just beyond a kink that tangents predict, and steps that bend there.
    self_scaling, starting_scales : bool
        Trials of self-scaling updates, and a first metric of the variables' scales.
    most_variables : int
        For which there are models of pieces: each takes a matrix as large as a Hessian.
    search, scaling, pieces, bundle_newton, central_bundle
        Of the parts.
    """

    piece_models: bool = True
    central_cuts: bool = True
    look_ahead: bool = True
    bending: bool = True
    self_scaling: bool = True
    starting_scales: bool = True
    most_variables: int = 50
    search: SearchSettings = field(default=SearchSettings())
    scaling: SelfScalingSettings = field(default=SelfScalingSettings())
    pieces: PieceSettings = field(default=PieceSettings())
    bundle_newton: BundleNewtonSettings = field(default=BundleNewtonSettings())
    central_bundle: CentralBundleSettings = field(default=CentralBundleSettings())
