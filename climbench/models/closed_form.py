"""Models whose fit is a formula: sums over the training data, then one solve."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from climbench.errors import UserError
from climbench.memory import free_memory
from climbench.tasks.sample import Sample, Signature


class ClosedForm(nn.Module, ABC):
    """A model fitted by one pass over the training data.

    Sums over samples are kept in float64 buffers, so that passes over parts of the data (ranks,
    workers) merge by addition. Only what :meth:`solve` makes of them goes into a checkpoint.
    Before that, a model answers zero: the training mean.
    """

    def __init__(self, signature: Signature) -> None:
        super().__init__()
        self.signature = signature
        self._statistics: list[str] = []

    @abstractmethod
    def accumulate(self, sample: Sample) -> None:
        """Add a batch of normalised samples to the sums."""

    @abstractmethod
    def solve(self) -> None:
        """Set the coefficients from the sums."""

    @abstractmethod
    def forward(self, sample: Sample) -> Tensor:
        """Return the answer ``[batch, lead, target, latitude, longitude]``, normalised."""

    def statistics(self) -> dict[str, Tensor]:
        """Return the buffers that are summed over ranks, in place, before :meth:`solve`."""
        return {name: getattr(self, name) for name in self._statistics}

    def zeros(self, sample: Sample) -> Tensor:
        """Return an answer of zeros for a sample."""
        shape = (*sample.lead_time.shape, len(self.signature.targets), *self.signature.shape)
        return torch.zeros(shape, device=sample.inputs.device)

    def register_statistic(self, name: str, *shape: int) -> None:
        """Add a sum of the given shape, zero so far."""
        zeros = torch.zeros(shape, dtype=torch.float64)
        self.register_buffer(name, zeros, persistent=False)
        self._statistics.append(name)

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Give the buffers the sizes of the checkpoint, which may depend on the data met."""
        for name, buffer in list(self._buffers.items()):
            saved = state_dict.get(prefix + name)
            if buffer is not None and isinstance(saved, Tensor) and saved.shape != buffer.shape:
                setattr(self, name, buffer.new_zeros(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def lent(sums: Tensor, never: Tensor) -> Tensor:
    """Return sums in which stations that were never learnt from have those of all others together.

    Parameters
    ----------
    sums
        ``[..., station]``, of additive statistics.
    never
        Where there was nothing to learn from; broadcasts against ``sums``.

    Examples
    --------
    >>> lent(torch.tensor([1.0, 0.0, 3.0]), torch.tensor([False, True, False])).tolist()
    [1.0, 4.0, 3.0]
    """
    return torch.where(never, sums.sum(dim=-1, keepdim=True), sums)


class KeyedClosedForm(ClosedForm):
    """A closed form with separate sums for every key met in the data, such as a lead time.

    The first axis of every statistic and of every coefficient buffer is the key, ascending. All
    ranks must meet the same keys, which one batch or two usually see to.
    """

    keys: Tensor

    def __init__(self, signature: Signature) -> None:
        super().__init__(signature)
        self.register_buffer("keys", torch.zeros(0, dtype=torch.float64))

    def slots(self, values: Tensor) -> Tensor:
        """Return the position of each value among the keys, adding those not met before."""
        values = values.to(self.keys)
        keys = torch.unique(torch.cat([self.keys, values.flatten()]))
        if keys.numel() > self.keys.numel():
            kept = torch.searchsorted(keys, self.keys)
            self._check_memory(keys.numel())
            for name, old in self.statistics().items():
                grown = old.new_zeros(keys.numel(), *old.shape[1:])
                grown[kept] = old
                setattr(self, name, grown)
            self.keys = keys
        return torch.searchsorted(self.keys, values.contiguous())

    def _check_memory(self, keys: int) -> None:
        needed = keys * sum(8 * math.prod(old.shape[1:]) for old in self.statistics().values())
        if needed > free_memory():
            raise UserError(
                f"{type(self).__name__} would sum {needed / 1e9:.0f} GB for {keys} lead times, "
                "more than the free memory: make its option 'neighbourhood' smaller, or ask for "
                "less 'history', 'inputs' or 'lead_times'."
            )
