"""Settings reach their mechanisms, and are no option."""

import dataclasses
import inspect
import re

import numpy as np
import pytest

from smoothmin import GradientSamplingDescent, minimize, show_options
from smoothmin.descent.gradient_sampling import settings
from smoothmin.descent.gradient_sampling.settings import GradientSamplingSettings

CLASSES = [each for name, each in vars(settings).items() if name.endswith("Settings")]
SWITCHES = [
    each.name for each in dataclasses.fields(GradientSamplingSettings) if each.type == "bool"
]


@pytest.mark.parametrize("cls", CLASSES)
def test_every_number_is_documented(cls):
    text = inspect.getdoc(cls).split("----------\n")[1]
    documented = {
        name.strip()
        for line in text.splitlines()
        if re.match(r"\w", line)
        for name in line.split(" : ")[0].split(",")
    }
    assert documented == {each.name for each in dataclasses.fields(cls)}


def test_they_are_no_option():
    assert "settings" not in show_options("gradient-sampling", disp=False).split("Notes")[0]
    assert "settings" not in repr(GradientSamplingDescent())
    with pytest.raises(TypeError, match="settings must be"):
        GradientSamplingDescent(settings={"proximal": False})


def kinked(x):
    """A sum and a maximum of kinks, with scales."""
    scaled = x * 10.0 ** np.linspace(-1, 1, x.size)
    k = int(np.abs(scaled).argmax())
    slope = np.sign(scaled) * 0.1
    slope[k] += np.sign(scaled[k]) * 2 * abs(scaled[k])
    value = 0.1 * np.abs(scaled).sum() + scaled[k] ** 2
    return float(value), slope * 10.0 ** np.linspace(-1, 1, x.size)


@pytest.mark.parametrize("switch", SWITCHES)
def test_without_any_mechanism_the_minimum_is_found(switch):
    without = GradientSamplingDescent(settings=GradientSamplingSettings(**{switch: False}))
    start = np.random.default_rng(0).standard_normal(8)
    found = minimize(kinked, start, jac=True, method=without, rng=0)
    assert found.success
    assert found.fun <= 1e-6
