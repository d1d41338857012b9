"""What is scored: made forecasts, truth and climatology in the layout of WeatherBench 2.

Every process makes the same numbers. A block of noise is drawn once and reused at random offsets,
so that a gigabyte takes seconds; the values are an annual cycle, a travelling wave, and noise that
grows with the lead time, so that they compress about as badly as real ones.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numcodecs import Blosc

STARTS_IN_CHUNK = 4
CODECS = ("blosc", "zstd")  # Zarr v2 with Blosc lz4, as WeatherBench 2; Zarr v3 with its default

Datasets = tuple[xr.Dataset, xr.Dataset, xr.Dataset]


@dataclass(frozen=True)
class Case:
    """A grid, its variables as name: (mean, spread), and the chunks of its stores."""

    variables: dict[str, tuple[float, float]]
    levels: tuple[int, ...]
    longitudes: int
    latitude: tuple[float, ...]
    forecast_chunk: tuple[int, int]  # starts, leads
    climatology_chunk: tuple[int, int]  # hours, days of the year

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of one field: levels, if there are any, longitudes, latitudes."""
        levels = (len(self.levels),) if self.levels else ()
        return (*levels, self.longitudes, len(self.latitude))

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions of one field."""
        return (*(("level",) if self.levels else ()), "longitude", "latitude")

    @property
    def coords(self) -> dict[str, np.ndarray]:
        """Coordinates of one field."""
        level = {"level": np.array(self.levels)} if self.levels else {}
        return {
            **level,
            "longitude": np.arange(self.longitudes) * (360 / self.longitudes),
            "latitude": np.array(self.latitude),
        }


CASES = {
    "S": Case(
        {
            "geopotential": (7e4, 1e3),
            "temperature": (250.0, 8.0),
            "u_component_of_wind": (8.0, 10.0),
            "v_component_of_wind": (0.0, 9.0),
            "specific_humidity": (3e-3, 1e-3),
        },
        (50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000),
        64,
        tuple(np.arange(32) * 5.625 - 87.1875),
        (STARTS_IN_CHUNK, 1),
        (4, 366),
    ),
    "L": Case(
        {
            "2m_temperature": (285.0, 8.0),
            "mean_sea_level_pressure": (1e5, 1e3),
            "10m_u_component_of_wind": (1.0, 6.0),
            "10m_v_component_of_wind": (0.0, 6.0),
            "10m_wind_speed": (7.0, 3.0),
        },
        (),
        240,
        tuple(np.arange(121) * 1.5 - 90),
        (1, 10),
        (4, 92),
    ),
}


def tiny(case: Case) -> Case:
    """Return the case on a few cells, for a first call that is not measured."""
    return replace(case, longitudes=8, latitude=tuple(np.arange(4) * 45.0 - 67.5))


class Noise:
    """Standard normal numbers, drawn once, given out at random offsets."""

    def __init__(self, largest: int):
        self.random = np.random.default_rng(0)
        self.block = self.random.standard_normal(2**22 + largest, dtype=np.float32)

    def field(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return a view of the block; not to be written to."""
        offset = self.random.integers(2**22)
        return self.block[offset : offset + int(np.prod(shape))].reshape(shape)


def datasets(case: Case, starts: int, leads: int) -> Datasets:
    """Return forecasts every 12 hours with leads every 6, 6-hourly truth, and a climatology."""
    initial = pd.date_range("2020-01-01", periods=starts, freq="12h")
    lead = pd.timedelta_range("6h", periods=leads, freq="6h")
    times = pd.date_range(initial[0], initial[-1] + lead[-1], freq="6h")
    # Position in the truth of every start and lead.
    valid = 2 * np.arange(starts)[:, None] + 1 + np.arange(leads)
    noise = Noise(int(np.prod(case.shape)))
    forecasts, truths, climates = {}, {}, {}
    for name, (mean, spread) in case.variables.items():
        climates[name] = climate = climatology_values(case, mean, spread, noise)
        truths[name] = truth = truth_values(case, times, climate, spread, noise)
        forecasts[name] = forecast = np.empty((starts, leads, *case.shape), np.float32)
        for start, step in np.ndindex(starts, leads):
            error = np.float32(spread * (0.1 + 0.02 * step))
            np.multiply(noise.field(case.shape), error, out=forecast[start, step])
            forecast[start, step] += truth[valid[start, step]]
    forecast = dataset(forecasts, ("time", "prediction_timedelta"), case)
    return (
        forecast.assign_coords(time=initial, prediction_timedelta=lead).assign_attrs(model="made"),
        dataset(truths, ("time",), case).assign_coords(time=times),
        dataset(climates, ("hour", "dayofyear"), case).assign_coords(
            hour=[0, 6, 12, 18], dayofyear=np.arange(1, 367)
        ),
    )


