"""Forecasting: fields at some hours in, fields hours later out, by three protocols."""

from dataclasses import dataclass
from typing import ClassVar

from climbench.errors import UserError
from climbench.tasks.base_forecasting import Forecasting
from climbench.tasks.checks import check_multiples
from climbench.tasks.task import Split
from climbench.tasks.windows import Windows


@dataclass(kw_only=True)
class DirectForecasting(Forecasting):
    """One pass of the model answers all lead times."""

    strategy: ClassVar[str] = "direct"

    @property
    def fit_leads(self) -> tuple[tuple[float, ...], ...]:
        """All lead times together."""
        return (self.lead_times,)


@dataclass(kw_only=True)
class ContinuousForecasting(Forecasting):
    """One model is told the lead time and answers any.

    An epoch holds every pair of a training lead and a window that has room for it, once.

    Parameters
    ----------
    training_leads
        Hours that the model is trained on, ascending; by default the lead times. The others are
        those of :class:`Forecasting`.
    """

    training_leads: tuple[int, ...] | None = None

    strategy: ClassVar[str] = "continuous"

    def __post_init__(self) -> None:
        if self.training_leads is not None:
            self.training_leads = tuple(self.training_leads)
        super().__post_init__()

    def check_hours(self) -> None:
        """Raise a UserError if a lead does not fit, or was never trained on."""
        super().check_hours()
        if self.training_leads is None:
            return
        check_multiples("training_leads", self.training_leads, self.timeline.step)
        if self.lead_times[-1] > self.training_leads[-1]:
            raise UserError(
                f"option 'training_leads' ends at {self.training_leads[-1]} h but "
                f"{self.lead_times[-1]} h is scored: train on the longest lead time too"
            )

    @property
    def fit_leads(self) -> tuple[tuple[float, ...], ...]:
        """Each training lead by itself."""
        return tuple((hours,) for hours in self.training_leads or self.lead_times)

    @property
    def choice_leads(self) -> tuple[tuple[float, ...], ...]:
        """Each lead that is scored by itself."""
        return tuple((hours,) for hours in self.lead_times)


@dataclass(kw_only=True)
class IterativeForecasting(Forecasting):
    """A model of one step, fed with its own answers until the longest lead.

    Parameters
    ----------
    step
        Hours of one step of the model; the inputs of a history are one step apart. The others
        are those of :class:`Forecasting`.
    """

    step: int

    strategy: ClassVar[str] = "iterative"

    def check_hours(self) -> None:
        """Raise a UserError if answers cannot take the place of inputs."""
        super().check_hours()
        check_multiples("step", (self.step,), self.timeline.step)
        check_multiples("lead_times", self.lead_times, self.step, of="the model's step")
        if self.history_interval not in (None, self.step):
            raise UserError(
                f"option 'history_interval' = {self.history_interval} h must be the model's step, "
                f"{self.step} h: answers take the place of the inputs"
            )
        for name in self.inputs:
            if name not in self.targets:
                raise UserError(
                    f"option 'targets' lacks the input '{name}': an iterative model answers all "
                    "its inputs (put what is known in advance into forcings)"
                )

    @property
    def input_step(self) -> float:
        """Hours between inputs: a step of the model."""
        return self.step

    @property
    def fit_leads(self) -> tuple[tuple[float, ...], ...]:
        """One step."""
        return ((self.step,),)

    @property
    def test_leads(self) -> tuple[float, ...]:
        """Every step up to the longest lead: forcings are needed at each."""
        steps = round(self.lead_times[-1] / self.step)
        return tuple(self.step * count for count in range(1, steps + 1))

    def sequences(self, name: Split, steps: int) -> Windows:
        """Return windows of a split with the truth of several steps, for training by rollout."""
        leads = tuple(self.step * count for count in range(1, steps + 1))
        return self.samples(self._windows(name, self.usable, (leads,)))
