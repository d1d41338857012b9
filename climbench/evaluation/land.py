"""What is land on the grid of an evaluation, and who says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from climbench.errors import UserError
from climbench.evaluation.source import Source
from climbench.metrics.fields import Array, Layout
from climbench.metrics.regions import LandRule, split_surface

MASKS = ("land_sea_mask", "lsm")
MEANINGS = ("land_binary_mask", "land_area_fraction")  # standard names of CF
PACKING = 1e-3  # by how much a mask differs from itself when years of it are packed one by one
FIELDS = 256  # that are looked at a time


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
    name
        What its source calls it.
    """

    share: Array | None
    role: str
    rule: LandRule
    name: str = ""

    @classmethod
    def of(
        cls,
        sources: Mapping[str, Source | None],
        layout: Layout,
        rule: LandRule,
        regions: Sequence[str],
    ) -> Self:
        """Return the mask of the first source that has one.

        Parameters
        ----------
        sources
            Where to look, by role; None where there is no such source.
        layout
            The order of the cells.
        rule
            What becomes of a cell that has both land and sea.
        regions
            What is scored: without land or sea among them no mask is read.

        Raises
        ------
        UserError
            If the mask is not the same all the time.
        """
        asked = any(split_surface(region)[1] for region in regions)
        for role, source in sources.items() if asked else ():
            name = None if source is None else _name_in(source)
            if source is None or name is None:
                continue
            mask = source.dataset[name]
            others = [str(dim) for dim in mask.dims if dim not in ("latitude", "longitude")]
            _check_constant(source, name, others)
            first = {dim: np.zeros(1, dtype=np.int64) for dim in others}
            share = layout.fields(source.read(name, layout, first).values[0])
            per_cent = str(mask.attrs.get("units", "")).strip().lower() in ("%", "percent")
            return cls(share / 100.0 if per_cent else share, role, rule, name)
        return cls(None, "", "membership")

    def record(self, regions: Sequence[str]) -> str:
        """Return what the conventions say of it; nothing where no region asks for land or sea."""
        if not any(split_surface(str(region))[1] for region in regions):
            return ""
        origin = f"the {self.role}'s {self.name}" if self.role else "Natural Earth"
        return f"{self.rule} by {origin}"


def _name_in(source: Source) -> str | None:
    """Return how a source calls its mask, None where it has none."""
    for name, array in source.dataset.variables.items():
        meant = name in MASKS or array.attrs.get("standard_name") in MEANINGS
        if meant and {"latitude", "longitude"} <= set(array.dims):
            return str(name)
    return None


def _check_constant(source: Source, name: str, others: Sequence[str]) -> None:
    """Refuse a mask that varies along other dimensions than those of the grid."""
    mask = source.dataset[name].transpose(*others, "latitude", "longitude")
    first = mask.isel(dict.fromkeys(others, 0)).values
    for place in np.ndindex(*(mask.sizes[dim] for dim in others[:-1])):
        row = mask.isel(dict(zip(others[:-1], place, strict=True)))
        for start in range(0, mask.sizes[others[-1]] if others else 0, FIELDS):
            fields = row.isel({others[-1]: slice(start, start + FIELDS)}).values
            if not np.allclose(fields, first, rtol=0, atol=PACKING, equal_nan=True):
                raise UserError(
                    f"{source.label}: the mask '{name}' varies along {' or '.join(others)}, but "
                    "regions of land and sea do not: keep one field of it."
                )
