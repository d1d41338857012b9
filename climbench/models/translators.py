"""What stands between an encoder and a decoder of frames: blocks that mix space and time.

The steps of a sequence are stacked as channels, so that convolutions over them mix the time too.
"""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from climbench.errors import UserError, nearest
from climbench.models.padding import Edges, GlobeConv2d

LAYER_SCALE = 1e-2  # what a new block's changes are multiplied by
LOCAL_KERNEL, FAR_KERNEL, DILATION = 5, 7, 3  # a kernel of 21, taken apart (Guo et al. 2023)
INCEPTION_KERNELS = (3, 5, 7, 11)
INCEPTION_GROUPS = 8

Kind = Literal["gsta", "tau", "inception"]


class DropPath(nn.Module):
    """Drop the change of whole samples while training, keeping its expectation."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, change: Tensor) -> Tensor:
        """Return the change of shape ``[batch, ...]``, zero for some samples."""
        if not self.training or self.rate == 0.0:
            return change
        shape = (len(change), *[1] * (change.ndim - 1))
        kept = torch.rand(shape, device=change.device) >= self.rate
        return change * kept / (1.0 - self.rate)


class WideConvolution(nn.Sequential):
    """A depthwise kernel of 21 x 21, taken apart: 5 x 5, then 7 x 7 on every third cell."""

    def __init__(self, channels: int, edges: Edges) -> None:
        super().__init__(
            GlobeConv2d(channels, channels, LOCAL_KERNEL, edges, groups=channels),
            GlobeConv2d(channels, channels, FAR_KERNEL, edges, groups=channels, dilation=DILATION),
        )


class GatedAttention(nn.Module):
    r"""Gated spatiotemporal attention, :math:`\sigma(g) \cdot f` of a wide convolution (gSTA)."""

    def __init__(self, channels: int, edges: Edges) -> None:
        super().__init__()
        self.wide = WideConvolution(channels, edges)
        self.mix = nn.Conv2d(channels, 2 * channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps ``[batch, channel, latitude, longitude]``."""
        values, gate = self.mix(self.wide(maps)).chunk(2, dim=1)
        gated: Tensor = gate.sigmoid() * values
        return gated


