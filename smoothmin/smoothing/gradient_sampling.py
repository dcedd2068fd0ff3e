"""`GradientSampling`: any method, run on an aggregate of randomly perturbed samples.

References: H. Mobahi, J. W. Fisher III, "On the link between Gaussian homotopy
continuation and convex envelopes", EMMCVPR (2015) (the mean: Gaussian
smoothing); Yu. Nesterov, V. Spokoiny, "Random gradient-free minimization of
convex functions", Found. Comput. Math. 17 (2017) (from values alone).

The perturbations are common to all points until they are drawn anew, so that a line
search on the aggregate is meaningful; how the samples are joined is in `sampler`.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from smoothmin import _status
from smoothmin._check import (
    as_generator,
    require_bool,
)
from smoothmin._method import Method
from smoothmin._per_block import per_block, require_per_block, with_blocks
from smoothmin._protocol import (
    CHANGED,
    REDRAWN,
    Answers,
    Array,
    Ask,
    Finish,
    Iterate,
    Problem,
    Reply,
    Steps,
    resume,
)
from smoothmin._reflection import within_bounds
from smoothmin._status import Status
from smoothmin._stopping import Progress, Termination, as_termination
from smoothmin._types import Seed, Shapes
from smoothmin.descent.gradient_descent import GradientDescent
from smoothmin.descent.lbfgs import LBFGS
from smoothmin.smoothing.perturbations import Distribution
from smoothmin.smoothing.smoothed_function import Sampler, SmoothedFunction


@dataclass(frozen=True)
class GradientSampling(Method):
    """Run a method on an aggregate of randomly perturbed samples.

    The inner method sees, instead of the value and gradient at ``x``, those at
    ``x + sigma * u_i`` for perturbations ``u_1, ..., u_n``, made into one value and one
    gradient. With the mean this is Gaussian smoothing, which removes noise and
    narrow minima.

    Not to be confused with `GradientSamplingDescent`, the algorithm of Burke, Lewis
    and Overton, which finds the shortest vector in the convex hull of sampled
    gradients.

    Parameters
    ----------
    inner : Method, optional
        The method that minimizes the aggregated objective, `LBFGS` by default. None:
        plain descent along the aggregated gradient with a line search.
    sigma : float or array_like, default 1.0
        Initial size of the perturbations: one for all variables, one per variable, or one
        per block of `shapes`.
    n : int, default 100
        Points per evaluation, the unperturbed one included; one less where pairs do not
        come out even.
    aggregate : str, default "mean"
        "mean"; "max", "min": largest or smallest value, and per coordinate the
        gradient element of largest or smallest magnitude, with its sign;
        "min-norm": the sample with the shortest gradient; "min-value": the sample
        with the lowest value; "softmin": Boltzmann weights
        ``exp(-(f_i - min f) / T)``, the value being the free energy
        ``-T log(mean exp(-f_i / T))`` whose gradient that is.
    temperature : float, optional
        ``T`` of "softmin", in units of the value. By default the mean of the
        first values seen with the present perturbations, less their minimum.
    distribution : str or callable, default "gaussian"
        "gaussian" or "normal"; "uniform" on [-1, 1]; "sphere", of unit radius;
        "rademacher"; or ``(rng, shape) -> array``.
    design : str, default "iid"
        "iid"; "antithetic": pairs ``u, -u``; "latin-hypercube"; "sobol", scrambled;
        "orthogonal": blocks of orthogonal directions. The last three also after
        "antithetic-".
    include_x0 : bool, default True
        Whether one of the points is the unperturbed one.
    fixed : bool, default True
        Keep the perturbations until the termination criterion fires. False: new ones
        after every step of the inner method, never within its line search.
    pre_generate : bool, default True
        Draw once and store. False: generate the same ones anew at every evaluation,
        so that memory stays at one chunk whatever ``n * d`` is.
    termination : criterion or several, optional
        When one fires, or the inner method is done, ``sigma`` is multiplied by
        ``decay`` and new perturbations are drawn. None: the run ends with the inner
        method.
    decay : float or sequence of float, default 2/3
        In (0, 1]; one for all variables, or one per block of `shapes`.
    reset_on_termination : bool, default True
        Start the inner method afresh then, without its memory.
    sigma_strategy : {"grad-norm", "value"}, optional
        After every step of the inner method: if at least ``sigma_target`` samples
        have a shorter gradient, or lower value, than the unperturbed point, ``sigma``
        is multiplied by ``sigma_nplus``, else by ``sigma_nminus``. With
        ``include_x0=False`` that point is one more evaluation.
    sigma_target : int or float, default 0.2
        A count, or a fraction of the finite samples.
    sigma_nplus, sigma_nminus : float or sequence of float, default 4/3 and 2/3
        One for all variables, or one per block of `shapes`.
    beyond : {"mirror", "shorten"}, default "mirror"
        What becomes of samples beyond a bound: the function is mirrored there, or
        steps are cut to the distance of the nearer bound, alike in both directions,
        so that pairs remain pairs; the gradient is then that of the samples as they are.
    rng : seed or Generator, optional
        Own source of the perturbations instead of the run's.
    shapes : sequence of int or tuple, optional
        How the flat vector splits into blocks, in order, for options of one value per
        block, those of the inner method, too.

    Raises
    ------
    TypeError, ValueError
        For options of a wrong kind or value.

    Notes
    -----
    Samples with a non-finite value or gradient are left out and counted in
    ``res.n_left_out``; if none is finite the aggregated value is +inf and the inner
    method backs off. Without a gradient the samples come in antithetic pairs and
    the slopes along them make the smoothed gradient. Samples beyond a bound are
    mirrored at it. With ``termination``, the run ends when ``sigma`` is lost to
    rounding. A round that the inner method ends without a step counts as an iteration.

    ``res.x`` is the point of the lowest value that was evaluated, whichever sample that
    is. Of a function with noise or narrow holes the luckiest sample is the wrong answer:
    there ``options={"result": "last"}`` makes it where the inner method arrived, which
    ``res.x_last`` is in any case; ``res.fun_last`` is the smoothed value there.

    Mini-batches: ``fun`` uses the batch of the present step, and the callback, which is
    called after every step, draws the next. All samples of a step then see one batch. At a
    fixed rate nothing is ever compared between batches; line searches would, so the
    inner method is `GradientDescent` with ``lr``, and no ``termination`` looks at values.
    The batch of the first step is seen twice, at its start and at its end.

    References
    ----------
    .. [1] H. Mobahi, J. W. Fisher III, "On the link between Gaussian homotopy
       continuation and convex envelopes", EMMCVPR (2015),
       :doi:`10.1007/978-3-319-14612-6_4`.
    .. [2] Yu. Nesterov, V. Spokoiny, "Random gradient-free minimization of convex
       functions", Found. Comput. Math. 17 (2017), :doi:`10.1007/s10208-015-9296-2`.

    Examples
    --------
    >>> import numpy as np
    >>> from smoothmin import GradientSampling, NoImprovement, minimize
    >>> def rippled(x):
    ...     return x @ x + np.cos(9 * x).sum(), 2 * x - 9 * np.sin(9 * x)
    >>> method = GradientSampling(sigma=0.5, termination=NoImprovement(n=3))
    >>> res = minimize(rippled, [2.0, -1.5], jac=True, method=method, rng=1,
    ...                options={"maxiter": 60})
    >>> bool(res.fun < -1.7)
    True

    A least-squares fit by mini-batches of 20 of 1000 data:

    >>> rng = np.random.default_rng(0)
    >>> A, true = rng.standard_normal((1000, 3)), np.array([1.0, -2.0, 0.5])
    >>> b = A @ true + 0.1 * rng.standard_normal(1000)
    >>> batch = rng.integers(1000, size=20)
    >>> def loss(x):
    ...     residual = A[batch] @ x - b[batch]
    ...     return residual @ residual / 40, A[batch].T @ residual / 20
    >>> def next_batch(x):
    ...     batch[:] = rng.integers(1000, size=20)
    >>> from smoothmin import GradientDescent
    >>> method = GradientSampling(GradientDescent(lr=0.1, gtol=0), sigma=0.01, n=8)
    >>> res = minimize(loss, np.zeros(3), jac=True, method=method, rng=0, callback=next_batch,
    ...                options={"maxiter": 300, "result": "last"})
    >>> bool(np.abs(res.x - true).max() < 0.05)
    True
    """

    name: ClassVar[str] = "GradientSampling"
    summary: ClassVar[str] = "any method on an aggregate of randomly perturbed samples"
    reference: ClassVar[str] = "Mobahi, Fisher (2015)"
    handles_bounds: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True

    inner: Method | None = field(default_factory=LBFGS)
    sigma: ArrayLike = 1.0
    n: int = 100
    aggregate: str = "mean"
    temperature: float | None = None
    distribution: Distribution = "gaussian"
    design: str = "iid"
    include_x0: bool = True
    fixed: bool = True
    pre_generate: bool = True
    termination: Termination | Sequence[Termination] | None = None
    decay: ArrayLike = 2 / 3
    reset_on_termination: bool = True
    sigma_strategy: str | None = None
    sigma_target: float = 0.2
    sigma_nplus: ArrayLike = 4 / 3
    sigma_nminus: ArrayLike = 2 / 3
    beyond: str = "mirror"
    rng: Seed = None
    shapes: Shapes | None = None

    def __post_init__(self) -> None:
        if self.inner is not None and not isinstance(self.inner, Method):
            raise TypeError(f"inner must be a Method or None, got {self.inner!r}")
        self.smoothing  # noqa: B018  checks its options
        for name in ("fixed", "reset_on_termination"):
            require_bool(name, getattr(self, name))
        as_termination("termination", self.termination)
        if self.rng is not None:
            as_generator(self.rng)
        require_per_block("decay", self.decay, above=0, maximum=1)
        require_per_block("sigma_nplus", self.sigma_nplus, above=0, below=np.inf)
        require_per_block("sigma_nminus", self.sigma_nminus, above=0, below=np.inf)

    @property
    def needs_gradient(self) -> bool:
        """Never: slopes along the perturbations stand in."""
        return False

    def with_tolerance(self, tol: float) -> Self:
        """A copy whose inner method has the tolerance."""
        return replace(self, inner=self.descent.with_tolerance(tol))

    @property
    def descent(self) -> Method:
        """The inner method."""
        return GradientDescent() if self.inner is None else self.inner

    @property
    def smoothing(self) -> SmoothedFunction:
        """How the function is smoothed."""
        return SmoothedFunction.of(self)

    def run(self, problem: Problem, rng: np.random.Generator) -> Steps:
        """Minimize."""
        source = rng if self.rng is None else as_generator(self.rng)
        problem = replace(problem, blocks=with_blocks(problem, self.shapes))
        return _Smoothing(self, problem, self.smoothing.sampler(problem, source), rng).run()


class _Smoothing:
    """One run of `GradientSampling`."""

    def __init__(
        self,
        options: GradientSampling,
        problem: Problem,
        sampler: Sampler,
        rng: np.random.Generator,
    ) -> None:
        self._options, self._sampler, self._rng = options, sampler, rng
        self._problem = replace(problem, has_gradient=True)
        self._inner = within_bounds(options.descent, problem.box)
        self._termination = as_termination("termination", options.termination)
        self._x = problem.x0
        self._decay, self._nplus, self._nminus = (
            per_block(name, getattr(options, name), problem)
            for name in ("decay", "sigma_nplus", "sigma_nminus")
        )
        self._shares: list[tuple[Array, float]] = []  # since the inner method's last step
        self._idle = True  # no step of the inner method yet since it began
        self._first: Iterate | None = None  # what it was told of where it began
        self._sigma: float | None = None  # as it is shown, until it changes

    def run(self) -> Steps:
        """Let the inner method run; between its steps, see to the perturbations."""
        sampler, options = self._sampler, self._options
        steps = self._begin()
        reply: Reply = None
        while True:
            message = resume(steps, reply)
            if isinstance(message, Ask):
                reply = yield from self._answer(message)
            elif isinstance(message, Iterate):
                self._x, self._idle = message.x, False
                info = {"sigma": self._shown(), "n_left_out": sampler.left_out}
                yield Iterate(message.x, message.fun, message.grad, **{**message.info, **info})
                fired = self._fired(message)
                reply = self._adapt(message.x)
                if fired:
                    if sampler.negligible(self._x):
                        return self._finish()
                    self._shrink()
                    reply = CHANGED
                    if options.reset_on_termination:
                        steps.close()
                        steps, reply = self._begin(), None
            else:
                # an inner method that is done cannot be waited for
                failed = message.status == Status.NONFINITE
                if options.termination is None or failed or sampler.negligible(self._x):
                    message.info.setdefault("sigma", self._shown())
                    message.info.setdefault("n_left_out", sampler.left_out)
                    if failed:
                        message.message = _status.NO_FINITE_SAMPLE
                    else:
                        message.message += " This is of the aggregated function."
                    return message
                if self._idle:  # so that limits are looked at
                    yield from self._report_start()
                self._shrink()
                steps, reply = self._begin(), None

    def _begin(self) -> Steps:
        """Start the inner method, and the watch on its steps, where it now is."""
        self._restart_watch()
        self._idle, self._first = True, None
        return self._inner.run(self._problem.at(self._x), self._rng)

    def _restart_watch(self) -> None:
        self._watch = self._termination.start()
        self._nit, self._from, self._started = 0, self._sampler.asked, time.perf_counter()

    def _report_start(self) -> Generator[Iterate, Reply, None]:
        """Where an inner method ended without a step."""
        if self._first is not None:
            info = {"sigma": self._shown(), "n_left_out": self._sampler.left_out}
            yield Iterate(self._first.x, self._first.fun, self._first.grad, **info)

    def _answer(self, ask: Ask) -> Generator[Ask, Answers, Answers]:
        """Aggregate at every point asked for."""
        if len(ask.points) == 1:  # as most are, and soon to be had
            value, gradient = yield from self._at(ask.points[0], ask.order)
            return Answers(np.array([value]), gradient[None] if ask.order else None)
        values = np.empty(len(ask.points))
        gradients = np.empty(ask.points.shape) if ask.order else None
        for i, x in enumerate(ask.points):
            values[i], gradient = yield from self._at(x, ask.order)
            if gradients is not None:
                gradients[i] = gradient
        return Answers(values, gradients)

    def _at(self, x: Array, order: int) -> Generator[Ask, Answers, tuple[float, Array]]:
        """The aggregate at a point."""
        value, gradient = yield from self._sampler.evaluate(x, order)
        if self._first is None:
            self._first = Iterate(self._x, value, gradient)
        if self._sampler.share_better is not None:
            self._shares.append((x.copy(), self._sampler.share_better))
        return value, gradient

    def _fired(self, step: Iterate) -> bool:
        """Whether the termination criterion is met at this step."""
        if self._options.termination is None:
            return False
        self._nit += 1
        seconds = time.perf_counter() - self._started
        asked = self._sampler.asked - self._from
        now = Progress(self._nit, asked, seconds, step.x, step.fun, step.grad)
        return self._watch(now) is not None

    def _adapt(self, x: Array) -> Reply:
        """What changes after every step: sigma by its strategy, unfixed perturbations."""
        changed: Reply = None
        shares = [share for at, share in self._shares if np.array_equal(at, x)]
        self._shares.clear()
        if shares:
            self._sampler.scale(self._nplus if shares[-1] >= 1 else self._nminus)
            self._sigma = None
            changed = REDRAWN
        if not self._options.fixed:
            self._sampler.draw()
            changed = REDRAWN
        return changed

    def _shrink(self) -> None:
        self._sampler.sigma *= self._decay
        self._sigma = None
        self._sampler.draw()
        self._restart_watch()

    def _shown(self) -> Any:
        """Sigma as one number, if all coordinates agree."""
        if self._sigma is None:
            sigma = self._sampler.sigma
            if not (sigma == sigma[0]).all():
                return sigma.copy()
            self._sigma = sigma.item(0)
        return self._sigma

    def _finish(self) -> Finish:
        return Finish(
            Status.CONVERGED,
            "The perturbations have shrunk to rounding level.",
            sigma=self._shown(),
            n_left_out=self._sampler.left_out,
        )
