"""The scheduler of trials: entering, verdicts, leaving, waiting longer each time."""

import pytest

from smoothmin.descent.gradient_sampling.settings import TrialSettings
from smoothmin.descent.gradient_sampling.trials import Rates, Trials


def begun(**settings):
    trials = Trials(TrialSettings(**settings))
    assert trials.ready
    trials.enter()
    return trials


def test_bad_verdicts_in_a_row_end_a_trial():
    trials = begun(strikes=2)
    assert [trials.judge(good) for good in (False, True, False, True)] == [True] * 4
    assert trials.judge(False)
    assert not trials.judge(False)
    assert not trials.active


def test_each_trial_in_vain_makes_the_next_wait_longer():
    trials = begun(strikes=1, wait=10)
    for wait in (10, 40, 160):
        trials.judge(False)
        trials.plain(wait - 1)
        assert not trials.ready
        trials.plain(1)
        assert trials.ready
        trials.enter()
        assert not trials.ready


@pytest.mark.parametrize(("good", "wait"), [(3, 10), (2, 40)])
def test_a_trial_that_has_paid_may_soon_return(good, wait):
    trials = begun(strikes=1, wait=10)
    trials.judge(False)
    trials.plain(10)
    trials.enter()
    for _ in range(good):
        trials.judge(True)
    assert trials.paid == (good == 3)
    trials.leave()
    trials.plain(wait - 1)
    assert not trials.ready
    trials.plain(1)
    assert trials.ready


def test_rates_are_those_of_full_windows():
    rates = Rates(4)
    assert not rates.add(1.0, 3)
    assert rates.rate == 0
    assert rates.add(4.0, 2)
    assert (rates.rate, rates.before) == (1.0, 0.0)
    assert not rates.fall_less(0.5)  # nothing to compare with
    assert rates.add(2.4, 4)
    assert (rates.rate, rates.before) == (0.6, 1.0)
    assert rates.fall_less(0.5)
    assert not rates.fall_less(0.7)
    rates.clear()
    assert (rates.rate, rates.before) == (0.0, 0.0)
