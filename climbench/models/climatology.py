"""Climatology: the average of the training years for the day of the year and the hour."""

import numpy as np
import torch
from torch import Tensor

from climbench.metrics.climatology import DAYS, counts_twice, smooth_climatology
from climbench.models.closed_form import KeyedClosedForm, lent
from climbench.tasks.sample import Sample, Signature


class Climatology(KeyedClosedForm):
    """Answer with the mean of the training targets of that day of the year and hour.

    Days are smoothed over a window as in
    :func:`climbench.metrics.climatology.smooth_climatology`, and the last day of common years
    counts for day 366 too, as in ``climbench climatology``; hours are binned at those that
    occur, and an hour that never occurred takes the nearest one round the clock. Missing targets
    (NaN) count in no mean. A station that has none, such as one that is held out, is answered by
    the mean of the others; a cell of a map by the training mean.

    Parameters
    ----------
    signature
        The question.
    window
        Width of the smoothing over days of the year, days, odd; 1 means none.

    References
    ----------
    Rasp et al. (2024), WeatherBench 2, section 3.1.
    """

    layouts = ("map", "stations")

    sums: Tensor
    counts: Tensor
    mean: Tensor

    def __init__(self, signature: Signature, window: int = 61) -> None:
        super().__init__(signature)
        self.window = window
        field = (len(signature.targets), *signature.shape)
        self.register_statistic("sums", 0, DAYS, *field)
        self.register_statistic("counts", 0, DAYS, *field)
        self.register_buffer("mean", torch.zeros(0, DAYS, *field))

    def accumulate(self, sample: Sample) -> None:
        """Add the targets to the sum of their hour and day."""
        hour = self.slots(sample.hour).flatten()
        day = sample.day_of_year.flatten() - 1
        targets = sample.targets.flatten(0, 1).double()
        again = counts_twice(day, sample.days_in_year.flatten())
        hour, targets = (torch.cat([values, values[again]]) for values in (hour, targets))
        day = torch.cat([day, torch.full_like(day[again], DAYS - 1)])
        self.sums.index_put_((hour, day), targets.nan_to_num(0.0), accumulate=True)
        self.counts.index_put_((hour, day), (~targets.isnan()).double(), accumulate=True)

    def solve(self) -> None:
        """Set ``mean [hour, day, target, latitude, longitude]``."""
        sums, counts = self.sums, self.counts
        if self.signature.layout == "stations":
            never = counts.sum(dim=(0, 1)) == 0
            sums, counts = lent(sums, never), lent(counts, never)
        never = counts.sum(dim=(0, 1)) == 0
        counts = torch.where(never, 1.0, counts)  # answers 0, the training mean
        smooth = smooth_climatology(sums.cpu(), counts.cpu(), self.window)
        self.mean = torch.from_numpy(smooth.astype(np.float32)).to(self.sums.device)

    def forward(self, sample: Sample) -> Tensor:
        """Return the climatology at each target's time."""
        if self.mean.shape[0] == 0:
            return self.zeros(sample)
        apart = (sample.hour[..., None].to(self.keys) - self.keys).abs()
        hour = torch.minimum(apart, 24 - apart).argmin(dim=-1)
        return self.mean[hour, sample.day_of_year - 1]
