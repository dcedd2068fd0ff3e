"""Single precision shows in the mantissas."""

import math

import numpy as np
import pytest

from smoothmin._precision import Precision


@pytest.mark.parametrize(
    ("values", "single"),
    [
        (np.float32([0.1, 0.2, 0.3, 0.7]), True),
        ([0.1, 0.2, 0.3, 0.7], False),
        ([13, 8, 5, 2, 1, 0.5, 0.25], False),  # round numbers are no evidence
        ([*np.float32([0.1, 0.2, 0.3, 0.7]), 0.1], False),
        ([math.nan, *np.float32([0.1, 0.2, 0.3, 0.7])], True),
    ],
)
def test_single_precision_is_found_in_doubles(values, single):
    precision = Precision()
    for value in values:
        precision.add(float(value))
    assert precision.unit == (2.0**-23 if single else 2.0**-52)
