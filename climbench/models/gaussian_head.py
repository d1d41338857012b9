"""A normal distribution for every value: mean and variance from one network."""

from dataclasses import replace
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn.functional import softplus

from climbench.models.backbone import build_plain_backbone, check_members
from climbench.models.ensemble_losses import (
    gaussian_crps,
    gaussian_negative_log_likelihood,
    mean_over_valid,
)
from climbench.models.noise import normal
from climbench.tasks.sample import Sample, Signature

SMALLEST, LARGEST = -9.0, 5.0  # of the log-variance: deviations from 0.011 to 12


def softly_bounded(logarithm: Tensor) -> Tensor:
    r"""Return log-variances within bounds :math:`a, b` that are never quite reached.

    .. math:: x' = b - s(b - x), \quad x'' = a + s(x' - a), \quad s(x) = \ln(1 + e^x)

    Beyond a hard bound there would be no gradient to come back by. The price is small inside:
    a deviation of 1 comes out as 0.997.

    References
    ----------
    Chua et al. (2018), Deep reinforcement learning in a handful of trials using probabilistic
    dynamics models (PETS), NeurIPS, appendix A.1.

    Examples
    --------
    >>> import torch
    >>> softly_bounded(torch.tensor([-100.0, 0.0, 100.0]))
    tensor([-9.0000e+00, -6.5918e-03,  5.0000e+00])
    """
    below = LARGEST - softplus(LARGEST - logarithm)
    return SMALLEST + softplus(below - SMALLEST)


class GaussianHead(nn.Module):
    """A network that gives mean and log-variance of every target at every cell.

    The backbone is asked for twice the targets; the second half, ``NAME_log_variance``, is no
    input, so that also a backbone with option ``residual`` starts it at zero. ``forward`` is the
    mean. Members are drawn by noise that is INDEPENDENT FROM CELL TO CELL, variable to variable
    and lead to lead (where a pass answers one lead, those of a start share it): each value has the
    right distribution, the maps have not; means over areas, differences of cells and trajectories
    by steps are far too sure of themselves.

    Parameters
    ----------
    signature
        The question.
    backbone
        ``_target_`` of the network and its options.
    members
        Size of the ensemble that is drawn.
    score
        What training minimises: ``crps`` of the normal distribution, or ``likelihood``, its
        negative logarithm, which outliers weigh more on.

    Raises
    ------
    UserError
        If there are fewer than two members, or the backbone is none or has a loss of its own.

    References
    ----------
    Nix and Weigend (1994), Estimating the mean and variance of the target probability
    distribution, ICNN; Rasp and Lerch (2018), Neural networks for postprocessing ensemble weather
    forecasts, Mon. Wea. Rev. 146 (CRPS).
    """

    layouts = ("map", "stations")

    def __init__(
        self,
        signature: Signature,
        backbone: dict[str, Any],
        members: int = 16,
        score: Literal["crps", "likelihood"] = "crps",
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.members, self.score = check_members(name, members, least=2), score
        self.targets = len(signature.targets)
        second = tuple(f"{target}_log_variance" for target in signature.targets)
        asked = replace(signature, targets=signature.targets + second)
        self.backbone = build_plain_backbone(name, backbone, asked)

    def distribution(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """Return mean and deviation, both ``[batch, lead, target, latitude, longitude]``."""
        mean, logarithm = self.backbone(sample).float().split(self.targets, dim=2)
        return mean, (0.5 * softly_bounded(logarithm)).exp()

    def forward(self, sample: Sample) -> Tensor:
        """Return the mean ``[batch, lead, target, latitude, longitude]``."""
        return self.distribution(sample)[0]

    def loss(self, sample: Sample, weights: Tensor) -> Tensor:
        """Return the score of the distributions, weighted by ``weights`` of the rows."""
        mean, deviation = self.distribution(sample)
        truth = sample.targets.nan_to_num()
        if self.score == "crps":
            scores = gaussian_crps(mean, deviation, truth)
        else:
            scores = gaussian_negative_log_likelihood(mean, deviation, truth)
        return mean_over_valid(scores, sample.targets, weights)

    def draw(self, sample: Sample, member: int) -> Tensor:
        """Return one member, shaped like :meth:`forward`, its noise apart for every value."""
        mean, deviation = self.distribution(sample)
        drawn: Tensor = mean + deviation * normal(sample, member, tuple(mean.shape[1:]))
        return drawn
