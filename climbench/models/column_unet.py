"""A U-Net over the levels of a column."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

from climbench.errors import UserError
from climbench.models.column_cnn import with_singles_on_levels
from climbench.models.column_parts import as_fields, columns_in, columns_out, vector
from climbench.tasks.sample import Sample, Signature

GROUPS = 32  # of the normalisation, or as many as divide the channels


def norm(channels: int) -> nn.GroupNorm:
    """Return a normalisation over groups of channels."""
    groups = next(
        number for number in range(min(GROUPS, channels), 0, -1) if channels % number == 0
    )
    return nn.GroupNorm(groups, channels)


class Attention(nn.Module):
    """Every level looks at every other, beside what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.ask = norm(channels), nn.Conv1d(channels, 3 * channels, 1)
        self.answer = nn.Conv1d(channels, channels, 1)

    def forward(self, values: Tensor) -> Tensor:
        """Return ``[batch, channel, level]``."""
        query, key, value = self.ask(self.norm(values)).transpose(1, 2).chunk(3, dim=-1)
        seen = scaled_dot_product_attention(query, key, value).transpose(1, 2)
        return torch.as_tensor(values + self.answer(seen))


class Block(nn.Module):
    """Two normalised convolutions beside what came in, and attention where it is asked for."""

    def __init__(self, before: int, after: int, attention: bool, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            norm(before),
            nn.SiLU(),
            nn.Conv1d(before, after, 3, padding=1),
            norm(after),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Conv1d(after, after, 3, padding=1),
        )
        self.project = nn.Conv1d(before, after, 1) if before != after else nn.Identity()
        self.attention = Attention(after) if attention else nn.Identity()

    def forward(self, values: Tensor) -> Tensor:
        """Return ``[batch, channel, level]``."""
        return torch.as_tensor(self.attention(self.layers(values) + self.project(values)))


class ColumnUNet(nn.Module):
    """Down to coarser levels and up again, with shortcuts at every resolution.

    The levels are padded with zeros at the top to a number that can be halved, 60 to 64.

    Parameters
    ----------
    signature
        The question.
    channels
        At the finest resolution.
    multiples
        Channels of each resolution, in multiples of that.
    blocks
        At each resolution on the way down; one more on the way up.
    attention
        Resolutions, in levels, at which levels look at each other.
    dropout
        In the blocks.

    Raises
    ------
    UserError
        If there is no resolution or block.

    References
    ----------
    Hu et al. (2025), Stable machine-learning parameterization of subgrid processes in a
    comprehensive atmospheric model learned from embedded convection-permitting simulations, J.
    Adv. Model. Earth Syst. (four resolutions of 128, 256, 256, 256 channels); Ronneberger et al.
    (2015), U-Net, MICCAI.
    """

    layouts = ("columns",)

    def __init__(
        self,
        signature: Signature,
        channels: int = 128,
        multiples: Sequence[int] = (1, 2, 2, 2),
        blocks: int = 4,
        attention: Sequence[int] = (16,),
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if not multiples or blocks < 1 or channels < 1:
            raise UserError(
                "ColumnUNet: options 'channels', 'multiples' and 'blocks' must name at least one."
            )
        self.given, self.out = columns_in(signature), columns_out(signature)
        halvings = 2 ** (len(multiples) - 1)
        self.missing = -signature.levels % halvings
        size = signature.levels + self.missing
        width = channels
        enter = len(self.given.levels) + len(self.given.singles)
        self.enter = nn.Conv1d(enter, channels, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        shortcuts = [channels]
        for place, multiple in enumerate(multiples):
            looks = size // 2**place in attention
            if place:
                self.down.append(nn.Conv1d(width, width, 2, stride=2))
                shortcuts.append(width)
            for _ in range(blocks):
                self.down.append(Block(width, multiple * channels, looks, dropout))
                width = multiple * channels
                shortcuts.append(width)
        self.middle = nn.Sequential(
            Block(width, width, True, dropout), Block(width, width, False, dropout)
        )
        for place, multiple in reversed(list(enumerate(multiples))):
            looks = size // 2**place in attention
            for _ in range(blocks + 1):
                before = width + shortcuts.pop()
                self.up.append(Block(before, multiple * channels, looks, dropout))
                width = multiple * channels
            if place:
                self.up.append(nn.ConvTranspose1d(width, width, 2, stride=2))
        leave = len(self.out.levels) + len(self.out.singles)
        self.leave = nn.Sequential(norm(width), nn.SiLU(), nn.Conv1d(width, leave, 3, padding=1))

    def forward(self, sample: Sample) -> Tensor:
        """Return ``[batch, 1, target, 1, 1]``."""
        levels = with_singles_on_levels(*self.given.split(vector(sample.inputs)))
        state = self.enter(pad(levels, (self.missing, 0)))
        shortcuts = [state]
        for layer in self.down:
            state = layer(state)
            shortcuts.append(state)
        state = self.middle(state)
        for layer in self.up:
            beside = [shortcuts.pop()] if isinstance(layer, Block) else []
            state = layer(torch.cat([state, *beside], dim=1))
        answer = self.leave(state)[..., self.missing :]
        profiles = len(self.out.levels)
        return as_fields(self.out.join(answer[:, :profiles], answer[:, profiles:].mean(dim=-1)))
