"""Names along a dimension that files misspell, or lack."""

import re
from collections.abc import Mapping

import xarray as xr

from climbench.errors import UserError, nearest


def relabel(
    dataset: xr.Dataset, patterns: Mapping[str, Mapping[str, str]], where: str
) -> xr.Dataset:
    r"""Return the dataset with the labels of some dimensions spelled anew.

    Parameters
    ----------
    dataset
        Fields with these dimensions.
    patterns
        By dimension, regular expressions that a whole label fits, and what becomes of it; the
        first that fits counts, and a label that none fits is kept.
    where
        Its name, for errors.

    Raises
    ------
    UserError
        If there is no such dimension, an expression is wrong, or two labels become one.

    Examples
    --------
    >>> members = xr.Dataset(coords={"member": ["r2i1f3p4", "r1i1p1f1"]})
    >>> swap = {"member": {r"r(\d+)i(\d+)f(\d+)p(\d+)": r"r\1i\2p\4f\3"}}
    >>> relabel(members, swap, "file.nc")["member"].values.tolist()
    ['r2i1p4f3', 'r1i1p1f1']
    """
    for dimension, rules in patterns.items():
        if dimension not in dataset.dims:
            hint = nearest(dimension, map(str, dataset.dims))
            raise UserError(f"{where} has no dimension '{dimension}' to relabel: {hint}")
        new = [_spelled(str(label), rules) for label in dataset[dimension].values]
        if len(set(new)) < len(new):
            twice = next(label for label in new if new.count(label) > 1)
            raise UserError(f"{where}: two labels of {dimension} become '{twice}' by 'relabel'.")
        dataset = dataset.assign_coords({dimension: new})
    return dataset


def _spelled(label: str, rules: Mapping[str, str]) -> str:
    for pattern, replacement in rules.items():
        try:
            found = re.fullmatch(pattern, label)
            if found:
                return found.expand(replacement)
        except (re.error, IndexError) as error:
            raise UserError(f"option 'relabel' is wrong at '{pattern}': {error}.") from error
    return label
