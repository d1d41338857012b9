"""A residual network on the sphere."""

from torch import Tensor, nn

from climbench.errors import UserError
from climbench.models.channels import NetworkInput, NetworkOutput
from climbench.models.padding import Edges, GlobeConv2d
from climbench.tasks.sample import Sample, Signature

SLOPE = 0.3  # of the leaky rectifier below zero


class ResNet(nn.Module):
    """A 7x7 stem, residual blocks of 3x3 convolutions, and a 7x7 head, all at full resolution.

    The convolutions go round the globe and over the poles (see
    :func:`climbench.models.padding.pad`), where the published network is padded with zeros at the
    poles. The lead time enters as a constant channel in units of 100 h.

    Parameters
    ----------
    signature
        The question.
    hidden_channels
        Width of every block.
    blocks
        Number of residual blocks: 19 in Rasp and Thuerey, 28 in ClimateLearn.
    dropout
        Share of activations dropped while training.
    calendar, coordinates
        Whether the network also sees the season and the local solar time of the (first) target,
        and the position on the sphere.
    residual
        Whether the network gives the change from the last input instead of the target itself.

    Raises
    ------
    UserError
        If there is no channel or no block.

    References
    ----------
    Rasp and Thuerey (2021), Data-driven medium-range weather prediction with a Resnet pretrained
    on climate simulations; Nguyen et al. (2023), ClimateLearn.
    """

    def __init__(
        self,
        signature: Signature,
        hidden_channels: int = 128,
        blocks: int = 19,
        dropout: float = 0.1,
        calendar: bool = False,
        coordinates: bool = False,
        residual: bool = False,
    ) -> None:
        super().__init__()
        if min(hidden_channels, blocks) < 1:
            raise UserError(
                f"ResNet: hidden_channels = {hidden_channels} and blocks = {blocks} must be at "
                "least 1."
            )
        edges = Edges.of(signature.latitude, signature.longitude)
        self.longitude_equivariant = edges.periodic and not (calendar or coordinates)
        self.input = NetworkInput(
            signature, lead_time=True, calendar=calendar, coordinates=coordinates
        )
        self.output = NetworkOutput(signature, residual=residual)
        self.stem = GlobeConv2d(self.input.count, hidden_channels, 7, edges)
        self.blocks = nn.Sequential(
            *(ResidualBlock(hidden_channels, dropout, edges) for _ in range(blocks))
        )
        head = GlobeConv2d(hidden_channels, self.output.count, 7, edges)
        if residual:
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]
        self.head = nn.Sequential(nn.BatchNorm2d(hidden_channels), nn.LeakyReLU(SLOPE), head)

    def forward(self, sample: Sample) -> Tensor:
        """Return the answer ``[batch, lead, target, latitude, longitude]``."""
        maps = self.head(self.blocks(self.stem(self.input(sample))))
        answer: Tensor = self.output(maps, sample)
        return answer


class ResidualBlock(nn.Module):
    """Twice convolution, activation, norm and dropout, added to what came in."""

    def __init__(self, channels: int, dropout: float, edges: Edges) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [
                GlobeConv2d(channels, channels, 3, edges),
                nn.LeakyReLU(SLOPE),
                nn.BatchNorm2d(channels),
                nn.Dropout(dropout),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, fields: Tensor) -> Tensor:
        """Return fields of the shape that came in."""
        change: Tensor = self.layers(fields)
        return fields + change
