"""Every number of "gradient-sampling" that could be another, and switches for its mechanisms.

Where no paper is named the number is a choice, which ``tests/benchmarks/bench_sensitivity.py``
halves and doubles on problems rotated, rescaled and shifted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from smoothmin._factors import MINOR, OTHER_ORDER, ROUNDS, SHORTEST, SMALL, WITNESSES
from smoothmin._machine import FEW
from smoothmin._verdict import NEGLIGIBLE, STATIONARY
from smoothmin.metrics.lbfgs import PAIRS


@dataclass(frozen=True)
class TrialSettings:
    """When trials of a mechanism end, and when they may begin again.

    Attributes
    ----------
    strikes : int
        Bad verdicts in a row that end a trial; 1 or more.
    proven : int
        Good verdicts with which a trial has paid; 0 or more.
    wait : int
        Evaluations by other means before the next trial; 0 or more.
    backoff : int
        Growth of the wait after a trial that has not paid; 1 or more. With 2 or more, n
        evaluations see O(log n) trials.
    """

    strikes: int = 2
    proven: int = WITNESSES
    wait: int = 100
    backoff: int = 4


@dataclass(frozen=True)
class CertificateSettings:
    """What proves a point stationary.

    Attributes
    ----------
    blur : float
        Least radius, in units of the step of finite differences; 1 or more.
    relative : float
        Length of a mix of gradients, in units of the mean length of those in it, or of the mean
        slope lately if that is less, that proves a point stationary unless the user says
        otherwise; and what rounding may leave of the slope that brings the value to zero over
        |x|: the root of rounding, and room for curvature. In (1e-8, 1).
    radius : float
        And the radius they may come from, in units of the largest element of x so far; in (0, 1).
    nearby : float
        Largest radius of success where the user gave one, in units of the largest element of
        x; in (0, 1).
    resolved : float
        Length of a mix, in the same units, that rounding may leave; in (0, 1).
    """

    blur: float = OTHER_ORDER
    relative: float = STATIONARY
    radius: float = NEGLIGIBLE
    resolved: float = 1e-7
    nearby: float = 1e-5


@dataclass(frozen=True)
class SearchSettings:
    """Quasi-Newton searches, on smooth functions and with a look ahead at kinks.

    Attributes
    ----------
    most_pairs, fewest_pairs : int
        Pairs of the limited memory before a kink is seen; 2 or more. Between these as many as
        the cache holds.
    patience : int
        Trials of a search without success: before the hull is asked, or enlarged; 1 or more.
    skewed : float
        Mean distance of changes, in units of what the slopes at both ends make them, from a
        half, with which there are kinks, to look ahead to; in (0, 1/2), where a kink anywhere
        in a step makes it 1/4 and a fourth power 1/12 far from its minimum.
    beyond : float
        First trial beyond a kink, in units of the distance to it; above 1.
    shortest : float
        First trial at the least, in units of the quasi-Newton step; in [0, 1].
    blocked : float
        A kink nearer than this share of the step makes it bend; in [0, 1].
    most_cuts : int
        More cuts than these within the reach of a step do not make it bend; 1 or more.
    nearest : float
        First radius of the hull, in units of the nearest point that was not lower; 1 or more.
    """

    most_pairs: int = 50
    fewest_pairs: int = PAIRS
    patience: int = ROUNDS
    skewed: float = 0.06
    beyond: float = 1.25
    shortest: float = 0.01
    blocked: float = 0.2
    most_cuts: int = 10
    nearest: float = OTHER_ORDER


@dataclass(frozen=True)
class SelfScalingSettings:
    """Trials of self-scaling updates.

    Attributes
    ----------
    slow : float
        What a window gains, in units of the one before, where steps are slow; in (0, 1).
    too_long : float
        Excess of the matrix (Oren and Luenberger's 1 / tau) at each step of half a window before
        a trial; above 1.
    share : float
        Of what plain updates promise, that the first window of a trial is to gain; in [0, 1].
    fast : float
        Share to which gains are to fall from window to window of a trial, once it has shown to
        be faster than ``slow``; in (0, 1).
    power : float
        Of tau, by which updates shorten the matrix: 1 in Oren and Luenberger; in (0, 1].
    trials : TrialSettings
        A verdict is on a window.
    """

    slow: float = 0.3
    too_long: float = OTHER_ORDER
    share: float = 0.5
    fast: float = 0.25
    power: float = 0.25
    trials: TrialSettings = field(default=TrialSettings(strikes=1, proven=5, wait=1000))


@dataclass(frozen=True)
class PieceSettings:
    """Models of smooth pieces, and whether they predict.

    Attributes
    ----------
    pieces : int
        Most that are kept, ``2 n + 2`` at most; 2 or more.
    members : int
        Points kept of a piece; 1 or more.
    same : float
        Error of the trapezoid rule between points of one piece, in units of what curvature
        changes; in (0, 1/2), where 1/2 is a kink.
    sharp : float
        Jump of the slope, in units of what the largest curvature explains, that is a kink;
        1 or more.
    reach : float
        How far points are near, and the first radius, in units of the last step; 1 or more.
    accurate : float
        Error of an accurate prediction, in units of the change of the value; in (0, 1).
    """

    pieces: int = 16
    members: int = WITNESSES
    same: float = SMALL
    sharp: float = 2.0
    reach: float = 4.0
    accurate: float = MINOR


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
    most_variables : int
        Each step takes some n^2 operations for each tangent.
    trials : TrialSettings
        A verdict is on as many evaluations as variables, and a window.
    """

    decades: float = 1.2
    closing: float = 0.3
    cuts: int = 4
    most_variables: int = FEW
    trials: TrialSettings = field(default=TrialSettings())


@dataclass(frozen=True)
class HullSettings:
    """Steps along the least element of the hull of gradients.

    Attributes
    ----------
    shrink : float
        Of the radius and of what is small there, where that was reached: mu and theta of
        Burke, Lewis and Overton (2005), who take 0.1; in (0, 1).
    deepest : float
        Least radius, in units of the one asked for; in (0, 1].
    """

    shrink: float = SHORTEST
    deepest: float = 1e-4


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
    certificate, search, scaling, pieces, bundle_newton, central_bundle, hull
        Of the parts.
    """

    piece_models: bool = True
    central_cuts: bool = True
    look_ahead: bool = True
    bending: bool = True
    self_scaling: bool = True
    starting_scales: bool = True
    most_variables: int = 50
    certificate: CertificateSettings = field(default=CertificateSettings())
    search: SearchSettings = field(default=SearchSettings())
    scaling: SelfScalingSettings = field(default=SelfScalingSettings())
    pieces: PieceSettings = field(default=PieceSettings())
    bundle_newton: BundleNewtonSettings = field(default=BundleNewtonSettings())
    central_bundle: CentralBundleSettings = field(default=CentralBundleSettings())
    hull: HullSettings = field(default=HullSettings())
