"""Global means of an ensemble, as a recipe asks for them."""

from typing import Annotated, Literal

from pydantic import Field

from climbench.recipes.strict import Strict


class GlobalMeans(Strict):
    """Annual global means of an ensemble, as fields of one cell that is the whole globe.

    Attributes
    ----------
    local
        NetCDF table below ``data_root``: ``VARIABLE_SCENARIO [member, time_hist]`` of the
        historical scenario and ``[member, time_ssp]`` of others, years as numbers.
    scenarios
        Names as in CMIP6.
    variable
        Its name in the table.
    """

    kind: Literal["global_means"]
    local: str
    scenarios: Annotated[list[str], Field(min_length=1)]
    variable: str = "tas"
