"""What training minimises: errors in normalised units, weighted by area, variable and level."""

import re
from collections.abc import Mapping, Sequence
from inspect import isclass
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from climbench.config import instantiate, locate
from climbench.errors import UserError, nearest
from climbench.grids import latitude_weights
from climbench.models.ensemble_losses import mean_over_valid
from climbench.tasks.sample import Sample, Signature

LEVEL = re.compile(r"(?P<variable>.+)_(?P<level>\d+(\.\d+)?)")
Changes = Mapping[float, Sequence[float]]
"""Deviation of the change of each target, in normalised units, by hours."""


def row_weights(latitude: Sequence[float]) -> Tensor:
    """Return the area weight of each row as a column ``[latitude, 1]``, float32, mean 1."""
    return torch.from_numpy(latitude_weights(latitude, "area")).float()[:, None]


def known(target: Tensor) -> Tensor:
    """Return a target with 0 where it is missing: NaN would reach the gradients."""
    return torch.where(torch.isfinite(target), target, 0.0)


class MeanSquaredError(nn.Module):
    r"""The mean squared error, what is trained with where nothing else is said.

    .. math:: L = \frac{\sum_n w_n (\hat y_n - y_n)^2}{\sum_n w_n}

    over samples, leads, targets and cells :math:`n` whose target is not missing (NaN), in
    normalised units, where every target counts the same. A weight is that of the row's area times
    that of the target.

    Parameters
    ----------
    signature
        The question, for its rows and targets.
    changes
        Deviation of the change of each target by hours, where ``unit`` is ``change``.
    variable_weights
        Weight of a variable (``geopotential``) or of one of its levels (``geopotential_500``),
        which goes first; 1 for all others. Only their ratios count.
    pressure_weights
        Whether each level of a variable is weighted by its pressure, with a mean of 1 over the
        levels of the variable (Lam et al. 2023, GraphCast).
    unit
        What an error of 1 is: the standard deviation of the target (``deviation``), or that of
        its change over the lead time (``change``), with which slow variables count as much as
        fast ones, and a model of several leads looks at the first as much as at the last.

    Raises
    ------
    UserError
        If a weight is of no target, or negative.
    """

    weights: Tensor
    hours: Tensor
    change: Tensor

    def __init__(
        self,
        signature: Signature,
        changes: Changes | None = None,
        variable_weights: dict[str, float] | None = None,
        pressure_weights: bool = False,
        unit: Literal["deviation", "change"] = "deviation",
    ) -> None:
        super().__init__()
        self.unit = unit
        of_target = target_weights(signature.targets, variable_weights or {}, pressure_weights)
        weights = of_target[:, None, None] * row_weights(signature.latitude)
        self.register_buffer("weights", weights, persistent=False)
        known = changes if changes and unit == "change" else {0.0: [1.0] * len(signature.targets)}
        self.register_buffer("hours", torch.tensor(list(known)), persistent=False)
        self.register_buffer("change", torch.tensor(list(known.values())), persistent=False)

    def forward(self, prediction: Tensor, sample: Sample) -> Tensor:
        """Return the loss of an answer ``[batch, lead, target, latitude, longitude]``, float32."""
        truth = sample.targets
        difference = prediction.float() - known(truth)
        if self.unit == "change":
            difference = difference / self.change_of(sample.lead_time)
        return mean_over_valid(self.error(difference), truth, self.weights)

    def error(self, difference: Tensor) -> Tensor:
        """Return what a difference costs."""
        return difference.square()

    def weights_of(self, sample: Sample) -> Tensor:
        """Return the weights ``[..., target, latitude, 1]`` for a network with its own loss.

        In units of the change they are divided by it once, which is exact for losses that grow
        with the absolute error, as the CRPS does.
        """
        if self.unit == "change":
            return self.weights / self.change_of(sample.lead_time)
        return self.weights

    def change_of(self, lead_time: Tensor) -> Tensor:
        """Return the deviation of the change over ``[batch, lead]`` hours, one for each target."""
        at = (lead_time[..., None] - self.hours).abs().argmin(dim=-1)
        return self.change[at][..., None, None]


class MeanAbsoluteError(MeanSquaredError):
    """The mean absolute error, which outliers weigh less on; see :class:`MeanSquaredError`."""

    def error(self, difference: Tensor) -> Tensor:
        """Return what a difference costs."""
        return difference.abs()


class HuberError(MeanSquaredError):
    r"""Squared for small errors and linear for large: :math:`d^2 / 2`, or :math:`|d| - 1/2`.

    Parameters
    ----------
    signature, changes, variable_weights, pressure_weights, unit
        As in :class:`MeanSquaredError`.
    threshold
        Error :math:`\delta` where one goes over into the other: :math:`\delta (|d| - \delta / 2)`
        above it.

    References
    ----------
    Huber (1964), Robust estimation of a location parameter, Ann. Math. Stat. 35.
    """

    def __init__(
        self,
        signature: Signature,
        changes: Changes | None = None,
        variable_weights: dict[str, float] | None = None,
        pressure_weights: bool = False,
        unit: Literal["deviation", "change"] = "deviation",
        threshold: float = 1.0,
    ) -> None:
        super().__init__(signature, changes, variable_weights, pressure_weights, unit)
        if threshold <= 0:
            raise UserError(f"option 'threshold' = {threshold:g} of the loss must be above 0.")
        self.threshold = threshold

    def error(self, difference: Tensor) -> Tensor:
        """Return what a difference costs."""
        zero = torch.zeros_like(difference)
        return nn.functional.huber_loss(difference, zero, "none", self.threshold)


