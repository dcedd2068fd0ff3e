import numpy as np

from smoothmin._stopping import Progress
from smoothmin.sampling.phases import Arm, Ledger, choose, hopeless


def progress(fun):
    return Progress(0, 0, 0.0, np.zeros(1), fun, None)


def test_ledger():
    ledger = Ledger()
    ledger.add("search", 10, np.inf)
    ledger.add("search", 5, 2.0)
    ledger.add("polish", 3, 0.5)
    assert ledger.nfev == {"search": 15, "polish": 3}
    assert ledger.gain == {"search": 2.0, "polish": 0.5}
    assert ledger.cost("search", "polish", "hop") == 18


def test_credit_goes_to_what_succeeds():
    rng = np.random.default_rng(0)
    arms = [Arm("good"), Arm("bad")]
    for _ in range(300):
        arm = choose(arms, rng)
        arm.note(rng.random() < (0.5 if arm.value == "good" else 0.05))
    good, bad = (arm.wins + arm.losses for arm in arms)
    assert good > 4 * bad > 0


def test_a_descent_that_converges_above_the_best_is_hopeless():
    watch = hopeless(0.0)
    said = [watch(progress(1 + 0.1**k)) for k in range(20)]
    assert said[0] is None
    assert said[-1]


def test_a_descent_that_may_get_there_is_not():
    watch = hopeless(0.0)
    assert not any(watch(progress(100.0 - k)) for k in range(100))
    watch = hopeless(0.0)
    assert not any(watch(progress(1 + 0.1**k)) for k in range(5))
