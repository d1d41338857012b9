"""Conditional variational autoencoder of columns: answers that differ by a few hidden numbers."""

import torch
from torch import Tensor, nn

from climbench.models.backbone import check_members
from climbench.models.column_dense import in_order, normed, ordered
from climbench.models.column_parts import vector
from climbench.models.ensemble_losses import mean_over_valid
from climbench.models.hashed_noise import hashed_normal
from climbench.tasks.sample import Sample, Signature


class ConditionalVAE(nn.Module):
    r"""Decode the inputs and a hidden vector :math:`z` to mean and deviation of every target.

    In training :math:`z` comes from an encoder that sees the targets too. The loss is the
    published one, whose terms are not those of the textbook,

    .. math:: \overline{\tfrac{1}{2} (y - m)^2 / s + \ln s} + \beta\,
        \overline{\sigma^2 + \mu^2 - \ln \sigma - \tfrac{1}{2}},

    so that :math:`s` comes out as half a variance while draws use it as the deviation. Members
    draw :math:`z` and the noise; ``forward`` decodes :math:`z = 0`.

    Parameters
    ----------
    signature
        The question.
    width, layers, dropout
        Of encoder and decoder.
    latent
        Hidden numbers.
    beta
        Weight of the second term.
    members
        Size of the ensemble that is drawn.

    References
    ----------
    Yu et al. (2023), ClimSim, supplement (cVAE, 4.9 million weights); Sohn et al. (2015), Learning
    structured output representation using deep conditional generative models, NeurIPS.
    """

    layouts = ("columns",)

    def __init__(
        self,
        signature: Signature,
        width: int = 1024,
        layers: int = 3,
        dropout: float = 0.05,
        latent: int = 4,
        beta: float = 0.5,
        members: int = 32,
    ) -> None:
        super().__init__()
        self.inputs, self.targets = ordered(signature)
        given, asked = len(signature.inputs), len(signature.targets)
        hidden = [width] * layers
        self.encoder = nn.Sequential(
            *normed([given + asked, *hidden], dropout), nn.Linear(width, 2 * latent)
        )
        self.decoder = nn.Sequential(
            *normed([given + latent, *hidden], dropout), nn.Linear(width, 2 * asked)
        )
        self.latent, self.beta = latent, beta
        self.members = check_members(type(self).__name__, members, least=2)
        self.alphabet = sorted(range(asked), key=lambda at: signature.targets[at])

    def forward(self, sample: Sample) -> Tensor:
        """Return the mean at the middle of the hidden space ``[batch, 1, target, 1, 1]``."""
        seen = self._seen(sample)
        mean, _ = self._decode(seen, seen.new_zeros(len(seen), self.latent))
        return in_order(mean, self.targets)

    def draw(self, sample: Sample, member: int) -> Tensor:
        """Return one member, shaped like :meth:`forward`."""
        seen = self._seen(sample)
        count = len(self.targets)
        noise = hashed_normal(sample, member, self.latent + count)
        mean, logarithm = self._decode(seen, noise[:, : self.latent])
        return in_order(mean + logarithm.exp() * noise[:, self.latent :], self.targets)

    def loss(self, sample: Sample, weights: Tensor) -> Tensor:
        """Return both terms, see the class; when evaluated, of the middle of the hidden space."""
        truth, seen = vector(sample.targets)[:, self.alphabet], self._seen(sample)
        centre, log_width = self.encoder(torch.cat([truth.nan_to_num(), seen], 1)).chunk(2, dim=1)
        noise = torch.randn_like(centre) if self.training else torch.zeros_like(centre)
        mean, logarithm = self._decode(seen, centre + log_width.exp() * noise)
        error = 0.5 * (truth.nan_to_num() - mean).square() / logarithm.exp() + logarithm
        fit = mean_over_valid(error[..., None, None], truth[..., None, None], weights)
        hidden = ((2 * log_width).exp() + centre.square() - log_width - 0.5).mean()
        return torch.as_tensor(fit + self.beta * hidden)

    def _decode(self, seen: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        mean, logarithm = self.decoder(torch.cat([hidden, seen], dim=1)).chunk(2, dim=1)
        return mean, logarithm

    def _seen(self, sample: Sample) -> Tensor:
        return vector(sample.inputs)[:, self.inputs]
