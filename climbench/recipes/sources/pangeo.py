"""Pangeo's catalogue of CMIP6: a table of Zarr stores."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from climbench.errors import UserError
from climbench.recipes.downloads import fetch
from climbench.recipes.schema import Files, PangeoCatalogue, Recipe
from climbench.recipes.sources.cmip import all_fields, as_files
from climbench.recipes.sources.cmip_selection import FACETS, Field, Offer, Series, choose
from climbench.recipes.sources.source import Surroundings

COLUMNS = [*FACETS, "zstore", "version"]
PUBLIC = ("gs://", "https://", "http://", "s3://")


def expand_catalogue(
    source: PangeoCatalogue, recipe: Recipe, surroundings: Surroundings
) -> list[Files]:
    """Return the Zarr stores that a source means, one for each variable of each run.

    Raises
    ------
    UserError
        If the catalogue cannot be read, or what is asked for is not in it.
    """
    path = _path(source, surroundings)
    table = _read(path, source.catalogue)
    fields = all_fields(source, recipe)

    def available(facet: str, model: str) -> Collection[str]:
        return set(table[facet][table["source_id"] == model] if model else table[facet])

    own = surroundings.data_root is not None or "://" not in source.catalogue
    found = _series(table, fields, Path(path).parent if own else None)
    runs = choose(found, source, fields, available, "Pangeo's catalogue")
    return as_files(runs, source, recipe)


def _path(source: PangeoCatalogue, surroundings: Surroundings) -> str:
    root = surroundings.data_root
    if root is None or source.local is None:
        return fetch(source.catalogue, surroundings.downloads)
    path = root / source.local
    if not path.is_file():
        raise UserError(
            f"there is no {path}: check data_root, or leave it out to read from the public address."
        )
    return str(path)


def _read(path: str, where: str) -> pd.DataFrame:
    """Return the rows of the catalogue, all as text; forecasts (DCPP) by start year are left out.

    Raises
    ------
    UserError
        If it is no such table.
    """
    try:
        header = pd.read_csv(path, nrows=0).columns
        lacking = [name for name in COLUMNS if name not in header]
        if lacking:
            raise UserError(f"{where} is no catalogue: it has no column '{lacking[0]}'.")
        wanted = [*COLUMNS, *({"dcpp_init_year"} & set(header))]
        table = pd.read_csv(path, usecols=wanted, dtype=str, keep_default_na=False)
    except (ValueError, OSError) as error:  # not text, or not a table
        raise UserError(f"{where} cannot be read as a table: {error}.") from error
    if "dcpp_init_year" in table:
        table = table[table["dcpp_init_year"] == ""]
    return table


def _series(table: pd.DataFrame, fields: list[Field], folder: Path | None) -> list[Series]:
    variables, tables = ({field[at] for field in fields} for at in (0, 1))
    rows = table[table["variable_id"].isin(variables) & table["table_id"].isin(tables)]
    return [
        Series.of(
            [*(row[facet] for facet in FACETS), f"v{row['version']}"],
            [_offer(row["zstore"], folder)],
        )
        for row in rows[COLUMNS].to_dict("records")
    ]


def _offer(store: str, folder: Path | None) -> Offer:
    """Return a store; the end of its address says that it is read in place.

    Only a table of the user's own, in ``folder``, may name paths of this machine.

    Raises
    ------
    UserError
        If a public table does.
    """
    address = store
    if not store.startswith(PUBLIC):
        if folder is None or "://" in store:
            raise UserError(f"the catalogue names '{store}', which is no public address.")
        address = str(folder / store)
    address = address if address.endswith(".zarr") else address.rstrip("/") + "/"
    return Offer(address, (address,))