class SpectralError(MeanSquaredError):
    r"""The mean squared error, and that of the amplitudes of the waves along each circle.

    .. math:: L = L_\mathrm{MSE} + \lambda\,\mathrm{mean}_k\,(|\hat Y_k| - |Y_k|)^2

    with :math:`Y_k` the orthonormal Fourier transform along the longitude. Squared errors reward
    a forecast that leaves out what it is unsure of; the second term does not heed where waves
    are, only that they are there. Circles with a missing target have no waves and count for
    nothing. Where the grid does not go round the globe it is the transform of the piece.

    Parameters
    ----------
    signature, changes, variable_weights, pressure_weights, unit
        As in :class:`MeanSquaredError`.
    amplitudes
        Weight :math:`\lambda` of the second term.
    """

    def __init__(
        self,
        signature: Signature,
        changes: Changes | None = None,
        variable_weights: dict[str, float] | None = None,
        pressure_weights: bool = False,
        unit: Literal["deviation", "change"] = "deviation",
        amplitudes: float = 0.1,
    ) -> None:
        super().__init__(signature, changes, variable_weights, pressure_weights, unit)
        if amplitudes < 0:
            raise UserError(f"option 'amplitudes' = {amplitudes:g} of the loss must be 0 or more.")
        self.amplitudes = amplitudes

    def forward(self, prediction: Tensor, sample: Sample) -> Tensor:
        """Return the loss of an answer ``[batch, lead, target, latitude, longitude]``, float32."""
        whole = super().forward(prediction, sample)
        scale = self.change_of(sample.lead_time)
        maps = (prediction.float(), known(sample.targets))
        one, other = (wave_amplitudes(each / scale) for each in maps)
        circles = torch.isfinite(sample.targets).all(dim=-1, keepdim=True)
        valid = torch.where(circles, 0.0, torch.nan).expand_as(other)
        return whole + self.amplitudes * mean_over_valid(
            (one - other).square(), valid, self.weights
        )


def wave_amplitudes(maps: Tensor) -> Tensor:
    """Return the amplitude of every wave along the longitude ``[..., latitude, wavenumber]``.

    Examples
    --------
    >>> wave_amplitudes(torch.tensor([1.0, 0.0, -1.0, 0.0]))
    tensor([0., 1., 0.])
    """
    amplitudes: Tensor = torch.fft.rfft(maps, dim=-1, norm="ortho").abs()
    return amplitudes


def target_weights(
    targets: Sequence[str], variable_weights: Mapping[str, float], pressure_weights: bool
) -> Tensor:
    """Return the weight of each target ``[target]``, float32, mean 1.

    Raises
    ------
    UserError
        If a weight is of no target, or negative, or all are zero.

    Examples
    --------
    >>> target_weights(["geopotential_500", "2m_temperature"], {"2m_temperature": 3.0}, False)
    tensor([0.5000, 1.5000])
    """
    pairs = [_variable_and_level(name) for name in targets]
    names = list(dict.fromkeys([*targets, *(variable for variable, _ in pairs)]))
    for name, weight in variable_weights.items():
        if name not in names:
            raise UserError(f"option 'variable_weights' names '{name}': {nearest(name, names)}")
        if weight < 0:
            raise UserError(f"option 'variable_weights': {name} = {weight:g} must be 0 or more.")
    weights = np.ones(len(targets))
    for at, (variable, level) in enumerate(pairs):
        weights[at] = variable_weights.get(targets[at], variable_weights.get(variable, 1.0))
        if pressure_weights and level is not None:
            weights[at] *= level / np.mean([lev for name, lev in pairs if lev and name == variable])
    if not weights.any():
        raise UserError("option 'variable_weights' leaves no target: give one a weight above 0.")
    return torch.from_numpy(weights / weights.mean()).float()


def _variable_and_level(channel: str) -> tuple[str, float | None]:
    found = LEVEL.fullmatch(channel)
    return (found["variable"], float(found["level"])) if found else (channel, None)


def build_loss(
    node: Mapping[str, Any] | None, signature: Signature, changes: Changes | None
) -> nn.Module:
    """Return the loss that a model's option ``loss`` describes; without one, the squared error.

    Raises
    ------
    UserError
        If the target or one of its options is wrong.
    """
    if node is None:
        return MeanSquaredError(signature)
    if node.get("_target_") and not isclass(locate(str(node["_target_"]))):
        raise UserError(
            f"option 'loss': {node['_target_']} is a score of ensembles, which the model's own "
            "network takes (docs/probabilistic.md): use one of climbench.training.losses."
        )
    given: dict[str, Any] = {"signature": signature}
    if needs_changes(node):
        given["changes"] = changes
    return cast(nn.Module, instantiate(node, **given))


def needs_changes(node: Mapping[str, Any] | None) -> bool:
    """Tell whether a loss is in units of the change over the lead time."""
    return node is not None and node.get("unit") == "change"
