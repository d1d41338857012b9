"""Stormer: a vision transformer that the lead time modulates in every block."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from climbench.models.channels import LEAD_UNIT, NetworkInput, NetworkOutput
from climbench.models.climax import waves
from climbench.models.patches import Patches
from climbench.models.variable_attention import VariableAttention
from climbench.models.vit import Attention, initialise, sine_cosine_positions
from climbench.tasks.sample import Sample, Signature


class Stormer(nn.Module):
    """Variables become one token per patch, blocks mix them, the lead time scales and shifts all.

    1. Each channel has a linear map that makes each patch a token; with the channel's embedding
       and that of the place, a learned query takes their mean by attention.
    2. Blocks of attention and a perceptron follow, normalised before. From the lead time come
       shift, scale and gate of both (adaptive layer norm, zero to start with).
    3. A linear map, with shift and scale from the lead time too, gives the change of each cell.

    The publication trains it on leads drawn from 6, 12 and 24 h (``task=continuous_forecasting``)
    and makes longer ones of several paths of such steps; changes there have the unit of their own
    standard deviation, here (``residual``) that of the field.

    Parameters
    ----------
    signature
        The question.
    patch_size, embed_dim, depth, num_heads, mlp_ratio
        As in :class:`climbench.models.vit.ViT`.
    calendar, coordinates, residual
        As in :class:`climbench.models.resnet.ResNet`; calendar and coordinates are channels like
        the others.

    References
    ----------
    Nguyen et al. (2023), Scaling transformer neural networks for skillful and reliable
    medium-range weather forecasting, section 4; Peebles and Xie (2023), Scalable diffusion models
    with transformers.
    """

    def __init__(
        self,
        signature: Signature,
        patch_size: int = 2,
        embed_dim: int = 1024,
        depth: int = 24,
        num_heads: int = 16,
        mlp_ratio: float = 4.0,
        calendar: bool = False,
        coordinates: bool = False,
        residual: bool = True,
    ) -> None:
        super().__init__()
        self.patches = Patches(signature, patch_size)
        self.input = NetworkInput(
            signature, lead_time=False, calendar=calendar, coordinates=coordinates
        )
        self.output = NetworkOutput(signature, residual=residual)
        self.embed = WeatherEmbedding(self.input.count, embed_dim, num_heads, self.patches)
        self.lead = nn.Linear(1, embed_dim)
        hidden = int(mlp_ratio * embed_dim)
        self.blocks = nn.ModuleList(
            StormerBlock(embed_dim, num_heads, hidden) for _ in range(depth)
        )
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(embed_dim, 2 * embed_dim))
        self.head = nn.Linear(embed_dim, self.output.count * patch_size**2)
        self.apply(initialise)
        for part in self.modules():
            if isinstance(part, StormerBlock | Stormer):
                nn.init.zeros_(part.modulation[1].weight)  # type: ignore[arg-type]
        if residual:
            nn.init.zeros_(self.head.weight)

    def forward(self, sample: Sample) -> Tensor:
        """Return the answer ``[batch, lead, target, latitude, longitude]``."""
        tokens = self.embed(self.input(sample))
        lead = self.lead(sample.lead_time[:, :1].to(tokens.dtype) / LEAD_UNIT)
        for block in self.blocks:
            tokens = block(tokens, lead)
        shift, scale = self.modulation(lead)[:, None].chunk(2, dim=-1)
        patches = self.head(tokens * (1 + scale) + shift)
        answer: Tensor = self.output(self.patches.join(patches), sample)
        return answer


class StormerBlock(nn.Module):
    """Attention and a perceptron whose shift, scale and gate come from the lead time."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(
            nn.LayerNorm(width, elementwise_affine=False, eps=1e-6) for _ in range(2)
        )
        self.attention = Attention(width, heads, dropout=0.0)
        self.perceptron = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, width)
        )
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, tokens: Tensor, lead: Tensor) -> Tensor:
        """Return tokens ``[batch, token, width]`` given the lead's embedding ``[batch, width]``."""
        vectors = self.modulation(lead)[:, None].chunk(6, dim=-1)
        parts = (self.attention, self.perceptron)
        for norm, part, place in zip(self.norms, parts, (0, 3), strict=True):
            shift, scale, gate = vectors[place : place + 3]
            tokens = tokens + gate * part(norm(tokens) * (1 + scale) + shift)
        return tokens


class WeatherEmbedding(nn.Module):
    r"""One token per patch, the mean of the tokens of its channels by attention, normalised.

    In the publication the place's embedding :math:`p` is added to the token of every channel. The
    attention's shares do not see what all have in common, and add up to 1, so that it adds
    :math:`O V p` to the mean: that is done here once per patch. The same weights, the same
    function.
    """

    def __init__(self, channels: int, width: int, heads: int, patches: Patches) -> None:
        super().__init__()
        self.patches = patches
        self.tokens = nn.Conv2d(  # only its weights are used
            channels, channels * width, patches.size, stride=patches.size, groups=channels
        )
        self.variables = nn.Parameter(waves(channels, width))
        self.query = nn.Parameter(torch.zeros(width))
        self.attention = VariableAttention(width, heads, batch_first=True)
        self.positions = nn.Parameter(sine_cosine_positions(patches.rows, patches.columns, width))
        self.norm = nn.LayerNorm(width)
        nn.init.trunc_normal_(self.tokens.weight, std=0.02)

    def forward(self, maps: Tensor) -> Tensor:
        """Return tokens ``[batch, patch, width]`` of maps ``[batch, channel, row, column]``."""
        cells = self.cut(maps)
        weight = self.tokens.weight.reshape(*self.variables.shape, -1)
        constant = self.variables + torch.as_tensor(self.tokens.bias).reshape(self.variables.shape)
        mean = self.attention.attend(self.query, cells.flatten(0, 1), weight, constant)
        to_value = self.attention.in_proj_weight.chunk(3)[2]
        place = linear(linear(self.positions, to_value), self.attention.out_proj.weight)
        answer: Tensor = self.norm(mean.reshape(*cells.shape[:2], -1) + place)
        return answer

    def cut(self, maps: Tensor) -> Tensor:
        """Return the cells of each patch ``[batch, patch, channel, cell]``."""
        size, rows, columns = self.patches.size, self.patches.rows, self.patches.columns
        grid = self.patches.extend(maps).reshape(*maps.shape[:2], rows, size, columns, size)
        return grid.permute(0, 2, 4, 1, 3, 5).flatten(4).flatten(1, 2)
