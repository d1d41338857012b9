"""What a build would do, before any field is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import xarray as xr
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from climbench.recipes.downloads import downloads_folder
from climbench.recipes.fields import open_fields
from climbench.recipes.parts import COPIES, Layout, lay_out
from climbench.recipes.schema import Recipe
from climbench.recipes.sources import Input, Surroundings
from climbench.recipes.throughput import Throughput, throughput
from climbench.recipes.workers import cores


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
    stores_dir
        Where earlier builds are looked for, whose parts tell how fast this machine is.
    block
        What a thread holds of the sources, bytes.
    """

    recipe: Recipe
    dataset: xr.Dataset
    layout: Layout
    inputs: tuple[Input, ...]
    stores_dir: Path = Path("stores")
    block: int = 0

    @cached_property
    def throughput(self) -> Throughput:
        """How fast one worker of this machine goes: from the last build, or from a small probe."""
        return throughput(self.recipe.name, self.dataset, self.stores_dir)

    @property
    def worker_hours(self) -> float:
        """How long one worker takes for the whole store, hours."""
        return self.bytes / self.throughput.speed / 3600

    @property
    def bytes(self) -> int:
        """Size of all fields before compression, bytes."""
        return sum(array.nbytes for array in self.dataset.data_vars.values())

    @property
    def memory(self) -> int:
        """Memory that one worker takes beyond the libraries', bytes.

        A part as it is stored, and of its sources one block in each thread: those of a part that
        is regridded to far fewer cells are never there as a whole.
        """
        length = self.layout.parts[0].stop - self.layout.parts[0].start
        along = self.layout.dimension
        part = sum(
            array.nbytes * (length / array.sizes[along] if along in array.dims else 1)
            for array in self.dataset.data_vars.values()
        )
        return int(COPIES * (part + cores() * self.block))

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
            f"about {size(self.memory)} of memory for each worker"
        )
        total.append(_unread(self.inputs))
        time = Text(
            f"{duration(self.worker_hours)} for one worker at {size(self.throughput.speed)}/s, "
            f"{self.throughput.basis}"
        )
        return Group(table, total, time)


def _unread(inputs: Sequence[Input]) -> str:
    """Return what a plan says about inputs that were left where they are."""
    unread = [one for one in inputs if one.unread]
    if not unread:
        return ""
    sizes = [one.size for one in unread if one.size is not None]
    known = f" ({size(sum(sizes))} as the archive says)" if len(sizes) == len(unread) else ""
    return f"; {len(unread)} of the inputs are not fetched yet{known}, and foreseen by their names"


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


def duration(hours: float) -> str:
    """Return a span of time for people.

    Examples
    --------
    >>> duration(0.001), duration(0.5), duration(30.0), duration(5000.0)
    ('4 seconds', '30 minutes', '30.0 hours', '208 days (5,000 hours)')
    """
    if hours >= 72:
        return f"{hours / 24:.0f} days ({hours:,.0f} hours)"
    if hours >= 1.5:
        return f"{hours:.1f} hours"
    return f"{hours * 60:.0f} minutes" if hours >= 1 / 30 else f"{hours * 3600:.0f} seconds"


def plan(
    recipe: Recipe,
    data_root: Path | None = None,
    downloads: Path | None = None,
    stores_dir: Path = Path("stores"),
) -> Plan:
    """Return what a build would do; headers are read, fields are not.

    Of many remote files, only the first is fetched, if the dates say how long the time axis is; of
    CMIP's files a header, by byte ranges; and the Climate Data Store is asked for nothing.

    Parameters
    ----------
    recipe
        From :func:`climbench.recipes.load_recipe`.
    data_root
        Folder with local copies of the archive.
    downloads
        Folder for copies of remote files, by default that of the builds in ``stores_dir``.
    stores_dir
        Folder of the stores; earlier builds in it tell how fast this machine is.

    Raises
    ------
    UserError
        If a source or a step is at fault.
    """
    folder = downloads or downloads_folder(stores_dir)
    peek = recipe.dates is not None and recipe.dates.frequency is not None
    surroundings = Surroundings(data_root, folder, folder, peek, foresee=True)
    opened = open_fields(recipe, surroundings)
    layout = lay_out(opened.dataset, recipe.output)
    return Plan(recipe, opened.dataset, layout, opened.inputs, stores_dir, opened.block)
