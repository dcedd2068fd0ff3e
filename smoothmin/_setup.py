"""One way to assemble a run: from arguments as users give them to what is driven.

`Arguments` are checked before any evaluation; `Arguments.assemble` makes the run of them,
for whoever evaluates: `minimize` or the user of an `Optimizer`.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import math
import numbers
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import OptimizeWarning

from smoothmin._check import (
    as_generator,
    plain,
    require_integer,
    require_limit,
    require_one_of,
    require_real,
)
from smoothmin._differences import SCHEMES, GivenSteps, Stencil
from smoothmin._domain import Domain
from smoothmin._engine import Callback, Run, Settings, as_callback
from smoothmin._evaluate import Ledger
from smoothmin._failures import Failures
from smoothmin._history import Recorder
from smoothmin._limits import Limits
from smoothmin._method import Method
from smoothmin._noisy_differences import NoiseAwareStencil
from smoothmin._protocol import Array, Known
from smoothmin._registry import (
    COMMON_OPTIONS,
    default_method,
    method_class,
    methods_with,
    mistaken_for,
    option_names,
)
from smoothmin._scaling import as_x_scale, with_scaled_metric, with_x_scale
from smoothmin._scipy_names import hint, scipy_name
from smoothmin._source import Objective
from smoothmin._stopping import Never, as_termination
from smoothmin._structure import InBlocks
from smoothmin._verdict import CTOL_FROM_VALUES, NEGLIGIBLE
from smoothmin._warm import as_known

if TYPE_CHECKING:
    from smoothmin.constraints.forms import Forms
    from smoothmin.constraints.run import Constraints

REQUESTS_PER_ITERATION = 5  # without progress, in runs without limits
KNOWN_AND_CONSTRAINED = (
    "warm_start and constraints cannot be given together: values of constraints are not known"
)
CTOL = NEGLIGIBLE  # violation that counts as none, in units of max(1, |c|)


@dataclass(frozen=True)
class Arguments:
    """What a run is made of, checked; ``scheme`` makes its gradients if it is not None."""

    method: Method
    jac: Any
    domain: Domain
    plan: Plan
    seed: Any
    workers: Any
    journal: Any
    differences: Stencil | None
    failures: Failures | None = None
    asynchronous: bool | int = False
    constraints: Constraints | None = None
    known: Known | None = None
    x_scale: Array | None = None  # what the method's variables are divided by

    @classmethod
    def of(
        cls,
        x0: Any,
        method: Any,
        jac: Any,
        bounds: Any,
        constraints: Any,
        tol: float | None,
        callback: Any,
        options: Any,
        rng: Any,
        *,
        integrality: Any = None,
        told: bool = False,
    ) -> Arguments:
        """Check them; called by front ends only, two frames below the user's.

        ``told`` if constraints are not evaluated here.
        """
        theirs, tol = scipy_name(method), plain(tol)
        if isinstance(options, Mapping):
            options = {key: plain(value) for key, value in options.items()}
        start = x0 if theirs is None else theirs.start(x0, options)
        if integrality is None and isinstance(options, Mapping):
            integrality = options.get("integrality")
        warn = theirs is None or not theirs.clips
        domain = Domain.build(start, bounds, warn=warn, integrality=integrality)
        forms = _as_forms(constraints, domain.shape, told)
        if theirs is not None:
            theirs = theirs if forms is None else theirs.with_constraints()
            options = theirs.translate(options, tol, domain.problem(False))
            method, tol = theirs.method_for(domain.size), None
        common, own = split_options(options)
        if told:  # whoever evaluates sees how far the run is
            common = {key: v for key, v in common.items() if key not in ("disp", "progress")}
        jac = as_jac(jac, common.pop("jac_method", None))
        integers = domain.integers is not None
        if method is None:
            method = default_method(jac is not None, forms is not None, integers)
        chosen = as_method(method, own, tol, jac is not None)
        if not (jac is None or jac is True):  # a pair is what ``fun`` returns anyway
            _warn_of_unused_gradient(chosen)
        common.pop("integrality", None)
        if integers:
            _require_integers_known(chosen, forms is not None)
        chosen, scale = with_x_scale(
            chosen, as_x_scale(common.pop("x_scale", None), domain), domain
        )
        known = as_known(common.pop("warm_start", None), domain)
        ctol, held = common.pop("ctol", None), None
        if forms is not None:
            if known is not None:
                raise NotImplementedError(KNOWN_AND_CONSTRAINED)
            held, domain = _as_constraints(forms, ctol, jac is not None, domain, told=told)
        seed = _as_seed(common.pop("rng", None) if rng is None else rng)
        workers, journal = common.pop("workers", None), common.pop("journal", None)
        differences = GivenSteps.of(common, jac, domain)
        failures = _as_failures(common.pop("on_error", None))
        ahead = _as_asynchronous(common.pop("asynchronous", None), chosen, told=told)
        plan = Plan.of(common, as_callback(callback), domain.size)
        if not plan.ends:
            _refuse_endless(chosen)
        return cls(
            chosen, jac, domain, plan, seed, workers, journal, differences, failures, ahead, held,
            known, scale,
        )  # fmt: skip

    def objective(
        self, fun: Callable[..., Any], args: tuple[Any, ...], *, columns: bool = False
    ) -> Objective:
        """What is evaluated: ``fun``, its gradient unless a scheme makes it, and constraints.

        ``columns`` if it is called with many points at once.
        """
        jac, structure = None if self.scheme else self.jac, self.domain.structure
        if structure is not None:
            fun = InBlocks(fun, structure, "both" if jac is True else "value")
            jac = InBlocks(jac, structure, "gradient") if callable(jac) else jac
        plain, held = Objective(fun, jac, args), self.constraints
        if self.failures is not None:
            plain.guard(self.failures, columns=columns)
        if held is None or not held.forms.nonlinear:
            return plain
        from smoothmin.constraints.evaluation import ConstrainedObjective

        items = [held.forms.items[k].seen_by(structure) for k in held.forms.nonlinear]
        keeps = held.keeps(self.domain)
        return ConstrainedObjective(plain, items, self.domain, held.sizes, self.scheme, keeps)

    @property
    def scheme(self) -> str | None:
        """The finite-difference scheme that gradients are made by, if they are."""
        if self.jac is None:
            return "2-point" if self.method.needs_gradient else None
        return self.jac if isinstance(self.jac, str) else None

    def ahead(self, parallel: int | None) -> int:
        """Points to keep under way where so many evaluations are made at once.

        Two for each worker, so that none waits for the next.
        """
        if self.asynchronous is not True:
            return int(self.asynchronous)
        if parallel is None:
            raise ValueError(
                "asynchronous must be a number of points, such as twice the workers, where these "
                "do not say how many they are; got True"
            )
        return 2 * parallel if parallel > 1 else 0

    def assemble(self, rng: np.random.Generator, ahead: int = 0) -> tuple[Run, Ledger]:
        """The run, and the ledger of what is evaluated for it; ``ahead`` as in `Problem`."""
        domain, stencil = self.domain, self._stencil(rng)
        has_gradient = self.jac is not None or stencil is not None
        held, constrained = self.constraints, None
        if held is None:
            ledger = Ledger(domain, self.plan.limits, stencil)
        else:
            from smoothmin.constraints.run import ConstrainedRun

            keeps = held.keeps(domain)
            stencil = stencil if stencil is None or keeps is None else keeps(stencil)
            ledger = ours = held.ledger(domain, self.plan.limits, stencil)
            ours.slopes_apart = held.slopes_apart(self.scheme)
            exact = self.jac is not None and stencil is None
            constrained = ConstrainedRun(held.contradiction, ours, domain, exact)
        if kept := self.plan.settings.history:
            ledger.recorder = Recorder(domain.size, kept == "points")
        ledger.failures = self.failures
        problem = domain.problem(has_gradient, stencil, ledger.precision)
        problem = dataclasses.replace(problem, ahead=ahead) if ahead else problem
        settings = self.plan.settings
        if self.known is not None:
            problem = dataclasses.replace(problem, known=self.known)
        method = self.method
        if self.x_scale is not None:
            method = with_scaled_metric(method, self.x_scale)
        run = Run(method, ledger, domain, problem, rng, settings, constrained)
        run.x_scale = self.x_scale
        if self.known is not None:
            run.recall(*self.known)
        return run, ledger

    def _stencil(self, rng: np.random.Generator) -> Stencil | None:
        """Finite differences: of SciPy's steps if asked for by name, of the noise's if not."""
        box, scheme = self.domain.box, self.scheme
        if scheme is None:
            return None
        if self.differences is not None:
            return self.differences
        return NoiseAwareStencil(box, rng) if self.jac is None else Stencil(scheme, box)


def _as_forms(constraints: Any, shape: tuple[int, ...], told: bool) -> Forms | None:
    """The constraints; what knows of them is not imported where there are none."""
    if constraints is None or (isinstance(constraints, (list, tuple)) and not constraints):
        return None
    from smoothmin.constraints.forms import as_forms

    return as_forms(constraints, shape, told=told)


def _as_constraints(
    forms: Forms, ctol: Any, has_gradient: bool, domain: Domain, *, told: bool
) -> tuple[Constraints, Domain]:
    """Constraints met within ``ctol``, and what is left of the domain without planes."""
    from smoothmin.constraints.run import Constraints

    default = CTOL if has_gradient else CTOL_FROM_VALUES
    return Constraints.of(forms.within(ctol, default), domain, told=told)


def _as_seed(given: Any) -> Any:
    """What a `numpy.random.Generator` is made of, when it is needed."""
    if given is not None and (type(given) is not int or given < 0):  # else it is a seed
        as_generator(given)
    return given


def _as_failures(on_error: Any) -> Failures | None:
    """What keeps account of exceptions, where they are to count as no value."""
    on_error = "raise" if on_error is None else on_error
    require_one_of("on_error", on_error, ("raise", "nan"))
    return Failures() if on_error == "nan" else None


def _as_asynchronous(given: Any, method: Method, *, told: bool) -> bool | int:
    """The option ``asynchronous``: a bool, or a number of points."""
    if given is None or isinstance(given, (bool, np.bool_)):
        given = bool(given)
    else:
        require_integer("asynchronous", given, 1)
    if given and not told and not method.streams:
        text = f"asynchronous is of no effect on {type(method).__name__}, which waits for all"
        warnings.warn(text, RuntimeWarning, stacklevel=4)
    return False if told else given


def split_options(options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of every method, and the rest."""
    if options is None:
        return {}, {}
    if not isinstance(options, Mapping):
        raise TypeError(f"options must be a dict, got {options!r}")
    common = {k: v for k, v in options.items() if k in COMMON_OPTIONS}
    return common, {k: v for k, v in options.items() if k not in COMMON_OPTIONS}


