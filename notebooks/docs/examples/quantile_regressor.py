"""A scikit-learn estimator fitted by smoothmin: linear quantile regression, kinks and all."""

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from smoothmin import minimize


class QuantileRegressor(RegressorMixin, BaseEstimator):
    """Predicts a quantile by a linear function of the inputs.

    Parameters
    ----------
    quantile : float, default 0.5
        In (0, 1).
    alpha : float, default 1e-4
        Weight of a quadratic penalty of the coefficients.
    max_iter : int, default 100
        Most iterations.
    """

    def __init__(self, quantile=0.5, alpha=1e-4, max_iter=100):
        self.quantile = quantile
        self.alpha = alpha
        self.max_iter = max_iter

    def fit(self, X, y):
        """Minimize the check loss."""
        X, y = validate_data(self, X, y, y_numeric=True, dtype=float)
        if not 0 < self.quantile < 1:
            raise ValueError(f"quantile must lie in (0, 1), got {self.quantile!r}")

        def loss(p):
            residual = y - X @ p[:-1] - p[-1]
            slope = np.where(residual > 0, self.quantile, self.quantile - 1) / len(y)
            value = slope @ residual + 0.5 * self.alpha * (p[:-1] @ p[:-1])
            return value, np.append(self.alpha * p[:-1] - slope @ X, -slope.sum())

        start = np.zeros(X.shape[1] + 1)
        start[-1] = np.quantile(y, self.quantile)
        options = {"maxiter": self.max_iter}
        self.result_ = minimize(loss, start, jac=True, rng=0, options=options)
        self.coef_, self.intercept_ = self.result_.x[:-1], self.result_.x[-1]
        self.n_iter_ = max(1, self.result_.nit)
        return self

    def predict(self, X):
        """The quantile at each row of ``X``."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=float)
        return X @ self.coef_ + self.intercept_
