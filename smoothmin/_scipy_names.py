"""SciPy's method names: what each runs here, and how its options are taken.

One table, `NAMES`. A name runs a method that keeps its promise: a local one, that takes
gradients if the name does. The options are in `smoothmin._scipy_options`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from scipy.optimize import OptimizeWarning

from smoothmin import _scipy_options as of
from smoothmin._check import require_real
from smoothmin._machine import DENSE_UP_TO
from smoothmin._protocol import Problem
from smoothmin._scipy_options import FINAL_RADIUS, Meaning, final_xtol
from smoothmin.linesearch.weak_wolfe import SMOOTH_WOLFE

PRODUCTS = "hess or hessp"  # one of the two
# options that a method here has none of its own for: what does it for every method
OTHERWISE = {"seed": "rng", "iprint": "disp"}


@dataclass(frozen=True, slots=True)
class ScipyName:
    """A method's name of SciPy's.

    Parameters
    ----------
    name : str
        As SciPy spells it.
    runs, large : str
        What runs, and with more than `DENSE_UP_TO` variables.
    options : dict
        The options on SciPy's page but those of every method here.
    tol : tuple of str
        Which of them ``tol`` sets there.
    needs : tuple of str
        Arguments without which SciPy raises; of "hess or hessp" one is enough.
    clips : bool
        Whether SciPy moves a start into the bounds without a warning.
    searches : bool
        Whether the line search is to be SciPy's in its constants and its first step, so that
        tolerances are met where they are there.
    schemes : bool
        Whether SciPy takes the Hessian by differences, which then have to be of a gradient.
    constrained : str
        What runs with constraints.
    constrained_options : dict or None
        Its options, if they are others.
    """

    name: str
    runs: str
    large: str
    options: Mapping[str, Meaning]
    tol: tuple[str, ...]
    needs: tuple[str, ...] = ()
    clips: bool = False
    searches: bool = False
    schemes: bool = False
    constrained: str = ""
    constrained_options: Mapping[str, Meaning] | None = None

    def method_for(self, n: int) -> str:
        """What runs with ``n`` variables."""
        return self.runs if n <= DENSE_UP_TO else self.large

    def with_constraints(self) -> ScipyName:
        """The entry where there are constraints: what runs, and the options."""
        if not self.constrained:
            return self
        options = self.constrained_options or self.options
        return replace(
            self,
            runs=self.constrained,
            large=self.constrained,
            options=options,
            searches=False,
        )

    @property
    def tells_hessian(self) -> bool:
        """Whether SciPy's results have the user's Hessian at their ``x``."""
        return self.needs[1:] != ()

    def require(self, **given: Any) -> None:
        """Raise unless what SciPy needs is there: no scheme of differences will do."""
        for need in self.needs:
            # there differences of gradients are for products with the Hessian alone
            there = [given[name] for name in need.split(" or ") if given[name] is not False]
            if not any(callable(f) or f is True or (f and need == PRODUCTS) for f in there):
                raise ValueError(f"{need} is required for method={self.name!r}, as in SciPy")
        jac, hess = given["jac"], given["hess"]
        differences = isinstance(hess, str) and not (callable(jac) or jac is True)
        if self.schemes and differences:
            raise ValueError(
                f"hess={hess!r} requires a gradient for method={self.name!r}, as in SciPy: "
                "differences of differences are no Hessian"
            )

    def start(self, x0: Any, options: Any) -> Any:
        """The start: ``x0``, but for a simplex its first vertex."""
        given = options.get("initial_simplex") if isinstance(options, Mapping) else None
        if given is None or "initial_simplex" not in self.options:
            return x0
        return of.as_simplex(given)[0]

    def translate(self, options: Any, tol: Any, problem: Problem) -> Any:
        """The options as the method here takes them; called three frames below the user's."""
        if tol is not None:
            require_real("tol", tol, minimum=0)
        if options is None:
            options = {}
        if not isinstance(options, Mapping):
            return options  # for whoever reads them to refuse
        asked = ({} if tol is None else dict.fromkeys(self.tol, tol)) | dict(options)
        ours = {key: value for key, value in asked.items() if key not in self.options}
        for key, value in asked.items():
            meaning = self.options.get(key)
            if meaning is None or value is None:
                continue
            if meaning.warns and key in options and meaning.asks(value):
                reason = meaning.text.split(": ", 1)[1]
                text = f"option {key} of method={self.name!r} is not taken: {reason}"
                warnings.warn(text, OptimizeWarning, stacklevel=4)
            if meaning.check is not None:
                meaning.check(key, value)
            if meaning.option is not None:
                converted = meaning.convert(value, problem) if meaning.convert else value
                if converted is not None:
                    ours[meaning.option] = converted
        if self.searches and not {"c1", "c2"} & ours.keys():
            ours["c2"] = SMOOTH_WOLFE
        if self.searches:
            ours.setdefault("first_step", 1.0)
        if self.name == "SLSQP" and "fatol" in ours:
            ours.setdefault("ctol", of.violation_of(ours["fatol"]))
        if FINAL_RADIUS in ours:
            end, scale = ours.pop(FINAL_RADIUS), ours.get("scale")
            ours["xtol"] = final_xtol(end, scale, problem)
        return ours


