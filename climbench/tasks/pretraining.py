"""Pretraining: forecasts at many leads, learnt from several archives with other variables each."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from climbench.errors import UserError
from climbench.store import channel_names, open_store, store_hash
from climbench.tasks.forecasting import ContinuousForecasting
from climbench.tasks.sample import Sample
from climbench.tasks.task import Normalisation, Split, task_hash
from climbench.tasks.windows import Windows


@dataclass(kw_only=True)
class Pretraining(ContinuousForecasting):
    """A lead-conditioned forecast whose training samples come from more stores than one.

    The first store has all channels; validation and scores are of it alone. The others give
    training samples of the same period with those channels that they have: the missing ones are
    NaN, in inputs (a network is given the training mean) as in targets (they count in no loss).
    An epoch holds every pair of a training lead and a window of any store once, in random order.

    Every store is scaled by its own training period: the fields of a further store come with
    the mean and deviation of the first, so that the biases of a climate model are no signal.
    Forcings, which are known, come as they are, and static fields are those of the first store.

    Parameters
    ----------
    further_stores
        Stores on the grid of the first that have its periods, each with one input and one target
        at least. The other options are those of :class:`climbench.tasks.ContinuousForecasting`.

    Raises
    ------
    UserError
        Also if a further store has another grid or none of the inputs or targets.

    References
    ----------
    Nguyen et al. (2023), ClimaX, section 3.3. There a lead is drawn for each window.
    """

    further_stores: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        self.further_stores = tuple(Path(path) for path in self.further_stores)
        super().__post_init__()
        self._further = [self._of(path) for path in self.further_stores]

    @property
    def further(self) -> list[ContinuousForecasting]:
        """The same task on each further store, read as the first is."""
        for task in self._further:
            task.reading = self.reading
        return self._further

    def _of(self, path: Path) -> ContinuousForecasting:
        """Return the same task on another store, with the channels that it has."""
        known = channel_names(open_store(path))
        options: dict[str, Any] = {
            field.name: getattr(self, field.name) for field in fields(ContinuousForecasting)
        }
        for part in ("inputs", "targets"):
            options[part] = tuple(name for name in options[part] if name in known)
        if not options["inputs"] or not options["targets"]:
            raise UserError(
                f"option 'further_stores': {path.name} has none of the "
                f"{'targets' if options['inputs'] else 'inputs'}: leave it out"
            )
        try:
            task = ContinuousForecasting(**{**options, "store": path, "static": ()})
        except UserError as error:
            raise UserError(f"option 'further_stores': {path.name}: {error}") from error
        if (task.signature.latitude, task.signature.longitude) != (
            self.signature.latitude,
            self.signature.longitude,
        ):
            raise UserError(
                f"option 'further_stores': {path.name} has another grid than {self.store.name}: "
                "regrid it in its recipe"
            )
        return task

    def split(self, name: Split | Literal["train_and_validation"]) -> Any:
        """Return the samples of a split; those of training are of all stores."""
        own = super().split(name)
        if not name.startswith("train") or not self.further:
            return own
        further = [(task.split(name), task.normalisation) for task in self.further]
        return ManyStores(self, [(own, self.normalisation), *further])

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the content of all stores and every option."""
        stores = [store_hash(path) for path in (self.store, *self.further_stores)]
        return task_hash(self, " ".join(["each scaled by itself", *stores]))


class ManyStores(Dataset[Sample]):
    """The training windows of several stores, one after another, with the channels of the first.

    Parameters
    ----------
    task
        The task on all stores.
    stores
        The windows and the scaling of each store.
    """

    def __init__(self, task: Pretraining, stores: Sequence[tuple[Windows, Normalisation]]) -> None:
        self.signature, self.windows = task.signature, [windows for windows, _ in stores]
        self.ends = np.cumsum([len(each) for each in self.windows])
        self.scalings = [Rescaling(own, task.normalisation) for _, own in stores]

    def __len__(self) -> int:
        """Return the number of windows of all stores."""
        return int(self.ends[-1])

    def __getitem__(self, index: int) -> Sample:
        """Return one window as a batch of one."""
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> Sample:
        """Return a batch of windows in the order asked for."""
        at = np.asarray(indices, dtype=np.int64)
        store = np.searchsorted(self.ends, at, side="right")
        parts, order = [], []
        for number in np.unique(store):
            own = np.flatnonzero(store == number)
            begin = int(self.ends[number - 1]) if number else 0
            parts.append(self._whole(number, (at[own] - begin).tolist()))
            order.append(own)
        back = torch.from_numpy(np.argsort(np.concatenate(order)))
        together = {
            name: torch.cat([getattr(part, name) for part in parts])[back]
            for name in Sample._fields
            if name != "static"
        }
        return Sample(static=self.windows[0].static, **{**together, "index": torch.from_numpy(at)})

    def _whole(self, number: int, indices: Sequence[int]) -> Sample:
        """Return windows of one store as the first has them, NaN in the channels that it lacks."""
        windows, scaling = self.windows[number], self.scalings[number]
        sample, have, ask = windows.__getitems__(indices), windows.signature, self.signature
        return sample._replace(
            inputs=_widened(scaling(sample.inputs, have.inputs), have.inputs, ask.inputs),
            targets=_widened(scaling(sample.targets, have.targets), have.targets, ask.targets),
        )


@dataclass(frozen=True)
class Rescaling:
    """Fields of one scaling brought to another: the normalised values stay.

    Attributes
    ----------
    old, new
        The scaling of the fields, and the one that a network will take out of them.
    """

    old: Normalisation
    new: Normalisation

    def __call__(self, given: Tensor, channels: Sequence[str]) -> Tensor:
        """Return the fields ``[batch, step, channel, latitude, longitude]``, changed in place."""
        if self.old == self.new:
            return given
        (mean, std), (to_mean, to_std) = self.old.scale(channels), self.new.scale(channels)
        for at, factor in enumerate(to_std / std):
            given[:, :, at].sub_(float(mean[at])).mul_(float(factor)).add_(float(to_mean[at]))
        return given


def _widened(given: Tensor, have: Sequence[str], want: Sequence[str]) -> Tensor:
    """Return fields with the wanted channels, those that are not there NaN."""
    if tuple(have) == tuple(want):
        return given
    batch, steps, _, rows, columns = given.shape
    whole = given.new_full((batch, steps, len(want), rows, columns), torch.nan)
    whole[:, :, [list(want).index(name) for name in have]] = given
    return whole
