"""Masked reconstruction: fields with holes in, what the holes hide out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, cast

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch.utils.data import Dataset

from climbench.errors import UserError
from climbench.tasks.checks import check_multiples
from climbench.tasks.forecasting import DirectForecasting
from climbench.tasks.sample import Sample, Signature
from climbench.tasks.task import SPLITS, Normalisation, Split
from climbench.tasks.windows import Group, Windows

SEEN = "seen_"
"""Prefix of the forcing that is 1 where an input is seen and 0 where it is hidden."""


@dataclass(kw_only=True)
class MaskedReconstruction(DirectForecasting):
    """Patches of each input are hidden; the model answers what they hide, and later states.

    Hidden inputs are NaN, which a network is given as the training mean, and the forcing
    ``seen_CHANNEL`` says where. At lead 0 only what was hidden counts, in training as in scores:
    elsewhere targets and predictions are NaN. Later leads (as in Prithvi WxC) count everywhere.
    Which patches are hidden follows from the seed and the sample alone.

    Parameters
    ----------
    lead_times
        Hours after the inputs, ascending; 0 is the reconstruction.
    hidden
        Share of the patches that are hidden, between 0 and 1.
    patch
        Rows and columns of a patch; those at the northern and eastern border may be smaller.
    together
        Whether all channels have the same holes; else each has its own.
    masks
        How many masks each window of the training split gets: each is a sample of an epoch.
    seed
        Of the masks. The others are those of :class:`climbench.tasks.Forecasting`.

    Raises
    ------
    UserError
        Also if a number is out of range, or the history is longer than one step.
    """

    lead_times: tuple[int, ...] = (0,)
    hidden: float = 0.5
    patch: tuple[int, int] = (4, 4)
    together: bool = False
    masks: int = 4
    seed: int = 0

    required_baselines: ClassVar[tuple[str, ...]] = ("climatology", "harmonic_fill")

    def __post_init__(self) -> None:
        self.patch = cast(tuple[int, int], tuple(self.patch))
        super().__post_init__()

    def check_hours(self) -> None:
        """Raise a UserError if the leads, the history or the masks make no sense."""
        later = tuple(hours for hours in self.lead_times if hours)
        if later or not self.lead_times:
            check_multiples("lead_times", later, self.timeline.step)
        if self.history != 1:
            raise UserError(
                f"option 'history' = {self.history} is wrong: a masked reconstruction sees 1 step"
            )
        if not 0 < self.hidden < 1:
            raise UserError(f"option 'hidden' = {self.hidden} is wrong: give a share in (0, 1)")
        if self.seed < 0:
            raise UserError(f"option 'seed' = {self.seed} is wrong: give 0 or more")
        if len(self.patch) != 2 or min(self.patch) < 1 or self.masks < 1:
            raise UserError(
                f"options 'patch' = {list(self.patch)} and 'masks' = {self.masks} are wrong: "
                "give two sides and a number of masks, each at least 1"
            )

    @cached_property
    def signature(self) -> Signature:
        """Channels and grid, with a forcing that says where each input is seen."""
        plain = super().signature
        seen = tuple(SEEN + name for name in self.inputs)
        return replace(plain, forcings=(*plain.forcings, *seen))

    @cached_property
    def normalisation(self) -> Normalisation:
        """Scaling of all channels; what says where inputs are seen stays 0 or 1."""
        plain, count = super().normalisation, len(self.inputs)
        seen = tuple(SEEN + name for name in self.inputs)
        return Normalisation(
            (*plain.channels, *seen), (*plain.mean, *[0.0] * count), (*plain.std, *[1.0] * count)
        )

    def split(self, name: Split | Literal["train_and_validation"]) -> Any:
        """Return the samples of a split; in training each window comes with several masks."""
        return MaskedWindows(super().split(name), self, name)

    def samples(self, groups: list[Group]) -> Windows:
        """Return the samples of some windows, without holes."""
        plain = replace(self.signature, forcings=self.forcings)
        return Windows(self.fields, plain, self.static_fields, self.past, groups)

    def to_dataset(self, indices: NDArray[np.int64], values: NDArray[np.float32]) -> xr.Dataset:
        """Return predictions with NaN where lead 0 was seen."""
        values = np.array(values)
        if self.lead_times[0] == 0:
            seen = self.seen("test", indices)
            for at, name in enumerate(self.targets):
                if name in self.inputs:
                    values[:, 0, at][seen[:, self.inputs.index(name)]] = np.nan
        return super().to_dataset(indices, values)

    def seen(self, split: str, indices: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return where the inputs of samples are seen ``[sample, input, latitude, longitude]``."""
        rows, columns = self.signature.shape
        high, wide = self.patch
        patches = -(-rows // high), -(-columns // wide)
        kinds = 1 if self.together else len(self.inputs)
        count = int(np.prod(patches))
        hidden = min(count - 1, max(1, round(self.hidden * count)))
        masks = np.ones((len(indices), kinds, count), dtype=np.bool_)
        place = SPLITS.index(split) if split in SPLITS else len(SPLITS)
        for mask, index in zip(masks, indices, strict=True):
            random = np.random.default_rng([self.seed, place, int(index)])
            order = random.random((kinds, count)).argsort(axis=1)[:, :hidden]
            np.put_along_axis(mask, order, False, axis=1)
        whole = masks.reshape(-1, kinds, *patches).repeat(high, axis=2).repeat(wide, axis=3)
        shape = (len(indices), len(self.inputs), rows, columns)
        return np.broadcast_to(whole[:, :, :rows, :columns], shape)


class MaskedWindows(Dataset[Sample]):
    """Windows of a split with holes in their inputs.

    Parameters
    ----------
    windows
        Without holes.
    task
        Says where the holes are.
    split
        Which split it is.
    """

    def __init__(self, windows: Windows, task: MaskedReconstruction, split: str) -> None:
        self.windows, self.task, self.split = windows, task, split
        self.masks = task.masks if split.startswith("train") else 1

    def __len__(self) -> int:
        """Return the number of windows times masks."""
        return len(self.windows) * self.masks

    def __getitem__(self, index: int) -> Sample:
        """Return one sample as a batch of one."""
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> Sample:
        """Return a batch of samples."""
        at = np.asarray(indices, dtype=np.int64)
        whole = self.windows.__getitems__((at // self.masks).tolist())
        seen = torch.from_numpy(self.task.seen(self.split, at).copy())
        leads = whole.lead_time.shape[1]
        forcings = seen[:, None].expand(-1, leads, -1, -1, -1).to(whole.forcings.dtype)
        return whole._replace(
            inputs=whole.inputs.masked_fill(~seen[:, None], torch.nan),
            forcings=torch.cat([whole.forcings, forcings], dim=2),
            targets=self._unanswered(whole, seen),
            index=torch.from_numpy(at),
        )

    def _unanswered(self, whole: Sample, seen: torch.Tensor) -> torch.Tensor:
        """Return the targets with NaN where lead 0 is seen."""
        targets, task = whole.targets.clone(), self.task
        if task.lead_times[0] == 0:
            for at, name in enumerate(task.targets):
                if name in task.inputs:
                    shown = seen[:, task.inputs.index(name)]
                    targets[:, 0, at] = targets[:, 0, at].masked_fill(shown, torch.nan)
        return targets
