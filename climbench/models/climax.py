"""The encoder of ClimaX: any set of variables becomes one token for each patch of the globe."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from climbench.models.padding import Edges, pad
from climbench.models.vit import Block, initialise, sine_cosine_positions
from climbench.tasks.sample import Signature

AUTHORS_NAMES = {  # of the authors' checkpoints, and ours
    "var_query": "variable_query",
    "var_agg": "variable_attention",
    "pos_embed": "positions",
    "lead_time_embed": "lead",
    "norm": "norm",
    "norm1": "attention.0",
    "attn.qkv": "attention.1.query_key_value",
    "attn.proj": "attention.1.project",
    "norm2": "perceptron.0",
    "mlp.fc1": "perceptron.1",
    "mlp.fc2": "perceptron.4",
}


class ClimaXEncoder(nn.Module):
    """Tokens of each variable, their mean by attention at each patch, then a vision transformer.

    1. Every variable has a convolution of its own that makes each patch a token, to which the
       variable's embedding is added.
    2. At each patch a learned query attends to the variables, and one token remains.
    3. Positions (sines and cosines to start with) and a vector that the caller gives, such as the
       embedding of the lead time, are added; blocks of attention mix the patches.

    Grids that the patch does not divide are extended to the north and east.

    Parameters
    ----------
    signature
        The question, for its grid.
    variables
        Number of maps that come in.
    patch_size, embed_dim, depth, num_heads, mlp_ratio, dropout, drop_path
        As in :class:`climbench.models.vit.ViT`.

    References
    ----------
    Nguyen et al. (2023), ClimaX: a foundation model for weather and climate, section 3.
    """

    def __init__(
        self,
        signature: Signature,
        variables: int,
        patch_size: int,
        embed_dim: int,
        depth: int,
        num_heads: int,
        mlp_ratio: float,
        dropout: float,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.edges = Edges.of(signature.latitude, signature.longitude)
        self.patch_size, self.width = patch_size, embed_dim
        self.patches = patch_grid(signature, patch_size)
        self.tokens = nn.Conv2d(
            variables, variables * embed_dim, patch_size, stride=patch_size, groups=variables
        )
        self.variables = nn.Parameter(waves(variables, embed_dim))
        self.variable_query = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.variable_attention = nn.MultiheadAttention(embed_dim, num_heads, batch_first=True)
        self.positions = nn.Parameter(sine_cosine_positions(*self.patches, embed_dim))
        self.lead = nn.Linear(1, embed_dim)
        self.dropout = nn.Dropout(dropout)
        hidden = int(mlp_ratio * embed_dim)
        self.blocks = nn.Sequential(
            *(
                Block(embed_dim, num_heads, hidden, dropout, float(rate))
                for rate in np.linspace(0.0, drop_path, depth)
            )
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.apply(initialise)
        nn.init.trunc_normal_(self.tokens.weight, std=0.02)

    def forward(self, maps: Tensor, added: Tensor) -> Tensor:
        """Return the tokens of maps.

        Parameters
        ----------
        maps
            ``[batch, variable, latitude, longitude]``.
        added
            What is added to every token of a batch entry ``[batch, width]``.

        Returns
        -------
        torch.Tensor
            ``[batch, patch, width]``.
        """
        tokens = self.aggregate(maps) + self.positions + added[:, None]
        answer: Tensor = self.norm(self.blocks(self.dropout(tokens)))
        return answer

    def aggregate(self, maps: Tensor) -> Tensor:
        """Return one token ``[batch, patch, width]`` for the variables of each patch."""
        rows, columns = maps.shape[2:]
        north = self.patches[0] * self.patch_size - rows
        east = self.patches[1] * self.patch_size - columns
        tokens = self.tokens(pad(maps, self.edges, (0, north), (0, east)))
        tokens = tokens.flatten(2).unflatten(1, self.variables.shape).permute(0, 3, 1, 2)
        each = (tokens + self.variables).flatten(0, 1)  # [batch * patch, variable, width]
        query = self.variable_query.expand(len(each), -1, -1)
        mean, _ = self.variable_attention(query, each, each, need_weights=False)
        return torch.as_tensor(mean[:, 0].unflatten(0, (len(maps), -1)))

    def freeze_blocks(self) -> None:
        """Let training leave the blocks as they are, except their norms (Lu et al. 2022)."""
        self.blocks.requires_grad_(False)
        for part in self.blocks.modules():
            if isinstance(part, nn.LayerNorm):
                part.requires_grad_(True)


def patch_grid(signature: Signature, patch_size: int) -> tuple[int, int]:
    """Return how many rows and columns of patches cover the grid of a signature."""
    rows, columns = signature.shape
    return -(-rows // patch_size), -(-columns // patch_size)


def waves(count: int, width: int) -> Tensor:
    """Return sines and cosines of 0, 1, 2 ... at ``width / 2`` frequencies ``[count, width]``."""
    return sine_cosine_positions(count, 1, 2 * width)[:, :width].clone()


def translate_authors_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of the authors' checkpoint under the names of :class:`ClimaXEncoder`.

    Names that have no counterpart stay as they are: the tokens and embeddings of their weather
    variables and their head, which belong to other channels than those of any task here.
    """
    found = {}
    for name, values in state.items():
        plain = name.removeprefix("net.").replace("channel", "var")  # as older files say
        front, _, rest = plain.partition("blocks.")
        place, _, inner = rest.partition(".") if rest and not front else ("", "", plain)
        theirs = next((k for k in AUTHORS_NAMES if inner == k or inner.startswith(f"{k}.")), None)
        if theirs is None:
            found[name] = values
            continue
        ours = AUTHORS_NAMES[theirs] + inner.removeprefix(theirs)
        if ours == "positions":
            values = values[0]
        found[f"blocks.{place}.{ours}" if place else ours] = values
    return found


def resize_positions(
    positions: Tensor, patches: tuple[int, int], old: tuple[int, int] | None = None
) -> Tensor:
    """Return positions interpolated to another number of patches, by bicubic splines.

    Parameters
    ----------
    positions
        ``[row * column, width]``.
    patches
        Rows and columns wanted.
    old
        Rows and columns that there are; by default twice as many columns as rows, as on the
        grids of ClimaX.

    Returns
    -------
    torch.Tensor
        ``[row * column, width]``.
    """
    if old is None:
        rows = math.isqrt(len(positions) // 2)
        old = (rows, len(positions) // max(rows, 1))
    if old == patches:
        return positions
    maps = positions.T.reshape(1, -1, *old)
    resized = interpolate(maps, size=patches, mode="bicubic", align_corners=False)
    return resized[0].flatten(1).T.contiguous()
