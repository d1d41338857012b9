"""Heteroskedastic regression of columns: a network for the mean, and one for its precision."""

from typing import cast

import torch
from torch import Tensor, nn

from climbench.models.backbone import check_members
from climbench.models.column_dense import in_order, normed, ordered
from climbench.models.column_parts import vector
from climbench.models.ensemble_losses import mean_over_valid
from climbench.models.hashed_noise import hashed_normal
from climbench.tasks.sample import Sample, Signature

LARGEST = 1e5  # of the loss, to both sides


class HeteroskedasticRegression(nn.Module):
    r"""Mean and precision of every target, from two networks of the same shape.

    The loss is the squared error in the first ``mean_first_steps`` steps, then

    .. math:: \overline{p\,(y - \mu)^2 - \ln p}

    with :math:`p` the precision, and in training a penalty
    :math:`\tfrac{1}{2} (\alpha |w_\mu|^2 + \beta |w_p|^2)` with
    :math:`\alpha = \gamma^2 / (1 - \gamma)`, :math:`\beta = \gamma` on the weights of either
    network. Members are draws :math:`\mu + \epsilon / \sqrt{p}`, independent of each other.

    Parameters
    ----------
    signature
        The question.
    width, layers
        Of both networks.
    gamma
        How the penalty is shared.
    members
        Size of the ensemble that is drawn.
    mean_first_steps
        A third of the published twelve epochs of 616 steps.

    References
    ----------
    Yu et al. (2023), ClimSim, supplement (HSR); Wong-Toi et al. (2023), Understanding
    pathologies of deep heteroskedastic regression, arXiv:2306.16717 (the penalty).
    """

    layouts = ("columns",)

    steps: Tensor

    def __init__(
        self,
        signature: Signature,
        width: int = 1024,
        layers: int = 4,
        gamma: float = 0.022,
        members: int = 32,
        mean_first_steps: int = 2464,
    ) -> None:
        super().__init__()
        self.inputs, self.targets = ordered(signature)
        widths = [len(signature.inputs), *[width] * layers]
        self.mean, self.log_precision = (
            nn.Sequential(*normed(widths, 0.0), nn.Linear(width, len(signature.targets)))
            for _ in range(2)
        )
        self.alpha, self.beta = gamma**2 / (1 - gamma), gamma
        self.members = check_members(type(self).__name__, members, least=2)
        self.mean_first_steps = mean_first_steps
        self.register_buffer("steps", torch.tensor(0))

    def after_step(self) -> None:
        """Count the steps of the training."""
        self.steps += 1

    def forward(self, sample: Sample) -> Tensor:
        """Return the mean ``[batch, 1, target, 1, 1]``."""
        return in_order(self.mean(self._seen(sample)), self.targets)

    def distribution(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """Return mean and logarithm of the precision, both ``[batch, 1, target, 1, 1]``."""
        seen = self._seen(sample)
        logarithm = in_order(self.log_precision(seen), self.targets)
        return in_order(self.mean(seen), self.targets), logarithm

    def loss(self, sample: Sample, weights: Tensor) -> Tensor:
        """Return the loss, see the class."""
        mean, logarithm = self.distribution(sample)
        error = (sample.targets.nan_to_num() - mean).square()
        if int(self.steps) >= self.mean_first_steps:
            error = (logarithm.exp() * error - logarithm).clamp(-LARGEST, LARGEST)
        value = mean_over_valid(error, sample.targets, weights)
        return value + self._penalty() if self.training else value

    def draw(self, sample: Sample, member: int) -> Tensor:
        """Return one member, shaped like :meth:`forward`."""
        mean, logarithm = self.distribution(sample)
        noise = in_order(hashed_normal(sample, member, len(self.targets)), self.targets)
        return torch.as_tensor(mean + (-0.5 * logarithm).exp() * noise)

    def _penalty(self) -> Tensor:
        pairs = (self.alpha, self.mean), (self.beta, self.log_precision)
        each = [
            factor * cast(Tensor, sum(weight.square().sum() for weight in network.parameters()))
            for factor, network in pairs
        ]
        return 0.5 * (each[0] + each[1])

    def _seen(self, sample: Sample) -> Tensor:
        return vector(sample.inputs)[:, self.inputs]
