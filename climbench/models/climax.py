"""The encoder of ClimaX: any set of variables becomes one token for each patch of the globe."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from climbench.models.climax_variables import names_to_tensor
from climbench.models.padding import Edges, pad
from climbench.models.variable_attention import VariableAttention
from climbench.models.vit import Block, initialise, sine_cosine_positions
from climbench.tasks.sample import Signature

FROZEN = ("!encoder.blocks.*", "encoder.blocks.*.attention.0.*", "encoder.blocks.*.perceptron.0.*")
"""All but the blocks, of which only the norms are trained (Lu et al. 2022)."""


class ClimaXEncoder(nn.Module):
    """Tokens of each variable, their mean by attention at each patch, then a vision transformer.

    1. Every variable has a linear map of its own that makes each patch a token, to which the
       variable's embedding is added.
    2. At each patch a learned query attends to the variables, and one token remains; see
       :class:`climbench.models.variable_attention.VariableAttention`.
    3. Positions (sines and cosines to start with) and a vector that the caller gives, such as the
       embedding of the lead time, are added; blocks of attention mix the patches.

    Grids that the patch does not divide are extended to the north and east.

    Parameters
    ----------
    signature
        The question, for its grid.
    vocabulary
        Names of the variables that have a token and an embedding.
    patch_size, embed_dim, depth, num_heads, mlp_ratio, dropout, attention_dropout, drop_path
        As in :class:`climbench.models.vit.ViT`.

    References
    ----------
    Nguyen et al. (2023), ClimaX: a foundation model for weather and climate, section 3.
    """

    names: Tensor

    def __init__(
        self,
        signature: Signature,
        vocabulary: Sequence[str],
        patch_size: int,
        embed_dim: int,
        depth: int,
        num_heads: int,
        mlp_ratio: float,
        dropout: float,
        attention_dropout: float,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.edges = Edges.of(signature.latitude, signature.longitude)
        self.patch_size, self.signature = patch_size, signature
        self.patches = patch_grid(signature, patch_size)
        count = len(vocabulary)
        self.register_buffer("names", names_to_tensor(vocabulary))
        self.tokens = nn.Conv2d(  # whose weights, like those of the authors, are one per variable
            count, count * embed_dim, patch_size, stride=patch_size, groups=count
        )
        self.variables = nn.Parameter(waves(count, embed_dim))
        self.variable_query = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.variable_attention = VariableAttention(embed_dim, num_heads, batch_first=True)
        self.positions = nn.Parameter(sine_cosine_positions(*self.patches, embed_dim))
        self.lead = nn.Linear(1, embed_dim)
        self.dropout = nn.Dropout(dropout)
        hidden = int(mlp_ratio * embed_dim)
        self.blocks = nn.Sequential(
            *(
                Block(embed_dim, num_heads, hidden, dropout, float(rate), attention_dropout)
                for rate in np.linspace(0.0, drop_path, depth)
            )
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.apply(initialise)
        nn.init.trunc_normal_(self.tokens.weight, std=0.02)

    def forward(
        self,
        maps: Tensor,
        added: Tensor,
        chosen: Tensor | None = None,
        moments: Tensor | None = None,
    ) -> Tensor:
        """Return the tokens of maps.

        Parameters
        ----------
        maps
            ``[batch, map, latitude, longitude]``.
        added
            What is added to every token of a batch entry ``[batch, width]``.
        chosen
            Position of each map's variable in the vocabulary ``[map]``; by default all in order.
        moments
            What is added to each map's embedding ``[map, width]``, such as its time.

        Returns
        -------
        torch.Tensor
            ``[batch, patch, width]``.
        """
        tokens = self.aggregate(maps, chosen, moments) + self.positions + added[:, None]
        answer: Tensor = self.norm(self.blocks(self.dropout(tokens)))
        return answer

    def aggregate(
        self,
        maps: Tensor,
        chosen: Tensor | None = None,
        moments: Tensor | None = None,
    ) -> Tensor:
        """Return one token ``[batch, patch, width]`` for the variables of each patch.

        A map that is NaN everywhere is of a variable that is not there, and gets no share.
        """
        bias = torch.as_tensor(self.tokens.bias)
        weight = self.tokens.weight.reshape(*self.variables.shape, -1)
        constant = bias.reshape(self.variables.shape) + self.variables
        if chosen is not None:
            weight, constant = weight[chosen], constant[chosen]
        if moments is not None:
            constant = constant + moments
        absent = maps.isnan().all(dim=(2, 3))
        patches = self.cut(maps.nan_to_num())
        absent = absent[:, None].expand(patches.shape[:3]).flatten(0, 1)
        tokens = self.variable_attention.attend(
            self.variable_query[0, 0], patches.flatten(0, 1), weight, constant, absent
        )
        return tokens.reshape(*patches.shape[:2], -1)

    def cut(self, maps: Tensor) -> Tensor:
        """Return the patches of maps ``[batch, patch, map, cell]``."""
        size, (rows, columns) = self.patch_size, self.patches
        north = rows * size - maps.shape[2]
        east = columns * size - maps.shape[3]
        maps = pad(maps, self.edges, (0, north), (0, east))
        grid = maps.reshape(*maps.shape[:2], rows, size, columns, size)
        return grid.permute(0, 2, 4, 1, 3, 5).flatten(4).flatten(1, 2)


def patch_grid(signature: Signature, patch_size: int) -> tuple[int, int]:
    """Return how many rows and columns of patches cover the grid of a signature."""
    rows, columns = signature.shape
    return -(-rows // patch_size), -(-columns // patch_size)


def waves(count: int, width: int) -> Tensor:
    """Return sines and cosines of 0, 1, 2 ... at ``width / 2`` frequencies ``[count, width]``."""
    return sine_cosine_positions(count, 1, 2 * width)[:, :width].clone()