def as_jac(jac: Any, scheme: Any) -> Any:
    """A callable, True, a scheme, or None for no gradient."""
    name = "jac"
    if isinstance(jac, (bool, np.bool_)):
        jac = True if jac else None
    if jac is None and scheme is not None:
        name, jac = "jac_method", scheme
    if jac is None or jac is True or callable(jac):
        return jac
    if not isinstance(jac, str):
        raise TypeError(f"{name} must be callable, a bool or one of {list(SCHEMES)}, got {jac!r}")
    require_one_of(name, jac, SCHEMES)
    return jac


def as_method(method: Any, own: dict[str, Any], tol: float | None, has_gradient: bool) -> Method:
    """The method object meant, with its options."""
    if isinstance(method, str):
        cls = method_class(method)
        chosen: Method | None = None
    elif isinstance(method, Method):
        cls, chosen = type(method), method
    elif inspect.isclass(method) and issubclass(method, Method):
        cls, chosen = method, None
    else:
        # `minimize` has taken callables by now, `Optimizer` has no use for them
        kinds = "a name or a Method" if callable(method) else "a name, a Method or a callable"
        raise TypeError(f"method must be {kinds}, got {method!r}")
    if chosen is not None:
        chosen = chosen.for_problem(has_gradient)
    target = type(chosen) if chosen is not None else cls.class_for(has_gradient)
    if own:
        own = _known_options(own, cls, target, has_gradient)
    if chosen is None:
        chosen = target(**own)
    elif own:
        chosen = chosen.with_options(**own)
    if tol is not None:
        require_real("tol", tol, minimum=0)
        # an option is meant more than tol, which may set the same
        chosen = chosen.with_tolerance(tol).with_options(**own)
    return chosen


