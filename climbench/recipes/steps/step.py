"""What every step is: typed options and a function from dataset to dataset."""

from abc import abstractmethod
from typing import Any, ClassVar, Self

import xarray as xr

from climbench.errors import UserError, nearest
from climbench.recipes.strict import Strict


class Step(Strict):
    """One step of a recipe; :meth:`apply` reads no field."""

    name: ClassVar[str]

    @classmethod
    def parse(cls, options: dict[str, Any]) -> Self:
        """Return the step with these options, checked."""
        return cls.model_validate(options)

    @abstractmethod
    def apply(self, dataset: xr.Dataset) -> xr.Dataset:
        """Return the dataset after this step.

        Parameters
        ----------
        dataset
            Lazy fields with the names and dimensions that the steps before have left.
        """


def require(dataset: xr.Dataset, names: list[str], step: str) -> None:
    """Refuse names that the dataset does not have.

    Raises
    ------
    UserError
        Naming the step, the first absent name and the nearest present one.
    """
    for name in names:
        if name not in dataset.variables:
            hint = nearest(name, map(str, dataset.variables))
            raise UserError(f"step '{step}': there is no variable '{name}' at this point: {hint}")
