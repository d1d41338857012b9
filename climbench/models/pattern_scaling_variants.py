"""Pattern scaling with other features than one straight line: more drivers, powers, memory."""

from itertools import combinations

import torch
from torch import Tensor

from climbench.errors import UserError
from climbench.models.pattern_scaling_stages import TwoStageRegression, least_squares
from climbench.tasks.sample import Sample, Signature

AGENTS = ("carbon_dioxide", "methane", "sulphur_dioxide", "black_carbon")


class MultivariatePatternScaling(TwoStageRegression):
    r"""Pattern scaling on several drivers :math:`E_k`, each as its area mean.

    .. math:: \bar T = \alpha + \sum_k \beta_k E_k, \qquad
              y_i = b_i + a_i \bar T + \sum_l c_{il} E_l

    Without local predictors the aerosols act on the global mean only, and all agents share one
    pattern. With all predictors local, too, a prediction equals the regression of each cell on
    the predictors, as the residual of stage 1 is orthogonal to them.

    Parameters
    ----------
    signature, global_mean_of
        See :class:`~climbench.models.pattern_scaling.PatternScaling`.
    predictors
        Channels that the global mean follows.
    local_predictors
        Channels that the cells follow besides the global mean.

    Raises
    ------
    UserError
        If a channel is not there, or there is no predictor.
    """

    def __init__(
        self,
        signature: Signature,
        predictors: tuple[str, ...] = AGENTS,
        local_predictors: tuple[str, ...] = (),
        global_mean_of: str | None = None,
    ) -> None:
        _require_some("MultivariatePatternScaling", predictors=predictors)
        counts = {"global_count": len(predictors), "local_count": 1 + len(local_predictors)}
        super().__init__(signature, global_mean_of, (*predictors, *local_predictors), **counts)
        self.predictors, self.local_predictors = predictors, local_predictors

    def global_features(self, sample: Sample) -> Tensor:
        """Return the predictors ``[batch, lead, feature]``."""
        return torch.stack([self.driver_mean(sample, name) for name in self.predictors], dim=-1)

    def local_features(self, global_mean: Tensor, sample: Sample) -> Tensor:
        """Return the global mean and the local predictors ``[batch, lead, feature]``."""
        others = [self.driver_mean(sample, name) for name in self.local_predictors]
        return torch.stack([global_mean, *others], dim=-1)


class PolynomialPatternScaling(TwoStageRegression):
    r"""Pattern scaling with polynomials in place of straight lines.

    .. math:: \bar T = \alpha + \sum_{k=1}^{n} \beta_k E^k, \qquad
              y_i = b_i + \sum_{k=1}^{m} a_{ik} \bar T^k

    A high degree follows the training years closely and leaves the range of its data steeply.

    Parameters
    ----------
    signature, predictor, global_mean_of
        See :class:`~climbench.models.pattern_scaling.PatternScaling`.
    degree
        :math:`n`, 1 to 6.
    local_degree
        :math:`m`, 1 to 6.

    Raises
    ------
    UserError
        If a channel is not there, or a degree is out of range.
    """

    MOST = 6  # beyond it, sums of powers lose too many digits

    def __init__(
        self,
        signature: Signature,
        predictor: str = "carbon_dioxide",
        degree: int = 3,
        local_degree: int = 1,
        global_mean_of: str | None = None,
    ) -> None:
        for option, value in (("degree", degree), ("local_degree", local_degree)):
            if not 1 <= value <= self.MOST:
                raise UserError(
                    f"PolynomialPatternScaling: option '{option}' = {value} must be 1 to "
                    f"{self.MOST}"
                )
        super().__init__(signature, global_mean_of, [predictor], degree, local_degree)
        self.predictor, self.degree, self.local_degree = predictor, degree, local_degree

    def global_features(self, sample: Sample) -> Tensor:
        """Return the powers of the predictor ``[batch, lead, degree]``."""
        return _powers(self.driver_mean(sample, self.predictor), self.degree)

    def local_features(self, global_mean: Tensor, sample: Sample) -> Tensor:
        """Return the powers of the global mean ``[batch, lead, local_degree]``."""
        return _powers(global_mean, self.local_degree)


