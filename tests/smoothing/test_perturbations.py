"""Perturbations: moments, structure of each design, and the same stream every time."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from smoothmin.smoothing import perturbations as module
from smoothmin.smoothing.perturbations import DESIGNS, Perturbations, keyed_permutation

ALL_DESIGNS = [*DESIGNS, "antithetic", *(f"antithetic-{name}" for name in DESIGNS)]


def draw(count, dimension, distribution="gaussian", design="iid", seed=0, zero=False, paired=None):
    if paired is None:
        paired = design.startswith("antithetic")
    perturbations = Perturbations(
        np.random.default_rng(seed), count, dimension, distribution, design,
        zero=zero, paired=paired,
    )  # fmt: skip
    return perturbations, np.concatenate(list(perturbations.chunks()))


COMBINATIONS = [
    (distribution, design)
    for distribution in ("gaussian", "normal", "uniform", "sphere", "rademacher")
    for design in ALL_DESIGNS
    if not (design.endswith("orthogonal") and distribution in ("uniform", "rademacher"))
]


@pytest.mark.parametrize(("distribution", "design"), COMBINATIONS)
def test_moments(distribution, design):
    perturbations, u = draw(4000, 3, distribution, design)
    assert u.shape == (4000, 3)
    assert np.abs(u.mean(axis=0)).max() < 0.06
    np.testing.assert_allclose(np.mean(u**2), perturbations.variance, rtol=0.08)
    off_diagonal = u.T @ u / len(u) - np.diag(np.mean(u**2, axis=0))
    assert np.abs(off_diagonal).max() < 0.08


@pytest.mark.parametrize("design", ["iid", "latin-hypercube", "sobol", "orthogonal"])
def test_gaussian_is_gaussian(design):
    _, u = draw(2000, 4, "gaussian", design, seed=5)
    for column in u.T:
        assert stats.kstest(column, "norm").pvalue > 1e-3


def test_uniform_sphere_and_rademacher_values():
    _, u = draw(500, 6, "uniform")
    assert u.min() >= -1
    assert u.max() <= 1
    assert stats.kstest(u.ravel(), "uniform", args=(-1, 2)).pvalue > 1e-3
    _, u = draw(500, 6, "sphere")
    np.testing.assert_allclose(np.linalg.norm(u, axis=1), 1.0)
    _, u = draw(500, 6, "rademacher")
    assert set(np.unique(u)) == {-1.0, 1.0}


@pytest.mark.parametrize("count", [1, 2, 5, 64, 100])
def test_latin_hypercube_has_one_point_in_every_stratum(count):
    _, u = draw(count, 3, "uniform", "latin-hypercube")
    strata = np.floor((u + 1) / 2 * count).astype(int)
    assert (np.sort(strata, axis=0) == np.arange(count)[:, None]).all()


def test_latin_hypercube_without_a_table_is_one_too(monkeypatch):
    monkeypatch.setattr(module, "LARGE", 10)
    _, u = draw(100, 7, "uniform", "latin-hypercube")
    strata = np.floor((u + 1) / 2 * 100).astype(int)
    assert (np.sort(strata, axis=0) == np.arange(100)[:, None]).all()
    assert abs(np.corrcoef(u.T) - np.eye(7)).max() < 0.4


@pytest.mark.parametrize("in_one_piece", [True, False])
@pytest.mark.parametrize(("count", "dimension"), [(4, 9), (9, 9), (20, 6)])
def test_orthogonal_blocks(monkeypatch, in_one_piece, count, dimension):
    if not in_one_piece:
        monkeypatch.setattr(module, "LARGE", 1)
    _, u = draw(count, dimension, "sphere", "orthogonal")
    for first in range(0, count, dimension):
        block = u[first : first + dimension]
        np.testing.assert_allclose(block @ block.T, np.eye(len(block)), atol=1e-12)


def test_sobol_is_more_even_than_chance():
    _, even = draw(256, 2, "uniform", "sobol")
    _, chance = draw(256, 2, "uniform", "iid")
    discrepancy = stats.qmc.discrepancy
    assert discrepancy((even + 1) / 2) < 0.3 * discrepancy((chance + 1) / 2)


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 40),
    dimension=st.integers(1, 30),
    design=st.sampled_from([d for d in ALL_DESIGNS if "sobol" not in d]),
    zero=st.booleans(),
    paired=st.booleans(),
    elements=st.sampled_from([1, 50, 10**6]),
)
def test_stream_repeats_and_does_not_depend_on_chunks(
    count, dimension, design, zero, paired, elements
):
    paired = paired or design.startswith("antithetic")
    assume(zero or count > 1 or not paired)
    perturbations, whole = draw(count, dimension, design=design, zero=zero, paired=paired)
    assert len(whole) == perturbations.count <= count
    before = module.CACHED
    try:
        module.CACHED = elements
        chunks = list(perturbations.chunks())
    finally:
        module.CACHED = before
    assert np.array_equal(np.concatenate(chunks), whole)
    if zero:
        assert not whole[0].any()
    if paired:
        pairs = whole[int(zero) :]
        assert np.array_equal(pairs[0::2], -pairs[1::2])
        sizes = [len(chunk) - int(zero and i == 0) for i, chunk in enumerate(chunks)]
        assert all(size % 2 == 0 for size in sizes)


@settings(max_examples=50, deadline=None)
@given(size=st.integers(1, 300), seed=st.integers(0, 2**32))
def test_keyed_permutation_is_one(size, seed):
    keys = np.random.default_rng(seed).integers(2**63, size=3, dtype=np.uint64)
    index = np.arange(size, dtype=np.uint64)[:, None]
    out = keyed_permutation(index, size, keys)
    assert (np.sort(out, axis=0) == index).all()


def test_memory_stays_at_a_chunk():
    big = Perturbations(
        np.random.default_rng(0), 400, 50_000, "gaussian", "latin-hypercube",
        zero=False, paired=False,
    )  # fmt: skip
    assert max(len(chunk) for chunk, _ in zip(big.chunks(), range(3), strict=False)) == 1


def test_callable_distribution():
    def laplace(rng, shape):
        return rng.laplace(size=shape)

    perturbations, u = draw(300, 2, laplace, "antithetic")
    assert perturbations.variance is None
    assert np.array_equal(u[0::2], -u[1::2])
    with pytest.raises(ValueError, match="distribution must return shape"):
        draw(4, 2, lambda rng, shape: np.zeros(3))


@pytest.mark.parametrize(
    ("distribution", "design", "match"),
    [
        ("cauchy", "iid", "distribution must be"),
        ("gaussian", "grid", "design must be"),
        ("gaussian", 3, "design must be"),
        ("uniform", "orthogonal", "needs distribution"),
        (lambda rng, shape: rng.random(shape), "sobol", "needs a named distribution"),
    ],
)
def test_bad_options(distribution, design, match):
    with pytest.raises(ValueError, match=match):
        module.check_design(distribution, design)


def test_a_pair_needs_two_points():
    with pytest.raises(ValueError, match="n must leave room for a pair"):
        draw(1, 2, design="antithetic")


def test_sobol_names_its_limit():
    with pytest.raises(ValueError, match="at most 21201"):
        draw(4, 30_000, design="sobol")
