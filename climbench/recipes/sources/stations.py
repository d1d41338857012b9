"""Stations: where they are, and which of them share one record."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from climbench.errors import UserError, nearest
from climbench.store.stations import sharing_one_record

Places = dict[str, tuple[float | None, float | None, float | None]]
ATTRIBUTES = {
    "latitude": {"standard_name": "latitude", "units": "degrees_north"},
    "longitude": {"standard_name": "longitude", "units": "degrees_east"},
    "altitude": {"standard_name": "altitude", "units": "m"},
}


def with_places(
    dataset: xr.Dataset,
    places: Mapping[str, Sequence[float | None]],
    where: str,
    mend: str = "give them in 'stations.places'",
) -> xr.Dataset:
    """Return a dataset with latitude, longitude and altitude of each station.

    Parameters
    ----------
    dataset
        Along ``station``.
    places
        By name.
    where
        Name of the file, for errors.
    mend
        What the user can do about coordinates that are none.

    Raises
    ------
    UserError
        If a station has no place, or none on the globe; only the altitude may be missing.
    """
    names = [str(name) for name in dataset["station"].values]
    table = np.full((len(names), 3), np.nan)
    for at, name in enumerate(names):
        if name not in places:
            raise UserError(
                f"{where}: station '{name}' has no coordinates: add them to 'stations.places' "
                f"({nearest(name, places)})"
                if places
                else f"{where}: station '{name}' has no coordinates: add them to 'stations.places'."
            )
        table[at] = [np.nan if one is None else float(one) for one in places[name]]
        latitude, longitude = table[at, :2]
        if not (abs(latitude) <= 90 and abs(longitude) <= 360):
            raise UserError(
                f"{where}: station '{name}' has the coordinates {latitude:g}, {longitude:g}, which "
                f"are no latitude and longitude: {mend}."
            )
    columns = zip(ATTRIBUTES.items(), table.T, strict=True)
    return dataset.assign_coords(
        {name: ("station", values, attributes) for (name, attributes), values in columns}
    )


def twins(dataset: xr.Dataset) -> xr.Dataset:
    """Return a dataset that says which stations share one record, and warn of them.

    Such stations must not be split between training and test. The names of the pairs come into
    the attribute ``comment``.
    """
    found = sharing_one_record(dataset)
    if not found:
        return dataset
    words = f"stations that share one record: {'; '.join(found)}"
    warnings.warn(f"{words}: keep them on one side of a split.", UserWarning, stacklevel=2)
    return dataset.assign_attrs(comment=words)
