"""Gradients from PyTorch and JAX, of single precision as they come by default."""

import numpy as np
import pytest

from smoothmin import minimize

SEED = 4
METHODS = ["gradient-sampling", "bfgs", "lbfgs", "laplacian", "homotopy"]


def regression():
    """Inputs and labels of a logistic regression with a ridge, and its minimum in doubles."""
    rng = np.random.default_rng(SEED)
    inputs = rng.standard_normal((60, 4))
    signs = np.where(rng.random(60) < 1 / (1 + np.exp(-inputs @ [1.0, -2.0, 0.5, 0.0])), 1, -1)

    def fun(w):
        z = signs * (inputs @ w)
        slope = -(inputs * (signs / (1 + np.exp(z)))[:, None]).sum(axis=0)
        return float(np.logaddexp(0, -z).sum() + 0.05 * w @ w), slope + 0.1 * w

    return inputs, signs, minimize(fun, np.zeros(4), jac=True, method="bfgs")


@pytest.mark.parametrize("method", METHODS)
def test_torch(method):
    torch = pytest.importorskip("torch")
    inputs, signs, best = regression()
    a = torch.tensor(inputs, dtype=torch.float32)
    s = torch.tensor(signs, dtype=torch.float32)

    def fun(w):
        point = torch.tensor(w, dtype=torch.float32, requires_grad=True)
        value = torch.nn.functional.softplus(-s * (a @ point)).sum() + 0.05 * point @ point
        value.backward()
        return value.item(), point.grad.numpy()

    res = minimize(fun, np.zeros(4), jac=True, method=method, rng=0, options={"maxfev": 4000})
    assert res.success, res.message
    assert res.fun <= best.fun * (1 + 1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_jax(method):
    jax = pytest.importorskip("jax")
    inputs, signs, best = regression()
    a, s = inputs.astype(np.float32), signs.astype(np.float32)

    @jax.jit
    @jax.value_and_grad
    def fun(w):
        return jax.nn.softplus(-s * (a @ w)).sum() + 0.05 * w @ w

    res = minimize(
        lambda w: fun(w.astype(np.float32)), np.zeros(4), jac=True, method=method, rng=0,
        options={"maxfev": 4000},
    )  # fmt: skip
    assert res.success, res.message
    assert res.fun <= best.fun * (1 + 1e-5)


def test_a_network_in_blocks():
    """A network's parameters as the dict that JAX differentiates by."""
    jax = pytest.importorskip("jax")
    rng = np.random.default_rng(SEED)
    x = np.linspace(-2, 2, 40, dtype=np.float32)[:, None]
    y = np.sin(2 * x[:, 0])
    start = {
        "w1": rng.standard_normal((1, 8)), "b1": np.zeros(8),
        "w2": rng.standard_normal(8) / 3, "b2": 0.0,
    }  # fmt: skip

    @jax.jit
    @jax.value_and_grad
    def fun(p):
        hidden = jax.numpy.tanh(x @ p["w1"] + p["b1"])
        return ((hidden @ p["w2"] + p["b2"] - y) ** 2).mean()

    res = minimize(fun, start, jac=True, method="bfgs", options={"maxfev": 500})
    assert res.fun < 1e-3
    assert res.x["w1"].shape == (1, 8)
