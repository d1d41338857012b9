"""A U-Net on the sphere with the widths of VGG11."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from climbench.errors import UserError
from climbench.models.channels import NetworkInput, NetworkOutput
from climbench.models.padding import Edges, GlobeConv2d, pad
from climbench.tasks.sample import Sample, Signature

Widths = tuple[tuple[int, ...], ...]

VGG11: Widths = ((64,), (128,), (256, 256), (512, 512), (512, 512))
"""Widths of the convolutions of each level, finest first (Simonyan and Zisserman 2015)."""

DECODER = (256, 128, 64, 32, 16)
"""Widths of the decoder's levels, coarsest first (segmentation-models)."""


class UNet(nn.Module):
    """Convolve and halve down to the coarsest level, then double and convolve back to the finest.

    The encoder is VGG11's: 3 x 3 convolutions and rectifiers, the greatest of 2 x 2 cells at each
    halving. At the bottom and after each doubling stand two normalised convolutions, which also
    see the encoder's maps of that level, except those of the finest.

    The published network pads the whole grid with zeros to a multiple of 32 and averages back.
    Here all convolutions go round the globe, and a level with an odd side is extended by one row
    or column before it is halved, and cut back after it is doubled; so the longitudes close at
    every level. Years before the last of the history enter as further channels.

    Parameters
    ----------
    signature
        The question.
    encoder
        Widths of the convolutions of each level, finest first.
    decoder
        Widths of the decoder, coarsest first, as many as levels.
    coordinates
        Whether the network sees the position on the sphere; without it, it answers emissions
        that are the same everywhere by a map that is the same everywhere.

    Raises
    ------
    UserError
        If the decoder has not as many levels as the encoder.

    References
    ----------
    Kaltenborn et al. (2023), ClimateSet, appendix; Ronneberger et al. (2015), U-Net.
    """

    def __init__(
        self,
        signature: Signature,
        encoder: Widths = VGG11,
        decoder: tuple[int, ...] = DECODER,
        coordinates: bool = False,
    ) -> None:
        super().__init__()
        if not encoder or len(encoder) != len(decoder) or not all(encoder):
            raise UserError(
                f"UNet: option 'encoder' has {len(encoder)} levels and 'decoder' {len(decoder)}: "
                "give both as many, each of the encoder's with one width at least."
            )
        self.input = NetworkInput(
            signature, lead_time=False, calendar=False, coordinates=coordinates
        )
        self.output = NetworkOutput(signature, residual=False)
        edges = Edges.of(signature.latitude, signature.longitude)
        self.edges = [edges, *[edges.coarser()] * len(encoder)]

        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        width = self.input.count
        for level, widths in enumerate(encoder):
            self.encoder.append(_plain(width, widths, self.edges[level]))
            width = widths[-1]
        self.centre = _normalised(width, width, self.edges[-1])
        for level, wide in zip(reversed(range(len(encoder))), decoder, strict=True):
            skipped = encoder[level][-1] if level else 0
            self.decoder.append(_normalised(width + skipped, wide, self.edges[level]))
            width = wide
        self.head = GlobeConv2d(width, self.output.count, 3, edges)
        self.apply(_initialise)
        nn.init.xavier_uniform_(self.head.weight)

    def forward(self, sample: Sample) -> Tensor:
        """Return the answer ``[batch, lead, target, latitude, longitude]``."""
        maps = self.input(sample)
        levels = []
        for layers, edges in zip(self.encoder, self.edges, strict=False):
            maps = layers(maps)
            levels.append(maps)
            maps = halve(maps, edges)
        maps = self.centre(maps)
        for layers, skipped in zip(self.decoder, reversed(levels), strict=True):
            rows, columns = skipped.shape[2:]
            maps = interpolate(maps, scale_factor=2, mode="nearest")[..., :rows, :columns]
            if skipped is not levels[0]:
                maps = torch.cat([maps, skipped], dim=1)
            maps = layers(maps)
        answer: Tensor = self.output(self.head(maps), sample)
        return answer


def halve(maps: Tensor, edges: Edges) -> Tensor:
    """Return the greatest of each 2 x 2 cells, an odd side extended by one to the north or east.

    Examples
    --------
    >>> globe = Edges(periodic=True, south=0, north=0)
    >>> halve(torch.tensor([[[[9.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]]), globe)  # 9 again beside 3
    tensor([[[[9., 9.]]]])
    """
    rows, columns = maps.shape[2:]
    return max_pool2d(pad(maps, edges, (0, rows % 2), (0, columns % 2)), 2)


def _plain(inputs: int, widths: tuple[int, ...], edges: Edges) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in widths:
        layers += [GlobeConv2d(inputs, width, 3, edges), nn.ReLU()]
        inputs = width
    return nn.Sequential(*layers)


def _normalised(inputs: int, width: int, edges: Edges) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, width):
        convolution = GlobeConv2d(channels, width, 3, edges, bias=False)
        layers += [convolution, nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