def climatology_values(case: Case, mean: float, spread: float, noise: Noise) -> np.ndarray:
    """Return an annual and a daily cycle on a rough pattern [hour, dayofyear, field]."""
    latitude = np.deg2rad(np.array(case.latitude))
    pattern = np.float32(mean) + np.float32(spread) * (
        noise.field(case.shape) + np.cos(latitude).astype(np.float32)
    )
    season = (spread * np.sin(latitude)).astype(np.float32)
    values = np.empty((4, 366, *case.shape), np.float32)
    for hour, day in np.ndindex(4, 366):
        phase = np.float32(np.cos(2 * np.pi * (day + hour / 4) / 366))
        np.add(pattern, phase * season, out=values[hour, day])
    return values


def truth_values(
    case: Case, times: pd.DatetimeIndex, climate: np.ndarray, spread: float, noise: Noise
) -> np.ndarray:
    """Return climatology, a travelling wave and noise [time, field]."""
    longitude = np.arange(case.longitudes)[:, None] * (2 * np.pi / case.longitudes)
    width = np.cos(np.deg2rad(np.array(case.latitude)))
    values = np.empty((times.size, *case.shape), np.float32)
    for index, time in enumerate(times):
        wave = (spread * np.sin(5 * longitude - 0.2 * index) * width).astype(np.float32)
        np.multiply(noise.field(case.shape), np.float32(0.3 * spread), out=values[index])
        values[index] += climate[time.hour // 6, time.dayofyear - 1] + wave
    return values


def dataset(values: dict[str, np.ndarray], leading: tuple[str, ...], case: Case) -> xr.Dataset:
    """Return the arrays with their dimensions."""
    return xr.Dataset(
        {name: ((*leading, *case.dims), array) for name, array in values.items()}, case.coords
    )


def stores(folder: Path, case: Case, starts: int, leads: int, codec: str) -> None:
    """Write forecast.zarr, truth.zarr and climatology.zarr into the folder, unless it exists."""
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as unfinished:
        write(Path(unfinished, "stores"), case, starts, leads, codec)
        Path(unfinished, "stores").rename(folder)


def write(folder: Path, case: Case, starts: int, leads: int, codec: str) -> None:
    """Write the stores into the folder."""
    field = case.shape
    # A chunk of a climatology on levels has one level: with all of them it would be 156 MB.
    chunks = {
        "forecast": (*case.forecast_chunk, *field),
        "truth": (100, *field),
        "climatology": (*case.climatology_chunk, *([1] if case.levels else []), *field[-2:]),
    }
    for name, data in zip(chunks, datasets(case, starts, leads), strict=True):
        encoding: dict[str, dict[str, object]] = {
            variable: {
                "chunks": tuple(map(min, chunks[name], array.shape)),
                **({"compressors": Blosc("lz4", 5, Blosc.SHUFFLE)} if codec == "blosc" else {}),
            }
            for variable, array in data.data_vars.items()
        }
        version = 2 if codec == "blosc" else 3
        path = folder / f"{name}.zarr"
        data.to_zarr(path, encoding=encoding, zarr_format=version, consolidated=True)


def ensemble(members: int, points: int, layout: str) -> tuple[xr.DataArray, xr.DataArray]:
    """Return members[member, point], or [point, member] in memory, and truth[point]."""
    random = np.random.default_rng(0)
    centre = random.normal(280, 10, points)
    values = (centre + random.normal(0, 2, (members, points))).astype(np.float32)
    truth = (centre + random.normal(0, 2, points)).astype(np.float32)
    forecast = xr.DataArray(values, dims=("member", "point"))
    if layout == "member-last":
        forecast = xr.DataArray(np.ascontiguousarray(values.T), dims=("point", "member"))
    return forecast, xr.DataArray(truth, dims="point")
