"""Data sets of the Copernicus Climate Data Store, as a recipe asks for them."""

from typing import Annotated, Any, Literal

from pydantic import Field

from climbench.recipes.strict import Strict

Hour = Annotated[int, Field(ge=0, le=23)]


class ClimateDataStore(Strict):
    """A data set of the Climate Data Store, asked for month by month.

    Attributes
    ----------
    dataset
        Its name there, such as ``reanalysis-era5-single-levels``.
    variables
        Names in requests, which the store keeps, and names in the files that come:
        ``{2m_temperature: t2m}``. Of them the recipe's ``variables`` are asked for.
    levels
        Levels to ask for, hPa, unless the recipe names others; none for surface data.
    hours
        Hours of the day; all by default.
    area
        North, west, south, east, degrees; the whole globe by default.
    grid
        Spacing in longitude and latitude, degrees; the archive's own by default.
    format
        ``netcdf``, or ``grib`` as it is archived, of which each variable is a request of its own.
    fields
        Most fields (variables x levels x times) of a request: more is split by variable and then
        by days.
    request
        Whatever else the data set wants to know, such as ``{product_type: [reanalysis]}``.
    local
        Files that somebody has fetched, below ``data_root``.
    """

    kind: Literal["climate_data_store"]
    dataset: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    variables: Annotated[dict[str, str], Field(min_length=1)]
    levels: list[float] | None = None
    hours: Annotated[list[Hour], Field(min_length=1)] = Field(default_factory=lambda: [*range(24)])
    area: tuple[float, float, float, float] | None = None
    grid: tuple[float, float] | None = None
    format: Literal["netcdf", "grib"] = "netcdf"
    fields: Annotated[int, Field(ge=1)] = 10_000
    request: dict[str, Any] = Field(default_factory=dict)
    local: str | list[str] | None = None
