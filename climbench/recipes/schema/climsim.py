"""The files of ClimSim, as a recipe names them."""

from typing import Annotated, Literal

from pydantic import Field

from climbench.recipes.strict import Strict


class ClimSim(Strict):
    """Pairs of E3SM-MMF files, before (``mli``) and after (``mlo``) the physics of a time step.

    Attributes
    ----------
    address, local
        Folder with a folder for each month, ``YYYY-MM/E3SM-MMF.mli.YYYY-MM-DD-SSSSS.nc``: a public
        address, and below ``data_root``.
    grid, grid_local
        File with latitude, longitude and area of the columns and the pressures of the levels.
    stride
        Every which time step is taken, counted from the first of the dates.
    variables
        Variables of the store, by the names of the archive and ``ptend_...`` for the tendencies;
        all by default.
    """

    kind: Literal["climsim"]
    address: str
    local: str | None = None
    grid: str
    grid_local: str | None = None
    stride: Annotated[int, Field(ge=1)] = 1
    variables: list[str] | None = None
