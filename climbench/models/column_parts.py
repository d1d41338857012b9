"""Columns of the atmosphere as networks see them: profiles on levels, and single values."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from climbench.models.channels import positions
from climbench.tasks.sample import Signature


@dataclass(frozen=True)
class Profiles:
    """Which channels are levels of a profile, and which stand alone, in alphabetical order.

    Attributes
    ----------
    levels
        Position of each level ``[profile, level]``, from the top down.
    singles
        Positions of the values that are no profile.
    """

    levels: Tensor
    singles: Tensor

    @classmethod
    def of(cls, names: Sequence[str], levels: int) -> "Profiles":
        """Find ``NAME_0`` to ``NAME_<levels - 1>`` among the names of channels.

        Examples
        --------
        >>> found = Profiles.of(["ps", "t_0", "t_1"], levels=2)
        >>> found.levels.tolist(), found.singles.tolist()
        ([[1, 2]], [0])
        """
        stems = sorted({name[:-2] for name in names if name.endswith("_0")})
        whole = [[f"{stem}_{level}" for level in range(levels)] for stem in stems]
        profiles = [each for each in whole if {*each} <= {*names}]
        inside = {name for each in profiles for name in each}
        singles = sorted(name for name in names if name not in inside)
        places = torch.tensor([positions(names, each) for each in profiles], dtype=torch.int64)
        return cls(places.reshape(-1, levels), torch.tensor(positions(names, singles)).long())

    def split(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return profiles ``[..., profile, level]`` and single values ``[..., single]``."""
        return values[..., self.levels], values[..., self.singles]

    def join(self, profiles: Tensor, singles: Tensor) -> Tensor:
        """Undo :meth:`split`."""
        number = self.levels.numel() + self.singles.numel()
        joined = profiles.new_empty(*profiles.shape[:-2], number)
        joined[..., self.levels] = profiles
        joined[..., self.singles] = singles.to(profiles.dtype)
        return joined


def columns_in(signature: Signature) -> Profiles:
    """Return the arrangement of a question's inputs."""
    return Profiles.of(signature.inputs, signature.levels)


def columns_out(signature: Signature) -> Profiles:
    """Return the arrangement of a question's targets."""
    return Profiles.of(signature.targets, signature.levels)


def vector(fields: Tensor) -> Tensor:
    """Return ``[batch, channel]`` of ``[batch, 1, channel, 1, 1]``."""
    return fields[:, 0, :, 0, 0]


def as_fields(values: Tensor) -> Tensor:
    """Undo :func:`vector`."""
    return values[:, None, :, None, None]
