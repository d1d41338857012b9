"""What travels between a task, its loader and a model: samples and their signature."""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from torch import Tensor

from climbench.grids import is_periodic


class Sample(NamedTuple):
    """A batch of questions with their answers, in physical units, float32 unless stated.

    Attributes
    ----------
    inputs
        What the model sees ``[batch, history, channel, latitude, longitude]``, oldest first; on
        the inputs' own grid where the signature has one.
    forcings
        Known in advance, at the time of each lead
        ``[batch, lead, channel, latitude, longitude]``; zero channels where there are none.
    static
        Constant fields ``[channel, latitude, longitude]``; zero channels where there are none.
    targets
        The truth ``[batch, lead, channel, latitude, longitude]``.
    lead_time
        Hours from the last input to each target ``[batch, lead]``; 0 for emulation.
    day_of_year
        Day of the year, 1..366, of each target's time ``[batch, lead]``, int64.
    days_in_year
        How many days the year of each target's time has ``[batch, lead]``, int64.
    hour
        Hour of the day (UTC), 0..24, of each target's time ``[batch, lead]``.
    year
        Calendar year of each target ``[batch, lead]``, int64.
    run
        Which simulation each target comes from ``[batch]``, int64: years of one run follow each
        other, members and scenarios are different runs. 0 where there is one.
    climate_model
        Position of its climate model in the signature ``[batch]``, int64; 0 where there is one.
    index
        Position of each sample in its split ``[batch]``, int64.
    """

    inputs: Tensor
    forcings: Tensor
    static: Tensor
    targets: Tensor
    lead_time: Tensor
    day_of_year: Tensor
    days_in_year: Tensor
    hour: Tensor
    year: Tensor
    run: Tensor
    climate_model: Tensor
    index: Tensor  # type: ignore[assignment]  # hides a method of tuples that nobody needs

    def at_lead(self, lead: int) -> "Sample":
        """Return the same questions with only the lead at position ``lead`` (lead axis of 1)."""
        return self.at_leads(slice(lead, lead + 1))

    def at_leads(self, at: slice) -> "Sample":
        """Return the same questions with only some of the leads."""
        return self._replace(
            forcings=self.forcings[:, at],
            targets=self.targets[:, at],
            lead_time=self.lead_time[:, at],
            day_of_year=self.day_of_year[:, at],
            days_in_year=self.days_in_year[:, at],
            hour=self.hour[:, at],
            year=self.year[:, at],
        )


@dataclass(frozen=True)
class Signature:
    """The shape of a question: what a model is built for, and what its checkpoint carries.

    Attributes
    ----------
    inputs, forcings, static, targets
        Channel names in order: ``variable`` or ``variable_level``.
    history
        Number of input steps.
    leads
        Number of lead times that one forward pass answers.
    latitude, longitude
        Cell centres, degrees north (ascending) and east (0..360).
    climate_models
        Names of the climate models that the samples come from; empty where that is no matter.
    input_hours
        Hours of the inputs after the initial time, from which leads count, where the task is not
        a forecast; empty where the last input is the initial state.
    input_latitude, input_longitude
        Cell centres of the inputs where these lie on a grid of their own, as in downscaling;
        empty where they lie on that of the targets.
    stations
        Names of the stations that the cells are, a row of them; empty where they are a map.
    places
        Degrees north, degrees east and metres above the sea of each station; 0 where not known.
    levels
        Levels of a column of the atmosphere, where a sample is one: its one cell has a channel
        ``NAME_0`` ... for each level of a profile, from the top down, side by side. Else 0.
    """

    inputs: tuple[str, ...]
    forcings: tuple[str, ...]
    static: tuple[str, ...]
    targets: tuple[str, ...]
    history: int
    leads: int
    latitude: tuple[float, ...]
    longitude: tuple[float, ...]
    climate_models: tuple[str, ...] = ()
    input_hours: tuple[int, ...] = ()
    input_latitude: tuple[float, ...] = ()
    input_longitude: tuple[float, ...] = ()
    stations: tuple[str, ...] = ()
    places: tuple[tuple[float, float, float], ...] = ()
    levels: int = 0

    @property
    def layout(self) -> str:
        """What the cells are: those of a ``map``, ``stations`` in one row, or ``columns``."""
        if self.levels:
            return "columns"
        return "stations" if self.stations else "map"

    @property
    def periodic(self) -> bool:
        """Whether the longitudes go all round the globe."""
        return is_periodic(self.longitude)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a field: (latitude, longitude)."""
        return len(self.latitude), len(self.longitude)

    @property
    def input_shape(self) -> tuple[int, int]:
        """Rows and columns of the inputs, before they are brought to the grid of the targets."""
        return len(self.input_latitude or self.latitude), len(
            self.input_longitude or self.longitude
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, as a checkpoint stores them."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Signature":
        """Return the signature that :meth:`to_dict` wrote."""
        plain: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        plain["places"] = tuple(tuple(place) for place in plain.get("places", ()))
        return cls(**plain)
