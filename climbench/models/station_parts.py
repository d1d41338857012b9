"""What networks at stations share: what they see of each station, and how they answer."""

import math

import torch
from torch import Tensor, nn

from climbench.models.channels import NetworkOutput, calendar_features, positions
from climbench.tasks.sample import Sample, Signature

PLACE_FEATURES = 3
CALENDAR_FEATURES = 4


def forward_filled(inputs: Tensor) -> Tensor:
    """Return a history whose gaps hold the last value before them, else 0, the training mean.

    Parameters
    ----------
    inputs
        Normalised ``[batch, history, ...]``, NaN where missing.

    Examples
    --------
    >>> forward_filled(torch.tensor([[torch.nan, 1.0, torch.nan]])).tolist()
    [[0.0, 1.0, 1.0]]
    """
    steps = [inputs[:, 0].nan_to_num(0.0)]
    for step in range(1, inputs.shape[1]):
        now = inputs[:, step]
        steps.append(torch.where(now.isnan(), steps[-1], now))
    return torch.stack(steps, dim=1)


class StationInput(nn.Module):
    """Arrange what a network sees, channels in alphabetical order whatever the signature's.

    Attributes
    ----------
    each_step
        Features of a station at each step of the history: values (the last before a gap), and 1
        where they are no gap.
    once
        Features of a station that do not vary over the history: forcings of all leads, static
        values, season and local solar time of the first lead's target, and the place among the
        others: north, east and up, each of mean 0 and deviation 1 over the stations.
    """

    longitude: Tensor
    place: Tensor

    def __init__(self, signature: Signature) -> None:
        super().__init__()
        self.inputs, self.forcings, self.static = (
            positions(names, sorted(names))
            for names in (signature.inputs, signature.forcings, signature.static)
        )
        self.each_step = 2 * len(self.inputs)
        self.once = signature.leads * len(self.forcings) + len(self.static)
        self.once += CALENDAR_FEATURES + PLACE_FEATURES
        longitude = torch.tensor(signature.longitude, dtype=torch.float32)
        self.register_buffer("longitude", longitude, persistent=False)
        self.register_buffer("place", _standardised(signature), persistent=False)

    def steps(self, sample: Sample) -> Tensor:
        """Return ``[batch, history, station, feature]``."""
        inputs = sample.inputs[:, :, self.inputs, 0]
        known = inputs.isfinite().to(inputs.dtype)
        return torch.cat([forward_filled(inputs), known], dim=2).transpose(2, 3)

    def still(self, sample: Sample) -> Tensor:
        """Return what does not vary over the history ``[batch, station, feature]``."""
        batch = len(sample.inputs)
        calendar = calendar_features(sample.day_of_year[:, 0], sample.hour[:, 0], self.longitude)
        parts = [
            sample.forcings[:, :, self.forcings, 0].flatten(1, 2),
            sample.static[self.static, 0].expand(batch, -1, -1),
            calendar,
            self.place.expand(batch, -1, -1),
        ]
        return torch.cat([part.to(sample.inputs.dtype) for part in parts], dim=1).transpose(1, 2)


class StationOutput(nn.Module):
    """Turn features of stations into the answer: the change from the last value that is known.

    Parameters
    ----------
    signature
        The question.
    features
        How many of each station.
    """

    def __init__(self, signature: Signature, features: int) -> None:
        super().__init__()
        self.arrange = NetworkOutput(signature, residual=True)
        self.head = nn.Linear(features, self.arrange.count)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, features: Tensor, sample: Sample) -> Tensor:
        """Return ``[batch, lead, target, 1, station]`` for ``[batch, station, feature]``."""
        rows = self.head(features).transpose(1, 2)[:, :, None]
        answer: Tensor = self.arrange(rows, sample._replace(inputs=forward_filled(sample.inputs)))
        return answer


def _standardised(signature: Signature) -> Tensor:
    """Return north, east and up ``[3, station]``, of mean 0 and deviation 1 over the stations."""
    places = torch.tensor(signature.places, dtype=torch.float64).reshape(-1, PLACE_FEATURES)
    north, east, up = places.T
    begin = east[:1]  # stations on both sides of 0 lie near each other
    east = (east - begin + 180.0) % 360.0 - 180.0
    along = torch.stack([north, east * math.cos(math.radians(float(north.mean()))), up])
    apart = along - along.mean(dim=1, keepdim=True)
    spread = apart.square().mean(dim=1, keepdim=True).sqrt()
    return (apart / torch.where(spread > 0, spread, 1.0)).float()
