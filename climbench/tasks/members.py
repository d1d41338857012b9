"""Members of an ensemble of simulations: which are seen in training, which are the truth."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError, nearest

Label = str | int


def draw_members(members: int, count: int, seed: int) -> NDArray[np.int64]:
    """Return the positions of members drawn without replacement, in the order of the draw.

    More members with the same seed are the same ones and others.

    Parameters
    ----------
    members
        How many there are.
    count
        How many are drawn.
    seed
        Of the draw.

    Examples
    --------
    >>> three, one = draw_members(10, 3, seed=1), draw_members(10, 1, seed=1)
    >>> three[0] == one[0], len(set(three.tolist()))
    (np.True_, 3)
    """
    return np.random.default_rng(seed).permutation(members)[:count].astype(np.int64)


@dataclass(frozen=True)
class Members:
    """Who is trained on and who is the truth, by position among a store's members.

    Attributes
    ----------
    train, truth
        Positions; empty where the store has no dimension ``member``.
    count
        How many of ``train`` a run's mean is made of; None for all.
    seed
        Of the draw of these.
    """

    train: list[int]
    truth: list[int]
    count: int | None
    seed: int

    @classmethod
    def of(
        cls,
        dataset: xr.Dataset,
        store: str,
        count: int | None,
        seed: int,
        test_members: Sequence[Label] | None,
    ) -> "Members":
        """Return the members that the options of a task ask for.

        Raises
        ------
        UserError
            If the store has no such member or too few.
        """
        labels = dataset["member"].values.tolist() if "member" in dataset.dims else []
        train = truth = list(range(len(labels)))
        if test_members is not None:
            truth = _positions(labels, test_members, store)
            train = [member for member in train if member not in truth]
            if not train:
                raise UserError("option 'test_members' names all members: leave some to train on")
        most = len(train) or 1
        if count is not None and not 1 <= count <= most:
            raise UserError(
                f"option 'member_count' = {count} is wrong: store {store} has 1 to {most} members "
                "to train on"
            )
        return cls(train, truth, count, seed)


def whole(fields: xr.Dataset, run: int, member: int) -> bool:
    """Tell whether a run has a member with values of all variables."""
    one = fields.isel(scenario=run, member=member)
    return all(bool(np.isfinite(array.values).any()) for array in one.data_vars.values())


def first_members(fields: xr.Dataset, run: int, order: Iterable[int], count: int) -> list[int]:
    """Return the first ``count`` members in an order that a run has, fewer if it has no more."""
    found: list[int] = []
    for member in order:
        if len(found) == count:
            break
        if whole(fields, run, int(member)):
            found.append(int(member))
    return found


def mean_over(fields: xr.Dataset, members: Mapping[int, Sequence[int]]) -> xr.Dataset:
    """Return the mean over the given members of each given run, of those that are there.

    Parameters
    ----------
    fields
        Variables ``[scenario, (member), time, latitude, longitude]``.
    members
        Positions of members by position of the run.

    Returns
    -------
    xarray.Dataset
        Of the given runs, unread; float32, summed up in float64.
    """
    if "member" not in fields.dims:
        return fields.isel(scenario=list(members))
    fields = fields.chunk(scenario=1, member=1)
    means = [
        fields.isel(scenario=[run], member=list(chosen))
        .astype(np.float64)
        .mean("member", keep_attrs=True)
        .astype(np.float32)
        for run, chosen in members.items()
    ]
    return xr.concat(means, "scenario", data_vars="minimal", coords="minimal", join="exact")


def _positions(labels: Sequence[Label], asked: Sequence[Label], store: str) -> list[int]:
    known = [str(label) for label in labels]
    for name in map(str, asked):
        if name not in known:
            hint = nearest(name, known) if known else "it has no dimension 'member'"
            raise UserError(f"option 'test_members': store {store} has no member '{name}': {hint}")
    found = [known.index(str(name)) for name in asked]
    if len(set(found)) < len(found) or not found:
        raise UserError("option 'test_members' names a member twice, or none: list each one once")
    return found
