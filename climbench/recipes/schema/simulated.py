"""The embedded planet, as a recipe asks for it."""

from typing import Annotated, Literal

from pydantic import Field

from climbench.recipes.strict import Strict

ModelNumber = Annotated[int, Field(ge=0)]


class SimulatedAtmosphere(Strict):
    """The embedded planet's weather, from 2000-01-01 on, every six hours.

    Attributes
    ----------
    seed
        Seed of the initial perturbation; the same seed gives the same bytes.
    """

    kind: Literal["simulated_atmosphere"]
    seed: int = 0


class SimulatedStations(Strict):
    """Weather stations of the embedded planet, hour by hour from 2000-01-01 on.

    Attributes
    ----------
    stations
        How many.
    seed
        Of places, weather and gaps; the same seed gives the same bytes.
    """

    kind: Literal["simulated_stations"]
    stations: Annotated[int, Field(ge=1, le=5000)] = 64
    seed: int = 0


class SimulatedEarth(Strict):
    """The embedded planet's climate under emission scenarios, year by year.

    Attributes
    ----------
    scenarios
        Names as in CMIP6: ``historical``, ``ssp126`` ...
    members
        Number of ensemble members.
    model
        Which drawn "climate model": 0 has the central parameters. A list gives a store with the
        dimension ``source_id``, whose labels are ``planet-NUMBER``.
    variables
        Of ``tas``, ``pr``, ``diurnal_temperature_range`` and ``pr90``, and of the seasons
        ``tas_djf``, ``tas_mam``, ``tas_jja`` and ``tas_son``.
    emission_maps
        Whether sulphur dioxide and black carbon are maps (kg m-2 s-1) instead of totals (Mt yr-1).
    grid
        ``planet``: 32 x 64 cells of 5.625 degrees; ``climatebench``: 96 x 144, poles included.
    seed
        Seed of the parameters and of the internal variability.
    """

    kind: Literal["simulated_earth"]
    scenarios: Annotated[list[str], Field(min_length=1)]
    members: Annotated[int, Field(ge=1)] = 1
    model: ModelNumber | Annotated[list[ModelNumber], Field(min_length=1)] = 0
    variables: Annotated[list[str], Field(min_length=1)] = Field(
        default_factory=lambda: ["tas", "pr"]
    )
    emission_maps: bool = False
    grid: Literal["planet", "climatebench"] = "planet"
    seed: int = 0


class SimulatedTelemetry(Strict):
    """Housekeeping of a simulated spacecraft over the recipe's dates, every ten minutes.

    Attributes
    ----------
    events
        Labelled anomalies of each temperature, half of them in the last fifth.
    seed
        Of all random numbers; the same seed gives the same bytes.
    """

    kind: Literal["simulated_telemetry"]
    events: Annotated[int, Field(ge=0, le=20)] = 4
    seed: int = 0
