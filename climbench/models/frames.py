"""Encoders and decoders of single frames of a sequence, as SimVP and Met2Net have them."""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle

from climbench.errors import UserError
from climbench.models.channels import NetworkInput, each_step
from climbench.models.padding import Edges, GlobeConv2d
from climbench.tasks.sample import Sample, Signature

NORM_GROUPS = 2


class FrameInput(nn.Module):
    """Make every step of the history a stack of maps ``[batch, history, channel, ...]``.

    Each frame holds the inputs of its step, and beside them what all frames share: the forcings
    at all leads, the static fields, the lead time, and as options the calendar and the position.

    Attributes
    ----------
    count
        Number of channels of a frame.
    """

    def __init__(self, signature: Signature, *, calendar: bool, coordinates: bool) -> None:
        super().__init__()
        self.frame = NetworkInput(
            replace(signature, history=1),
            lead_time=True,
            calendar=calendar,
            coordinates=coordinates,
        )
        self.count = self.frame.count

    def forward(self, sample: Sample) -> Tensor:
        """Return ``[batch, history, channel, latitude, longitude]``."""
        batch, history = sample.inputs.shape[:2]
        frames: Tensor = self.frame(each_step(sample))
        return frames.reshape(batch, history, *frames.shape[1:])


def grids(edges: Edges, layers: int) -> list[Edges]:
    """Return the edges before each of so many layers and after the last: every second halves."""
    return [edges if layer < 2 else edges.coarser() for layer in range(layers + 1)]


class Encoder(nn.ModuleList):
    """Convolutions of frames, of which every second leaves half the rows and columns.

    Parameters
    ----------
    inputs
        Channels of a frame.
    width
        Channels within.
    layers
        How many convolutions; the grid is ``2 ** (layers // 2)`` times coarser after them.
    edges
        Of the grid.

    Raises
    ------
    UserError
        If there is no layer, or the width is odd.
    """

    def __init__(self, inputs: int, width: int, layers: int, edges: Edges) -> None:
        if layers < 1 or width % NORM_GROUPS:
            raise UserError(
                f"options 'frame_layers' = {layers} and 'frame_channels' = {width}: give at least "
                "1 layer and an even number of channels."
            )
        super().__init__()
        for layer, here in enumerate(grids(edges, layers)[:-1]):
            stride = 2 if layer % 2 else 1
            convolution = GlobeConv2d(width if layer else inputs, width, 3, here, stride=stride)
            self.append(_normalised(convolution, width))
        self.apply(_initialise)

    def forward(self, frames: Tensor) -> list[Tensor]:
        """Return the maps after each layer, of frames ``[frame, channel, ...]``."""
        maps = []
        for layer in self:
            frames = layer(frames)
            maps.append(frames)
        return maps


class Decoder(nn.Module):
    """The encoder backwards: where it halved, four maps become one of twice the side.

    Parameters
    ----------
    outputs
        Maps of a frame.
    width, layers, edges
        Of the encoder.
    shape
        Rows and columns of a frame.
    zero
        Whether it starts with frames of zeros.
    """

    def __init__(
        self,
        outputs: int,
        width: int,
        layers: int,
        edges: Edges,
        shape: tuple[int, int],
        zero: bool,
    ) -> None:
        super().__init__()
        sides = [shape]  # before each of the encoder's layers
        for layer in range(1, layers):
            rows, columns = sides[-1]
            sides.append(((rows + 1) // 2, (columns + 1) // 2) if layer % 2 == 0 else sides[-1])
        self.sides = sides[::-1]
        self.doubles = [layer % 2 == 1 for layer in reversed(range(layers))]
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        for layer, double in zip(reversed(range(layers)), self.doubles, strict=True):
            here = grids(edges, layers)[layer + 1]
            self.convolutions.append(GlobeConv2d(width, width * (4 if double else 1), 3, here))
            self.norms.append(nn.Sequential(nn.GroupNorm(NORM_GROUPS, width), nn.SiLU()))
        self.readout = nn.Conv2d(width, outputs, 1)
        self.apply(_initialise)
        if zero:
            nn.init.zeros_(self.readout.weight)

    def forward(self, maps: Tensor, skipped: Tensor | None = None) -> Tensor:
        """Return frames ``[frame, outputs, latitude, longitude]``.

        Parameters
        ----------
        maps
            The coarsest, ``[frame, width, ...]``.
        skipped
            Maps of the encoder's first layer, added before the last of these.
        """
        last = len(self.sides) - 1
        for layer, (rows, columns) in enumerate(self.sides):
            if layer == last and skipped is not None:
                maps = maps + skipped
            maps = self.convolutions[layer](maps)
            if self.doubles[layer]:
                maps = pixel_shuffle(maps, 2)[..., :rows, :columns]
            maps = self.norms[layer](maps)
        return torch.as_tensor(self.readout(maps))


def _normalised(convolution: nn.Module, width: int) -> nn.Sequential:
    return nn.Sequential(convolution, nn.GroupNorm(NORM_GROUPS, width), nn.SiLU())


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
