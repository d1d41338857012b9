"""Bias correction and spatial disaggregation (BCSD)."""

import torch
from torch import Tensor

from climbench.models.channels import last_input
from climbench.models.gathered import Gathered
from climbench.models.interpolation import check_inputs
from climbench.models.quantile_mapping import quantiles_by_part
from climbench.models.quantiles import check_counts, map_quantiles, part_of_year
from climbench.models.resizing import area_mean, coarsening_matrices, input_resize
from climbench.tasks.sample import Sample, Signature


class BCSD(Gathered):
    r"""Correct the coarse field by quantile mapping, then add its anomaly to the fine climatology.

    1. The targets are averaged over each coarse cell; there the inputs are mapped to their
       distribution, part of the year by part of the year.
    2. The difference between the mapped field and the coarse climatology of the targets is
       interpolated bilinearly, and the fine climatology is added:
       :math:`\hat y = \bar y_{fine} + I\,(x_{mapped} - \bar y_{coarse})`.

    As published for temperature; for precipitation ratios take the place of differences there,
    which is not done here. Published for monthly means, whose days are then drawn from observed
    months; here each step of the data is treated so. It needs no pairs, see
    :class:`climbench.models.quantile_mapping.QuantileMapping`.

    Parameters
    ----------
    signature
        The question; every target must be among the inputs.
    quantiles
        Number of quantiles.
    parts_of_year
        Parts of the year with distributions and climatologies of their own: 12 months.

    Raises
    ------
    UserError
        If a target is not an input, or a number is too small.

    References
    ----------
    Wood et al. (2004), Hydrologic implications of dynamical and statistical approaches to
    downscaling climate model outputs, Climatic Change 62, section 2.3; Wood et al. (2002),
    J. Geophys. Res. 107.
    """

    takes_coarse_inputs = True
    takes_missing_inputs = True
    learns_from_pairs = False

    given: Tensor
    wanted: Tensor
    coarse: Tensor
    fine: Tensor

    def __init__(self, signature: Signature, quantiles: int = 50, parts_of_year: int = 12) -> None:
        super().__init__(signature)
        check_inputs(signature, "BCSD")
        check_counts(quantiles, parts_of_year)
        self.quantiles, self.parts_of_year = quantiles, parts_of_year
        self.resize = input_resize(signature)
        self.areas = coarsening_matrices(
            signature.latitude,
            signature.longitude,
            signature.input_latitude or signature.latitude,
            signature.input_longitude or signature.longitude,
        )
        for name in ("given", "wanted", "coarse", "fine"):
            self.register_buffer(name, torch.zeros(0))

    def features(self, sample: Sample) -> Tensor:
        """Return the part of the year and the coarse inputs ``[batch, 1 + target * cell]``."""
        part = part_of_year(sample, self.parts_of_year)
        fields = last_input(self.signature, sample).flatten(1)
        return torch.cat([part[:, None].to(fields), fields], dim=1)

    def fit(self, features: Tensor, targets: Tensor) -> None:
        """Set quantiles ``[part, target, row, column, quantile]`` and climatologies."""
        part, parts = features[:, 0], self.parts_of_year
        inputs = features[:, 1:].reshape(*targets.shape[:2], *self.signature.input_shape)
        averages = area_mean(targets, *self.areas)
        self.given = quantiles_by_part(inputs, part, parts, self.quantiles)
        self.wanted = quantiles_by_part(averages, part, parts, self.quantiles)
        self.coarse = mean_by_part(averages, part, parts)
        self.fine = mean_by_part(targets, part, parts)

    def forward(self, sample: Sample) -> Tensor:
        """Return the disaggregated field; 0 in cells that had no target in training."""
        answer = self.zeros(sample)
        if self.given.numel() == 0:
            return answer
        inputs = last_input(self.signature, sample)[:, 0]
        part = part_of_year(sample, self.parts_of_year)
        for which in sorted(set(part.tolist())):
            at = torch.nonzero(part == which)[:, 0]
            mapped = map_quantiles(inputs[at], self.given[which], self.wanted[which])
            anomaly = self.resize.valid(mapped - self.coarse[which])
            fields = self.fine[which] + anomaly.masked_fill(anomaly.isnan(), 0.0)
            answer[at] = fields.masked_fill(fields.isnan(), 0.0)[:, None].to(answer)
        return answer


def mean_by_part(values: Tensor, part: Tensor, parts: int) -> Tensor:
    """Return the mean of the values that there are in each part of the year ``[part, ...]``.

    Parameters
    ----------
    values
        ``[sample, ...]``, NaN where missing.
    part
        Of each sample, 0..parts - 1 ``[sample]``.
    parts
        Number of parts; one without samples has the mean of all.
    """
    members = [part == which for which in range(parts)]
    chosen = [values[of] if of.any() else values for of in members]
    return torch.stack([each.double().nanmean(dim=0).to(values) for each in chosen])
