"""What is land on the grid of an evaluation, and who says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from climbench.evaluation.source import Source
from climbench.metrics.fields import Array, Layout
from climbench.metrics.regions import LandRule, split_surface

MASK = "land_sea_mask"


@dataclass(frozen=True)
class LandMask:
    """The share of land in each cell.

    Attributes
    ----------
    share
        ``[latitude, longitude]``, from 0 to 1; None where no source has it.
    role
        Whose it is: ``truth`` or ``climatology``.
    rule
        What becomes of a cell that has both, see :func:`climbench.metrics.region_weights`.
    """

    share: Array | None
    role: str
    rule: LandRule

    @classmethod
    def of(cls, sources: Mapping[str, Source | None], layout: Layout, rule: LandRule) -> Self:
        """Return the mask of the first source that has one.

        Parameters
        ----------
        sources
            Where to look, by role; None where there is no such source.
        layout
            The order of the cells.
        rule
            What becomes of a cell that has both land and sea.
        """
        for role, source in sources.items():
            if source is None or MASK not in source.dataset:
                continue
            if set(source.dataset[MASK].squeeze(drop=True).dims) == {"latitude", "longitude"}:
                return cls(layout.fields(source.read(MASK, layout, {}).values[0]), role, rule)
        return cls(None, "", "membership")

    def record(self, regions: Sequence[str]) -> str:
        """Return what the conventions say of it; nothing where no region asks for land or sea."""
        if not any(split_surface(str(region))[1] for region in regions):
            return ""
        origin = f"the {self.role}'s {MASK}" if self.role else "Natural Earth"
        return f"{self.rule} by {origin}"
