"""Output of climate models in CMIP's archives, as a recipe names it."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from climbench.recipes.schema.files import Label, Quantile, as_list
from climbench.recipes.steps.regrid import Regrid
from climbench.recipes.strict import Strict

PANGEO = "https://storage.googleapis.com/cmip6/cmip6-zarr-consolidated-stores.csv"
INDEX_NODES = (
    "https://esgf-data.dkrz.de/esg-search/search",
    "https://esgf.ceda.ac.uk/esg-search/search",
    "https://esgf-node.ornl.gov/esgf-1-5-bridge",
    "https://esg-dn1.nsc.liu.se/esg-search/search",
)
"""Those that answered in September 2026; each knows a part of the federation."""

FIRST = re.compile(r"first (\d+)")

FACETS = ("source_id", "experiment_id", "member_id", "table_id", "grid_label", "version")
"""Words of a search that options of a build may change."""


class CmipSearch(Strict):
    """What both archives of CMIP6 are asked for, in CMIP's own words.

    A list or a glob makes a dimension of the store, a single name does not: ``source_id`` that of
    the same name, ``experiment_id`` the dimension ``scenario``, ``member_id`` that of ``member``.
    Sources of one recipe that differ only in tables and variables take the same members.

    Attributes
    ----------
    source_id
        Climate models: names or globs such as ``MPI-*``.
    experiment_id
        Scenarios and other experiments.
    member_id
        Members: names, globs, or ``first 3``, which is each climate model's first three that have
        every variable in every scenario. ``first 1`` makes no dimension. With several climate
        models, of which each names its members in its own way, ``first 3`` counts them 1, 2, 3.
    variable_id
        Variables; those of the recipe where it is left out.
    table_id
        CMIP's table, that is how often and on which levels; by variable where it differs:
        ``{tas: Amon, tasmax: day}``.
    grid_label
        ``gn`` (as the model has it), ``gr``, ``gr1``; of a list the first that is there. Needed
        only where a climate model offers several.
    version
        ``newest``, or a published one such as ``v20190815``.
    lacking
        What becomes of a climate model that lacks a scenario or a member that is named: ``refuse``
        says which; ``leave_out`` takes the climate model out; ``allow`` leaves it without values
        there.
    coordinates
        More coordinates, the same for all, as in ``files``.
    annual, rename, units, regrid
        As in ``files``.
    """

    source_id: str | list[str]
    experiment_id: str | list[str] | None = None
    member_id: str | list[str] | None = None
    variable_id: str | list[str]
    table_id: str | dict[str, str] | None = None
    grid_label: str | list[str] | None = None
    version: Annotated[str, Field(pattern=r"^(newest|v?\d{8})$")] = "newest"
    lacking: Literal["refuse", "leave_out", "allow"] = "refuse"
    coordinates: dict[str, Label] = Field(default_factory=dict)
    annual: Literal["mean", "interpolated", "seasons"] | Quantile | None = None
    rename: dict[str, str] = Field(default_factory=dict)
    units: dict[str, str] = Field(default_factory=dict)
    regrid: Regrid | None = None

    @model_validator(mode="before")
    @classmethod
    def _version_as_text(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("version"), int):
            return value | {"version": str(value["version"])}
        return value

    @model_validator(mode="after")
    def _table_of_each_variable(self) -> "CmipSearch":
        if isinstance(self.table_id, dict):
            without = [name for name in as_list(self.variable_id) if name not in self.table_id]
            if without:
                raise ValueError(f"'table_id' says no table for the variable '{without[0]}'")
        for option in ("rename", "units"):
            for name in getattr(self, option):
                if name not in as_list(self.variable_id):
                    raise ValueError(f"'{option}' names '{name}', which is not in 'variable_id'")
        return self

    @property
    def fields(self) -> list[tuple[str, str]]:
        """Variable and table of each field; no table where the archive has none."""
        tables = self.table_id
        return [
            (name, tables[name] if isinstance(tables, dict) else tables or "")
            for name in as_list(self.variable_id)
        ]

    @property
    def first_members(self) -> int | None:
        """How many members are taken, if they are not named."""
        found = FIRST.fullmatch(self.member_id) if isinstance(self.member_id, str) else None
        return int(found[1]) if found else None

    def same_runs(self, other: Any) -> bool:
        """Tell whether another source asks for the same runs, of which this one takes fields."""
        apart = {"variable_id", "table_id", "annual", "rename", "units", "regrid"}
        return type(other) is type(self) and (
            self.model_dump(exclude=apart) == other.model_dump(exclude=apart)
        )


class PangeoCatalogue(CmipSearch):
    """CMIP6 as Zarr stores on Google's cloud, by Pangeo's catalogue.

    Attributes
    ----------
    catalogue
        Table with a row per store, columns ``source_id``, ``experiment_id``, ``member_id``,
        ``table_id``, ``variable_id``, ``grid_label``, ``zstore`` and ``version``.
    local
        The same table below ``data_root``; paths of stores in it count from its folder.
    """

    kind: Literal["pangeo_catalogue"]
    experiment_id: str | list[str]
    member_id: str | list[str] = "r1i1p1f1"
    table_id: str | dict[str, str]
    catalogue: str = PANGEO
    local: str | None = None


class EsgfSearch(CmipSearch):
    """Files of the Earth System Grid Federation, found by the search of its index nodes.

    Attributes
    ----------
    project
        ``CMIP6``, or ``input4MIPs``, whose files have neither experiments nor members.
    facets
        More words of the search, such as ``{institution_id: IAMC, target_mip: ScenarioMIP}``.
    index_nodes
        Where to ask, in order; the next one is asked as long as something is not found.
    local
        Folder below ``data_root`` with such files, in any tree and under their own names.
    """

    kind: Literal["esgf_search"]
    project: Literal["CMIP6", "input4MIPs"] = "CMIP6"
    facets: dict[str, str | list[str]] = Field(default_factory=dict)
    index_nodes: Annotated[
        list[Annotated[str, Field(pattern=r"^https?://")]], Field(min_length=1)
    ] = Field(default_factory=lambda: list(INDEX_NODES))
    local: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _members_of_cmip(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("project", "CMIP6") == "CMIP6":
            return {"member_id": "r1i1p1f1"} | value
        return value

    @model_validator(mode="after")
    def _words_of_the_project(self) -> "EsgfSearch":
        for name in ("experiment_id", "member_id", "table_id"):
            there = getattr(self, name) is not None
            if there != (self.project == "CMIP6"):
                verb = "has no" if there else "needs"
                raise ValueError(f"a search of {self.project} {verb} '{name}'")
        return self
