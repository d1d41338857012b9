"""ClimaX for climate projection: years of emissions through the encoder, then one dense map."""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from climbench.models.adapted import Adapted
from climbench.models.channels import LEAD_UNIT, NetworkInput, NetworkOutput, each_step
from climbench.models.climax import FROZEN, ClimaXEncoder, waves
from climbench.models.climax_weights import adapt_weights
from climbench.models.vit import initialise
from climbench.tasks.sample import Sample, Signature


class ClimaXProjection(nn.Module):
    """Encode each year, average over the patches, attend to the years, draw a map.

    A learned query attends to the years' means, each with an embedding of its place in the
    history; a linear map makes the fields of it. The published network answers one variable.

    Parameters
    ----------
    signature
        The question; the published history is 10 years.
    patch_size
        2 in the published network, on 32 x 64 cells; 16 is ClimateSet's on 96 x 144.
    embed_dim, depth, num_heads, mlp_ratio, dropout, attention_dropout, drop_path
        As in :class:`climbench.models.vit.ViT`.

    References
    ----------
    Nguyen et al. (2023), ClimaX: a foundation model for weather and climate, section 4.3.
    """

    trainable_groups: ClassVar[dict[str, tuple[str, ...]]] = {
        "frozen": FROZEN,
        "head": ("!*", "head.*"),
    }

    def __init__(
        self,
        signature: Signature,
        patch_size: int = 2,
        embed_dim: int = 1024,
        depth: int = 8,
        num_heads: int = 16,
        mlp_ratio: float = 4.0,
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
        drop_path: float = 0.1,
    ) -> None:
        super().__init__()
        self.shape = signature.shape
        self.input = NetworkInput(
            replace(signature, history=1), lead_time=False, calendar=False, coordinates=False
        )
        self.output = NetworkOutput(signature, residual=False)
        self.encoder = ClimaXEncoder(
            signature,
            sorted(signature.inputs)
            + sorted(signature.forcings) * signature.leads
            + sorted(signature.static),
            patch_size,
            embed_dim,
            depth,
            num_heads,
            mlp_ratio,
            dropout,
            attention_dropout,
            drop_path,
        )
        self.years = nn.Parameter(waves(signature.history, embed_dim))
        self.query = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.attention = nn.MultiheadAttention(embed_dim, num_heads, batch_first=True)
        rows, columns = signature.shape
        self.head = nn.Linear(embed_dim, self.output.count * rows * columns)
        self.attention.apply(initialise)
        self.head.apply(initialise)

    def forward(self, sample: Sample) -> Tensor:
        """Return the answer ``[batch, lead, target, latitude, longitude]``."""
        batch, history = sample.inputs.shape[:2]
        lead = self.encoder.lead(sample.lead_time[:, :1].to(self.years.dtype) / LEAD_UNIT)
        added = (lead[:, None] + self.years).flatten(0, 1)
        tokens = self.encoder(self.input(each_step(sample)), added)
        years = tokens.mean(dim=1).unflatten(0, (batch, history))
        query = self.query.expand(batch, -1, -1)
        mean, _ = self.attention(query, years, years, need_weights=False)
        maps = self.head(mean[:, 0]).unflatten(1, (self.output.count, *self.shape))
        answer: Tensor = self.output(maps, sample)
        return answer

    def adapt_weights(self, state: Mapping[str, Tensor], signature: Signature | None) -> Adapted:
        """Return another network's weights as this one has them.

        Parameters
        ----------
        state
            Weights of a network of this class or, where ``signature`` is None, of the authors'.
        signature
            The question that the other network was built for.
        """
        return adapt_weights(self, state, signature)
