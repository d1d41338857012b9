"""A transformer with shifted windows round the globe, as in Pangu-Weather."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from climbench.errors import UserError
from climbench.models.channels import NetworkInput, NetworkOutput
from climbench.models.patches import Patches, initialise_any
from climbench.models.translators import DropPath
from climbench.tasks.sample import Sample, Signature


class Swin(nn.Module):
    """Attention within windows that every other block shifts by half, on two resolutions.

    Patches become tokens; blocks at full resolution, blocks on tokens merged two by two, and
    blocks at full resolution again, whose outcome is joined with that of the first ones. Attention
    has a bias of its own for each row of windows and pair of places, in which only the difference
    of longitudes counts: Pangu-Weather's earth-specific bias.

    It is Pangu-Weather on stacked channels, in two dimensions instead of three. Shifted windows go
    on round the globe; where they would join the northernmost with the southernmost rows (or, on
    a region, east with west) a mask keeps them apart. Windows are made smaller, by half at most,
    where two of them do not go round the globe a whole number of times, or would extend the grid
    by much; see :func:`windows_that_fit`. The lead time enters as a constant channel.

    Parameters
    ----------
    signature
        The question.
    patch_size
        Rows and columns of a patch; the grid is extended to the north (and east, where its columns
        cannot be divided) until two windows divide its patches.
    embed_dim, num_heads
        Width of a token and attention heads at full resolution; twice as many on merged tokens.
    depths
        Number of blocks before merging, on merged tokens, and after.
    window
        Rows and columns of a window, in tokens, at most.
    mlp_ratio
        Width of the perceptrons over that of a token.
    drop_path
        Share of samples that skip the deepest block while training; published: 0.2. It rises
        linearly from 0 over the blocks of the encoder, which are those before merging and half of
        those on merged tokens; blocks of the decoder have the shares of their counterparts.
    position_bias
        Whether attention has the bias.
    calendar, coordinates, residual
        As in :class:`climbench.models.resnet.ResNet`.

    Raises
    ------
    UserError
        If the grid has less than 2 x 2 patches, or the heads do not divide the width.

    References
    ----------
    Bi et al. (2023), Accurate medium-range global weather forecasting with 3D neural networks;
    Liu et al. (2021), Swin transformer.
    """

    def __init__(
        self,
        signature: Signature,
        patch_size: int = 4,
        embed_dim: int = 192,
        depths: tuple[int, int, int] = (2, 12, 2),
        num_heads: int = 6,
        window: tuple[int, int] = (6, 12),
        mlp_ratio: float = 4.0,
        position_bias: bool = True,
        drop_path: float = 0.0,
        calendar: bool = False,
        coordinates: bool = False,
        residual: bool = False,
    ) -> None:
        super().__init__()
        window, periodic = windows_that_fit(signature, patch_size, window)
        if embed_dim % num_heads:
            raise UserError(
                f"Swin: embed_dim = {embed_dim} must be a multiple of num_heads = {num_heads}."
            )
        self.patches = Patches(signature, patch_size, (2 * window[0], 2 * window[1]))
        self.input = NetworkInput(
            signature, lead_time=True, calendar=calendar, coordinates=coordinates
        )
        self.output = NetworkOutput(signature, residual=residual)
        self.embed = nn.Conv2d(self.input.count, embed_dim, patch_size, stride=patch_size)

        def stage(rates: list[float], merged: int) -> nn.Sequential:
            grid = (self.patches.rows // merged, self.patches.columns // merged)
            return nn.Sequential(
                *(
                    SwinBlock(
                        embed_dim * merged,
                        mlp_ratio,
                        WindowAttention(
                            embed_dim * merged,
                            num_heads * merged,
                            Windows(grid, window, bool(place % 2), periodic),
                            position_bias,
                        ),
                        rate,
                    )
                    for place, rate in enumerate(rates)
                )
            )

        rates = drop_rates(depths, drop_path)
        self.before, self.middle, self.after = (
            stage(own, merged) for own, merged in zip(rates, (1, 2, 1), strict=True)
        )
        self.merge = nn.Sequential(
            nn.LayerNorm(4 * embed_dim), nn.Linear(4 * embed_dim, 2 * embed_dim, bias=False)
        )
        self.split = nn.Linear(2 * embed_dim, 4 * embed_dim, bias=False)
        self.split_norm = nn.Sequential(
            nn.LayerNorm(embed_dim), nn.Linear(embed_dim, embed_dim, bias=False)
        )
        self.head = nn.Linear(2 * embed_dim, self.output.count * patch_size**2)
        self.apply(initialise_any)
        if residual:
            nn.init.zeros_(self.head.weight)

    def forward(self, sample: Sample) -> Tensor:
        """Return the answer ``[batch, lead, target, latitude, longitude]``."""
        tokens = self.embed(self.patches.extend(self.input(sample))).permute(0, 2, 3, 1)
        fine = self.before(tokens)
        coarse = self.middle(self.merge(merge(fine)))
        tokens = self.after(self.split_norm(split(self.split(coarse))))
        patches = self.head(torch.cat([fine, tokens], dim=-1)).flatten(1, 2)
        answer: Tensor = self.output(self.patches.join(patches), sample)
        return answer


class SwinBlock(nn.Module):
    """Attention and a perceptron, each normalised after and added to what came in."""

    def __init__(
        self, width: int, mlp_ratio: float, attention: "WindowAttention", drop_path: float
    ) -> None:
        super().__init__()
        hidden = int(mlp_ratio * width)
        self.drop_path = DropPath(drop_path)
        self.attention = nn.Sequential(attention, nn.LayerNorm(width))
        self.perceptron = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width), nn.LayerNorm(width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens ``[batch, row, column, width]``."""
        tokens = tokens + self.drop_path(self.attention(tokens))
        return tokens + torch.as_tensor(self.drop_path(self.perceptron(tokens)))


