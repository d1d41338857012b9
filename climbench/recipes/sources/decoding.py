"""CF's decoding of stored numbers, with the values for missing that are written in another type."""

import warnings
from typing import Any

import numpy as np
import xarray as xr

from climbench.errors import UserError

FILLS = ("_FillValue", "missing_value")


def decoded(dataset: xr.Dataset, where: str) -> xr.Dataset:
    """Return a file with its numbers unpacked and NaN for what is missing; dates stay numbers.

    Values for missing that are text, or of another precision than the data, are compared as numbers
    of the data's type: float32 data hold 1e20 and -9999.9 rounded.

    Parameters
    ----------
    dataset
        As opened with ``decode_cf=False``.
    where
        Its name, for errors.

    Raises
    ------
    UserError
        If the value for missing of numbers is no number.
    """
    for name, variable in dataset.variables.items():
        for attribute in FILLS:
            given = variable.attrs.get(attribute)
            if given is not None and variable.dtype.kind in "fiu":
                alike = _alike(given, variable.dtype, f"{where}: the {attribute} of '{name}'")
                variable.attrs[attribute] = alike
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="variable .* has multiple fill values")
        return xr.decode_cf(dataset, decode_times=False, decode_timedelta=False)


def _alike(given: Any, dtype: np.dtype[Any], which: str) -> Any:
    """Return values for missing as numbers of the data's type."""
    values = np.ravel(given)
    if values.dtype.kind in "OSU":
        try:
            values = np.array([float(text) for text in values])
        except ValueError as error:
            raise UserError(
                f"{which} is '{given}', no number: correct the attribute, or remove it as with "
                "`ncatted -a missing_value,,d,,`."
            ) from error
    if dtype.kind == "f" and values.dtype != dtype:
        texts = [float(str(one)) for one in values]  # -9999.9 of either precision
        with np.errstate(over="ignore"):
            cast = np.array([*values, *texts]).astype(dtype)
        values = np.unique(cast[~np.isinf(cast)])
    return values[0] if values.size == 1 else values
