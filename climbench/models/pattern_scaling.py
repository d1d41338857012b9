"""Linear pattern scaling: local change follows the global mean, which follows emissions."""

from collections.abc import Sequence

import torch
from torch import Tensor

from climbench.errors import UserError, nearest
from climbench.grids import latitude_weights
from climbench.models.closed_form import ClosedForm
from climbench.tasks.sample import Sample, Signature


class PatternScaling(ClosedForm):
    r"""Two straight lines, both by ordinary least squares with intercept.

    1. The area-weighted global mean follows a scalar predictor,
       :math:`\bar T(t) = \alpha + \beta\, E(t)`.
    2. Every cell of every target follows the *true* global mean of the training years,
       :math:`y_i(t) = b_i + a_i\, \bar T(t)`.

    A prediction puts the first into the second. By linearity the area-weighted mean of :math:`a`
    is 1 and that of :math:`b` is 0 for the target whose global mean is used, in normalised values
    and in physical units alike.

    Parameters
    ----------
    signature
        The question; one lead.
    predictor
        The channel :math:`E` among the inputs (its last step) or the forcings; by default the
        cumulative emissions of carbon dioxide. Where it is a map, its area mean is taken.
    global_mean_of
        The target whose global mean scales the patterns; by default the first.

    Raises
    ------
    UserError
        If one of the names is not there.

    References
    ----------
    Luetjens et al. (2025), The impact of internal variability on benchmarking deep learning
    climate emulators; Santer et al. (1990).
    """

    weights: Tensor
    predictor_moments: Tensor
    global_moments: Tensor
    local_sum: Tensor
    local_product: Tensor
    line: Tensor
    slope: Tensor
    intercept: Tensor

    def __init__(
        self,
        signature: Signature,
        predictor: str = "carbon_dioxide",
        global_mean_of: str | None = None,
    ) -> None:
        super().__init__(signature)
        _require(predictor, (*signature.inputs, *signature.forcings), "predictor")
        target = signature.targets[0] if global_mean_of is None else global_mean_of
        _require(target, signature.targets, "global_mean_of")
        self.predictor, self.target = predictor, signature.targets.index(target)

        cells = signature.shape[0] * signature.shape[1]
        weights = torch.from_numpy(latitude_weights(signature.latitude, "area"))[:, None] / cells
        self.register_buffer("weights", weights, persistent=False)
        field = (len(signature.targets), *signature.shape)
        self.register_statistic("predictor_moments", 4)  # sums of 1, E, E^2, E T
        self.register_statistic("global_moments", 3)  # sums of 1, T, T^2
        self.register_statistic("local_sum", *field)
        self.register_statistic("local_product", *field)
        self.register_buffer("line", torch.zeros(2, dtype=torch.float64))
        self.register_buffer("slope", torch.zeros(field, dtype=torch.float64))
        self.register_buffer("intercept", torch.zeros(field, dtype=torch.float64))

    def accumulate(self, sample: Sample) -> None:
        """Add a batch of years to the sums of both stages."""
        local = sample.targets.flatten(0, 1).double()
        mean = self.area_mean(local[:, self.target])
        scalar = self.predictor_of(sample).flatten()
        one = torch.ones_like(mean)
        self.predictor_moments += torch.stack([one, scalar, scalar**2, scalar * mean]).sum(1)
        self.global_moments += torch.stack([one, mean, mean**2]).sum(1)
        self.local_sum += local.sum(0)
        self.local_product += torch.einsum("n,n...->...", mean, local)

    def solve(self) -> None:
        """Set ``line`` (slope, intercept of stage 1) and the maps ``slope`` and ``intercept``."""
        count, total, square, product = self.predictor_moments
        mean_sum, mean_square = self.global_moments[1:]
        beta, alpha = _straight_line(count, total, square, mean_sum, product)
        self.line = torch.stack([beta, alpha])
        self.slope, self.intercept = _straight_line(
            count, mean_sum, mean_square, self.local_sum, self.local_product
        )

    def forward(self, sample: Sample) -> Tensor:
        """Return both stages chained ``[batch, lead, target, latitude, longitude]``."""
        return self.local_from_global(self.global_from_predictor(self.predictor_of(sample)))

    def global_from_predictor(self, predictor: Tensor) -> Tensor:
        """Return stage 1, the global mean for a predictor of any shape, both normalised."""
        return self.line[1] + self.line[0] * predictor

    def local_from_global(self, global_mean: Tensor) -> Tensor:
        """Return stage 2, the fields for global means ``[batch, lead]``, both normalised."""
        scale = global_mean.to(self.slope)[:, :, None, None, None]
        return (self.intercept + self.slope * scale).float()

    def maps(self, mean: Sequence[float], std: Sequence[float]) -> tuple[Tensor, Tensor]:
        """Return slope and intercept in physical units.

        Parameters
        ----------
        mean, std
            Normalisation of each target, in its unit ``[target]``.

        Returns
        -------
        tuple of torch.Tensor
            Slope in units of the target per unit of the global mean, and intercept in units of
            the target ``[target, latitude, longitude]``.
        """
        offset = torch.as_tensor(mean).to(self.slope)[:, None, None]
        scale = torch.as_tensor(std).to(self.slope)[:, None, None]
        slope = self.slope * scale / scale[self.target]
        return slope, self.intercept * scale + offset - slope * offset[self.target]

    def predictor_of(self, sample: Sample) -> Tensor:
        """Return the area mean of the predictor ``[batch, lead]``, normalised, float64."""
        if self.predictor in self.signature.forcings:
            field = sample.forcings[:, :, self.signature.forcings.index(self.predictor)]
            return self.area_mean(field)
        field = sample.inputs[:, -1:, self.signature.inputs.index(self.predictor)]
        return self.area_mean(field).expand(-1, sample.lead_time.shape[1])

    def area_mean(self, field: Tensor) -> Tensor:
        """Return the area-weighted mean over the last two axes, float64."""
        return (field.double() * self.weights).sum((-2, -1))


def _straight_line(
    count: Tensor, x: Tensor, xx: Tensor, y: Tensor, xy: Tensor
) -> tuple[Tensor, Tensor]:
    """Return slope and intercept of y on x from the sums of 1, x, x^2, y, x y."""
    spread = xx - x**2 / count
    slope = (xy - x * y / count) / spread
    # A predictor that never changes explains nothing: slope zero, intercept the mean.
    slope = torch.where(spread > 1e-12 * xx.clamp(min=1.0), slope, torch.zeros_like(slope))
    return slope, (y - slope * x) / count


def _require(name: str, choices: Sequence[str], option: str) -> None:
    if name not in choices:
        raise UserError(
            f"PatternScaling: option '{option}' = '{name}' is not a channel of the task: "
            f"{nearest(name, choices)}"
        )
