"""ClimateBench's Gaussian process: one smooth function of emissions for every cell."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from climbench.errors import UserError
from climbench.models.emission_features import EmissionRegression
from climbench.tasks.sample import Sample, Signature

MOST_SAMPLES = 5000  # matrices of 200 MB, of which the fit holds about ten
SMALLEST_NOISE = 1e-6  # as in GPflow, keeps the matrix invertible
WIDEST = 10.0  # logarithms of all hyper-parameters stay within this


class GaussianProcess(EmissionRegression):
    r"""Exact Gaussian processes with a kernel that is a sum over agents.

    .. math:: k(x, x') = \sum_g \sigma_g^2 \,(1 + \sqrt 3 r_g)\, e^{-\sqrt 3 r_g}, \qquad
              r_g^2 = \sum_{j \in g} \frac{(x_j - x_j')^2}{\ell_j^2}

    with one group :math:`g` (Matern 3/2, a length :math:`\ell_j` for each predictor) for CO2, for
    CH4, for the principal components of SO2 and for those of BC; a constant mean :math:`c` and
    noise of variance :math:`\sigma^2`. All cells of a target share the hyper-parameters, which
    maximise the sum over cells of the log marginal likelihood by L-BFGS from ones. As the kernel
    is shared, so are its Cholesky factor and the predictive standard deviation; the likelihood
    needs the products of the training years with each other, not the cells. GPyTorch 1.15, given
    the same sum over cells, takes three times as long for a likelihood and its gradient (0.28 s
    against 0.09 s for 741 years of 2,048 cells on one core), so the gradient is written out here.

    Parameters
    ----------
    signature, scalars, maps, components, area_weighted
        See :class:`~climbench.models.emission_features.EmissionRegression`.
    iterations
        The most iterations of L-BFGS.
    members
        Size of the ensemble that is drawn around the mean: independent Gaussian numbers for each
        year and cell, with the predictive variance, noise included. So each cell and year has the
        right spread, means over areas or years have too small a one. 0: no ensemble.
    seed
        Of the ensemble.

    Attributes
    ----------
    lengths
        :math:`\ell` of each predictor ``[target, predictor]``.
    variances
        :math:`\sigma_g^2` of each group, then :math:`\sigma^2` of the noise ``[target, group +
        1]``, relative to the variance of the normalised target, which is about 1.
    constant
        :math:`c` of each target ``[target]``, normalised.

    Raises
    ------
    UserError
        If a channel is not there, an option is out of range, or there are too many samples.

    References
    ----------
    Watson-Parris et al. (2022), ClimateBench v1.0, J. Adv. Model. Earth Syst. 14, e2021MS002954;
    Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, equations 2.25, 2.26,
    2.30 and 5.9.
    """

    lengths: Tensor
    variances: Tensor
    constant: Tensor
    known: Tensor
    factor: Tensor
    coefficients: Tensor

    def __init__(
        self,
        signature: Signature,
        scalars: tuple[str, ...] = ("carbon_dioxide", "methane"),
        maps: tuple[str, ...] = ("sulphur_dioxide", "black_carbon"),
        components: int = 5,
        area_weighted: bool = False,
        iterations: int = 1000,
        members: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(signature, scalars, maps, components, area_weighted)
        for option, value, least in (("iterations", iterations, 0), ("members", members, 0)):
            if value < least:
                raise UserError(
                    f"GaussianProcess: option '{option}' = {value} must be {least} or more"
                )
        self.iterations, self.members, self.seed = iterations, members, seed
        targets, features = len(signature.targets), self.groups[-1].stop
        for name, shape in (
            ("lengths", (targets, features)),
            ("variances", (targets, len(self.groups) + 1)),
            ("constant", (targets,)),
            ("known", (0, features)),  # predictors of the training years
            ("factor", (targets, 0, 0)),  # Cholesky factor of their covariance
            ("coefficients", (targets, 0, len(self.area))),  # its inverse times the targets
        ):
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))

    def fit_predictors(self, predictors: Tensor, targets: Tensor) -> None:
        """Set the hyper-parameters of each target, and what predictions need."""
        if len(predictors) > MOST_SAMPLES:
            raise UserError(
                f"GaussianProcess: {len(predictors)} training samples make too large a matrix, at "
                f"most {MOST_SAMPLES}: set task.members=average or fewer scenarios"
            )
        fitted = [self._fit_target(predictors, one) for one in targets.unbind(1)]
        self.known = predictors
        for name, values in zip(
            ("lengths", "variances", "constant", "factor", "coefficients"),
            zip(*fitted, strict=True),
            strict=True,
        ):
            setattr(self, name, torch.stack(values))

    def _fit_target(self, predictors: Tensor, fields: Tensor) -> tuple[Tensor, ...]:
        """Return lengths, variances, constant, factor and coefficients for ``[sample, cell]``."""
        products, mean = fields @ fields.T, fields.mean(dim=1)

        def objective(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            hyper = self._split(torch.tensor(values, device=predictors.device))
            loss, slope = self._negative_likelihood(predictors, products, mean, *hyper)
            return loss.item(), slope.cpu().numpy()

        start = np.zeros(predictors.shape[1] + len(self.groups) + 1)
        bounds = [(-WIDEST, WIDEST)] * start.size
        found = minimize(
            objective,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": self.iterations},
        )
        lengths, variances = self._split(torch.tensor(found.x, device=predictors.device))
        factor = self._factor(predictors, lengths, variances)
        constant = _constant(factor, mean)
        coefficients = torch.cholesky_solve(fields - constant, factor)
        return lengths, variances, constant, factor, coefficients

    def _split(self, logarithms: Tensor) -> tuple[Tensor, Tensor]:
        """Return lengths and variances from the logarithms that L-BFGS works with."""
        count = self.groups[-1].stop
        return logarithms[:count].exp(), logarithms[count:].exp()

    def _factor(self, predictors: Tensor, lengths: Tensor, variances: Tensor) -> Tensor:
        """Return the Cholesky factor of the covariance of the training years, noise included."""
        kernel = matern_sum(predictors, predictors, self.groups, lengths, variances)
        noise = (variances[-1] + SMALLEST_NOISE) * torch.eye(len(predictors)).to(kernel)
        factor: Tensor = torch.linalg.cholesky(kernel + noise)
        return factor

    def _negative_likelihood(
        self, predictors: Tensor, products: Tensor, mean: Tensor, lengths: Tensor, variances: Tensor
    ) -> tuple[Tensor, Tensor]:
        r"""Return the negative log marginal likelihood per year and cell, and its gradient.

        The gradient is by the logarithms of ``lengths``, then of ``variances``. With
        :math:`W = K^{-1} - K^{-1} S K^{-1}`, it is :math:`\mathrm{tr}(W\, \partial K) / 2n`; the
        constant is the best one, so what it does to :math:`S` has no slope.

        Parameters
        ----------
        predictors
            ``[sample, predictor]``.
        products
            Of the targets, summed over cells ``[sample, sample]``.
        mean
            Of the targets over cells ``[sample]``.
        lengths, variances
            Hyper-parameters.
        """
        count = len(predictors)
        factor = self._factor(predictors, lengths, variances)
        constant = _constant(factor, mean)
        square = products / len(self.area) - constant * (mean[:, None] + mean) + constant**2
        inverse = torch.cholesky_inverse(factor)
        explained = inverse @ square
        volume = 2 * factor.diagonal().log().sum()
        loss = 0.5 * ((explained.diagonal().sum() + volume) / count + math.log(2 * math.pi))

        weight = (inverse - explained @ inverse) / (2 * count)
        by_length, by_variance = [], []
        for group, variance in zip(self.groups, variances, strict=False):
            places = predictors[:, group] / lengths[group]
            apart = _distance(places, places)
            decay = weight * variance * torch.exp(-apart)
            by_variance.append((decay * (1 + apart)).sum())
            # The sum over pairs of decay times squared differences, without the differences.
            pairs = decay.sum(1) @ places.square() - (places * (decay @ places)).sum(0)
            by_length.append(6 * pairs)
        by_variance.append(variances[-1] * weight.diagonal().sum())
        return loss, torch.cat([*by_length, torch.stack(by_variance)])

    def answer(self, predictors: Tensor) -> Tensor:
        """Return the predictive mean ``[sample, target, cell]``, normalised."""
        parts = zip(self.lengths, self.variances, self.constant, self.coefficients, strict=True)
        fields = [
            matern_sum(predictors, self.known, self.groups, lengths, variances) @ coefficients
            + constant
            for lengths, variances, constant, coefficients in parts
        ]
        return torch.stack(fields, dim=1)

    def deviation(self, sample: Sample) -> Tensor:
        """Return the predictive standard deviation ``[batch, lead, target]``, noise included.

        All cells of a normalised target have the same.
        """
        leads = range(sample.lead_time.shape[1])
        found = [self._deviation(self.predictors_of(sample, lead)) for lead in leads]
        return torch.stack(found, dim=1)

    def _deviation(self, predictors: Tensor) -> Tensor:
        found = []
        for lengths, variances, factor in zip(
            self.lengths, self.variances, self.factor, strict=True
        ):
            kernel = matern_sum(self.known, predictors, self.groups, lengths, variances)
            explained = torch.linalg.solve_triangular(factor, kernel, upper=False).square().sum(0)
            variance = variances.sum() + SMALLEST_NOISE - explained
            found.append(variance.clamp(min=0).sqrt())
        return torch.stack(found, dim=1)

    def draw(self, sample: Sample, member: int) -> Tensor:
        """Return one member ``[batch, lead, target, latitude, longitude]``, normalised."""
        mean = self.forward(sample)
        places = zip(sample.index.tolist(), sample.year.tolist(), strict=True)
        noise = [
            _white([self.seed, member, index, *years], tuple(mean.shape[1:]))
            for index, years in places
        ]
        deviation = self.deviation(sample).to(mean)[..., None, None]
        return mean + deviation * torch.stack(noise).to(mean)


def matern_sum(
    first: Tensor, second: Tensor, groups: Sequence[slice], lengths: Tensor, variances: Tensor
) -> Tensor:
    """Return the sum over groups of predictors of Matern 3/2 kernels ``[first, second]``.

    Parameters
    ----------
    first, second
        Predictors ``[sample, predictor]``.
    groups
        Which predictors each kernel sees.
    lengths
        Length scale of each predictor ``[predictor]``.
    variances
        Variance of each group ``[group]``; what follows is not used.
    """
    total = first.new_zeros(len(first), len(second))
    for group, variance in zip(groups, variances, strict=False):
        apart = _distance(first[:, group] / lengths[group], second[:, group] / lengths[group])
        total = total + variance * (1 + apart) * torch.exp(-apart)
    return total


def _distance(first: Tensor, second: Tensor) -> Tensor:
    """Return the root of 3 times the distance ``[first, second]`` of ``[sample, predictor]``."""
    # Not by a matrix product: it loses the digits of neighbours.
    return math.sqrt(3) * torch.cdist(first, second, compute_mode="donot_use_mm_for_euclid_dist")


def _constant(factor: Tensor, mean: Tensor) -> Tensor:
    """Return the constant of greatest likelihood for the mean over cells ``[sample]``."""
    ones = torch.ones_like(mean)[:, None]
    weight = torch.cholesky_solve(ones, factor)[:, 0]
    return (weight @ mean) / weight.sum()


def _white(key: Sequence[int], shape: tuple[int, ...]) -> Tensor:
    """Return independent normal numbers, the same for the same key."""
    generator = np.random.default_rng(np.random.SeedSequence(list(key)))
    return torch.from_numpy(generator.standard_normal(shape, dtype=np.float32))
