"""Random numbers of many samples at once, each fixed by its place in the split alone."""

import math

import torch
from torch import Tensor

from climbench.tasks.sample import Sample


def uniform(index: Tensor, member: int, seed: int) -> Tensor:
    """Return a number between 0 and 1 for each sample, fixed by (seed, member, index) alone.

    Parameters
    ----------
    index
        Place in the split, int64 ``[batch]``.
    member, seed
        Not negative.

    Returns
    -------
    torch.Tensor
        float64 ``[batch]``.

    References
    ----------
    Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators, OOPSLA (the
    finaliser of SplitMix64; int64 wraps round as it should).
    """
    golden = 0x9E3779B97F4A7C15 - 2**64
    state = torch.zeros_like(index)
    for part in (torch.full_like(index, seed), torch.full_like(index, member), index):
        state = _mix(state + part + golden)
    fraction: Tensor = (state & (2**53 - 1)).double() / 2.0**53
    return fraction


def _mix(state: Tensor) -> Tensor:
    for shift, factor in ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64)):
        state = (state ^ _shift(state, shift)) * factor
    return state ^ _shift(state, 31)


def _shift(state: Tensor, bits: int) -> Tensor:
    """Shift to the right without carrying the sign along."""
    return torch.bitwise_and(state >> bits, 2 ** (64 - bits) - 1)


def hashed_normal(sample: Sample, member: int, count: int) -> Tensor:
    """Return standard normal numbers of a member ``[batch, count]``, by a hash of each place.

    References
    ----------
    Box and Muller (1958), Ann. Math. Stat. 29.
    """
    places = sample.index[:, None] * count + torch.arange(count, device=sample.index.device)
    radius = (-2 * torch.log1p(-uniform(places, member, seed=1))).sqrt()
    angle = 2 * math.pi * uniform(places, member, seed=2)
    return (radius * angle.cos()).float()