_MODEL = "model-descent", "model-descent"
_DENSE = "bfgs", "bfgs"
_LIMITED = "lbfgs", "lbfgs"
_BY_SIZE = "bfgs", "lbfgs"
_HESS = "jac", PRODUCTS
# with constraints: for gradients and for values alone
_SQP = "sqp"
_VALUES = "constrained-model"

NAMES: dict[str, ScipyName] = {
    entry.name.lower(): entry
    for entry in (
        ScipyName("Nelder-Mead", *_MODEL, of.NELDER_MEAD, ("xatol", "fatol"), constrained=_VALUES),
        ScipyName("Powell", *_MODEL, of.POWELL, ("xtol", "ftol"), constrained=_VALUES),
        ScipyName("CG", *_BY_SIZE, of.CG, ("gtol",), searches=True),
        ScipyName("BFGS", *_DENSE, of.BFGS, ("gtol",)),
        ScipyName("Newton-CG", *_BY_SIZE, of.NEWTON_CG, ("xtol",), ("jac",), searches=True),
        ScipyName("L-BFGS-B", *_LIMITED, of.LBFGSB, ("ftol", "gtol"), clips=True, searches=True),
        ScipyName("TNC", *_BY_SIZE, of.TNC, ("ftol", "xtol", "gtol"), searches=True),
        ScipyName("COBYLA", *_MODEL, of.COBYLA, ("tol",), clips=True, constrained=_VALUES),
        ScipyName(
            "COBYQA", *_MODEL, of.COBYQA, ("final_tr_radius",), clips=True, constrained=_VALUES
        ),
        ScipyName(
            "SLSQP",
            *_DENSE,
            of.SLSQP,
            ("ftol",),
            clips=True,
            searches=True,
            constrained=_SQP,
        ),
        ScipyName(
            "trust-constr",
            *_BY_SIZE,
            of.TRUST_CONSTR,
            ("xtol", "gtol"),
            clips=True,
            searches=True,
            schemes=True,
            constrained=_SQP,
            constrained_options=of.TRUST_CONSTR_CONSTRAINED,
        ),
        ScipyName("dogleg", *_DENSE, of.TRUST, ("gtol",), ("jac", "hess"), searches=True),
        ScipyName("trust-ncg", *_BY_SIZE, of.TRUST, ("gtol",), _HESS, searches=True),
        ScipyName("trust-exact", *_DENSE, of.TRUST, ("gtol",), ("jac", "hess"), searches=True),
        ScipyName("trust-krylov", *_BY_SIZE, of.TRUST, ("gtol",), _HESS, searches=True),
    )
}


def scipy_name(method: Any) -> ScipyName | None:
    """The entry of a name, if it is one of SciPy's; case and ``_`` do not matter."""
    return NAMES.get(method.lower().replace("_", "-")) if isinstance(method, str) else None


def hint(option: Any, known: list[str]) -> str | None:
    """What an option of SciPy's is called here, if the method has it."""
    if option in OTHERWISE:
        return OTHERWISE[option]
    for entry in NAMES.values():
        meaning = entry.options.get(option)
        if meaning is not None:
            ours = "xtol" if meaning.option == FINAL_RADIUS else meaning.option
            if ours in known:
                return ours
    return None


def describe(entry: ScipyName) -> str:
    """A name, what runs, and how its options are taken: text for `show_options`."""
    runs = (
        entry.runs
        if entry.runs == entry.large
        else (f"{entry.runs}, with more than {DENSE_UP_TO} variables {entry.large}")
    )
    lines = [f'method="{entry.name}" of SciPy runs {runs}']
    lines += [f"    {key} : {meaning.text}" for key, meaning in entry.options.items()]
    return "\n".join(lines)


def overview() -> str:
    """All names, for `show_options`."""
    title = "SciPy's names"
    return "\n".join([title, "=" * len(title), *(describe(e) for e in NAMES.values())]) + "\n"
