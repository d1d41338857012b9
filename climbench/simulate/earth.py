"""The embedded planet's climate: annual temperature and rain under emission scenarios."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from climbench.errors import UserError, nearest
from climbench.simulate.climate_patterns import ClimatePatterns, climate_patterns
from climbench.simulate.daily_extremes import diurnal_temperature_range, heavy_precipitation
from climbench.simulate.earth_model import EarthModel, draw_model
from climbench.simulate.emissions import Pathway, emissions_dataset, pathway
from climbench.simulate.energy_balance import warming
from climbench.simulate.radiative_forcing import radiative_forcing
from climbench.simulate.seasons import SEASONS, seasonal_temperature
from climbench.simulate.variability import amplitudes, degrees, red_noise, spherical_harmonics

Array = NDArray[np.float64]

# Share of each agent's forcing that heats the air itself and so suppresses rain at once, rounded
# from Andrews et al. (2010) and Richardson et al. (2018): sulphate scatters, black carbon absorbs.
ABSORBED = np.array([0.6, 0.4, 0.0, 2.5])

TEMPERATURE_TRUNCATION, TEMPERATURE_SCALE = 16, 4.0
PRECIPITATION_TRUNCATION, PRECIPITATION_SCALE = 20, 14.0
TEMPERATURE_MEMORY = 0.6 / (1.0 + degrees(TEMPERATURE_TRUNCATION) / 5.0)  # the large remember
PRECIPITATION_MEMORY = 0.3 / (1.0 + degrees(PRECIPITATION_TRUNCATION) / 5.0)
NINO_MEMORY = 0.3
MEMORY = np.concatenate([[NINO_MEMORY], TEMPERATURE_MEMORY, PRECIPITATION_MEMORY])

TAS = {"standard_name": "air_temperature", "units": "K", "cell_methods": "time: mean"}
ATTRIBUTES = {
    "tas": TAS,
    "pr": {
        "standard_name": "precipitation_flux",
        "units": "kg m-2 s-1",
        "cell_methods": "time: mean",
    },
    "diurnal_temperature_range": {
        "long_name": "difference of daily maximum and minimum near-surface air temperature",
        "units": "K",
        "cell_methods": "time: mean",
    },
    "pr90": {"long_name": "0.9 quantile of daily precipitation", "units": "kg m-2 s-1"},
    **{f"tas_{season}": TAS for season in SEASONS},
    "time": {"standard_name": "time", "long_name": "middle of the year"},
    "latitude": {"standard_name": "latitude", "units": "degrees_north"},
    "longitude": {"standard_name": "longitude", "units": "degrees_east"},
}
SEASONAL = tuple(f"tas_{season}" for season in SEASONS)
VARIABLES = ("tas", "pr", "diurnal_temperature_range", "pr90", *SEASONAL)


class Climate(NamedTuple):
    """Annual fields of one simulation."""

    temperature: Array  # [year, latitude, longitude], K
    precipitation: Array  # [year, latitude, longitude], kg m-2 s-1


def simulate_climate(
    scenarios: Sequence[str],
    members: int | Sequence[int],
    model: int = 0,
    seed: int = 0,
    latitude: ArrayLike | None = None,
    longitude: ArrayLike | None = None,
    variables: Sequence[str] = ("tas", "pr"),
) -> xr.Dataset:
    """Simulate an ensemble of annual mean climates in the layout of a climate store.

    Numbers depend on (seed, model, scenario, member) and the grid alone, so any subset of an
    ensemble can be made by itself. An SSP continues the history of the same member.

    Parameters
    ----------
    scenarios
        Names from `climbench.simulate.emissions.scenario_names`.
    members
        Realisations, counted from 1: a list of them, or how many.
    model
        Number of the climate model, 0 the multi-model mean (`draw_model`).
    seed
        Seed of internal variability.
    latitude
        Rows ``[latitude]``, degrees north; 32 rows of 5.625 degrees when absent.
    longitude
        Columns ``[longitude]``, degrees east; 64 columns of 5.625 degrees when absent.
    variables
        Of ``tas``, ``pr``, ``diurnal_temperature_range`` and ``pr90``
        (`climbench.simulate.daily_extremes`), and ``tas_djf``, ``tas_mam``, ``tas_jja`` and
        ``tas_son`` (`climbench.simulate.seasons`).

    Returns
    -------
    xarray.Dataset
        ``tas...`` and ``diurnal_temperature_range`` (K), ``pr`` and ``pr90`` (kg m-2 s-1), float32
        ``[scenario, member, time, latitude, longitude]``, and the emissions
        ``[scenario, time]``; NaN where a year is not of the scenario.

    Raises
    ------
    UserError
        If a scenario or variable is unknown or named twice, none is asked for, or a number is too
        small.
    """
    _check_variables(variables)
    paths, numbers = _requested(scenarios, members, model, seed)
    rows = np.arange(32) * 5.625 - 87.1875 if latitude is None else np.asarray(latitude, float)
    columns = np.arange(64) * 5.625 if longitude is None else np.asarray(longitude, float)
    earth = draw_model(model)
    patterns = climate_patterns(rows, columns, earth)
    modes = variability_modes(rows, columns)
    dataset = emissions_dataset(paths)
    shape = (len(paths), len(numbers), dataset.sizes["time"], rows.size, columns.size)
    fields = {name: np.full(shape, np.nan, dtype=np.float32) for name in variables}
    start = min(path.first_year for path in paths)
    for i, path in enumerate(paths):
        forced = forced_climate(path, earth, patterns)
        years = slice(path.first_year - start, int(path.year[-1]) + 1 - start)
        for j, member in enumerate(numbers):
            series = variability_series(path, member, model, seed)
            climate = add_variability(forced, series, patterns, modes)
            for name in variables:
                fields[name][i, j, years] = annual_field(name, climate, path, earth, rows, columns)
    dims = ("scenario", "member", "time", "latitude", "longitude")
    dataset = dataset.assign({name: (dims, field) for name, field in fields.items()})
    dataset = dataset.assign_coords(member=numbers, latitude=rows, longitude=columns)
    for name in (*variables, "time", "latitude", "longitude"):
        dataset[name].attrs = dict(ATTRIBUTES[name])
    dataset.attrs |= {"simulated": "true", "seed": seed, **earth.attributes()}
    return dataset


def annual_field(
    name: str,
    climate: Climate,
    path: Pathway,
    model: EarthModel,
    latitude: ArrayLike,
    longitude: ArrayLike,
) -> Array:
    """Return a variable ``[year, latitude, longitude]`` of the climate under a pathway."""
    temperature, rain = climate
    if name == "diurnal_temperature_range":
        forcing = radiative_forcing(path, model)[path.year >= path.first_year]
        return diurnal_temperature_range(temperature, rain, forcing[:, 2:], latitude, longitude)
    if name in SEASONAL:
        season = name.removeprefix("tas_")
        return seasonal_temperature(season, temperature, latitude, longitude)
    if name == "pr90":
        return heavy_precipitation(temperature, rain, latitude, longitude)
    return temperature if name == "tas" else rain


def forced_climate(path: Pathway, model: EarthModel, patterns: ClimatePatterns) -> Climate:
    r"""Return the climate without internal variability: what the mean of many members shows.

    Warming :math:`T_a` of each agent and of the deep ocean :math:`T_d` come from the two-layer
    balance; with the maps :math:`p` (warming), :math:`d` (delay), :math:`q` (moistening) and
    :math:`s` (adjustment),

    .. math::

        T &= \bar T + \sum_a p_a T_a + d \sum_a T_{d,a} \\
        P &= \bar P \left(1 + \sum_a k q_a T_a - f_a s_a F_a \right)

    so the global mean obeys the energy balance of the air,
    :math:`L \Delta P = k T - \sum f_a F_a`.

    Parameters
    ----------
    path
        Emissions from 1850 on.
    model
        Parameters of the climate model.
    patterns
        Its maps.

    Returns
    -------
    Climate
        The years that belong to the scenario itself.

    References
    ----------
    Andrews et al. (2010), Geophys. Res. Lett. 37, L14701, and Richardson et al. (2018), J. Climate
    31, 9641 (precipitation); Geoffroy and Saint-Martin (2014), Tellus A 66, 23393 (pattern of
    ocean heat uptake).
    """
    forcing = radiative_forcing(path, model)
    change = warming(forcing, model)
    own = path.year >= path.first_year
    forcing, surface, deep = forcing[own], change[own, 0], change[own, 1].sum(axis=1)
    temperature = patterns.temperature + np.tensordot(surface, patterns.warming, axes=1)
    temperature += np.multiply.outer(deep, patterns.delay)
    change = np.tensordot(model.precipitation_sensitivity * surface, patterns.moistening, axes=1)
    change -= np.tensordot(ABSORBED * forcing, patterns.adjustment, axes=1)
    return Climate(temperature, patterns.precipitation * np.maximum(1.0 + change, 0.0))


def variability_modes(latitude: ArrayLike, longitude: ArrayLike) -> tuple[Array, Array]:
    """Return the harmonics of temperature and of precipitation, scaled to fields of variance 1.

    Parameters
    ----------
    latitude
        Rows ``[latitude]``, degrees north.
    longitude
        Columns ``[longitude]``, degrees east.

    Returns
    -------
    tuple
        Two arrays ``[mode, latitude, longitude]``.
    """
    harmonics = spherical_harmonics(latitude, longitude, PRECIPITATION_TRUNCATION)
    wide = amplitudes(TEMPERATURE_TRUNCATION, TEMPERATURE_SCALE)
    narrow = amplitudes(PRECIPITATION_TRUNCATION, PRECIPITATION_SCALE)
    return wide[:, None, None] * harmonics[: wide.size], narrow[:, None, None] * harmonics


def variability_series(path: Pathway, member: int, model: int = 0, seed: int = 0) -> Array:
    """Return the indices of internal variability of one member.

    History and future have random streams of their own, so that all futures of a member continue
    one history and then part.

    Parameters
    ----------
    path
        Emissions of the scenario, for its name and years.
    member
        Realisation.
    model
        Number of the climate model.
    seed
        Seed of the ensemble.

    Returns
    -------
    numpy.ndarray
        Standardised series ``[year, mode]`` of the years that belong to the scenario: El Niño,
        the modes of temperature, those of precipitation.
    """
    history = int(np.sum(path.year < path.first_year))
    streams = [("historical", history), (path.scenario, path.year.size - history)]
    white = [
        np.random.default_rng([seed, model, member, *name.encode()]).standard_normal(
            (years, MEMORY.size)
        )
        for name, years in streams
    ]
    return red_noise(np.concatenate(white), MEMORY)[history:]


def add_variability(
    forced: Climate, series: Array, patterns: ClimatePatterns, modes: tuple[Array, Array]
) -> Climate:
    r"""Add internal variability to a forced climate.

    Temperature changes by a sum, precipitation by a factor :math:`e^{v - \sigma^2 / 2}` whose
    mean is 1; both have one part of El Niño and one of random large-scale fields.

    Parameters
    ----------
    forced
        Climate without variability.
    series
        Indices of one member ``[year, mode]``, from `variability_series`.
    patterns
        Size of the variability and maps of El Niño.
    modes
        Harmonics, from `variability_modes`.

    Returns
    -------
    Climate
        The member's climate, of the forced one's shape.
    """
    nino, wide, narrow = np.split(series, [1, 1 + TEMPERATURE_MEMORY.size], axis=1)
    warm = patterns.temperature_variability * np.tensordot(wide, modes[0], axes=1)
    warm += nino[:, :, None] * patterns.nino_temperature
    wet = patterns.precipitation_variability * np.tensordot(narrow, modes[1], axes=1)
    wet += nino[:, :, None] * patterns.nino_precipitation
    variance = patterns.precipitation_variability**2 + patterns.nino_precipitation**2
    return Climate(forced.temperature + warm, forced.precipitation * np.exp(wet - variance / 2.0))


def _check_variables(names: Sequence[str]) -> None:
    for name in names:
        if name not in VARIABLES:
            raise UserError(f"variable '{name}' cannot be simulated: {nearest(name, VARIABLES)}")
    if not names or len(set(names)) < len(names):
        raise UserError("variables must name at least one variable, and none twice")


def _requested(
    scenarios: Sequence[str], members: int | Sequence[int], model: int, seed: int
) -> tuple[list[Pathway], list[int]]:
    numbers = list(range(1, members + 1)) if isinstance(members, int) else list(members)
    if not scenarios or len(set(scenarios)) < len(scenarios):
        raise UserError("scenarios must name at least one scenario, and none twice")
    if not numbers or len(set(numbers)) < len(numbers) or min(numbers) < 1:
        raise UserError("members must be at least one number from 1 on, and none twice")
    if model < 0 or seed < 0:
        raise UserError("model and seed must not be negative")
    return [pathway(scenario) for scenario in scenarios], numbers
