"""The table of what comes next, row by row."""

import math
from dataclasses import replace

import pytest

from smoothmin.portfolio.decisions import Action, Facts, next_action


def order(facts, **found):
    """All actions that come one after the other; ``found`` is learned by an action of its name."""
    actions = []
    while True:
        action = next_action(facts)
        actions.append(action.name)
        if action in (Action.END, Action.ROUND):
            return actions
        facts = replace(facts, done=facts.done | {action}, **found.get(action.name, {}))


@pytest.mark.parametrize(
    ("facts", "found", "expected"),
    [
        (Facts(n=5), {}, "SCALE DESCENT MODEL SEARCH POLISH END"),
        (Facts(n=5, guessed=False), {}, "DESCENT MODEL SEARCH POLISH END"),
        (Facts(n=5, finite=False), {}, "SCALE DESCENT MODEL SEARCH END"),
        (Facts(n=5), {"DESCENT": {"settled": True}}, "SCALE DESCENT LOOK END"),
        (
            Facts(n=5),
            {"DESCENT": {"settled": True}, "LOOK": {"evidence": True}},
            "SCALE DESCENT LOOK ELSEWHERE END",
        ),
        (
            Facts(n=5),
            {
                "DESCENT": {"settled": True},
                "LOOK": {"evidence": True},
                "ELSEWHERE": {"others": True},
            },
            "SCALE DESCENT LOOK ELSEWHERE SEARCH POLISH END",
        ),
        (Facts(n=5, boxed=True), {"MODEL": {"settled": True}}, "STAR TEST MODEL LOOK END"),
        (Facts(n=5, no_value=True), {}, "SAMPLE END"),
        (
            Facts(n=5, boxed=True, level=True),
            {"SAMPLE": {"level": False}},
            "SAMPLE STAR TEST MODEL DESCENT SEARCH POLISH END",
        ),
        (Facts(n=70), {}, "SCALE DESCENT SEARCH POLISH END"),
        (Facts(n=170), {}, "SCALE DESCENT SMOOTHING COORDINATES SEARCH POLISH END"),
        (Facts(n=5, boxed=True), {}, "STAR TEST MODEL DESCENT SEARCH POLISH END"),
        (
            Facts(n=5, boxed=True, restarts=1),
            {},
            "MIDDLE STAR TEST MODEL DESCENT RESTART SEARCH POLISH ROUND",
        ),
        (
            Facts(n=5, boxed=True),
            {"DESCENT": {"lost": True}},
            "STAR TEST MODEL DESCENT NEAR SEARCH POLISH END",
        ),
        (Facts(n=5, boxed=True), {"TEST": {"separable": True}}, "STAR TEST SUM SEARCH POLISH END"),
        (
            Facts(n=5, boxed=True),
            {"TEST": {"separable": True}, "SUM": {"separable": False}},
            "STAR TEST SUM MODEL DESCENT SEARCH POLISH END",
        ),
        (Facts(n=70, boxed=True), {"TEST": {"separable": True}}, "TEST SUM SEARCH POLISH END"),
        (
            Facts(n=170, boxed=True),
            {},
            "TEST SMOOTHING DESCENT COORDINATES SEARCH POLISH END",
        ),
        (Facts(n=5, restarts=1), {}, "SCALE MODEL DESCENT RESTART SEARCH POLISH ROUND"),
        (Facts(n=5, restarts=2, round=2), {}, "COORDINATES LARGER END"),
        (Facts(n=5, restarts=math.inf, round=2), {}, "COORDINATES LARGER ROUND"),
    ],
)
def test_order(facts, found, expected):
    assert " ".join(order(facts, **found)) == expected


def test_scouts_go_out_while_the_first_search_is_suspended():
    done = frozenset({Action.SCALE, Action.MODEL, Action.DESCENT})
    facts = Facts(n=5, scouting=True, scouts_due=True, done=done)
    assert next_action(facts) is Action.SCOUT
    assert next_action(replace(facts, scouts_due=False)) is Action.SEARCH
    assert next_action(replace(facts, done=done | {Action.SEARCH})) is Action.POLISH


@pytest.mark.parametrize(
    ("known", "action"),
    [
        ({}, Action.RESTART),
        ({"scouting": True}, Action.SCOUT),
        ({"noisy": True}, Action.COORDINATES),
        ({"futile": True}, Action.COORDINATES),
        ({"local_left": False}, Action.COORDINATES),
        ({"done": frozenset({Action.COORDINATES})}, Action.LARGER),
    ],
)
def test_local_effort_of_a_later_round(known, action):
    facts = replace(Facts(n=5, round=1, restarts=3, local_left=True), **known)
    assert next_action(facts) is action


def test_other_minima_are_worth_as_many_descents_as_the_search_and_no_more_than_are_expected():
    done = frozenset(Action) - {Action.RESTART}
    facts = Facts(n=5, settled=True, evidence=True, others=True, local_left=True, done=done)
    assert next_action(facts) is Action.RESTART
    for known in ({"local_left": False}, {"all_seen": True}, {"others": False}, {"futile": True}):
        assert next_action(replace(facts, **known)) is Action.END
