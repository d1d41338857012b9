"""Renaming variables, coordinates and dimensions."""

from typing import Any, ClassVar, Self

import xarray as xr

from climbench.errors import UserError
from climbench.recipes.steps.step import Step, require


class Rename(Step):
    """Give variables, coordinates and dimensions other names: ``rename: {lat: latitude}``.

    Attributes
    ----------
    names
        New name by old name; the YAML gives the mapping itself.
    """

    name: ClassVar[str] = "rename"
    names: dict[str, str]

    @classmethod
    def parse(cls, options: dict[str, Any]) -> Self:
        """Return the step; the mapping may stand for itself."""
        return cls(**options) if set(options) == {"names"} else cls(names=options)

    def apply(self, dataset: xr.Dataset) -> xr.Dataset:
        """Return the dataset with the new names."""
        dimensions = set(map(str, dataset.dims)) - set(map(str, dataset.variables))
        require(dataset, [old for old in self.names if old not in dimensions], self.name)
        taken = {*map(str, dataset.variables), *map(str, dataset.dims)} - set(self.names)
        for old, new in self.names.items():
            if new in taken:
                raise UserError(
                    f"step 'rename': '{old}' cannot be called '{new}', which is there already: "
                    "choose another name, or rename that too."
                )
        return dataset.rename(self.names)
