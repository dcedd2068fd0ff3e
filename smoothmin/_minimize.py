"""The front end: arguments to a run, the run to a result."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from smoothmin._check import as_generator, require_bool, require_takes
from smoothmin._domain import Domain, as_start
from smoothmin._evaluate import Evaluator
from smoothmin._method import Method
from smoothmin._native import as_python
from smoothmin._result import Result
from smoothmin._scipy_names import ScipyName, scipy_name
from smoothmin._setup import Arguments
from smoothmin._source import Objective, Remembered, Source, source_of, threads_of
from smoothmin._types import BoundsGiven, Fun, Integrality, Jac, Seed, Start

if TYPE_CHECKING:
    from smoothmin.journal.source import Journaled


def minimize(
    fun: Fun,
    x0: Start,
    args: object = (),
    method: str | Method | type[Method] | Fun | None = None,
    jac: Jac = None,
    hess: Fun | None = None,
    hessp: Fun | None = None,
    bounds: BoundsGiven | None = None,
    constraints: object = (),
    tol: float | None = None,
    callback: Fun | None = None,
    options: Mapping[str, object] | None = None,
    *,
    integrality: Integrality | None = None,
    rng: Seed = None,
    workers: object = None,
    vectorized: bool = False,
) -> Result:
    """Minimize a function that has kinks, noise, or many local minima.

    The signature is that of `scipy.optimize.minimize`, and a script works after
    changing only its import line.

    Parameters
    ----------
    fun : callable, or scipy.LowLevelCallable
        ``fun(x, *args) -> float``, or ``(float, gradient)`` if ``jac`` is True.
        It gets an array of ``x0``'s shape that is its own to change. Where numba has compiled
        it, and `jac`, batches are evaluated in a compiled loop once that pays. So are functions
        in C, of ctypes, cffi and numba's ``cfunc``: ``double f(int n, double *x[, void *data])``.
    x0 : array_like, or dict, list or tuple of arrays
        Start: real, finite, of any shape, unlike in SciPy. Integers are converted. A dict of
        arrays and numbers, or a list or tuple with an ndarray of one or more dimensions among
        its elements, is in blocks: ``fun`` gets the same structure, returns gradients in it,
        and so are all points and gradients of the result and the callback (``hess_inv`` is
        of the blocks joined). Options of one value per block go by these.
    args : tuple, optional
        Further arguments of ``fun`` and ``jac``. Anything but a tuple is the only one.
    method : str, Method or callable, optional
        A name listed by `show_options` (upper case and ``_`` for ``-`` are fine), a
        method object such as ``Homotopy(sigma=2.0)``, or a callable with SciPy's
        custom-method protocol. SciPy's fifteen names run what keeps their promise, with
        their options in SciPy's meaning, see Notes. By default "gradient-sampling" if there
        is a gradient and "derivative-free" if not, with constraints "sqp" and
        "constrained-model"; ``res.method`` says which.
    jac : callable, bool or {"2-point", "3-point", "cs"}, optional
        Gradient: a function ``jac(x, *args)`` of its own, True if ``fun`` returns it
        along with the value, or a finite-difference scheme, of SciPy's steps. Either may write
        the gradient into a last argument ``out`` without a default, zero at first. None or
        False: methods that work with values alone do, others take one-sided differences
        whose steps are as long as the function's noise demands, which 8 or more values
        near ``x0`` tell.
    hess : callable, optional
        ``hess(x, *args)``, an array (n, n), dense or sparse: "bfgs", and names of SciPy's that
        run it, step by it, at each iterate anew. Other methods warn. What SciPy takes besides
        asks for nothing that is not done.
    hessp : callable, optional
        Not used, with a warning.
    bounds : scipy.optimize.Bounds or sequence of (min, max), optional
        No evaluation leaves them. None in a pair means no bound. Equal bounds fix a
        variable. A start outside is moved to the nearest bound, with a warning. For ``x0``
        in blocks also in the same structure: for each a `Bounds`, a (min, max) pair of numbers
        or arrays, one pair per element, or None.
    constraints : LinearConstraint, NonlinearConstraint, dict, or a list of these, optional
        As SciPy's, for every method. Linear equalities are eliminated: every point meets them,
        the first being the nearest to ``x0`` that does. Rows with ``keep_feasible`` are never
        left by an evaluation. Violations up to the option ``ctol``, in units of ``max(1, |c|)``,
        count as none: 1e-8 with gradients, 1e-6 from values, one entry a constraint if it is
        an array. Jacobians that are not given are differences. A callable ``method`` that is
        not of this library is handed them.
    tol : float, optional
        Sets the method's main tolerances unless ``options`` does. What is given is absolute,
        as in SciPy; by default a run has converged where the decrease that is left is
        negligible beside the last ones, or below what rounding and noise let values show.
    callback : callable, optional
        Called after each iteration, with an `OptimizeResult` of ``x``, ``fun``,
        ``jac``, ``nit``, ``nfev`` and what the method reports if its only parameter
        is named ``intermediate_result``, with the current ``x``, a copy, and such a result
        if it has two required positional parameters, else with ``x`` alone. Unlike
        in SciPy's local methods it ends the run not only by raising `StopIteration`
        but also by returning True.
    options : dict, optional
        The method's options, and for every method: ``maxiter``, ``maxfev``,
        ``maxtime`` (seconds), ``f_target``, ``termination``, ``disp``,
        ``return_all``, ``history``, ``journal``, ``asynchronous``, ``on_error``,
        ``return_on_interrupt``, ``result``, and the
        steps of finite differences, ``eps`` and ``finite_diff_rel_step``. See
        `show_options`. Unknown ones are ignored with a warning.
    integrality : array_like of bool, optional
        Which variables are integers, as in SciPy's `differential_evolution`: one for all, or
        one a variable, in the shape or structure of ``x0``. Nothing else is evaluated there.
        For "derivative-free", the default then, and "gaussian-search", without constraints.
    rng : int, numpy.random.Generator or other seed, optional
        Source of all randomness, as `numpy.random.default_rng` takes it. The
        same seed gives the same run.
    workers : int, map-like callable, Executor, Dask client or str, optional
        Who evaluates: a number of processes (-1: one per core), which then are all that call
        ``fun``; a function such as ``pool.map``, whose answers may come in any order; an object
        with ``submit`` and ``map``; a Dask client or cluster, or the address of its scheduler
        such as ``"tcp://host:8786"``. The run does not depend on it. Where numba has compiled the
        objective and it does not write to arrays in `args`, a number is one of threads.
    vectorized : bool, default False
        ``fun`` maps ``(n, S)`` to ``(S,)`` values, and with ``jac=True`` to values
        and ``(n, S)`` gradients; so does a callable ``jac`` to gradients. ``x0``'s own
        shape comes first if it has more than one dimension. Columns are contiguous.

    Returns
    -------
    Result
        A `scipy.optimize.OptimizeResult`: `Result` has the list of its fields. ``x`` and ``fun``
        are the best feasible point evaluated, or the least infeasible one if there is none,
        and with ``options={"result": "last"}`` the method's last iterate; ``success`` is true
        for status 0, converged, and 6, ``f_target`` reached. Printed it tells what ended the
        run, how sure the value is, what each phase cost, and where it failed what to try next.

    Raises
    ------
    NotImplementedError
        For ``integrality`` with a method that knows of none, or with constraints.
    TypeError, ValueError
        For arguments of a wrong kind or value, before any evaluation, and for what
        ``fun`` or ``jac`` should not return. What they raise is passed on with the
        result so far as the exception's ``partial_result``; `StopIteration` ends the
        run as in ``callback``.

    Warns
    -----
    scipy.optimize.OptimizeWarning
        For unknown options, options of SciPy's that are not taken, and a start outside the
        bounds or beyond rows that are never left.
    RuntimeWarning
        For arguments that are accepted and not used.

    Notes
    -----
    Without ``maxiter``, ``maxfev`` and ``maxtime`` a run ends after max(1000, 200 n) iterations,
    or five times as many requests for values in a row without progress, a decrease by more than
    half of a value's digits.

    A point is never evaluated if it would be one more than ``maxfev``. ``maxtime`` and
    ``f_target`` are checked after each evaluation; with ``workers``, after each that
    comes back, and what else was under way then is neither used nor counted: a number of
    processes is ended whatever they are at, those of an Executor or a cluster finish it. Values
    that are NaN or infinite never win; at ``x0`` they end the run, and so does minus
    infinity anywhere, or a point to evaluate that is not finite. Without gradients, values
    that are all the same are no success: the status is 4. A gradient that is zero is one, on
    a plateau as well; where no value around differs the message says so.

    Of SciPy's names, "BFGS", "SLSQP", "dogleg" and "trust-exact" run "bfgs" and "L-BFGS-B"
    "lbfgs"; "CG", "Newton-CG", "TNC", "trust-constr", "trust-ncg" and "trust-krylov" run
    "bfgs" up to 500 variables and "lbfgs" beyond; "Nelder-Mead", "Powell", "COBYLA" and
    "COBYQA" run `ModelDescent`, from values alone. With constraints "SLSQP" and "trust-constr"
    run "sqp", "COBYLA" and "COBYQA" "constrained-model". ``show_options`` of a name says how each
    of its options is taken. ``tol`` sets what it sets in SciPy, and tolerances are in SciPy's
    units; where none is given the ends are those of the method that runs. Results have
    "SLSQP"'s ``multipliers``, ``maxcv``, and of "trust-constr" ``grad``, ``niter``, ``v``,
    ``optimality`` and ``execution_time``, ``jac`` being the gradient; no ``final_simplex`` or
    ``direc``, for want of any.

    Methods that know of no constraints see them as an exact penalty, see `ExactPenalty`.
    Methods that know of no bounds see the function mirrored at them.

    Threads of NumPy's linear algebra gain little on matrices as small as these, and lose much
    where processors are busy: ``OMP_NUM_THREADS=1`` in the environment turns them off.

    With ``asynchronous``, "gaussian-search" and "derivative-free", whose larger searches are of
    that kind, do not wait for the last points of a batch while ``workers`` have nothing to do: a
    number of points, by default two for each worker, is kept under way, and the search goes on
    with what has come back. Such a run depends on the order in which answers come, all others
    on ``rng`` alone; a journal keeps that order. What is under way when it ends is not counted.

    With ``journal``, a path or a `Journal`, a run that was killed, made again with the same
    arguments, ``rng`` included if it was given, is the run that would have been: values come
    from the file as long as it has any. It loses the evaluation it was at, or the batch if
    ``workers`` or ``vectorized`` evaluate it. Limits, ``workers``, ``callback`` and ``disp`` may
    be others. While a run writes the file, a second one that wants it gets a `RuntimeError`. A
    damaged end is cut off, with a warning. Another run than that of the file is refused at the
    first point that differs by more than rounding. To begin anew remove the file.

    Examples
    --------
    Two kinks that cross at the minimum, where a method for smooth functions stops early:

    >>> import numpy as np
    >>> import scipy.optimize
    >>> import smoothmin
    >>> def fun(x):
    ...     value = abs(x[0]) + 2 * abs(x[1] - 1)
    ...     return value, np.array([np.sign(x[0]), 2 * np.sign(x[1] - 1)])
    >>> x0 = [3.0, 2.5]
    >>> bool(scipy.optimize.minimize(fun, x0, jac=True, method="L-BFGS-B").fun > 1e-3)
    True
    >>> res = smoothmin.minimize(fun, x0, jac=True)
    >>> res.success, res.method, bool(res.fun < 1e-6)
    (True, 'gradient-sampling', True)
    """
    fun = as_python(fun)
    args = args if isinstance(args, tuple) else (args,)
    require_takes("fun", fun, 1 + len(args))
    if callable(jac):
        require_takes("jac", jac, 1 + len(args))
    if callable(method) and not isinstance(method, Method) and not inspect.isclass(method):
        theirs = {"hess": hess, "hessp": hessp, "bounds": bounds, "constraints": constraints}
        ours = {"integrality": integrality, "tol": tol, "rng": rng, "workers": workers}
        ours["vectorized"] = vectorized or None
        rest = {key: value for key, value in ours.items() if value is not None}
        more = {**theirs, "callback": callback, **rest, **(options or {})}
        found = _by_custom_method(method, fun, x0, args, jac, **more)
        return cast("Result", found)  # as it came
    if (named := scipy_name(method)) is not None:
        named.require(jac=jac, hess=hess, hessp=hessp)
    require_bool("vectorized", vectorized)
    given = Arguments.of(
        x0, method, jac, bounds, constraints, tol, callback, options, rng, integrality=integrality
    )  # fmt: skip
    used = None
    if hess is not None or hessp is not None:
        from smoothmin._hessian import with_hessian

        given, used = with_hessian(given, hess, hessp, args)
    workers = given.workers if workers is None else workers
    if vectorized and workers not in (None, 1):
        warnings.warn("workers is ignored with vectorized=True", RuntimeWarning, stacklevel=2)
    objective = given.objective(fun, args, columns=vectorized)
    result = _run(given, _source(objective, given.domain, workers, vectorized))
    result["nhev"] = 0 if used is None else used.calls
    if named is not None:
        _complete(result, named, given, hess, args)
    elif method is None and bounds is not None:
        _read_as_operator(result)
    if given.plan.settings.disp:
        _display(result)
    return result


def _run(given: Arguments, source: Source) -> Result:
    """From the first evaluation to the result."""
    try:
        generator, ahead = as_generator(given.seed), given.ahead(source.parallel)
        if given.journal is not None:
            source = kept = _journaled(source, given, ahead)
            generator = as_generator(kept.seed) if given.seed is None else generator
        run, ledger = given.assemble(generator, ahead)
        return run.drive(Evaluator(source, ledger).answer)
    finally:
        source.close()


def _complete(
    result: Result, named: ScipyName, given: Arguments, hess: Any, args: tuple[Any, ...]
) -> None:
    """Add the fields that the results of SciPy's method have."""
    from smoothmin._scipy_results import complete

    complete(result, named.name, given)
    if named.tells_hessian and callable(hess):
        result["hess"] = hess(result["x"], *args)
        result["nhev"] += 1


