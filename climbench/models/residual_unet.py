"""ClimateLearn's U-Net: residual blocks on grids that are halved and doubled again."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from climbench.errors import UserError
from climbench.models.channels import NetworkInput, NetworkOutput
from climbench.models.padding import Edges, GlobeConv2d, pad
from climbench.models.resnet import SLOPE
from climbench.tasks.sample import Sample, Signature


class ResidualUNet(nn.Module):
    """Residual blocks, of which those of the way up see the maps of the way down.

    Every block of the way down, every halving and the stem leave maps that a block of the way up
    sees too, last first. Halving is a 3 x 3 convolution of every second row and column, doubling
    a transposed convolution of 4 x 4.

    The published network runs on grids alone whose sides can be halved; here an odd side is cut
    back after it is doubled, and convolutions go round the globe and over the poles, where the
    published ones see zeros. The lead time enters as a constant channel in units of 100 h.

    Parameters
    ----------
    signature
        The question.
    hidden_channels
        Width of the finest level.
    multipliers
        Width of each level over that of the level before, finest first.
    blocks
        Blocks of each level on the way down; the way up has one more.
    dropout
        Share of activations dropped while training.
    calendar, coordinates, residual
        As in :class:`climbench.models.resnet.ResNet`.

    Raises
    ------
    UserError
        If there is no channel, level or block.

    References
    ----------
    Nguyen et al. (2023), ClimateLearn; Ronneberger et al. (2015), U-Net.
    """

    def __init__(
        self,
        signature: Signature,
        hidden_channels: int = 64,
        multipliers: tuple[int, ...] = (1, 2, 2),
        blocks: int = 2,
        dropout: float = 0.1,
        calendar: bool = False,
        coordinates: bool = False,
        residual: bool = False,
    ) -> None:
        super().__init__()
        if min(hidden_channels, blocks, *multipliers, len(multipliers)) < 1:
            raise UserError(
                f"ResidualUNet: hidden_channels = {hidden_channels}, multipliers = "
                f"{list(multipliers)} and blocks = {blocks} must be at least 1."
            )
        edges = Edges.of(signature.latitude, signature.longitude)
        self.input = NetworkInput(
            signature, lead_time=True, calendar=calendar, coordinates=coordinates
        )
        self.output = NetworkOutput(signature, residual=residual)
        self.stem = GlobeConv2d(self.input.count, hidden_channels, 7, edges)

        width, skipped = hidden_channels, [hidden_channels]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        levels = [edges, *[edges.coarser()] * (len(multipliers) - 1)]
        for level, (here, factor) in enumerate(zip(levels, multipliers, strict=True)):
            if level:
                self.down.append(GlobeConv2d(width, width, 3, levels[level - 1], stride=2))
                skipped.append(width)
            for number in range(blocks):
                leaves = width if number else width * factor
                self.down.append(Block(width, leaves, dropout, here))
                skipped.append(width := leaves)
        self.middle = nn.Sequential(*(Block(width, width, dropout, levels[-1]) for _ in range(2)))
        for level in reversed(range(len(levels))):
            for number in range(blocks + 1):
                leaves = width // multipliers[level] if number == blocks else width
                self.up.append(Block(width + skipped.pop(), leaves, dropout, levels[level]))
                width = leaves
            if level:
                self.up.append(Doubling(width, levels[level]))

        self.norm = nn.BatchNorm2d(hidden_channels)
        self.head = GlobeConv2d(hidden_channels, self.output.count, 7, edges)
        if residual:
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, sample: Sample) -> Tensor:
        """Return the answer ``[batch, lead, target, latitude, longitude]``."""
        maps = self.stem(self.input(sample))
        skipped = [maps]
        for layer in self.down:
            maps = layer(maps)
            skipped.append(maps)
        maps = self.middle(maps)
        for layer in self.up:
            if isinstance(layer, Doubling):
                maps = layer(maps, skipped[-1].shape[2:])
            else:
                maps = layer(torch.cat([maps, skipped.pop()], dim=1))
        answer: Tensor = self.output(self.head(leaky_relu(self.norm(maps), SLOPE)), sample)
        return answer


class Block(nn.Module):
    """Twice convolution, activation, norm and dropout, added to what came in, mapped if need be."""

    def __init__(self, inputs: int, outputs: int, dropout: float, edges: Edges) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in (inputs, outputs):
            layers += [
                GlobeConv2d(width, outputs, 3, edges),
                nn.LeakyReLU(SLOPE),
                nn.BatchNorm2d(outputs),
                nn.Dropout(dropout),
            ]
        self.layers = nn.Sequential(*layers)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, fields: Tensor) -> Tensor:
        """Return fields ``[batch, outputs, latitude, longitude]``."""
        change: Tensor = self.layers(fields)
        return change + torch.as_tensor(self.shortcut(fields))


class Doubling(nn.ConvTranspose2d):
    """A transposed convolution of 4 x 4 to twice the rows and columns, on the sphere."""

    def __init__(self, channels: int, edges: Edges) -> None:
        super().__init__(channels, channels, 4, stride=2, padding=3)  # 1 as published, 2 for pad
        self.edges = edges

    def forward(self, fields: Tensor, shape: Sequence[int]) -> Tensor:  # type: ignore[override]
        """Return fields cut back to ``shape`` (rows, columns)."""
        doubled: Tensor = super().forward(pad(fields, self.edges, (1, 1), (1, 1)))
        return doubled[..., : shape[0], : shape[1]]
