"""Small networks that a YAML can name, as one outside climbench would."""

import torch
from torch import nn

from climbench.tasks import Sample, Signature


class Mixing(nn.Module):
    """Answers with what it is fed and asked: inputs, the forcing, the hour and the lead time."""

    def __init__(self, signature: Signature) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.tensor(0.6))

    def forward(self, sample: Sample) -> torch.Tensor:
        """Return the inputs in the other order, and what is known of the time."""
        old, new = sample.inputs[:, :1], sample.inputs[:, -1:]
        clock = sample.hour / 24 + sample.lead_time / 100
        answer = self.share * new.flip(2) + 0.3 * old.flip(2) + 0.1 * sample.forcings
        return answer + 0.01 * clock[:, :, None, None, None]


class WithLoss(Mixing):
    """One that says itself what it minimises."""

    def loss(self, sample: Sample, weights: torch.Tensor) -> torch.Tensor:
        """Return no error at all."""
        return self.share.square()


class Blocks(nn.Module):
    """Perceptrons on the channels of each cell, one after the other, with dropout."""

    def __init__(self, signature: Signature, width: int = 8, depth: int = 3, dropout: float = 0.0):
        super().__init__()
        channels = len(signature.inputs)
        self.enter = nn.Linear(channels, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Linear(width, 4 * width),
                nn.GELU(),
                nn.Dropout(dropout),
                nn.Linear(4 * width, width),
            )
            for _ in range(depth)
        )
        self.leave = nn.Linear(width, len(signature.targets))

    def forward(self, sample: Sample) -> torch.Tensor:
        """Return one lead."""
        tokens = self.enter(sample.inputs[:, -1].movedim(1, -1))
        for block in self.blocks:
            tokens = tokens + block(tokens)
        return self.leave(tokens).movedim(-1, 1)[:, None]