class TemporalAttention(nn.Module):
    """Temporal attention unit: the maps times what two looks say of them (TAU).

    The static one looks at the neighbourhood within a step by a wide convolution; the dynamical
    one weighs the channels, which are the steps, by a small perceptron of their means.

    Parameters
    ----------
    channels
        Of the maps.
    edges
        Of the grid.
    dynamical
        Whether there is the dynamical look.
    """

    def __init__(self, channels: int, edges: Edges, dynamical: bool = True) -> None:
        super().__init__()
        self.static = nn.Sequential(
            WideConvolution(channels, edges), nn.Conv2d(channels, channels, 1)
        )
        self.dynamical: nn.Sequential | None = None
        if not dynamical:
            return
        squeezed = channels // min(channels, max(channels // 16, 4))
        self.dynamical = nn.Sequential(
            nn.Linear(channels, squeezed, bias=False),
            nn.ReLU(),
            nn.Linear(squeezed, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps ``[batch, channel, latitude, longitude]``."""
        weighed: Tensor = self.static(maps) * maps
        if self.dynamical is None:
            return weighed
        weights: Tensor = self.dynamical(maps.mean(dim=(2, 3)))
        return weights[:, :, None, None] * weighed


class AttentionBlock(nn.Module):
    """Attention between two 1 x 1 maps, then a convolutional perceptron, each added to its input.

    Parameters
    ----------
    channels
        Of the maps.
    attention
        Makes the attention for channels and edges.
    edges
        Of the grid.
    mlp_ratio
        Width of the perceptron over that of the maps.
    dropout, drop_path
        Share of activations, and of samples' whole changes, dropped while training.
    """

    def __init__(
        self,
        channels: int,
        attention: Callable[[int, Edges], nn.Module],
        edges: Edges,
        mlp_ratio: float,
        dropout: float,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.attention_norm, self.perceptron_norm = (nn.BatchNorm2d(channels) for _ in range(2))
        self.attention = nn.Sequential(
            nn.Conv2d(channels, channels, 1),
            nn.GELU(),
            attention(channels, edges),
            nn.Conv2d(channels, channels, 1),
        )
        hidden = int(mlp_ratio * channels)
        self.perceptron = nn.Sequential(
            nn.Conv2d(channels, hidden, 1),
            GlobeConv2d(hidden, hidden, 3, edges, groups=hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Conv2d(hidden, channels, 1),
            nn.Dropout(dropout),
        )
        self.attention_scale, self.perceptron_scale = (
            nn.Parameter(torch.full((channels, 1, 1), LAYER_SCALE)) for _ in range(2)
        )
        self.drop_path = DropPath(drop_path)
        self.apply(_initialise)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps ``[batch, channel, latitude, longitude]``."""
        normal = self.attention_norm(maps)
        maps = maps + self.drop_path(self.attention_scale * (self.attention(normal) + normal))
        change = self.perceptron(self.perceptron_norm(maps))
        return torch.as_tensor(maps + self.drop_path(self.perceptron_scale * change))


class MetaTranslator(nn.Sequential):
    """Attention blocks; the first ends with a map to ``hidden`` channels, the last to ``outputs``.

    Parameters
    ----------
    inputs, hidden, outputs
        Channels: steps times maps of a step.
    blocks
        How many, at least 2.
    attention
        Makes the attention for channels and edges.
    edges, mlp_ratio, dropout, drop_path
        As in :class:`AttentionBlock`; the share of dropped samples rises from 0.01 at the first
        block.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        blocks: int,
        attention: Callable[[int, Edges], nn.Module],
        edges: Edges,
        mlp_ratio: float,
        dropout: float,
        drop_path: float,
    ) -> None:
        layers: list[nn.Module] = []
        start = min(0.01, drop_path)
        for number in range(blocks):
            width = hidden if number else inputs
            rate = start + (drop_path - start) * number / (blocks - 1)
            layers.append(AttentionBlock(width, attention, edges, mlp_ratio, dropout, rate))
            leaves = outputs if number == blocks - 1 else hidden
            if leaves != width:
                layers.append(nn.Conv2d(width, leaves, 1))
        super().__init__(*layers)


class InceptionTranslator(nn.Module):
    """Inception blocks, the second half of which sees the first half's maps too (SimVPv1)."""

    def __init__(self, inputs: int, hidden: int, outputs: int, blocks: int, edges: Edges) -> None:
        super().__init__()
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for number in range(blocks):
            self.down.append(Inception(hidden if number else inputs, hidden, hidden, edges))
        for number in range(blocks):
            leaves = outputs if number == blocks - 1 else hidden
            self.up.append(Inception(2 * hidden if number else hidden, hidden, leaves, edges))

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps ``[batch, outputs, latitude, longitude]``."""
        seen = []
        for layer in self.down:
            maps = layer(maps)
            seen.append(maps)
        maps = self.up[0](seen.pop())
        for layer in self.up[1:]:
            maps = layer(torch.cat([maps, seen.pop()], dim=1))
        return maps


class Inception(nn.Module):
    """A 1 x 1 map, then the sum of normalised convolutions in groups, of several kernels."""

    def __init__(self, inputs: int, hidden: int, outputs: int, edges: Edges) -> None:
        super().__init__()
        middle = hidden // 2
        self.reduce = nn.Conv2d(inputs, middle, 1)
        fits = middle % INCEPTION_GROUPS == 0 and outputs % INCEPTION_GROUPS == 0
        groups = INCEPTION_GROUPS if fits else 1
        self.branches = nn.ModuleList(
            nn.Sequential(
                GlobeConv2d(middle, outputs, kernel, edges, groups=groups),
                nn.GroupNorm(groups, outputs),
                nn.LeakyReLU(0.2),
            )
            for kernel in INCEPTION_KERNELS
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps ``[batch, outputs, latitude, longitude]``."""
        reduced = self.reduce(maps)
        return torch.stack([branch(reduced) for branch in self.branches]).sum(dim=0)


def translator(
    kind: Kind,
    inputs: int,
    hidden: int,
    outputs: int,
    blocks: int,
    edges: Edges,
    mlp_ratio: float,
    dropout: float,
    drop_path: float,
) -> nn.Module:
    """Return a translator, see :class:`MetaTranslator` and :class:`InceptionTranslator`.

    Raises
    ------
    UserError
        If there is none of that kind, or it has less than 2 blocks.
    """
    attentions = {"gsta": GatedAttention, "tau": TemporalAttention}
    if kind not in (*attentions, "inception"):
        raise UserError(f"translator '{kind}': {nearest(kind, [*attentions, 'inception'])}")
    if blocks < 2:
        raise UserError(f"option 'blocks' = {blocks} of the translator must be at least 2.")
    if kind == "inception":
        return InceptionTranslator(inputs, hidden, outputs, blocks, edges)
    return MetaTranslator(
        inputs, hidden, outputs, blocks, attentions[kind], edges, mlp_ratio, dropout, drop_path
    )


def _initialise(module: nn.Module) -> None:
    """Give a convolution He's start by the weights that lead away from a cell of one map."""
    if isinstance(module, nn.Conv2d):
        rows, columns = module.kernel_size
        leaving = module.out_channels * rows * columns // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2.0 / leaving))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
