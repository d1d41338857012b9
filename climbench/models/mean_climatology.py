"""The climatologies of the published tables: the mean of all times, and of each week."""

import torch
from torch import Tensor

from climbench.models.closed_form import ClosedForm
from climbench.tasks.sample import Sample, Signature


class MeanClimatology(ClosedForm):
    r"""Answer every question with the mean of the training targets, :math:`\hat y = \bar y`.

    One map for all hours and days. Missing targets do not count; a cell that has none at all is
    answered by the training mean of its channel.

    Parameters
    ----------
    signature
        The question.

    References
    ----------
    Rasp et al. (2020), WeatherBench, J. Adv. Model. Earth Syst. 12, section 4: "climatology".
    """

    layouts = ("map", "stations", "columns")

    sums: Tensor
    counts: Tensor
    mean: Tensor
    slots = 1

    def __init__(self, signature: Signature) -> None:
        super().__init__(signature)
        field = (self.slots, len(signature.targets), *signature.shape)
        self.register_statistic("sums", *field)
        self.register_statistic("counts", *field)
        self.register_buffer("mean", torch.zeros(field))

    def slot(self, sample: Sample) -> Tensor:
        """Return which map answers each target ``[batch, lead]``, from 0."""
        return torch.zeros_like(sample.day_of_year)

    def accumulate(self, sample: Sample) -> None:
        """Add the targets to their sums."""
        slot, targets = self.slot(sample).flatten(), sample.targets.flatten(0, 1).double()
        known = torch.isfinite(targets)
        self.sums.index_add_(0, slot, targets.nan_to_num(0.0))
        self.counts.index_add_(0, slot, known.double())

    def solve(self) -> None:
        """Set ``mean [slot, target, latitude, longitude]``; an empty slot has that of all."""
        whole = self.sums.sum(0) / self.counts.sum(0).clamp(min=1.0)
        mean = torch.where(self.counts > 0, self.sums / self.counts.clamp(min=1.0), whole)
        self.mean = mean.float()

    def forward(self, sample: Sample) -> Tensor:
        """Return the mean of each target's slot."""
        return self.mean[self.slot(sample)]


class WeeklyClimatology(MeanClimatology):
    """Answer with the mean of the training targets of that ISO week of the year, at all hours.

    Weeks begin on Monday, and the first is that of the first Thursday of January. In calendars
    other than the Gregorian a day has the week that its number has in that year of the Gregorian.

    References
    ----------
    Rasp et al. (2020), WeatherBench, section 4: "weekly climatology", the mean of ``time.week``.
    """

    slots = 53

    def slot(self, sample: Sample) -> Tensor:
        """Return the week ``[batch, lead]``, from 0."""
        return iso_week(sample.year, sample.day_of_year) - 1


def iso_week(year: Tensor, day_of_year: Tensor) -> Tensor:
    """Return the week of the year, 1..53, by ISO 8601.

    Parameters
    ----------
    year, day_of_year
        Year and day 1..366, int64, of one shape.

    Examples
    --------
    >>> iso_week(torch.tensor([2016, 2018, 2018]), torch.tensor([1, 1, 365]))
    tensor([53,  1,  1])
    """
    week = (day_of_year - _weekday(year, day_of_year) + 10) // 7
    before, own = _weeks(year - 1), _weeks(year)
    week = torch.where(week < 1, before, week)
    return torch.where((week > own) & (day_of_year > 7), torch.ones_like(week), week)


def _weekday(year: Tensor, day_of_year: Tensor) -> Tensor:
    """Return 1 for Monday to 7 for Sunday."""
    past = year - 1
    return (365 * past + past // 4 - past // 100 + past // 400 + day_of_year - 1) % 7 + 1


def _weeks(year: Tensor) -> Tensor:
    """Return 53 for years that begin on a Thursday, or are leap and begin on a Wednesday."""
    first = _weekday(year, torch.ones_like(year))
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    return torch.where((first == 4) | ((first == 3) & leap), 53, 52)
