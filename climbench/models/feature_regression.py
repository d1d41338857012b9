"""Ridge regression on the features that trees see: the straight line that they have to beat."""

import torch
from torch import Tensor

from climbench.models.ridge import RidgeRegression
from climbench.models.series_features import SeriesFeatures, last_values
from climbench.tasks.sample import Sample, Signature

WINDOWS = (6, 36, 144)
LAGS = (1, 2, 3, 6)


class FeatureRegression(RidgeRegression):
    """Predict how each target changes from lags and rolling statistics of all series, linearly.

    Parameters
    ----------
    signature
        The question.
    windows, lags
        See :class:`climbench.models.series_features.SeriesFeatures`; at ten minutes a step the
        defaults are windows of 1, 6 and 24 hours.
    ridge
        The penalties to choose from, see :class:`climbench.models.ridge.RidgeRegression`.
    """

    layouts = ("stations",)
    takes_missing_inputs = True
    chunk = 512

    def __init__(
        self,
        signature: Signature,
        windows: tuple[int, ...] = WINDOWS,
        lags: tuple[int, ...] = LAGS,
        ridge: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1),
    ) -> None:
        seen = SeriesFeatures(signature, tuple(windows), tuple(lags))
        super().__init__(signature, 1, len(seen.names) + 1, len(signature.targets), ridge)
        self.seen = seen

    def accumulate(self, sample: Sample) -> None:
        """Add what changes from the last values to the sums."""
        change = sample.targets - last_values(self.signature, sample)
        super().accumulate(sample._replace(targets=change))

    def forward(self, sample: Sample) -> Tensor:
        """Return the last values and the regression of what changes."""
        return last_values(self.signature, sample) + super().forward(sample)

    def features(self, sample: Sample, lead: int) -> Tensor:
        """Return features ``[1, row, feature]``; what is missing is the training mean."""
        rows = self.seen(sample).flatten(0, 1).nan_to_num(0.0)
        return torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1)[None]

    def rows(self, fields: Tensor) -> Tensor:
        """Return fields ``[batch, target, 1, station]`` as ``[1, row, target]``."""
        return fields[:, :, 0].permute(0, 2, 1).flatten(0, 1)[None]

    def fields(self, rows: Tensor) -> Tensor:
        """Undo :meth:`rows`."""
        stations = self.signature.shape[1]
        return rows.reshape(-1, stations, rows.shape[-1]).transpose(1, 2)[:, :, None]
