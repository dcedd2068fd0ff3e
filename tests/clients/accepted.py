"""Tests of other packages that fail with our `minimize`, and why that is right."""

_WORDS = "an error or warning of the right type, in other words"
_PATH = "asserts the path, the count or the last digits of SciPy's own algorithm"
_ELSEWHERE = "another local minimum: a local descent from there gains nothing"

# part of a test's name, as a regular expression: the reason
ACCEPTED: dict[str, str] = {
    # scipy
    r"test_invalid_c1_c2": _WORDS,
    r"test_bfgs_hess_inv0_(neg|semipos)": _WORDS,
    r"test_obj_func_returns_scalar": _WORDS,
    r"test_ndim_error": _WORDS,
    r"test_minimize_invalid_bounds": _WORDS,
    r"test_l_bfgs_b_maxiter": _WORDS,
    r"test_all_bounds_equal": _WORDS,
    r"test_minimize_warnings_gh1953": "disp prints the message, it does not warn",
    r"TestOptimizeSimple::test_runtime_warning": "disp prints the message, it does not warn",
    r"TestOptimize(No)?Wrapper(No)?Disp::test_(cg|bfgs|ncg|ncg_hess|ncg_hessp)$": _PATH,
    r"TestOptimize(No)?Wrapper(No)?Disp::test_(neldermead|neldermead_initial_simplex)$": _PATH,
    r"TestOptimize(No)?Wrapper(No)?Disp::test_(powell|cobyqa)$": _PATH,
    r"test_neldermead_x0_ub": _PATH,
    r"test_bfgs_c[12]$": _PATH,
    r"test_bfgs_xrtol": _PATH,
    r"test_ncg_zero_xtol": _ELSEWHERE,
    r"test_minimize_callback_copies_array\[tnc\]": "asserts more steps than are needed",
    r"test_neldermead_adaptive": "asserts a failure that is a success here",
    r"test_neldermead_respect_fp": "points are always of double precision",
    r"test_ncg_negative_maxiter": "a negative limit is refused",
    r"test_bfgs_nan_return": "the best value of a run is a number where one was found",
    r"test_respect_maxiter": "njev counts gradients of the user's, not those by differences",
    r"test_minimize_l_bfgs_maxls": "maxls is warned of, not taken",
    r"test_callback_stopiteration": "status 99 for all methods; one iteration is one step",
    r"TestIterationLimits": "without a limit 200 n steps, whatever the name",
    r"test_bounded_powell_vs_powell": _ELSEWHERE,
    r"test_bounded_powell_outsidebounds": "a set of directions that misses one is not taken",
    r"TestBasinHopping::test_all_nograd_minimizers": _ELSEWHERE,
    r"TestBasinHopping::test_njev": "a gradient of zero is checked by values alone",
    r"TestDifferentialEvolutionSolver::test_intermediate_result": _PATH,
    r"TestDualAnnealing::.*_bounds$": "every name knows bounds, so nothing is warned of",
    r"TestOptimizeSimple::test_initial_step_scaling": _PATH,
    r"test_duplicate_evaluations\[nelder-mead": "a point is evaluated again to measure noise",
    r"TestDifferentialEvolutionSolver::test_L[123467]": "asks for no violation at all",
    r"::test_trust_constr$": "asks for no violation at all",
    r"TestNewtonCg::test_himmelblau": _ELSEWHERE,
    r"test_constraint_solve": "asserts a warning of SciPy's own algorithm",
    r"test_f4_simplicial": _ELSEWHERE,
    r"test_6_1_lower_known_f_min": _PATH,
    # scikit-learn
    r"test_multi_class_n_jobs": "one of the two fits runs in processes where SciPy serves",
    r"test_gpc.py::test_warning_bounds": "the end here is lower, at the other bound",
    r"test_gpr_fit_error\[params1": "bounds of NaN are refused",
}
