"""Random numbers that belong to a member and a sample, whatever else is in the batch."""

import numpy as np
import torch
from torch import Tensor

from climbench.tasks.sample import Sample


def start_hours(sample: Sample) -> Tensor:
    """Return the hour at which each sample starts, int64 ``[batch]``.

    It is the time of the first target less its lead time, so that all leads asked of one start
    share it, while each step of a rollout has its own. Counted from the year 1 in the Julian
    calendar, which from 1901 to 2099 runs as ours does; in others a member's leads on both sides
    of a New Year may be drawn apart.
    """
    year = sample.year[:, 0]
    days = 365 * year + (year - 1) // 4 + sample.day_of_year[:, 0]
    return 24 * days + (sample.hour[:, 0] - sample.lead_time[:, 0]).round().long()


def generators(sample: Sample, member: int) -> list[torch.Generator]:
    """Return a generator on the CPU for each sample of a batch.

    Seeded by the member, and by the sample's run, place in the split and start.
    """
    places = torch.stack([sample.run, sample.index, start_hours(sample)], dim=1).tolist()
    # Seeds are not negative: a number below 0 counts from 2^64, away from all others.
    seeds = [np.random.SeedSequence([n % 2**64 for n in (member, *place)]) for place in places]
    return [
        torch.Generator().manual_seed(int(seed.generate_state(1, np.uint64)[0])) for seed in seeds
    ]


def normal(sample: Sample, member: int, shape: tuple[int, ...]) -> Tensor:
    """Return standard normal numbers of a member ``[batch, *shape]``, on the sample's device."""
    drawn = [torch.randn(shape, generator=one) for one in generators(sample, member)]
    return torch.stack(drawn).to(sample.inputs.device)


def repeat(sample: Sample, times: int) -> Sample:
    """Return the samples ``times`` over, all of them before their first repetition."""
    return Sample(
        **{
            name: values if name == "static" else torch.cat([values] * times)
            for name, values in sample._asdict().items()
        }
    )