class LaggedPatternScaling(TwoStageRegression):
    r"""Pattern scaling with memory: the global mean follows the past of its drivers.

    .. math:: \bar T(t) = \alpha + \sum_{a} \sum_{k} \beta_{ak}\, \tilde E_a(t; \tau_k), \qquad
              \tilde E(t; \tau) = \sum_{s=0}^{h-1} w_s(\tau)\, E(t - s), \quad
              w_s(\tau) \propto e^{-s / \tau}

    with weights that add up to 1 over the ``history`` :math:`h` of the task: the response of a
    climate with a fast and a slow layer to what forces it, cut off after :math:`h` years. The
    timescales are the combination of the grid with the least squared error of the global mean over
    the training years; :math:`\tau = 0` is the driver of the year itself. The second stage is
    the straight line of plain pattern scaling.

    Parameters
    ----------
    signature, global_mean_of
        See :class:`~climbench.models.pattern_scaling.PatternScaling`.
    predictors
        Channels :math:`a` among the inputs, each as its area mean.
    timescales
        How many timescales, shared by all predictors: 1 or 2.
    grid
        Timescales to choose from, years.

    Attributes
    ----------
    chosen
        Positions in the grid of the timescales that were taken ``[timescale]``.

    Raises
    ------
    UserError
        If a channel is not there or is a forcing, the task has one year of history, or the grid
        has too few timescales or one below 0.

    References
    ----------
    Geoffroy et al. (2013), Transient climate response in a two-layer energy-balance model, J.
    Climate 26, 1841-1857; Millar et al. (2017), Atmos. Chem. Phys. 17, 7213-7228.
    """

    kernel: Tensor
    chosen: Tensor

    def __init__(
        self,
        signature: Signature,
        predictors: tuple[str, ...] = AGENTS,
        timescales: int = 1,
        grid: tuple[float, ...] = (0, 1, 2, 5, 10, 20, 50, 100),
        global_mean_of: str | None = None,
    ) -> None:
        _require_some("LaggedPatternScaling", predictors=predictors, grid=grid)
        count = len(predictors) * len(grid)
        super().__init__(signature, global_mean_of, predictors, count, local_count=1)
        for name in predictors:
            self.require(name, signature.inputs, "predictors")
        self._check(timescales, grid)
        self.predictors, self.timescales = predictors, timescales
        self.channels = [signature.inputs.index(name) for name in predictors]
        kernel = torch.stack([_memory(scale, signature.history) for scale in grid], dim=1)
        self.register_buffer("kernel", kernel, persistent=False)  # [history, grid]
        self.register_buffer("chosen", torch.zeros(timescales, dtype=torch.int64))

    def _check(self, timescales: int, grid: tuple[float, ...]) -> None:
        if self.signature.history < 2:
            raise UserError(
                "LaggedPatternScaling: the past is unknown: set the option 'history' of the task "
                "to as many years as emissions are felt, for example task.history=30"
            )
        if not 1 <= timescales <= min(2, len(grid)):
            raise UserError(
                f"LaggedPatternScaling: option 'timescales' = {timescales} must be 1 or 2, and the "
                f"grid at least as long"
            )
        if min(grid) < 0:
            raise UserError("LaggedPatternScaling: option 'grid' has a timescale below 0 years")

    def global_features(self, sample: Sample) -> Tensor:
        """Return every predictor at every timescale ``[batch, lead, predictor * grid]``."""
        series = self.area_mean(sample.inputs[:, :, self.channels])
        smooth = torch.einsum("bhp,hg->bpg", series, self.kernel).flatten(1)
        return smooth[:, None].expand(-1, sample.lead_time.shape[1], -1)

    def solve_global(self) -> Tensor:
        """Return the coefficients of the best timescales, zero for all others."""
        features = torch.arange(1, self.global_gram.shape[0]).reshape(len(self.predictors), -1)
        best, least = self.global_product, torch.inf
        for choice in combinations(range(features.shape[1]), self.timescales):
            rows = torch.cat([torch.zeros(1, dtype=torch.int64), features[:, choice].flatten()])
            gram, product = self.global_gram[rows][:, rows], self.global_product[rows]
            found = least_squares(gram, product)
            # Squared error less the sum of squares of the global mean, the same for all.
            error = float(found @ gram @ found - 2 * found @ product)
            if error < least:
                least = error
                best = torch.zeros_like(self.global_product)
                best[rows] = found
                self.chosen = torch.tensor(choice, device=best.device)
        return best


def _require_some(model: str, **options: tuple[str, ...] | tuple[float, ...]) -> None:
    for option, values in options.items():
        if not values:
            raise UserError(f"{model}: option '{option}' is empty: give one or more")


def _powers(base: Tensor, degree: int) -> Tensor:
    return torch.stack([base**power for power in range(1, degree + 1)], dim=-1)


def _memory(timescale: float, history: int) -> Tensor:
    """Return the weight of each year of the history, oldest first ``[history]``."""
    age = torch.arange(history - 1, -1, -1, dtype=torch.float64)
    weight = torch.exp(-age / timescale) if timescale else (age == 0).double()
    return weight / weight.sum()
