"""What a model expects, beside the members that it draws.

A drawn ensemble's mean still holds noise, the spread over the root of the number of members; a
model that knows its expected value says it in a variable of its own: ``NAME_mean`` beside ``NAME``,
without the dimension of the members and with CF's ``cell_methods = "realization: mean"``.

References
----------
CF Conventions 1.11, section 7.3, cell methods.
"""

import re
from collections.abc import Hashable, Mapping

import xarray as xr

from climbench.errors import UserError

SUFFIX = "_mean"
METHOD = "realization: mean"
SAID = re.compile(r"\b(realization|realisation|member|number|ensemble)\s*:\s*mean\b")


def with_expected(members: xr.Dataset, expected: xr.Dataset) -> xr.Dataset:
    """Return an ensemble with the expected field of each variable beside it.

    Parameters
    ----------
    members
        Fields ``[..., member, ...]``.
    expected
        The same variables without ``member``.
    """
    named = {}
    for name, field in expected.data_vars.items():
        methods = f"{field.attrs.get('cell_methods', '')} {METHOD}".strip()
        named[f"{name}{SUFFIX}"] = field.assign_attrs(cell_methods=methods)
    return members.assign(named)


def expected_names(dataset: xr.Dataset, label: str) -> dict[str, str]:
    """Return the variables with members whose expected field is there too, and its name.

    Parameters
    ----------
    dataset
        Predictions; the dimension of an ensemble is ``member``.
    label
        What they are called in messages.

    Raises
    ------
    UserError
        If an expected field has other dimensions than the members.
    """
    found = {}
    for variable, members in dataset.data_vars.items():
        name = f"{variable}{SUFFIX}"
        if "member" not in members.dims or name not in dataset.data_vars:
            continue
        expected = dataset[name]
        if not SAID.search(str(expected.attrs.get("cell_methods", ""))):
            continue
        if set(expected.dims) != set(members.dims) - {"member"}:
            raise UserError(
                f"{label}: '{name}' has the dimensions {_listed(expected)} and '{variable}', whose "
                f"mean it is, {_listed(members)}: it needs all of them but 'member'."
            )
        found[str(variable)] = name
    return found


def as_expected(dataset: xr.Dataset, names: Mapping[str, str]) -> xr.Dataset:
    """Return a dataset without members: expected fields, else the mean over the members.

    Parameters
    ----------
    dataset
        Fields, with or without members.
    names
        From :func:`expected_names`.
    """
    fields: dict[Hashable, xr.DataArray] = {}
    for name, field in dataset.data_vars.items():
        if name in names.values():
            continue
        if name in names:
            fields[name] = dataset[names[str(name)]]
        elif "member" in field.dims:
            mean = field.mean("member", skipna=False, dtype="float64", keep_attrs=True)
            fields[name] = mean
        else:
            fields[name] = field
    # The coordinates are named: a single place has some along no field at all.
    return xr.Dataset(fields, dataset.coords, dataset.attrs).drop_vars("member", errors="ignore")


def _listed(field: xr.DataArray) -> str:
    return ", ".join(map(str, field.dims))
