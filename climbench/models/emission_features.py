"""What follows from a year's emissions by regression: global numbers, and patterns of maps."""

from abc import abstractmethod

import torch
from torch import Tensor

from climbench.errors import UserError, nearest
from climbench.grids import latitude_weights
from climbench.models.channels import driver
from climbench.models.gathered import Gathered
from climbench.tasks.sample import Sample, Signature

CONSTANT = 1e-6  # a component this small, relative to the first, is rounding


class EmissionRegression(Gathered):
    r"""One regression per target on a few numbers that sum up a year's emissions.

    The numbers are the area means of ``scalars``, and the leading principal components of the
    anomalies of each of ``maps``: with the singular value decomposition :math:`X = U S V^T` of
    the training years, :math:`X V / s`, where :math:`s` scales each to unit variance over the
    training years. A map that is the same number everywhere has one component, that number in
    units of its standard deviation; the others are zero.

    Parameters
    ----------
    signature
        The question.
    scalars, maps
        Channels among the inputs (their last step) or the forcings.
    components
        Principal components of each map.
    area_weighted
        Whether cells count by their area in the decomposition; ClimateBench counts all alike.

    Attributes
    ----------
    groups
        Where the numbers of each channel stand among the predictors.

    Raises
    ------
    UserError
        If a channel is not there, or there is none.

    References
    ----------
    Watson-Parris et al. (2022), ClimateBench v1.0: a benchmark for data-driven climate
    projections, J. Adv. Model. Earth Syst. 14, e2021MS002954.
    """

    map_mean: Tensor
    map_pattern: Tensor
    area: Tensor

    def __init__(
        self,
        signature: Signature,
        scalars: tuple[str, ...],
        maps: tuple[str, ...],
        components: int,
        area_weighted: bool,
    ) -> None:
        super().__init__(signature)
        self._check(scalars, maps, components)
        self.scalars, self.maps, self.components = scalars, maps, components
        sizes = [1] * len(scalars) + [components] * len(maps)
        ends = torch.tensor(sizes).cumsum(0).tolist()
        self.groups = [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]

        rows, columns = signature.shape
        area = torch.from_numpy(latitude_weights(signature.latitude, "area")) / (rows * columns)
        self.register_buffer("area", area[:, None].expand(-1, columns).flatten(), persistent=False)
        self.metric = self.area.sqrt() if area_weighted else torch.ones_like(self.area)
        cells = rows * columns
        self.register_buffer("map_mean", torch.zeros(len(maps), cells, dtype=torch.float64))
        pattern = torch.zeros(len(maps), cells, components, dtype=torch.float64)
        self.register_buffer("map_pattern", pattern)

    def _check(self, scalars: tuple[str, ...], maps: tuple[str, ...], components: int) -> None:
        name, known = type(self).__name__, (*self.signature.inputs, *self.signature.forcings)
        for option, channels in (("scalars", scalars), ("maps", maps)):
            for channel in channels:
                if channel not in known:
                    raise UserError(
                        f"{name}: option '{option}' has '{channel}', which is not a channel of "
                        f"the task: {nearest(channel, known)}"
                    )
        if not (scalars or maps):
            raise UserError(f"{name}: the options 'scalars' and 'maps' are both empty: name one")
        if components < 1:
            raise UserError(f"{name}: option 'components' = {components} must be 1 or more")

    @abstractmethod
    def fit_predictors(self, predictors: Tensor, targets: Tensor) -> None:
        """Set the coefficients.

        Parameters
        ----------
        predictors
            ``[sample, predictor]``, float64.
        targets
            Normalised ``[sample, target, cell]``, float64.
        """

    @abstractmethod
    def answer(self, predictors: Tensor) -> Tensor:
        """Return the answer to predictors ``[sample, predictor]``, ``[sample, target, cell]``."""

    def features(self, sample: Sample) -> Tensor:
        """Return the area means, then all cells of the maps ``[batch, feature]``."""
        scalars = [
            driver(self.signature, sample, name)[:, 0].flatten(1).double() @ self.area
            for name in self.scalars
        ]
        maps = [driver(self.signature, sample, name)[:, 0].flatten(1) for name in self.maps]
        return torch.cat([*(one.float()[:, None] for one in scalars), *maps], dim=1)

    def fit(self, features: Tensor, targets: Tensor) -> None:
        """Find the principal components, then fit on them."""
        _, maps = self._parts(features)
        for at, fields in enumerate(maps):
            mean, pattern = principal_components(fields, self.metric.cpu(), self.components)
            self.map_mean[at], self.map_pattern[at] = mean, pattern
        self.fit_predictors(
            self.predictors(features.to(self.map_mean.device)),
            targets.flatten(2).double().to(self.map_mean.device),
        )

    def predictors(self, features: Tensor) -> Tensor:
        """Return area means and principal components ``[sample, predictor]``, float64."""
        scalars, maps = self._parts(features)
        found = [
            (fields - mean) @ pattern
            for fields, mean, pattern in zip(maps, self.map_mean, self.map_pattern, strict=True)
        ]
        return torch.cat([scalars, *found], dim=1)

    def forward(self, sample: Sample) -> Tensor:
        """Return the answer ``[batch, lead, target, latitude, longitude]``, normalised."""
        leads = range(sample.lead_time.shape[1])
        answers = [self.answer(self.predictors_of(sample, lead)) for lead in leads]
        fields = torch.stack(answers, dim=1)
        return fields.reshape(*fields.shape[:-1], *self.signature.shape).float()

    def predictors_of(self, sample: Sample, lead: int) -> Tensor:
        """Return the predictors of one lead ``[batch, predictor]``."""
        return self.predictors(self.features(sample.at_lead(lead)))

    def _parts(self, features: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return scalars ``[sample, scalar]`` and maps ``[sample, cell]`` of :meth:`features`."""
        count = len(self.scalars)
        maps = features[:, count:].reshape(len(features), len(self.maps), len(self.area))
        return features[:, :count].double(), list(maps.double().unbind(1))


def principal_components(fields: Tensor, metric: Tensor, components: int) -> tuple[Tensor, Tensor]:
    """Return what turns maps into their leading principal components of unit variance.

    Parameters
    ----------
    fields
        ``[sample, cell]``, any unit, float64.
    metric
        Factor of each cell before the decomposition ``[cell]``.
    components
        How many; those that do not exist are zero.

    Returns
    -------
    tuple of torch.Tensor
        The mean ``[cell]``, and the patterns ``[cell, component]`` whose products with anomalies
        are the components, each with a variance of 1 over the samples.
    """
    mean = fields.mean(dim=0)
    _, size, axes = torch.linalg.svd((fields - mean) * metric, full_matrices=False)
    there = size > CONSTANT * size[0].clamp(min=1e-300)
    kept = torch.nonzero(there)[:components, 0]
    axes, size = axes[kept], size[kept]
    # The decomposition leaves the sign open: the largest cell of each pattern is positive.
    largest = axes.gather(1, axes.abs().argmax(dim=1, keepdim=True))
    pattern = fields.new_zeros(fields.shape[1], components)
    scale = len(fields) ** 0.5 / size * largest[:, 0].sign()
    pattern[:, : len(kept)] = axes.T * scale * metric[:, None]
    return mean, pattern