def _read_as_operator(result: Result) -> None:
    """Let scripts read the inverse Hessian as that of SciPy's default between bounds."""
    from smoothmin._scipy_results import read_as_operator

    read_as_operator(result)


def _by_custom_method(
    method: Any, fun: Any, x0: Any, args: tuple[Any, ...], jac: Any, **rest: Any
) -> Any:
    """Call somebody else's method by SciPy's protocol: ``jac`` is a function or None."""
    if jac is True or (isinstance(jac, np.bool_) and jac):
        fun = Remembered(fun)
        jac = fun.gradient
    return method(fun, as_start(x0), args=args, jac=jac if callable(jac) else None, **rest)


def minimize_as_scipy_method(
    method: Method,
    fun: Any,
    x0: Any,
    args: Any = (),
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    callback: Any = None,
    tol: float | None = None,
    **options: Any,
) -> Result:
    """Serve as ``scipy.optimize.minimize(..., method=method)``."""
    return minimize(
        fun, x0, args, method, jac, hess, hessp, bounds, constraints, tol, callback, options
    )


def _source(objective: Objective, domain: Domain, workers: Any, vectorized: bool) -> Source:
    if vectorized:
        from smoothmin._vectorized import Vectorized
        from smoothmin.constraints.evaluation import ConstrainedColumns

        return (ConstrainedColumns if objective.wide else Vectorized)(objective, domain)
    if workers is None:
        return source_of(objective, domain)
    from smoothmin.workers.choose import source_for

    return threads_of(objective, domain, workers, lambda: source_for(objective, domain, workers))


def _journaled(source: Source, given: Arguments, ahead: int) -> Journaled:
    from smoothmin.journal.identity import identity
    from smoothmin.journal.options import as_journal
    from smoothmin.journal.source import Journaled

    journal = as_journal(given.journal)
    more: dict[str, Any] = {"scheme": given.scheme, "differences": given.differences}
    more |= {"asynchronous": ahead} if ahead else {}
    words = identity(source.objective, given.domain, given.method, given.seed, more)
    return Journaled(source, journal, words)


def _display(result: Result) -> None:
    print(result.message)
    print(f"         Current function value: {result.fun:.8g}")
    print(f"         Iterations: {result.nit}")
    print(f"         Function evaluations: {result.nfev}")
    print(f"         Gradient evaluations: {result.njev}")
