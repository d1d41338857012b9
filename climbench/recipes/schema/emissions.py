"""Global emissions, as a recipe asks for them."""

from typing import Literal

from climbench.recipes.strict import Strict


class Emissions(Strict):
    """Global emissions of the SSP scenarios, for the scenarios and years of the other sources.

    Attributes
    ----------
    variables
        Which of them; all by default.
    address
        An RCMIP table (csv, gzipped or not) in place of climbench's own, which is the same
        protocol's with every tenth year.
    local
        The same table below ``data_root``.
    """

    kind: Literal["emissions"]
    variables: list[str] | None = None
    address: str | None = None
    local: str | None = None
