"""Which covariates go with an anomaly: trees from them to its score, and their SHAP values."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from climbench.models.boosting import xgboost

Rows = NDArray[np.float32]


class Attribution(NamedTuple):
    r"""Contributions of covariates to the score of some steps.

    Attributes
    ----------
    names
        The covariates.
    contributions
        SHAP values ``[step, covariate]``, sums over the features of each, in the units of
        :math:`\ln(1 + z)`; with ``bias`` they add up to the trees' answer.
    interactions
        Mean absolute SHAP interaction of pairs ``[covariate, covariate]`` at the same steps.
    bias
        The answer without any covariate.
    answers
        Of the trees ``[step]``.
    """

    names: tuple[str, ...]
    contributions: Rows
    interactions: Rows
    bias: float
    answers: Rows

    def ranked(self) -> list[str]:
        """Return the covariates, that with the largest contribution to a higher score first."""
        order = np.argsort(-self.contributions.max(axis=0), kind="stable")
        return [self.names[at] for at in order]


class Attributor:
    r"""Trees that tell the score :math:`\ln(1 + z)` of each step from the covariates at it.

    A covariate is seen as its value and as its change over some lags. The trees describe the
    period that they were grown on, and forecast nothing.

    Parameters
    ----------
    score
        Anomaly score :math:`z` ``[time]``; NaN does not count.
    covariates
        ``[time, covariate]``.
    names
        Of the covariates.
    lags
        Steps back over which changes are taken.
    rounds, seed
        Number of trees, and of the rows that each sees.

    References
    ----------
    Lundberg et al. (2020), From local explanations to global understanding with explainable AI for
    trees, Nature Machine Intelligence 2, 56-67; computed by XGBoost itself.
    """

    def __init__(
        self,
        score: NDArray[np.floating],
        covariates: Rows,
        names: Sequence[str],
        lags: tuple[int, ...] = (1, 6),
        rounds: int = 100,
        seed: int = 0,
    ) -> None:
        self.names = tuple(names)
        changes = [covariates - _earlier(covariates, lag) for lag in lags]
        self.features = np.concatenate([covariates, *changes], axis=1).astype(np.float32)
        self.copies = 1 + len(lags)
        known = np.isfinite(score)
        options: dict[str, Any] = {
            "max_depth": 4,
            "learning_rate": 0.1,
            "subsample": 0.8,
            "seed": seed,
        }
        options |= {"tree_method": "hist", "colsample_bynode": 0.5, "verbosity": 0}
        matrix = xgboost().DMatrix(self.features[known], np.log1p(score[known]))
        self.booster = xgboost().train(options, matrix, rounds)

    def at(self, steps: NDArray[np.int64]) -> Attribution:
        """Return the contributions at some steps."""
        matrix = xgboost().DMatrix(self.features[steps])
        single = self.booster.predict(matrix, pred_contribs=True)
        pairs = np.abs(self.booster.predict(matrix, pred_interactions=True)[:, :-1, :-1]).mean(0)
        count = len(self.names)
        shape = (self.copies, count)
        return Attribution(
            self.names,
            single[:, :-1].reshape(-1, *shape).sum(1),
            pairs.reshape(*shape, *shape).sum((0, 2)),
            float(single[0, -1]),
            self.booster.predict(matrix),
        )


def _earlier(values: Rows, lag: int) -> Rows:
    """Return the values some steps before, NaN where there are none."""
    earlier = np.full_like(values, np.nan)
    earlier[lag:] = values[:-lag]
    return earlier