def _warn_of_unused_gradient(method: Method) -> None:
    """As SciPy does, where a method takes values alone; one that is another without does not."""
    inner = method
    while isinstance(further := getattr(inner, "inner", None), Method):
        inner = further
    if not inner.needs_gradient and type(inner).class_for(False) is type(inner):
        text = f"{type(inner).__name__} takes values alone: the gradient (jac) is not used"
        warnings.warn(text, RuntimeWarning, stacklevel=4)


def _known_options(
    own: dict[str, Any], cls: type[Method], target: type[Method], has_gradient: bool
) -> dict[str, Any]:
    """Those of the method that runs, by its names; with warnings of others."""
    own = _renamed(own, target)
    known = option_names(target)
    unused = [key for key in own if key not in known and key in option_names(cls)]
    if unused:
        message = "of no effect " + ("with" if has_gradient else "without") + " a gradient"
        warnings.warn(f"options {message}: {', '.join(unused)}", RuntimeWarning, stacklevel=5)
    unknown = [key for key in own if key not in known and key not in unused]
    _warn_of_unknown(unknown, known, mistaken_for(target, unknown))
    return {key: value for key, value in own.items() if key in known}


def _renamed(own: dict[str, Any], target: type[Method]) -> dict[str, Any]:
    """Options by their names here, where a method knows others for them."""
    for other, name in target.synonyms.items():
        if other in own and own.get(name) is not None:
            raise ValueError(f"{other} and {name} must not both be given: they are the same")
    return {target.synonyms.get(key, key): value for key, value in own.items()}


