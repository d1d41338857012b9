"""A residual network over the levels of a column."""

import torch
from torch import Tensor, nn

from climbench.models.column_parts import as_fields, columns_in, columns_out, vector
from climbench.tasks.sample import Sample, Signature


class Block(nn.Module):
    """Two convolutions over the levels, beside a projection of what came in."""

    def __init__(self, before: int, after: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(before, after, kernel, padding="same"),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv1d(after, after, kernel, padding="same"),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.project = nn.Conv1d(before, after, 1)

    def forward(self, values: Tensor) -> Tensor:
        """Return ``[batch, channel, level]``."""
        return torch.as_tensor(self.layers(values) + self.project(values))


class ColumnCNN(nn.Module):
    r"""Convolutions over the levels; single values are seen on every level, and are means of it.

    Twelve residual blocks, a convolution of width 1 with one channel for each profile and single
    target, an exponential linear unit, and the same dense layer on every level. Its loss is the
    mean absolute error (``loss`` in the model's configuration).

    Parameters
    ----------
    signature
        The question.
    channels, blocks, kernel, dropout
        Of the residual blocks.
    positive
        Whether single values go through a rectifier, see
        :class:`climbench.models.column_dense.ColumnMLP`.

    References
    ----------
    Yu et al. (2023), ClimSim, supplement (CNN, 13.2 million weights).
    """

    layouts = ("columns",)

    def __init__(
        self,
        signature: Signature,
        channels: int = 406,
        blocks: int = 12,
        kernel: int = 3,
        dropout: float = 0.175,
        positive: bool = False,
    ) -> None:
        super().__init__()
        self.given, self.out = columns_in(signature), columns_out(signature)
        enter = len(self.given.levels) + len(self.given.singles)
        self.profiles, singles = len(self.out.levels), len(self.out.singles)
        widths = [enter, *[channels] * blocks]
        self.blocks = nn.Sequential(
            *(Block(widths[at], channels, kernel, dropout) for at in range(blocks))
        )
        leave = self.profiles + singles
        self.squeeze = nn.Sequential(nn.Conv1d(channels, leave, 1), nn.ELU())
        self.head = nn.Conv1d(leave, leave, 1)  # the same dense layer on every level
        self.positive = positive

    def forward(self, sample: Sample) -> Tensor:
        """Return ``[batch, 1, target, 1, 1]``."""
        levels = with_singles_on_levels(*self.given.split(vector(sample.inputs)))
        maps = self.head(self.squeeze(self.blocks(levels)))
        profiles, singles = maps[:, : self.profiles], maps[:, self.profiles :]
        singles = (singles.relu() if self.positive else singles).mean(dim=-1)
        return as_fields(self.out.join(profiles, singles))


def with_singles_on_levels(profiles: Tensor, singles: Tensor) -> Tensor:
    """Return profiles, and single values repeated on every level ``[batch, channel, level]``."""
    return torch.cat([profiles, singles[..., None].expand(-1, -1, profiles.shape[-1])], dim=1)
