"""Linear regression of series: the bar that a network has to clear at stations."""

import torch
from torch import Tensor

from climbench.models.channels import calendar_features
from climbench.models.ridge import RidgeRegression
from climbench.tasks.sample import Sample, Signature


class StationRegression(RidgeRegression):
    """Predict each station from its own history, with coefficients of its own.

    Features are all input channels at each step of the history, the forcings and static values of
    the station, and the harmonics of the season and the local solar day.

    Parameters
    ----------
    signature
        The question.
    ridge
        The penalties to choose from, see :class:`climbench.models.ridge.RidgeRegression`.
    shared
        Whether one set of coefficients serves all stations: also such that were never learnt
        from, whose own sums would be empty.
    """

    layouts = ("stations",)
    chunk = 512

    longitude: Tensor

    def __init__(
        self,
        signature: Signature,
        ridge: tuple[float, ...] = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1),
        shared: bool = False,
    ) -> None:
        stations = signature.shape[1]
        features = signature.history * len(signature.inputs)
        features += len(signature.forcings) + len(signature.static) + 4 + 1
        groups = 1 if shared else stations
        super().__init__(signature, groups, features, len(signature.targets), ridge)
        self.groups = groups
        longitude = torch.tensor(signature.longitude, dtype=torch.float32)
        self.register_buffer("longitude", longitude, persistent=False)

    def solve(self) -> None:
        """Fit each station, and one that was never learnt from by what all others have together."""
        never = self.gram[..., -1, -1].sum(dim=(0, 1)) == 0
        if self.groups > 1 and never.any():
            learnt = (~never).sum().clamp(min=1)
            for name in ("gram", "moment", "square"):
                sums = getattr(self, name)
                place = never.reshape(-1, *(1,) * (sums.ndim - 3))
                mean = sums.sum(dim=2, keepdim=True) / learnt
                setattr(self, name, torch.where(place, mean, sums))
        super().solve()

    def features(self, sample: Sample, lead: int) -> Tensor:
        """Return features ``[group, row, feature]`` in the type of the inputs."""
        batch = len(sample.inputs)
        calendar = calendar_features(sample.day_of_year[:, 0], sample.hour[:, 0], self.longitude)
        parts = [
            sample.inputs.flatten(1, 2)[:, :, 0],
            sample.forcings[:, lead, :, 0],
            sample.static[None, :, 0].expand(batch, -1, -1),
            calendar,
            torch.ones_like(calendar[:, :1]),
        ]
        stack = torch.cat([part.to(sample.inputs.dtype) for part in parts], dim=1)
        return self._grouped(stack)

    def rows(self, fields: Tensor) -> Tensor:
        """Return fields ``[batch, target, 1, station]`` as ``[group, row, target]``."""
        return self._grouped(fields[:, :, 0])

    def fields(self, rows: Tensor) -> Tensor:
        """Undo :meth:`rows`."""
        stations = self.signature.shape[1]
        by_station = rows if self.groups > 1 else rows.reshape(-1, stations, rows.shape[-1])
        order = (1, 2, 0) if self.groups > 1 else (0, 2, 1)
        return by_station.permute(*order)[:, :, None]

    def _grouped(self, stack: Tensor) -> Tensor:
        """Return ``[batch, feature, station]`` as ``[group, row, feature]``."""
        if self.groups > 1:
            return stack.permute(2, 0, 1)
        return stack.permute(0, 2, 1).flatten(0, 1)[None]
