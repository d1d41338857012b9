"""Quantiles of every value from one network, which never cross."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from climbench.errors import UserError
from climbench.models.backbone import build_plain_backbone
from climbench.models.ensemble_losses import mean_over_valid
from climbench.models.quantiles import probabilities
from climbench.tasks.sample import Sample, Signature


class QuantileHead(nn.Module):
    r"""A network that gives the quantiles at :math:`p_i = (i + 1/2) / n` of every target.

    The backbone is asked for the median and for :math:`n - 1` steps, of which
    :math:`\ln(1 + e^s)` leads from one quantile to the next, up and down. Training minimises the
    mean of the quantile scores,

    .. math:: \frac{2}{n} \sum_i \bigl(1_{y < q_i} - p_i\bigr) (q_i - y),

    the continuous ranked probability score in the limit of many. The members of the ensemble are
    the quantiles in order: each value has the right distribution, but a member is no possible
    map. As they are no random draws, their score is ``crps(form=ensemble)``. ``forward`` is their
    mean.

    Parameters
    ----------
    signature
        The question.
    backbone
        ``_target_`` of the network and its options.
    quantiles
        How many, odd.

    Raises
    ------
    UserError
        If their number is even or less than three, or the backbone is none.

    References
    ----------
    Koenker and Bassett (1978), Regression quantiles, Econometrica 46; Laio and Tamea (2007),
    Hydrol. Earth Syst. Sci. 11, equation 9 (the score as an integral over quantile scores).
    """

    layouts = ("map", "stations")
    forward_is_mean_of_members = True

    levels: Tensor

    def __init__(self, signature: Signature, backbone: dict[str, Any], quantiles: int = 19) -> None:
        super().__init__()
        if quantiles < 3 or quantiles % 2 == 0:
            raise UserError(
                f"QuantileHead: option 'quantiles' = {quantiles} must be odd, 3 or more."
            )
        self.members, self.targets = quantiles, len(signature.targets)
        steps = tuple(
            f"{target}_step_{step}" for step in range(quantiles - 1) for target in signature.targets
        )
        asked = replace(signature, targets=signature.targets + steps)
        self.backbone = build_plain_backbone(type(self).__name__, backbone, asked)
        self.register_buffer("levels", probabilities(quantiles).float(), persistent=False)

    def distribution(self, sample: Sample) -> Tensor:
        """Return the quantiles ``[quantile, batch, lead, target, latitude, longitude]``."""
        answer = self.backbone(sample).float()
        parts = torch.stack(answer.split(self.targets, dim=2))
        middle, half = parts[:1], (self.members - 1) // 2
        up = softplus(parts[1 : half + 1]).cumsum(0)
        down = softplus(parts[half + 1 :]).cumsum(0)
        return torch.cat([(middle - down).flip(0), middle, middle + up])

    def forward(self, sample: Sample) -> Tensor:
        """Return the mean of the quantiles ``[batch, lead, target, latitude, longitude]``."""
        return self.distribution(sample).mean(dim=0)

    def draw(self, sample: Sample, member: int) -> Tensor:
        """Return one quantile, shaped like :meth:`forward`."""
        return self.distribution(sample)[member]

    def loss(self, sample: Sample, weights: Tensor) -> Tensor:
        """Return the mean of the quantile scores, weighted by ``weights`` of the rows."""
        truth = sample.targets.nan_to_num()
        quantiles = self.distribution(sample)
        levels = self.levels.reshape(-1, *[1] * truth.ndim)
        scores = 2 * ((truth < quantiles).float() - levels) * (quantiles - truth)
        return mean_over_valid(scores.mean(dim=0), sample.targets, weights)
