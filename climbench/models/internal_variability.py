"""Pattern scaling with internal variability: a straight line that draws ensembles."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from climbench.errors import UserError
from climbench.models.internal_variability_noise import (
    CLIMATE_MODEL,
    PREDICTOR,
    RUN,
    YEAR,
    Array,
    Noise,
    NoisyPatternScaling,
)
from climbench.models.internal_variability_space import (
    LARGEST_RADIUS,
    SpatialFactor,
    great_circle,
    localised_factor,
    truncated_factor,
)
from climbench.models.internal_variability_time import (
    autoregress,
    global_autoregression,
    local_memory,
    lowess,
    mean_of_equals,
    segments,
)
from climbench.tasks.sample import Signature

BURN_IN = 100  # years before the first one, so that the series forgets that it began at zero


class PatternScalingWithVariability(NoisyPatternScaling):
    r"""Linear pattern scaling with stochastic internal variability.

    .. math:: y_i(t) = b_i + a_i \bar T(t) + v_i\, \eta(t) + \epsilon_i(t)

    :math:`\eta`, the variability of the global mean, is an autoregression; :math:`v` is the local
    response to it; :math:`\epsilon` is a first-order autoregression of each cell with memory
    :math:`\gamma_i`, whose innovations have the covariance
    :math:`C_{ij} \sqrt{1 - \gamma_i^2} \sqrt{1 - \gamma_j^2}`, :math:`C` the sample covariance of
    :math:`\epsilon`, localised. In training :math:`\bar T` is the mean over the members of a
    scenario (samples alike in year, climate model and drivers), smoothed by ``lowess``.

    The localised noise has a global mean of its own, which :math:`\epsilon` of the target that
    ``global_mean_of`` names has not by construction. It is taken out again as the Gaussian
    conditioned on a global mean of zero, so that this target's global mean is :math:`\eta` alone.

    Variability does not depend on the climate. Different targets share :math:`\eta`, their
    :math:`\epsilon` are independent. What the straight lines miss of the forced response counts as
    variability.

    Parameters
    ----------
    signature, predictor, global_mean_of, members, seed, first_year
        See :class:`NoisyPatternScaling`.
    most_lags
        The highest order of the global autoregression; chosen by the Bayesian criterion.
    smoothing_years
        Span of the smoothing of the global mean.
    radii
        Radii of localisation to choose from by likelihood of held-out years, km.
    folds
        Blocks of years that are held out in turn.
    most_cells
        The largest grid whose covariance of all cells is taken (8 bytes times its square). Larger
        ones keep ``modes`` leading patterns, not localised, and for each cell what is left.
    modes
        See ``most_cells``.

    Raises
    ------
    UserError
        If an option is out of range.

    References
    ----------
    Beusch et al. (2020), Emulating Earth system model temperatures with MESMER, Earth Syst. Dynam.
    11, 139-159, section 3. There over land alone, hence without the conditioning.
    """

    lags: Tensor
    deviation: Tensor
    response: Tensor
    memory: Tensor
    factor: Tensor
    remainder: Tensor
    balance: Tensor
    radius: Tensor

    def __init__(
        self,
        signature: Signature,
        predictor: str = "carbon_dioxide",
        global_mean_of: str | None = None,
        members: int = 20,
        seed: int = 0,
        first_year: int = 1850,
        most_lags: int = 6,
        smoothing_years: int = 50,
        radii: tuple[float, ...] = (1000, 1500, 2000, 2500, 3000, 4000, 5000, 6500, 8000, 10000),
        folds: int = 5,
        most_cells: int = 4096,
        modes: int = 200,
    ) -> None:
        super().__init__(signature, predictor, global_mean_of, members, seed, first_year)
        if not radii or min(radii) <= 0 or max(radii) > LARGEST_RADIUS:
            raise UserError(
                f"PatternScalingWithVariability: option 'radii' = {list(radii)} must hold lengths "
                f"above 0 and up to {LARGEST_RADIUS:g} km"
            )
        for name, value, least in (
            ("most_lags", most_lags, 0),
            ("smoothing_years", smoothing_years, 3),
            ("folds", folds, 2),
            ("modes", modes, 1),
        ):
            if value < least:
                raise UserError(
                    f"PatternScalingWithVariability: option '{name}' = {value} must be "
                    f"{least} or more"
                )
        self.most_lags, self.smoothing_years = most_lags, smoothing_years
        self.radii, self.folds, self.most_cells, self.modes = radii, folds, most_cells, modes
        targets, cells = len(signature.targets), signature.shape[0] * signature.shape[1]
        self.register_buffer("lags", torch.zeros(0, dtype=torch.float64))
        self.register_buffer("deviation", torch.zeros((), dtype=torch.float64))
        self.register_buffer("response", torch.zeros(targets, cells))
        self.register_buffer("memory", torch.zeros(targets, cells, dtype=torch.float64))
        self.register_buffer("factor", torch.zeros(targets, cells, 0))
        self.register_buffer("remainder", torch.zeros(targets, cells))
        self.register_buffer("balance", torch.zeros(cells))
        self.register_buffer("radius", torch.zeros(targets, dtype=torch.float64))

    def fit(self, features: Tensor, targets: Tensor) -> None:
        """Set the parameters of the noise from all members of all scenarios."""
        known, cells = features.numpy(), self.cell_weights
        fields = targets.flatten(2).double().numpy()
        run, year = (known[:, part].astype(np.int64) for part in (RUN, YEAR))
        parts = segments(run, year)
        warming = fields[:, self.forced.target] @ cells
        forced = self.forced_warming(warming, known, parts)

        eta = warming - forced
        lags, variance = global_autoregression([eta[rows] for rows in parts], self.most_lags)
        slope, intercept = (
            part.cpu().flatten(1).numpy() for part in (self.forced.slope, self.forced.intercept)
        )
        fields -= intercept + slope * forced[:, None, None]
        response = np.tensordot(eta, fields, axes=1) / max(float(eta @ eta), 1e-300)
        fields -= response * eta[:, None, None]
        fields -= fields.mean(axis=0)

        order = np.concatenate(parts)  # neighbours in time stay in one fold
        memory = np.stack([local_memory(one, parts) for one in np.moveaxis(fields, 1, 0)])
        factors = [self.spatial_factor(one[order]) for one in np.moveaxis(fields, 1, 0)]
        scalar = factors[self.forced.target].covariance_with(cells)
        self._keep("lags", lags)
        self._keep("deviation", np.sqrt(variance))
        self._keep("response", response)
        self._keep("memory", memory)
        self._keep("factor", np.stack([one.modes for one in factors]))
        self._keep("remainder", np.stack([one.remainder for one in factors]))
        self._keep("balance", scalar / max(float(scalar @ cells), 1e-300))
        self._keep("radius", np.array([one.radius for one in factors]))

    def forced_warming(self, warming: Array, known: Array, parts: list[NDArray[np.int64]]) -> Array:
        """Return the global mean without variability ``[sample]``: members' mean, smoothed."""
        alike = np.concatenate([known[:, [YEAR, CLIMATE_MODEL]], known[:, PREDICTOR:].round(5)], 1)
        mean = mean_of_equals(warming, alike)
        smooth = np.empty_like(mean)
        for rows in parts:
            smooth[rows] = lowess(mean[rows], self.smoothing_years)
        return smooth

    def spatial_factor(self, residuals: Array) -> SpatialFactor:
        """Return what draws the local residuals ``[row, cell]`` of one target."""
        if residuals.shape[1] > self.most_cells:
            return truncated_factor(residuals, self.cell_weights, self.modes)
        distance = great_circle(self.signature.latitude, self.signature.longitude)
        return localised_factor(residuals, distance, self.radii, self.folds)

    def noise(self, member: int, years: int) -> Noise:
        """Return global and local variability ``[year, target, cell]``."""
        whole, cells = BURN_IN + years, self.cell_weights
        eta = self.white(member, "global mean", whole, 1)[:, 0] * float(self.deviation)
        eta = autoregress(eta, self.lags.cpu().numpy())[BURN_IN:]
        fields: Noise = eta[:, None, None] * self.response.cpu().numpy()
        memory, factor, remainder = (
            part.cpu().numpy() for part in (self.memory, self.factor, self.remainder)
        )
        for at, name in enumerate(self.signature.targets):
            local = self.white(member, name, whole, factor.shape[2]) @ factor[at].T
            if remainder[at].any():
                local += self.white(member, f"{name} alone", whole, cells.size) * remainder[at]
            local *= np.sqrt(1.0 - memory[at] ** 2).astype(np.float32)
            local = autoregress(local, memory[at : at + 1])[BURN_IN:]
            if at == self.forced.target:
                mean = local @ cells.astype(np.float32)
                local -= mean[:, None] * self.balance.cpu().numpy()
            fields[:, at] += local
        return fields

    def _keep(self, name: str, values: Array | np.float64) -> None:
        buffer = getattr(self, name)
        setattr(self, name, torch.as_tensor(values).to(buffer))
