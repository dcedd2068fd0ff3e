"""Every run of the tests draws the same examples; coverage is that of two cases of each test."""

from collections import Counter

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")
TRACED = 2  # cases of a test


def pytest_collection_modifyitems(config, items):
    """Trace no further cases: what is covered is a lower bound of what all of them cover.

    Tracing more than doubles the time of a run, and these would hardly add a line.
    """
    if not config.pluginmanager.hasplugin("_cov"):
        return
    cases = Counter()
    for item in items:
        test = item.nodeid.partition("[")[0]
        cases[test] += 1
        if cases[test] > TRACED:
            item.add_marker(pytest.mark.no_cover)
