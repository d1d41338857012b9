"""What a build would do, before any field is read."""

from dataclasses import dataclass
from pathlib import Path

import xarray as xr
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from climbench.recipes.fields import open_fields
from climbench.recipes.parts import Layout, lay_out
from climbench.recipes.schema import Recipe
from climbench.recipes.sources import Input, Surroundings

COPIES = 3  # of a part that are held at once: its fields, a source's, a temporary


@dataclass(frozen=True)
class Plan:
    """A build that has not begun; print it with rich.

    Attributes
    ----------
    recipe
        What is built.
    dataset
        Lazy fields of the store.
    layout
        Its parts.
    inputs
        What will be read.
    """

    recipe: Recipe
    dataset: xr.Dataset
    layout: Layout
    inputs: tuple[Input, ...]

    @property
    def bytes(self) -> int:
        """Size of all fields before compression, bytes."""
        return sum(array.nbytes for array in self.dataset.data_vars.values())

    @property
    def memory(self) -> int:
        """Memory that a build takes beyond the libraries', bytes."""
        length = self.layout.parts[0].stop - self.layout.parts[0].start
        along = self.layout.dimension
        part = sum(
            array.nbytes * (length / array.sizes[along] if along in array.dims else 1)
            for array in self.dataset.data_vars.values()
        )
        return int(COPIES * part)

    def __rich__(self) -> RenderableType:
        """Return a table of the variables and a line of totals."""
        table = Table(title=f"{self.recipe.name}: {self.recipe.description}", title_justify="left")
        for heading in ("variable", "dimensions", "shape", "unit", "size"):
            table.add_column(heading, justify="right" if heading == "size" else "left")
        for name, array in self.dataset.data_vars.items():
            shape = " x ".join(str(size) for size in array.shape)
            unit = str(array.attrs.get("units", ""))
            table.add_row(
                str(name), ", ".join(map(str, array.dims)), shape, unit, size(array.nbytes)
            )
        parts = len(self.layout.parts)
        total = Text(
            f"{len(self.inputs)} input{'s' * (len(self.inputs) != 1)}, {size(self.bytes)} before "
            f"compression, {parts} part{'s' * (parts != 1)} along {self.layout.dimension}, "
            f"about {size(self.memory)} of memory"
        )
        return Group(table, total)


def size(count: float) -> str:
    """Return a number of bytes for people.

    Examples
    --------
    >>> size(2048), size(5e9)
    ('2.0 KiB', '4.7 GiB')
    """
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            break
        count /= 1024
    return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"


def plan(recipe: Recipe, data_root: Path | None = None, downloads: Path | None = None) -> Plan:
    """Return what a build would do; headers are read, fields are not.

    Of many remote files, only the first is fetched, if the dates say how long the time axis is.

    Parameters
    ----------
    recipe
        From :func:`climbench.recipes.load_recipe`.
    data_root
        Folder with local copies of the archive.
    downloads
        Folder for copies of remote files, by default that of the builds in ``stores``.

    Raises
    ------
    UserError
        If a source or a step is at fault.
    """
    folder = downloads or Path("stores") / "downloads"
    peek = recipe.dates is not None and recipe.dates.frequency is not None
    surroundings = Surroundings(data_root, folder, folder, peek)
    dataset, inputs = open_fields(recipe, surroundings)
    return Plan(recipe, dataset, lay_out(dataset, recipe.output), tuple(inputs))
