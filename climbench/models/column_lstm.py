"""Recurrent layers that run up and down the levels of a column."""

import torch
from torch import Tensor, nn

from climbench.models.column_cnn import with_singles_on_levels
from climbench.models.column_parts import as_fields, columns_in, columns_out, vector
from climbench.tasks.sample import Sample, Signature


class Layer(nn.Module):
    """A long short-term memory in both directions, normalised, beside what came in."""

    def __init__(self, before: int, hidden: int) -> None:
        super().__init__()
        self.both_ways = nn.LSTM(before, hidden, batch_first=True, bidirectional=True)
        self.norm = nn.LayerNorm(2 * hidden)
        self.beside = before == 2 * hidden

    def forward(self, levels: Tensor) -> Tensor:
        """Return ``[batch, level, 2 * hidden]``."""
        after = self.norm(self.both_ways(levels)[0])
        return torch.as_tensor(after + levels if self.beside else after)


class ColumnLSTM(nn.Module):
    """Bidirectional recurrent layers over the levels, after a strong entry of the Kaggle contest.

    Single values are seen on every level; single targets are means over the levels.

    Parameters
    ----------
    signature
        The question.
    hidden, layers
        Width of each direction, and number of layers.

    References
    ----------
    Second place of "LEAP - Atmospheric Physics using AI (ClimSim)", Kaggle (2024): ten layers of
    256, 15.4 million weights with its inputs.
    """

    layouts = ("columns",)

    def __init__(self, signature: Signature, hidden: int = 256, layers: int = 10) -> None:
        super().__init__()
        self.given, self.out = columns_in(signature), columns_out(signature)
        enter = len(self.given.levels) + len(self.given.singles)
        widths = [enter, *[2 * hidden] * (layers - 1)]
        self.layers = nn.Sequential(*(Layer(width, hidden) for width in widths))
        self.profiles = len(self.out.levels)
        self.head = nn.Linear(2 * hidden, self.profiles + len(self.out.singles))

    def forward(self, sample: Sample) -> Tensor:
        """Return ``[batch, 1, target, 1, 1]``."""
        levels = with_singles_on_levels(*self.given.split(vector(sample.inputs)))
        answer = self.head(self.layers(levels.transpose(1, 2))).transpose(1, 2)
        profiles, singles = answer[:, : self.profiles], answer[:, self.profiles :]
        return as_fields(self.out.join(profiles, singles.mean(dim=-1)))
