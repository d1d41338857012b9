"""Empirical quantiles of samples with gaps, and the mapping of one distribution to another."""

import torch
from torch import Tensor

from climbench.errors import UserError
from climbench.tasks.sample import Sample


def probabilities(count: int) -> Tensor:
    r"""Return the middles of ``count`` equal parts of 0..1, :math:`(i + 1/2) / n`, float64.

    Examples
    --------
    >>> probabilities(4).tolist()
    [0.125, 0.375, 0.625, 0.875]
    """
    return (torch.arange(count, dtype=torch.float64) + 0.5) / count


def check_counts(quantiles: int, parts_of_year: int) -> None:
    """Raise a UserError if there are too few quantiles or parts of the year.

    Two quantiles are the least between which a line can be drawn.
    """
    if quantiles < 2:
        raise UserError(f"option 'quantiles' = {quantiles} is wrong: at least 2")
    if parts_of_year < 1:
        raise UserError(
            f"option 'parts_of_year' = {parts_of_year} is wrong: 12 for months, 1 for none"
        )


def valid_quantiles(values: Tensor, at: Tensor) -> Tensor:
    r"""Return empirical quantiles of the values that there are.

    With :math:`n` values in ascending order it is the one at :math:`p\,(n - 1)`, counted from 0,
    linear in between.

    Parameters
    ----------
    values
        ``[sample, ...]``, NaN where missing.
    at
        Probabilities ``[quantile]``.

    Returns
    -------
    torch.Tensor
        ``[..., quantile]``, NaN where there is no value.

    References
    ----------
    Hyndman and Fan (1996), Sample quantiles in statistical packages, Am. Stat. 50, definition 7.

    Examples
    --------
    >>> valid_quantiles(torch.tensor([4.0, 1.0, torch.nan]), torch.tensor([0.0, 0.5]))
    tensor([1.0000, 2.5000])
    """
    ordered = values.sort(dim=0).values.movedim(0, -1)  # missing values come last
    last = (~values.isnan()).sum(dim=0).sub(1).clamp(min=0)
    place = last[..., None] * at.to(ordered.device)
    below = place.floor()
    low, high = (ordered.gather(-1, edge.long()) for edge in (below, place.ceil()))
    return torch.lerp(low, high, (place - below).to(ordered))


def map_quantiles(values: Tensor, given: Tensor, wanted: Tensor) -> Tensor:
    """Return values of one distribution as values of another at the same probability.

    The correction, wanted minus given quantile, is linear in between; beyond the outermost
    quantiles it is that of the outermost.

    Parameters
    ----------
    values
        ``[sample, ...]``.
    given, wanted
        Quantiles of either distribution at the same probabilities ``[..., quantile]``.

    Examples
    --------
    >>> quantiles = torch.tensor([0.0, 1.0, 2.0])
    >>> map_quantiles(torch.tensor([-1.0, 0.5, 5.0]), quantiles, 10 * quantiles)
    tensor([-1.,  5., 23.])
    """
    values = values.movedim(0, -1).contiguous()
    right = torch.searchsorted(given.contiguous(), values).clamp(1, given.shape[-1] - 1)
    left, change = right - 1, wanted - given
    low, high = given.gather(-1, left), given.gather(-1, right)
    share = ((values - low) / (high - low)).nan_to_num(nan=0.0).clamp(0.0, 1.0)
    corrected = values + torch.lerp(change.gather(-1, left), change.gather(-1, right), share)
    return corrected.movedim(-1, 0)


def part_of_year(sample: Sample, parts: int) -> Tensor:
    """Return which of ``parts`` equal parts of its year each sample's target is in ``[batch]``.

    Twelve are the months, to a day or two, in every calendar.
    """
    share = (sample.day_of_year[:, 0] - 0.5) / sample.days_in_year[:, 0]
    return (share * parts).long()
