"""The same invented year as a store, as ClimateLearn's shards and as one flat file."""

from pathlib import Path

import numpy as np

ROWS, COLUMNS, STEP = 32, 64, 6
SHARD = 546  # hours in each of ClimateLearn's files
SPARE = 34  # steps after the year, for the validation and test split that a task must have
MEAN, STD = 250.0, 20.0


def names(channels: int) -> list[str]:
    """Return the names of the channels."""
    return [f"channel{number:02d}" for number in range(channels)]


def hours(start: int, stop: int, channels: int) -> np.ndarray:
    """Return noise ``[hour, channel, row, column]``; an hour is the same whoever asks."""
    fields = np.empty((stop - start, channels, ROWS, COLUMNS), np.float32)
    for hour in range(start, stop):
        np.random.default_rng(hour).standard_normal(dtype=np.float32, out=fields[hour - start])
    fields *= STD
    fields += MEAN
    return fields


def prepare(folder: Path, channels: int, year: int) -> None:
    """Write what is missing; the store and the flat file hold every sixth hour."""
    if not (folder / "peer").exists():
        write_peer(folder / "peer.building", channels, year)
        (folder / "peer.building").rename(folder / "peer")
    if not (folder / "ours").exists():
        write_ours(folder / "ours.building", channels, year)
        (folder / "ours.building").rename(folder / "ours")


def write_peer(folder: Path, channels: int, year: int) -> None:
    """Write ClimateLearn's folder; its training and validation files are the same."""
    (folder / "val").mkdir(parents=True, exist_ok=True)
    for number, start in enumerate(range(0, year - SHARD + 1, SHARD)):
        fields = hours(start, start + SHARD, channels)[:, :, None]
        shard = {name: fields[:, at] for at, name in enumerate(names(channels))}
        np.savez(folder / "val" / f"2000_{number:02d}.npz", **shard)
    np.savez(folder / "normalize_mean.npz", **{n: np.array([MEAN]) for n in names(channels)})
    np.savez(folder / "normalize_std.npz", **{n: np.array([STD]) for n in names(channels)})
    for split in ("train", "test"):
        (folder / split).symlink_to("val")


def write_ours(folder: Path, channels: int, year: int) -> None:
    """Write the store (compressed, a variable for each channel) and the flat file."""
    import xarray as xr

    from climbench.store import create_store, encoding, write_part

    steps = year // STEP + SPARE
    folder.mkdir(exist_ok=True)
    shape = (steps, channels, ROWS, COLUMNS)
    flat = np.lib.format.open_memmap(folder / "flat.npy", "w+", "<f4", shape)
    for step in range(steps):
        flat[step] = hours(step * STEP, step * STEP + 1, channels)[0]
    times = np.datetime64("2001-01-01", "ns") + np.arange(steps) * np.timedelta64(STEP, "h")
    coordinates = {
        "time": times,
        "latitude": (np.arange(ROWS) + 0.5) * 180 / ROWS - 90,
        "longitude": np.arange(COLUMNS) * 360 / COLUMNS,
    }
    dimensions = ("time", "latitude", "longitude")
    fields = {name: (dimensions, flat[:, at]) for at, name in enumerate(names(channels))}
    ds = xr.Dataset(fields, coordinates)
    create_store(folder / "store.zarr", ds, {"recipe_hash": "noise"}, encoding(ds, "time", 28, 364))
    for start in range(0, steps, 364):
        write_part(folder / "store.zarr", ds.isel(time=slice(start, start + 364)), "time", start)
