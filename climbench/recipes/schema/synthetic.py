"""Made-up fields in the layout of an archive, as a recipe describes them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from climbench.recipes.strict import Strict

Share = Annotated[float, Field(gt=0, lt=1)]


class SyntheticField(Strict):
    """One variable: a mean, a season and waves that travel.

    Attributes
    ----------
    units
        Those of the archive.
    mean, std
        Of the values, before they are cut.
    season
        How much more than the mean it is in mid-July, and less in January.
    lowest, highest
        Where values are cut.
    fixed
        Whether the field does not vary with time.
    follows
        How much of its waves are those of other variables, ``{max_t2m: 0.6, min_rh: -0.5}``; the
        squares add up to 1 at most, and the rest is its own.
    events
        Share of the cells and times that are 1, where the waves are highest; all others are 0.
    missing
        Share of the cells and times without a value, as under clouds.
    """

    units: str
    mean: float = 0.0
    std: Annotated[float, Field(ge=0)] = 1.0
    season: float = 0.0
    lowest: float | None = None
    highest: float | None = None
    fixed: bool = False
    follows: dict[str, float] = Field(default_factory=dict)
    events: Share | None = None
    missing: Share | None = None


class Synthetic(Strict):
    """A small store for trying things out, labelled as simulated.

    Attributes
    ----------
    latitude, longitude
        Centres of the first and the last cell, degrees.
    rows, columns
        Numbers of cells.
    step
        Step of the times between the recipe's dates, as pandas spells it.
    fields
        Variables; what one follows stands before it.
    seed
        Of the random numbers; the same seed gives the same bytes.
    """

    kind: Literal["synthetic"]
    latitude: tuple[float, float]
    longitude: tuple[float, float]
    rows: Annotated[int, Field(ge=2, le=128)] = 16
    columns: Annotated[int, Field(ge=2, le=128)] = 16
    step: str = "1D"
    fields: Annotated[dict[str, SyntheticField], Field(min_length=1)]
    seed: int = 0

    @model_validator(mode="after")
    def _followed_come_first(self) -> "Synthetic":
        names = list(self.fields)
        for number, (name, field) in enumerate(self.fields.items()):
            for other in field.follows:
                if other not in names[:number]:
                    raise ValueError(f"'{name}' follows '{other}', which does not stand before it")
                if field.fixed and not self.fields[other].fixed:
                    raise ValueError(f"'{name}' is fixed and follows '{other}', which is not")
            if sum(weight**2 for weight in field.follows.values()) > 1 + 1e-9:
                raise ValueError(f"the squares of what '{name}' follows add up to more than 1")
        return self
