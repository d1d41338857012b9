"""Adding up along a dimension, such as the sectors of emissions."""

from typing import ClassVar

import xarray as xr

from climbench.errors import UserError
from climbench.recipes.steps.step import Step


class SumOver(Step):
    """Sum of all entries of a dimension; a missing entry makes the sum missing.

    Attributes
    ----------
    dimension
        Such as ``sector``; variables without it stay as they are.
    """

    name: ClassVar[str] = "sum_over"
    dimension: str

    def apply(self, dataset: xr.Dataset) -> xr.Dataset:
        """Return the dataset without the dimension."""
        if self.dimension not in dataset.dims:
            raise UserError(f"step 'sum_over': there is no dimension '{self.dimension}'.")
        has = [name for name, array in dataset.data_vars.items() if self.dimension in array.dims]
        summed = dataset[has].sum(self.dimension, skipna=False, keep_attrs=True)
        return dataset.drop_dims(self.dimension).assign(summed.data_vars)
