"""Quantile mapping: the input's distribution made that of the target, cell by cell."""

import torch
from torch import Tensor

from climbench.models.channels import last_input
from climbench.models.gathered import Gathered
from climbench.models.interpolation import check_inputs
from climbench.models.quantiles import (
    check_counts,
    map_quantiles,
    part_of_year,
    probabilities,
    valid_quantiles,
)
from climbench.tasks.sample import Sample, Signature


class QuantileMapping(Gathered):
    r"""Map the interpolated input to the target's value of the same probability.

    .. math:: \hat y = x + \big(Q_y(p) - Q_x(p)\big), \quad p = F_x(x),

    with the empirical quantiles of the training period in each cell and part of the year, linear
    between them and with a constant correction beyond them. It needs no pairs: inputs and targets
    may be of different weather, such as a climate model and observations. It corrects the
    distribution in each cell and knows nothing of space; what it makes of interpolated fields
    has the right variance at a point and too little of it between neighbours (Maraun 2013). A
    change of climate is mapped as if it were weather.

    Parameters
    ----------
    signature
        The question; every target must be among the inputs.
    quantiles
        Number of quantiles.
    parts_of_year
        The year is cut into so many parts with distributions of their own: 12 months; 1 for none.
        A part without training samples takes the quantiles of all.

    Raises
    ------
    UserError
        If a target is not an input, or a number is too small.

    References
    ----------
    Panofsky and Brier (1968), Some applications of statistics to meteorology; Cannon et al.
    (2015), Bias correction of GCM precipitation by quantile mapping, J. Climate 28, section 2;
    Maraun (2013), Bias correction, quantile mapping, and downscaling, J. Climate 26.
    """

    takes_missing_inputs = True
    learns_from_pairs = False

    given: Tensor
    wanted: Tensor

    def __init__(self, signature: Signature, quantiles: int = 50, parts_of_year: int = 12) -> None:
        super().__init__(signature)
        check_inputs(signature, "quantile mapping")
        check_counts(quantiles, parts_of_year)
        self.quantiles, self.parts_of_year = quantiles, parts_of_year
        for name in ("given", "wanted"):
            self.register_buffer(name, torch.zeros(0, 0, *signature.shape, 0))

    def features(self, sample: Sample) -> Tensor:
        """Return the part of the year and the inputs ``[batch, 1 + target * cell]``."""
        part = part_of_year(sample, self.parts_of_year)
        fields = last_input(self.signature, sample).flatten(1)
        return torch.cat([part[:, None].to(fields), fields], dim=1)

    def fit(self, features: Tensor, targets: Tensor) -> None:
        """Set the quantiles ``[part, target, latitude, longitude, quantile]``."""
        part, inputs = features[:, 0], features[:, 1:].reshape(targets.shape)
        self.given = quantiles_by_part(inputs, part, self.parts_of_year, self.quantiles)
        self.wanted = quantiles_by_part(targets, part, self.parts_of_year, self.quantiles)

    def forward(self, sample: Sample) -> Tensor:
        """Return the mapped inputs; 0 where there is none, or there was no target in training."""
        answer = self.zeros(sample)
        if self.given.shape[0] == 0:
            return answer
        inputs, part = (
            last_input(self.signature, sample)[:, 0],
            part_of_year(sample, self.parts_of_year),
        )
        for which in sorted(set(part.tolist())):
            at = torch.nonzero(part == which)[:, 0]
            mapped = map_quantiles(inputs[at], self.given[which], self.wanted[which])
            answer[at] = mapped.masked_fill(mapped.isnan(), 0.0)[:, None].to(answer)
        return answer


def quantiles_by_part(values: Tensor, part: Tensor, parts: int, quantiles: int) -> Tensor:
    """Return empirical quantiles of each part of the year ``[part, ..., quantile]``.

    Parameters
    ----------
    values
        ``[sample, ...]``, NaN where missing.
    part
        Of each sample, 0..parts - 1 ``[sample]``.
    parts
        Number of parts; one without samples has the quantiles of all.
    quantiles
        Number of quantiles.
    """
    at, members = probabilities(quantiles), [part == which for which in range(parts)]
    chosen = [values[of] if of.any() else values for of in members]
    return torch.stack([valid_quantiles(each, at) for each in chosen])
