"""The judge, row by row: what is known decides, whoever knows it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoothmin._protocol import Finish
from smoothmin._status import Status
from smoothmin._verdict import NEGLIGIBLE, Knowledge, final, judge

HALVED = ((1.0, 1.0), (0.5, 1e-4), (0.25, 1e-6))  # falls of a run that converges linearly

ROWS = [
    # what is known, and the status
    ({"tolerance_met": True}, Status.CONVERGED),
    ({}, Status.PRECISION),
    ({"promised": 0.0}, Status.CONVERGED),
    ({"promised": 1e-12, "noise": 1e-10}, Status.CONVERGED),
    ({"promised": 1e-9, "noise": 1e-10}, Status.PRECISION),
    ({"noise": math.inf}, Status.PRECISION),
    ({"promised": 1e-12, "noise": 1e-10, "resolved": False}, Status.PRECISION),
    ({"promised": 1e-12, "noise": 1e-10, "steep": 0.9}, Status.PRECISION),
    ({"promised": 1e-9, "lately": HALVED}, Status.CONVERGED),
    ({"promised": 1e-7, "lately": HALVED}, Status.PRECISION),
    ({"promised": 1e-9, "lately": HALVED, "extrapolated": 1e-3}, Status.PRECISION),
    ({"promised": 1e-9, "lately": HALVED, "far": 0.1}, Status.PRECISION),
    ({"promised": 1e-9, "lately": HALVED, "steep": 0.9}, Status.PRECISION),
    # values fell fast long ago and hardly lately: that is no convergence
    ({"promised": 1e-9, "lately": ((1.0, 1.0), (0.5, 1e-8))}, Status.PRECISION),
    # the value itself is much smaller than its fall, and so must be what is left
    ({"promised": 1e-9, "lately": HALVED, "size": 1e-3}, Status.PRECISION),
    ({"promised": 1e-12, "lately": HALVED, "size": 1e-3}, Status.CONVERGED),
    # or may vanish: from far away it goes on falling for long
    ({"promised": 1e-15, "lately": HALVED, "size": 0.0}, Status.PRECISION),
    ({"promised": 1e-17, "lately": HALVED, "size": 0.0}, Status.CONVERGED),
    # as does what is far away: a long step, or a promise of far more than the value
    ({"promised": 1e-21, "lately": HALVED, "size": 1e-21, "large": 0.1}, Status.PRECISION),
    ({"promised": 1e-21, "lately": HALVED, "size": 1e-25}, Status.PRECISION),
    ({"promised": 1e-9, "lately": HALVED, "size": 1.0, "large": 0.1}, Status.CONVERGED),
    ({"promised": math.inf, "noise": 1.0}, Status.PRECISION),
    ({"promised": math.nan, "noise": 1.0, "lately": HALVED}, Status.PRECISION),
]


@pytest.mark.parametrize(("known", "status"), ROWS)
def test_rows(known, status):
    finish = judge(Knowledge("Ended", **known), radius=0.5)
    assert finish.status is status
    assert "nded" in finish.message
    assert finish.message.endswith(".")
    assert finish.info == {"radius": 0.5}


@given(
    st.floats(-60, 60), st.floats(1e-30, 1e3), st.floats(0, 1e3), st.floats(0, 1), st.floats(0, 1e3)
)
def test_the_unit_of_the_values_does_not_matter(power, promised, fall, noise, size):
    unit = 2.0 ** round(power)
    plain, scaled = (
        judge(
            Knowledge(
                "",
                promised=promised * u,
                lately=((1.0, fall * u), (0.5, fall * u / 10)),
                noise=noise * u,
                size=size * u,
            )
        )
        for u in (1.0, unit)
    )
    assert plain.status is scaled.status


class Seen:
    def __init__(self, *, on_plateau=False, level=False, died=False, violated="", failed=""):
        self.on_plateau, self.died, self.violated = on_plateau, died, violated
        self.level = level
        self.failed = failed


@pytest.mark.parametrize(
    ("status", "value", "seen", "expected"),
    [
        (Status.CONVERGED, 1.0, Seen(), Status.CONVERGED),
        (Status.CONVERGED, math.nan, Seen(), Status.NONFINITE),
        (Status.TARGET, -math.inf, Seen(), Status.NONFINITE),
        (Status.CONVERGED, 1.0, Seen(on_plateau=True), Status.PRECISION),
        (Status.CONVERGED, 1.0, Seen(died=True), Status.NONFINITE),
        (Status.TARGET, 1.0, Seen(on_plateau=True), Status.TARGET),
        (Status.CONVERGED, 1.0, Seen(violated="a row is"), Status.PRECISION),
        (Status.MAXFEV, 1.0, Seen(violated="a row is"), Status.MAXFEV),
        (Status.MAXFEV, math.nan, Seen(died=True), Status.MAXFEV),
        (Status.MAXFEV, math.nan, Seen(failed="No value."), Status.NONFINITE),
    ],
)
def test_the_run_as_a_whole_has_the_last_word(status, value, seen, expected):
    assert final(Finish(status, "Said."), value, seen)[0] is expected


def test_linear_convergence_is_told_in_twice_the_steps_to_the_share():
    rate = 0.7
    k = 0
    while True:
        k += 1
        half = k // 2
        falls = tuple((s, rate ** (k - half * s) - rate**k) for s in (1.0, 0.5) if half * s >= 3)
        if half >= 3 and judge(Knowledge("", promised=rate**k, lately=falls, size=1.0)).status == 0:
            break
    assert k == pytest.approx(2 * math.log(NEGLIGIBLE) / math.log(rate), rel=0.1)


def test_success_is_told_first_and_once():
    told = [
        judge(Knowledge(message, **known)).message
        for message, known in [
            ("", {"promised": 1e-12, "noise": 1e-10}),
            ("A step gains nothing", {"promised": 1e-12, "noise": 1e-10}),
            ("The gradient is zero", {"promised": 0.0}),
        ]
    ]
    left = "the decrease left, 1e-12, is below what rounding and noise hide, 1e-10."
    assert told[0] == f"Converged: {left}"
    assert told[1] == f"Converged: a step gains nothing; {left}"
    assert told[2] == "Converged: the gradient is zero."
