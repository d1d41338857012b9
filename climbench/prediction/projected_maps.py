"""Maps of a projected pathway on disk, written member by member."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.prediction.pathway import Pathway
from climbench.simulate.emissions import mid_year
from climbench.store import create_store, encoding, write_part
from climbench.store.layout import consolidate
from climbench.tasks import Emulation
from climbench.tasks.layout import by_variable

Fields = NDArray[np.float32]


class MapsWriter:
    """Writes maps member by member under a temporary name, renamed when all are there."""

    def __init__(
        self, path: Path, task: Emulation, pathway: Pathway, record: dict[str, Any], members: int
    ) -> None:
        self.path, self.task, self.pathway, self.members = path, task, pathway, members
        self.building = path.with_name(path.name + ".building")
        self.record = record

    def __enter__(self) -> "MapsWriter":
        shutil.rmtree(self.building, ignore_errors=True)
        self.building.parent.mkdir(parents=True, exist_ok=True)
        shape = (self.pathway.years.size, len(self.task.targets), *self.task.signature.shape)
        template = self._dataset(np.broadcast_to(np.float32(np.nan), shape), 0)
        if self.members:
            template = template.isel(member=0, drop=True)
            template = template.expand_dims(member=np.arange(self.members), axis=1)
        layout = encoding(template, "member" if self.members else "scenario", chunk=1, shard=1)
        create_store(self.building, template, self.record, layout)
        return self

    def __call__(self, fields: Fields, member: int) -> None:
        """Write the fields of one member ``[year, target, latitude, longitude]``."""
        dimension = "member" if self.members else "scenario"
        write_part(self.building, self._dataset(fields, member), dimension, member)

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is not None:
            shutil.rmtree(self.building, ignore_errors=True)
            return
        consolidate(self.building)
        shutil.rmtree(self.path, ignore_errors=True)
        self.building.rename(self.path)

    def _dataset(self, fields: Fields, member: int) -> xr.Dataset:
        whole = fields[None, None] if self.members else fields[None]
        front: dict[str, Any] = {"scenario": ("scenario", [self.pathway.name])}
        if self.members:
            front["member"] = ("member", [member])
        front["time"] = ("time", stamps(self.pathway))
        named = {name: whole[..., at, :, :] for at, name in enumerate(self.task.targets)}
        return by_variable(self.task.dataset, named, front)


def stamps(pathway: Pathway) -> NDArray[np.datetime64]:
    """Return the middle of each year."""
    return mid_year(pathway.years).astype("datetime64[ns]")
