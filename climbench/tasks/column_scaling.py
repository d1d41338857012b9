"""The scaling of column vectors as ClimSim publishes it, from its own statistics files."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.columns import ColumnVectors, column_variables, fill_from
from climbench.errors import UserError

Values = NDArray[np.float64]


def published_scaling(
    folder: Path, order: ColumnVectors
) -> tuple[Values, Values, NDArray[np.bool_]]:
    r"""Return mean, deviation and whether it is none, of each value of a row ``[value]``.

    Inputs are :math:`(x - \overline{x}) / (x_{max} - x_{min})`, targets :math:`y \, s`. Where
    :math:`x_{max} = x_{min}` the published code divides by zero and puts 0 in its place; here the
    divisor is 1, which gives the same for a value that never varies. A mean that the fill value
    got into, as that of ``cam_in_SNOWHICE``, is taken as 0, and its divisor as 1.

    Parameters
    ----------
    folder
        Has ``input_mean.nc``, ``input_min.nc``, ``input_max.nc`` and ``output_scale.nc``.
    order
        The vectors.

    Raises
    ------
    UserError
        If a file is absent, or of vectors of another version.
    """
    tables = {
        name: _table(folder / f"{name}.nc", names, order.levels)
        for name, names in (
            ("input_mean", order.inputs),
            ("input_min", order.inputs),
            ("input_max", order.inputs),
            ("output_scale", order.targets),
        )
    }
    span = tables["input_max"] - tables["input_min"]
    broken = np.abs([tables[f"input_{word}"] for word in ("mean", "min", "max")]) >= fill_from()
    unknown = broken.any(axis=0) | ~np.isfinite(span)
    flat = unknown | (span == 0)
    mean = np.where(unknown, 0.0, tables["input_mean"])
    scale = tables["output_scale"]
    if not (scale > 0).all():
        raise UserError(f"{folder / 'output_scale.nc'} has a scale that is not above 0.")
    return (
        np.concatenate([mean, np.zeros(scale.size)]),
        np.concatenate([np.where(flat, 1.0, span), 1.0 / scale]),
        np.concatenate([flat, np.zeros(scale.size, dtype=np.bool_)]),
    )


def _table(path: Path, names: tuple[str, ...], levels: int) -> Values:
    """Return the values of a statistics file in the order of a vector."""
    known = column_variables()
    try:
        with xr.open_dataset(path, engine="netcdf4") as table:
            found: dict[str, Any] = {str(n): array.values for n, array in table.data_vars.items()}
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: give ClimSim's file of that name.") from error
    parts = []
    for name in names:
        if name not in found:
            raise UserError(
                f"{path} has no '{name}': it is of vectors of another version, give that of these."
            )
        values = np.atleast_1d(np.asarray(found[name], dtype=np.float64))
        wanted = levels if known[name].levels else 1
        if values.shape != (wanted,):
            raise UserError(
                f"{path}: '{name}' has {values.size} values and these vectors {wanted}: it is of "
                "another version."
            )
        parts.append(values)
    return np.concatenate(parts)
