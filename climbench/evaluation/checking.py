"""Whether scores are what their inputs give: computed again and compared."""

import json
import re
from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from climbench.errors import UserError
from climbench.evaluation.files import read_scores
from climbench.evaluation.scoring import evaluate

INPUTS = ("predictions", "truth", "climatology")
HASHES = ("predictions_hash", "truth_hash", "climatology_hash")


def check_scores(path: Path, moved: Mapping[str, str] | None = None) -> list[str]:
    """Compute scores again from the inputs and options that their file names.

    Parameters
    ----------
    path
        ``scores.nc`` that ``climbench evaluate`` wrote.
    moved
        Where ``predictions``, ``truth`` or ``climatology`` lie now, if not where they did.
        Relative paths in the file are looked for in the working folder, then in those above
        the file.

    Returns
    -------
    list of str
        A sentence for each difference; empty where every number is the same.

    Raises
    ------
    UserError
        If the file does not say how it was made, or an input is gone.
    """
    scores = read_scores(path)
    if "evaluation" not in scores.attrs:
        raise UserError(
            f"{path} does not say how it was made: only scores that `climbench evaluate` wrote "
            "can be checked."
        )
    again = evaluate(**_found(_options(scores, path), path, moved or {}))
    changed = [name for name in HASHES if scores.attrs.get(name) != again.attrs.get(name)]
    sentences = [f"not the same bytes: the {name.removesuffix('_hash')}" for name in changed]
    for name in sorted(map(str, {*scores.data_vars, *again.data_vars})):
        if name not in scores or name not in again:
            sentences.append(f"'{name}' is in one only")
        elif not _same(scores[name], again[name]):
            sentences.append(f"'{name}' differs{_by_how_much(scores[name], again[name])}")
    return sentences


def _options(scores: xr.Dataset, path: Path) -> dict[str, Any]:
    """Return the options that a file records."""
    try:
        options = dict(json.loads(scores.attrs["evaluation"]))
        signature(evaluate).bind(**options)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{path} was made by another version of climbench, or changed by hand: {error}; "
            "evaluate again."
        ) from error
    return options


def _found(options: Mapping[str, Any], path: Path, moved: Mapping[str, str]) -> dict[str, Any]:
    """Return the options with inputs, and polygons of regions, where they are."""
    above = path.resolve() if path.is_dir() else path.resolve().parent
    folders = [Path(), above, *above.parents]
    found = dict(options)
    for role in INPUTS:
        if moved.get(role) or not options.get(role):
            found[role] = moved.get(role) or options.get(role)
            continue
        found[role] = _existing(str(options[role]), folders)
        if found[role] is None:
            raise UserError(
                f"The {role} '{options[role]}' that {path} names lies neither here nor in a folder "
                f"above it: give {role}=PATH."
            )
    regions = options.get("regions")
    if isinstance(regions, list):
        found["regions"] = [_area(str(name), folders) for name in regions]
    return found


def _area(region: str, folders: Sequence[Path]) -> str:
    """Return a region with the place of its file, such as ``alps.geojson_land``, if it has one."""
    parts = re.fullmatch(r"(.+\.(?:geo)?json)(|_land|_sea)", region)
    place = _existing(parts[1], folders) if parts else None
    return f"{place}{parts[2]}" if parts and place else region


def _existing(address: str, folders: Sequence[Path]) -> str | None:
    """Return the address as seen from the first folder in which it is, None if it is in none."""
    if "://" in address:
        return address
    return next((str(folder / address) for folder in folders if (folder / address).exists()), None)


def _same(one: xr.DataArray, other: xr.DataArray) -> bool:
    return one.shape == other.shape and np.array_equal(
        one.to_numpy(), other.to_numpy(), equal_nan=True
    )


def _by_how_much(one: xr.DataArray, other: xr.DataArray) -> str:
    if one.shape != other.shape:
        return f" in shape: {one.shape} and {other.shape}"
    largest = float(np.nanmax(np.abs(one.to_numpy() - other.to_numpy()), initial=0.0))
    return f" by up to {largest:.3g}"