def _warn_of_unknown(unknown: list[str], known: list[str], advice: str) -> None:
    """SciPy's warning, with the methods that have such an option, or the nearest name."""
    if not unknown:
        return
    hints = []
    known = [*known, *COMMON_OPTIONS]
    for key in unknown:
        theirs, takers = hint(key, known), methods_with(key)
        near = [theirs] if theirs else difflib.get_close_matches(str(key), known, n=1)
        if takers and not theirs:  # spelled as it should be
            hints.append(f"{key} (an option of {', '.join(takers)})")
        else:
            hints.append(f"{key}" + (f" (did you mean {near[0]}?)" if near else ""))
    message = f"Unknown solver options: {', '.join(hints)}{advice}"
    warnings.warn(message, OptimizeWarning, stacklevel=6)


@dataclass(frozen=True)
class Plan:
    """The common options, checked."""

    limits: Limits
    settings: Settings

    @classmethod
    def of(cls, common: dict[str, Any], callback: Callback | None, n: int) -> Plan:
        given = {key: value for key, value in common.items() if value is not None}
        bounded = {"maxiter", "maxfev", "maxtime"} & given.keys()
        maxiter = require_limit("maxiter", given.get("maxiter"), 0, math.ceil)
        maxtime, f_target = given.get("maxtime", math.inf), given.get("f_target", -math.inf)
        require_real("maxtime", maxtime, minimum=0)
        require_real("f_target", f_target)
        limits = Limits(
            require_limit("maxfev", given.get("maxfev"), 1, math.floor),
            float(maxtime),
            float(f_target),
            time.perf_counter(),
        )
        flags = {
            name: _flag(name, given.get(name, False))
            for name in ("disp", "progress", "return_all", "return_on_interrupt")
        }
        history = given.get("history", False)
        if not (isinstance(history, str) and history == "points"):
            history = _flag("history", history, ' or "points"')
        require_one_of("result", given.get("result", "best"), ("best", "last"))
        most = max(1000, 200 * n)
        unlimited = maxiter == limits.maxfev == limits.maxtime == math.inf
        settings = Settings(
            maxiter if bounded else most,
            REQUESTS_PER_ITERATION * most if unlimited else math.inf,
            as_termination("termination", given.get("termination")),
            callback,
            result=given.get("result", "best"),
            history=history,
            **flags,
        )
        return cls(limits, settings)

    @property
    def ends(self) -> bool:
        """Whether anything that was given, by itself, ends a run that would go on."""
        unlimited = self.settings.patience < math.inf and self.limits.f_target == -math.inf
        return not (unlimited and isinstance(self.settings.termination, Never)) or (
            self.settings.callback is not None
        )


def _refuse_endless(method: Any) -> None:
    """Raise if a method, or one inside it, goes on until a limit ends it."""
    while method is not None:
        if getattr(method, "restarts", None) == "budget":
            raise ValueError(
                'restarts="budget" goes on until a limit ends it, and none was given: maxfev, '
                "maxiter, maxtime, f_target, termination, or a callback that stops it"
            )
        method = getattr(method, "inner", None)


def _require_integers_known(method: Method, constrained: bool) -> None:
    """Raise unless the method evaluates at integers alone where that is asked for."""
    if not method.handles_integers:
        name = method.name or type(method).__name__
        raise NotImplementedError(
            f'integrality is not known to method={name!r}: "derivative-free" takes it, and '
            f'"gaussian-search"'
        )
    if constrained:
        raise NotImplementedError(
            "integrality and constraints cannot be given together: bounds may be, and `fun` may "
            "be infinite, or higher by a penalty, where constraints are violated"
        )


def _flag(name: str, value: Any, more: str = "") -> bool:
    """A truth value, which may be written as a number, as SciPy's ``disp``."""
    if not isinstance(value, (bool, np.bool_, numbers.Integral)):
        raise TypeError(f"{name} must be True or False{more}, got {value!r:.80}")
    return bool(value)
