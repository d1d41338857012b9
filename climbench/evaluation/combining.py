"""Scores of several models in one dataset."""

import json
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import xarray as xr

from climbench.errors import UserError
from climbench.evaluation.scores import describe

OF_LABELS = ("unweighted", "bias", "root", "acc")  # what the labels of metrics say too, one by one
WITHOUT_TRUTH = "samples_without_truth"
OF_MODELS = ("predictions_hash", "truth_hash", "climatology_hash", "notes", WITHOUT_TRUTH)


def combine(scores: Sequence[xr.Dataset]) -> xr.Dataset:
    """Put the scores of several models into one dataset.

    Metrics, channels, regions, lead times and samples are united; what a model lacks is NaN.

    Parameters
    ----------
    scores
        Scores datasets, made with the same conventions.

    Raises
    ------
    UserError
        If there is none, a model appears twice, or the conventions differ.
    """
    if not scores:
        raise UserError("There are no scores to combine.")
    names = [str(name) for dataset in scores for name in dataset["model"].to_numpy()]
    if len(set(names)) < len(names):
        again = next(name for name in names if names.count(name) > 1)
        raise UserError(f"The model '{again}' is there more than once: give each its own name.")
    for first, second in combinations(scores, 2):
        check_conventions(first, second)
    companions: dict[str, dict[Any, dict[str, Any]]] = {}
    bare = []
    for dataset in scores:
        extra = [name for name in dataset.coords if name not in dataset.indexes]
        for name in extra:
            (dim,) = dataset[name].dims
            table = companions.setdefault(str(dim), {})
            for key, value in zip(dataset[dim].to_numpy(), dataset[name].to_numpy(), strict=True):
                table.setdefault(key, {}).setdefault(str(name), value)
        bare.append(dataset.drop_vars(extra))
    united = xr.merge([_labels(dataset) for dataset in bare], join="outer", compat="override")
    order = {dim: _united([d[dim] for d in bare if dim in d.dims]) for dim in united.dims}
    aligned = [  # draws of members have no labels
        d.reindex({dim: order[dim] for dim in d.dims if dim in order and dim != "model"})
        for d in bare
    ]
    result = xr.concat(
        aligned, dim="model", data_vars="all", join="exact", combine_attrs="override"
    )
    for dim, table in companions.items():
        rows = [table[key] for key in result[dim].to_numpy()]
        for name in rows[0]:
            result = result.assign_coords({name: (dim, [row[name] for row in rows])})
    return describe(result.assign_attrs(_united_attributes(scores)))


def _labels(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.drop_vars(list(dataset.data_vars))


def _united(labels: Sequence[xr.DataArray]) -> Any:
    """Return all labels of one dimension; numbers and times sorted, names as they come."""
    values = list(dict.fromkeys(value for array in labels for value in array.to_numpy()))
    return values if isinstance(values[0], str) else sorted(values)


def check_conventions(first: xr.Dataset, second: xr.Dataset) -> None:
    """Refuse to compare scores that were made differently.

    Raises
    ------
    UserError
        With the convention that differs, or if the truths do.
    """
    names = [str(dataset["model"].to_numpy().ravel()[0]) for dataset in (first, second)]
    one, other = (_record(dataset) | {"task": dataset.attrs["task"]} for dataset in (first, second))
    for key in sorted((one.keys() | other.keys()) - set(OF_LABELS)):
        if one.get(key) != other.get(key) and "" not in (one.get(key), other.get(key)):
            raise UserError(
                f"The scores of '{names[0]}' and '{names[1]}' cannot be compared: '{key}' is "
                f"{one.get(key)} in one, {other.get(key)} in the other; score both in one way."
            )
    if len(_truths(first) | _truths(second)) > 1:
        raise UserError(
            f"The scores of '{names[0]}' and '{names[1]}' cannot be compared: they were evaluated "
            "against different truths; evaluate both against the same."
        )


def _record(dataset: xr.Dataset) -> dict[str, Any]:
    """Return how scores were made."""
    name = str(dataset["model"].to_numpy().ravel()[0])
    for attribute in ("conventions", "task"):
        if attribute not in dataset.attrs:
            raise UserError(f"The scores of '{name}' do not say their {attribute}: evaluate again.")
    return _json(dataset, "conventions")


def _json(dataset: xr.Dataset, attribute: str) -> dict[str, Any]:
    """Return what is written as JSON in an attribute, nothing where there is none."""
    try:
        found = json.loads(dataset.attrs.get(attribute, "{}"))
        if isinstance(found, dict):
            return found
    except (TypeError, ValueError):
        pass
    name = str(dataset["model"].to_numpy().ravel()[0])
    raise UserError(f"The '{attribute}' of the scores of '{name}' cannot be read: evaluate again.")


def _truths(dataset: xr.Dataset) -> set[str]:
    """Return the identities of the truths, as far as they are known."""
    hashes = _json(dataset, "truth_hash")
    return {str(hashes.get(str(name), "")) for name in dataset["model"].to_numpy().ravel()} - {""}


def _united_attributes(scores: Sequence[xr.Dataset]) -> dict[str, str]:
    attributes = dict(scores[0].attrs)
    simulated = any(dataset.attrs.get("simulated") == "true" for dataset in scores)
    attributes["simulated"] = "true" if simulated else "false"
    attributes["conventions"] = json.dumps(_united_record(scores), sort_keys=True)
    for name in OF_MODELS:
        hashes: dict[str, Any] = {}
        for dataset in scores:
            hashes |= _json(dataset, name)
        attributes[name] = json.dumps(hashes, sort_keys=True)
    return attributes


def _united_record(scores: Sequence[xr.Dataset]) -> dict[str, Any]:
    """Return how the scores were made: of each key what a model says that does say something."""
    records = [_record(dataset) for dataset in scores]
    united: dict[str, Any] = {}
    for record in records:
        united |= {key: value for key, value in record.items() if not united.get(key)}
    for key in OF_LABELS:
        if len({record[key] for record in records if record.get(key)}) > 1:
            united[key] = ""  # several: see the labels
    return united
