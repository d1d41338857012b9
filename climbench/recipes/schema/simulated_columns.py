"""Simulated columns, as a recipe asks for them."""

from typing import Annotated, Literal

from pydantic import Field

from climbench.recipes.strict import Strict


class SimulatedColumns(Strict):
    """States of columns on ClimSim's grid and what a documented function makes of them.

    Attributes
    ----------
    fidelity
        ``high``: the whole function; ``low``: a smoother one, as a cheaper scheme would be. The
        states are the same.
    warming
        By how much the troposphere is warmer, K, at the same relative humidity.
    stride
        Every which time step of 20 minutes is taken, counted from the first of the dates.
    seed
        Seed of the states and of the chance in convection.
    """

    kind: Literal["simulated_columns"]
    fidelity: Literal["high", "low"] = "high"
    warming: Annotated[float, Field(ge=-20, le=20)] = 0.0
    stride: Annotated[int, Field(ge=1)] = 1
    seed: Annotated[int, Field(ge=0)] = 0
