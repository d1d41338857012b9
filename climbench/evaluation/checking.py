"""Whether scores are what their inputs give: computed again and compared."""

import json
from pathlib import Path

import numpy as np
import xarray as xr

from climbench.errors import UserError
from climbench.evaluation.files import read_scores
from climbench.evaluation.scoring import evaluate

HASHES = ("predictions_hash", "truth_hash", "climatology_hash")


def check_scores(path: Path) -> list[str]:
    """Compute scores again from the inputs and options that their file names.

    Parameters
    ----------
    path
        ``scores.nc`` that ``climbench evaluate`` wrote.

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
    again = evaluate(**json.loads(scores.attrs["evaluation"]))
    changed = [name for name in HASHES if scores.attrs.get(name) != again.attrs.get(name)]
    sentences = [f"the {name.removesuffix('_hash')} are not the same bytes" for name in changed]
    for name in sorted(map(str, {*scores.data_vars, *again.data_vars})):
        if name not in scores or name not in again:
            sentences.append(f"'{name}' is in one only")
        elif not _same(scores[name], again[name]):
            sentences.append(f"'{name}' differs{_by_how_much(scores[name], again[name])}")
    return sentences


def _same(one: xr.DataArray, other: xr.DataArray) -> bool:
    return one.shape == other.shape and np.array_equal(
        one.to_numpy(), other.to_numpy(), equal_nan=True
    )


def _by_how_much(one: xr.DataArray, other: xr.DataArray) -> str:
    if one.shape != other.shape:
        return f" in shape: {one.shape} and {other.shape}"
    largest = float(np.nanmax(np.abs(one.to_numpy() - other.to_numpy()), initial=0.0))
    return f" by up to {largest:.3g}"
