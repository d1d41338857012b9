"""A vision transformer on patches of the globe."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from climbench.models.channels import LEAD_UNIT, NetworkInput, NetworkOutput
from climbench.models.padding import Edges, pad
from climbench.tasks.sample import Sample, Signature


class ViT(nn.Module):
    """Patches become tokens, attention mixes them, a small perceptron makes them patches again.

    The lead time is added to every token as in ClimaX, by a linear map of its value in units of
    100 h. Grids that the patch does not divide are extended to the north and east by
    :func:`climbench.models.padding.pad` and cut back at the end.

    Parameters
    ----------
    signature
        The question.
    patch_size
        Rows and columns of a patch.
    embed_dim, depth, num_heads, mlp_ratio
        Width of a token, number of blocks, attention heads, and width of the blocks' perceptrons
        over that of a token.
    decoder_depth
        Hidden layers of the head.
    dropout, attention_dropout
        Share of activations, and of the weights of attention, dropped while training.
    drop_path
        Share of samples that skip the last block while training; it rises linearly from 0 at the
        first block (stochastic depth).
    learned_positions
        Whether the sine-cosine positions are a start for training or fixed.
    calendar, coordinates, residual
        As in :class:`climbench.models.resnet.ResNet`.

    References
    ----------
    Dosovitskiy et al. (2021), An image is worth 16x16 words; Nguyen et al. (2023), ClimateLearn
    and ClimaX.
    """

    def __init__(
        self,
        signature: Signature,
        patch_size: int = 2,
        embed_dim: int = 128,
        depth: int = 8,
        decoder_depth: int = 2,
        num_heads: int = 4,
        mlp_ratio: float = 4.0,
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
        drop_path: float = 0.1,
        learned_positions: bool = True,
        calendar: bool = False,
        coordinates: bool = False,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.signature = signature
        self.edges = Edges.of(signature.latitude, signature.longitude)
        self.patch_size = patch_size
        self.patches = (-(-signature.shape[0] // patch_size), -(-signature.shape[1] // patch_size))
        self.input = NetworkInput(
            signature, lead_time=False, calendar=calendar, coordinates=coordinates
        )
        self.output = NetworkOutput(signature, residual=residual)

        self.embed = nn.Conv2d(self.input.count, embed_dim, patch_size, stride=patch_size)
        self.lead = nn.Linear(1, embed_dim)
        self.positions = nn.Parameter(
            sine_cosine_positions(*self.patches, embed_dim), requires_grad=learned_positions
        )
        self.dropout = nn.Dropout(dropout)
        hidden = int(mlp_ratio * embed_dim)
        self.blocks = nn.Sequential(
            *(
                Block(embed_dim, num_heads, hidden, dropout, float(rate), attention_dropout)
                for rate in np.linspace(0.0, drop_path, depth)
            )
        )
        self.norm = nn.LayerNorm(embed_dim)
        layers: list[nn.Module] = []
        for _ in range(decoder_depth):
            layers += [nn.Linear(embed_dim, embed_dim), nn.GELU()]
        self.head = nn.Sequential(*layers, nn.Linear(embed_dim, self.output.count * patch_size**2))
        self.apply(initialise)
        if residual:
            nn.init.zeros_(self.head[-1].weight)  # type: ignore[arg-type]

    def forward(self, sample: Sample) -> Tensor:
        """Return the answer ``[batch, lead, target, latitude, longitude]``."""
        rows, columns = self.signature.shape
        north = self.patches[0] * self.patch_size - rows
        east = self.patches[1] * self.patch_size - columns
        fields = pad(self.input(sample), self.edges, (0, north), (0, east))
        tokens = self.embed(fields).flatten(2).transpose(1, 2)
        lead = self.lead(sample.lead_time[:, :1].to(tokens.dtype) / LEAD_UNIT)
        tokens = self.dropout(tokens + self.positions + lead[:, None])
        patches = self.head(self.norm(self.blocks(tokens)))
        maps = unpatchify(patches, self.patches, self.patch_size)
        answer: Tensor = self.output(maps[..., :rows, :columns], sample)
        return answer


class Block(nn.Module):
    """Attention and a perceptron, each normalised before and added to what came in."""

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        dropout: float,
        drop_path: float,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.drop_path = drop_path
        self.attention = nn.Sequential(
            nn.LayerNorm(width), Attention(width, heads, dropout, attention_dropout)
        )
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
            nn.Dropout(dropout),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens ``[batch, token, width]``."""
        tokens = tokens + self._sometimes(self.attention(tokens))
        return tokens + self._sometimes(self.perceptron(tokens))

    def _sometimes(self, change: Tensor) -> Tensor:
        """Drop the change of whole samples while training, keeping its expectation."""
        if not self.training or self.drop_path == 0.0:
            return change
        kept = torch.rand(change.shape[0], 1, 1, device=change.device) >= self.drop_path
        return change * kept / (1.0 - self.drop_path)


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(
        self, width: int, heads: int, dropout: float, attention_dropout: float = 0.0
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"embed_dim = {width} must be a multiple of num_heads = {heads}")
        self.heads, self.attention_dropout = heads, attention_dropout
        self.query_key_value = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens ``[batch, token, width]``, each a mean of all, weighted by likeness."""
        split = self.query_key_value(tokens).unflatten(2, (3, self.heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4)
        rate = self.attention_dropout if self.training else 0.0
        mixed = scaled_dot_product_attention(query, key, value, dropout_p=rate)
        answer: Tensor = self.dropout(self.project(mixed.transpose(1, 2).flatten(2)))
        return answer


def sine_cosine_positions(rows: int, columns: int, width: int) -> Tensor:
    """Return sines and cosines of row and column at ``width / 4`` frequencies from 1 to 1e-4.

    Returns
    -------
    torch.Tensor
        ``[rows * columns, width]``: half of the width for the row, half for the column.

    Raises
    ------
    ValueError
        If the width is not a multiple of 4.
    """
    if width % 4:
        raise ValueError(f"embed_dim must be a multiple of 4, not {width}")
    frequency = 1e4 ** -(np.arange(width // 4) / (width // 4))

    def waves(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        angle = np.arange(count)[:, None] * frequency
        return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)

    row = np.repeat(waves(rows), columns, axis=0)
    column = np.tile(waves(columns), (rows, 1))
    return torch.from_numpy(np.concatenate([row, column], axis=1).astype(np.float32))


def unpatchify(tokens: Tensor, patches: tuple[int, int], size: int) -> Tensor:
    """Return maps from tokens that hold ``(row, column, channel)`` of a patch each.

    Parameters
    ----------
    tokens
        ``[batch, rows * columns, size * size * channel]``.
    patches
        Rows and columns of patches.
    size
        Rows and columns of a patch.

    Returns
    -------
    torch.Tensor
        ``[batch, channel, rows * size, columns * size]``.

    Examples
    --------
    >>> unpatchify(torch.arange(8).reshape(1, 2, 4), (1, 2), 2)[0, 0]
    tensor([[0, 1, 4, 5],
            [2, 3, 6, 7]])
    """
    rows, columns = patches
    grid = tokens.reshape(len(tokens), rows, columns, size, size, -1)
    return grid.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)


def initialise(module: nn.Module) -> None:
    """Give a linear map its start: a normal distribution cut at two deviations, no bias."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
