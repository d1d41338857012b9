"""Computing a part, and finding the file at fault when that fails."""

from collections.abc import Sequence

import xarray as xr

from climbench.errors import UserError
from climbench.recipes.sources import Input
from climbench.store.time_axis import hours, time_step


def compute(lazy: xr.Dataset, inputs: Sequence[Input]) -> xr.Dataset:
    """Return the fields of a part in memory.

    Raises
    ------
    UserError
        If a file cannot be read; the sentence names it.
    """
    try:
        return lazy.compute(scheduler="threads")
    except UserError:
        raise
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        culprit = _unreadable(inputs)
        remote = [one.address for one in inputs if "://" in one.path]
        if culprit is None and remote:
            raise UserError(
                f"{remote[0]} could not be read ({error}): run the same build again, it goes on "
                "from the parts that are finished."
            ) from error
        if culprit is None:
            raise
        raise UserError(
            f"{culprit.address} is damaged ({error}): remove {culprit.path} and fetch it again."
        ) from error


def _unreadable(inputs: Sequence[Input]) -> Input | None:
    """Return the first file whose fields cannot be read, looking at each alone."""
    for one in inputs:
        if not one.path or "://" in one.path:  # a remote store may be terabytes
            continue
        try:
            with xr.open_dataset(one.path, cache=False) as dataset:
                for name in dataset.variables:
                    dataset[name].values  # noqa: B018 reading is the test
        except (OSError, RuntimeError, ValueError, EOFError):
            return one
    return None


def overlapping(inputs: Sequence[Input], part: xr.Dataset) -> list[Input]:
    """Return the inputs whose labels and times meet those of a part.

    A part reaches to one step beyond its last time, for windows are stamped with their start.
    """
    chosen = []
    ends = None
    if part.sizes.get("time"):
        times = hours(part["time"])
        step = time_step(part["time"]) if times.size > 1 else 0.0
        ends = (float(times[0]), float(times[-1]) + step)
    labels = {name: {*index.tolist()} for name, index in part.indexes.items() if name != "time"}
    for one in inputs:
        labels_meet = all(
            key not in labels or value in labels[key] for key, value in one.coordinates.items()
        )
        times_meet = (
            ends is None
            or one.hours is None
            or ((one.hours[0] < ends[1] or one.hours[0] == ends[0]) and one.hours[1] >= ends[0])
        )
        if labels_meet and times_meet:
            chosen.append(one)
    return chosen


def source_of(field: xr.DataArray, inputs: Sequence[Input]) -> str:
    """Return the addresses of the inputs that a field comes from, as far as that is known.

    Parameters
    ----------
    field
        A variable at one time, in one scenario and so on; what has more of them comes from all.
    inputs
        Those of its part. What no source has by its name was computed, from any of them.
    """
    named = [one for one in inputs if str(field.name) in one.variables] or list(inputs)
    ends = hours(field["time"])[[0, -1]] if "time" in field.coords else None
    found = [
        one.address
        for one in named
        if all(value in field[key] for key, value in one.coordinates.items() if key in field.coords)
        and (
            ends is None
            or one.hours is None
            or (one.hours[0] <= ends[1] and one.hours[1] >= ends[0])
        )
    ] or [one.address for one in named]
    more = f" or another of {len(found)} inputs" if len(found) > 1 else ""
    return found[0] + more if found else "its source"
