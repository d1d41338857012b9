"""Temporal interpolation: two states some hours apart in, the states between them out."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from climbench.errors import UserError
from climbench.tasks.checks import check_multiples
from climbench.tasks.forecasting import DirectForecasting
from climbench.tasks.sample import Signature


@dataclass(kw_only=True)
class TemporalInterpolation(DirectForecasting):
    """One pass of the model answers all times between two given states.

    Times are counted from the first state: it is the initial time of a prediction, and lead
    times lie between 0 and the interval.

    Parameters
    ----------
    interval
        Hours from the first state to the second. The others are those of
        :class:`climbench.tasks.Forecasting`.

    Raises
    ------
    UserError
        Also if a lead time does not lie between the states, or the history is not these two.
    """

    interval: int
    history: int = 2

    required_baselines: ClassVar[tuple[str, ...]] = ("climatology", "linear_interpolation")

    def check_hours(self) -> None:
        """Raise a UserError if a number of hours fits neither the store nor the interval."""
        super().check_hours()
        check_multiples("interval", (self.interval,), self.timeline.step)
        if self.lead_times[-1] >= self.interval:
            raise UserError(
                f"option 'lead_times': {self.lead_times[-1]} h does not lie between the states "
                f"at 0 h and 'interval' = {self.interval} h: give hours between them"
            )
        if self.history != 2 or self.history_interval is not None:
            raise UserError(
                "the options 'history' and 'history_interval' do not fit a temporal "
                "interpolation, whose inputs are two states 'interval' hours apart: leave them out"
            )

    @cached_property
    def signature(self) -> Signature:
        """Channels, history and grid, and when the inputs are."""
        return replace(super().signature, input_hours=self.past)

    @property
    def past(self) -> tuple[int, ...]:
        """Hours of the two states after the initial time."""
        return (0, self.interval)