class Windows:
    """How a grid of tokens is cut into windows.

    Parameters
    ----------
    grid
        Rows and columns of tokens, multiples of those of the window.
    window
        Rows and columns of a window.
    shifted
        Whether the windows start half a window further to the north and east.
    periodic
        Whether the columns go all round the globe.
    """

    def __init__(
        self, grid: tuple[int, int], window: tuple[int, int], shifted: bool, periodic: bool
    ) -> None:
        self.window = window
        self.count = (grid[0] // window[0], grid[1] // window[1])
        self.shift = (window[0] // 2, window[1] // 2) if shifted else (0, 0)
        self.periodic = periodic

    def cut(self, tokens: Tensor) -> Tensor:
        """Return ``[batch, column of windows, row of windows, token, width]``."""
        turned = tokens.roll((-self.shift[0], -self.shift[1]), dims=(1, 2))
        (rows, columns), (height, width) = self.count, self.window
        parts = turned.reshape(len(tokens), rows, height, columns, width, -1)
        return parts.permute(0, 3, 1, 2, 4, 5).flatten(3, 4)

    def join(self, parts: Tensor) -> Tensor:
        """Return tokens ``[batch, row, column, width]``, as they were before :meth:`cut`."""
        grid = parts.reshape(*parts.shape[:3], *self.window, -1).permute(0, 2, 3, 1, 4, 5)
        return grid.flatten(3, 4).flatten(1, 2).roll(self.shift, dims=(1, 2))

    def apart(self) -> Tensor:
        """Return which tokens of a window do not lie beside each other on the globe.

        Returns
        -------
        torch.Tensor
            Booleans ``[column of windows, row of windows, token, token]``.
        """
        rows, columns = (n * w for n, w in zip(self.count, self.window, strict=True))
        side = torch.zeros(1, rows, columns, 1, dtype=torch.int64)
        side[:, : self.shift[0]] += 1
        if not self.periodic:
            side[:, :, : self.shift[1]] += 2
        sides = self.cut(side)[0, ..., 0]
        return sides[..., :, None] != sides[..., None, :]


class WindowAttention(nn.Module):
    """Multi-head self-attention within windows, with a bias for each row of windows."""

    apart: Tensor
    place: Tensor

    def __init__(self, width: int, heads: int, windows: Windows, position_bias: bool) -> None:
        super().__init__()
        self.heads, self.windows = heads, windows
        self.query_key_value = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        rows, columns = windows.window
        places = rows * rows * (2 * columns - 1)
        shape = (windows.count[0], heads, places)
        self.bias = nn.Parameter(torch.empty(shape)) if position_bias else None
        if self.bias is not None:
            nn.init.trunc_normal_(self.bias, std=0.02)
        apart = windows.apart()[:, :, None]
        far = torch.zeros(apart.shape).masked_fill(apart, -torch.inf)
        self.register_buffer("apart", far, persistent=False)
        self.register_buffer("place", pair_places(rows, columns), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens ``[batch, row, column, width]``."""
        parts = self.windows.cut(tokens)
        split = self.query_key_value(parts).unflatten(-1, (3, self.heads, -1))
        query, key, value = split.movedim(4, 0).transpose(-3, -2)
        mask = self.apart if self.bias is None else self.apart + self.bias[..., self.place]
        mixed = scaled_dot_product_attention(query, key, value, mask.to(query.dtype))
        return self.windows.join(self.project(mixed.transpose(-3, -2).flatten(-2)))


def pair_places(rows: int, columns: int) -> Tensor:
    """Return which bias each pair of tokens in a window has ``[token, token]``.

    Pairs share it when they have the same two rows and the same difference of columns.

    Examples
    --------
    >>> pair_places(1, 3)
    tensor([[2, 1, 0],
            [3, 2, 1],
            [4, 3, 2]])
    """
    row = torch.arange(rows).repeat_interleave(columns)
    column = torch.arange(columns).repeat(rows)
    pairs = row[:, None] * rows + row
    return pairs * (2 * columns - 1) + column[:, None] - column + columns - 1


def windows_that_fit(
    signature: Signature, patch_size: int, window: tuple[int, int]
) -> tuple[tuple[int, int], bool]:
    """Return the window that fits a grid, and whether windows go on round the globe.

    They do where patches divide the columns, and the double of a width between half the wanted one
    and all of it divides the patches (double, as windows on merged tokens are twice as large).
    Otherwise columns are treated as rows are: the grid is extended, windows end at its edges, and
    the size is the greatest that adds no more than an eighth to the patches.

    Raises
    ------
    UserError
        If there are not patches for two windows.

    Examples
    --------
    >>> from climbench.testing.model_contract import GLOBAL  # 8 x 16 cells
    >>> windows_that_fit(GLOBAL, 1, (3, 6))
    ((2, 4), True)
    """
    patches = Patches(signature, patch_size)
    counts = patches.rows, patches.columns
    if min(counts) < 2 or min(window) < 1:
        raise UserError(
            f"Swin: patch_size = {patch_size} and window = {list(window)} leave no two windows on "
            f"a grid of {signature.shape[0]} x {signature.shape[1]} cells."
        )
    rows, columns = (_sizes(count, wanted) for count, wanted in zip(counts, window, strict=True))
    round_the_globe = [size for size in columns if counts[1] % (2 * size) == 0]
    if patches.edges.periodic and signature.shape[1] % patch_size == 0 and round_the_globe:
        return (_least_extended(counts[0], rows), round_the_globe[0]), True
    return (_least_extended(counts[0], rows), _least_extended(counts[1], columns)), False


def _sizes(count: int, wanted: int) -> range:
    """Return sizes of windows for so many patches, the greatest first, of which all can shift."""
    most = min(wanted, count // 2)
    return range(most, max(most // 2, min(most, 2)) - 1, -1)


def _least_extended(count: int, sizes: range) -> int:
    """Return the first size whose double extends patches little, or that which does so least."""
    added = {size: -count % (2 * size) for size in sizes}
    return next(
        (size for size in sizes if 8 * added[size] <= count), min(added, key=added.__getitem__)
    )


def drop_rates(depths: tuple[int, int, int], most: float) -> list[list[float]]:
    """Return the share of samples that skip each block, by stage; see :class:`Swin`.

    Examples
    --------
    >>> [np.round(rates, 2).tolist() for rates in drop_rates((1, 6, 1), 0.3)]
    [[0.0], [0.1, 0.2, 0.3, 0.1, 0.2, 0.3], [0.0]]
    """
    before, middle, after = depths
    down = np.linspace(0.0, most, before + (middle + 1) // 2).tolist()
    up = np.linspace(0.0, most, after + middle // 2).tolist()
    return [down[:before], down[before:] + up[after:], up[:after]]


def merge(tokens: Tensor) -> Tensor:
    """Return 2 x 2 tokens as one ``[batch, row / 2, column / 2, 4 * width]``."""
    batch, rows, columns, width = tokens.shape
    pairs = tokens.reshape(batch, rows // 2, 2, columns // 2, 2, width)
    return pairs.permute(0, 1, 3, 2, 4, 5).flatten(3)


def split(tokens: Tensor) -> Tensor:
    """Return each token as 2 x 2 ``[batch, 2 * row, 2 * column, width / 4]``."""
    pairs = tokens.reshape(*tokens.shape[:3], 2, 2, -1).permute(0, 1, 3, 2, 4, 5)
    return pairs.flatten(3, 4).flatten(1, 2)
