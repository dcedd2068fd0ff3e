"""SciPy's classes that scripts import along with `minimize`, for whoever imports them from here."""

from scipy.optimize import Bounds as Bounds
from scipy.optimize import LinearConstraint as LinearConstraint
from scipy.optimize import NonlinearConstraint as NonlinearConstraint
from scipy.optimize import OptimizeResult as OptimizeResult
