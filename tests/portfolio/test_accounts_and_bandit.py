import numpy as np

from smoothmin.portfolio.accounts import Accounts, Share
from smoothmin.portfolio.bandit import Bandit


def test_accounts():
    accounts = Accounts()
    accounts.add("search", 10, np.inf)
    accounts.add("search", 5, 2.0)
    accounts.add("polish", 3, 0.5)
    assert accounts.nfev == {"search": 15, "polish": 3}
    assert accounts.gain == {"search": 2.0, "polish": 0.5}
    assert accounts.cost("search", "polish", "hop") == 18


def test_a_share_is_left_until_it_is_used():
    share, accounts = Share(("hop", "model"), ("pass",), 0.5), Accounts()
    assert not share.left(accounts)
    accounts.add("pass", 10, 1.0)
    assert share.left(accounts)
    accounts.add("hop", 2, 1.0)
    accounts.add("model", 2, 1.0)
    assert share.left(accounts)
    accounts.add("model", 1, 1.0)
    assert not share.left(accounts)


def test_credit_goes_to_what_succeeds():
    rng, bandit = np.random.default_rng(0), Bandit(("good", "bad"))
    for _ in range(300):
        arm = bandit.choose(rng)
        arm.note(rng.random() < (0.5 if arm.value == "good" else 0.05))
    good, bad = (arm.wins + arm.losses for arm in bandit.arms)
    assert good > 4 * bad > 0


def test_each_arm_is_tried_first_where_asked():
    rng, bandit, tried = np.random.default_rng(0), Bandit((3, 1, 2), each_first=True), []
    while bandit.untried:
        arm = bandit.choose(rng)
        arm.note(False)
        tried.append(arm.value)
    assert tried == [3, 1, 2]
