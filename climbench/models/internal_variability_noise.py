"""Pattern scaling with noise around it: what draws an ensemble, and the simplest that does."""

import zlib
from abc import abstractmethod
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from climbench.errors import UserError
from climbench.models.gathered import Gathered
from climbench.models.pattern_scaling import PatternScaling
from climbench.tasks.sample import Sample, Signature

Array = NDArray[np.float64]
Noise = NDArray[np.float32]

LAST_YEAR = 2100  # up to which a series is made at once; further where a sample asks for it
RUN, YEAR, CLIMATE_MODEL, PREDICTOR = range(4)  # the first features


class NoisyPatternScaling(Gathered):
    """Linear pattern scaling for the forced response, and noise around it.

    ``forward`` gives the forced response. A member has one series of noise for all years from
    ``first_year`` on, the same in every scenario, made of ``seed`` and its number alone, so that
    its years go together whatever the batches. Fit it with the task option ``members: each``: the
    variability of a mean over members is smaller.

    Parameters
    ----------
    signature
        The question.
    predictor, global_mean_of
        See :class:`~climbench.models.pattern_scaling.PatternScaling`.
    members
        Size of the ensemble.
    seed
        Of the noise.
    first_year
        The earliest calendar year that can be asked for.

    Raises
    ------
    UserError
        If a channel is not there, or there is no member.
    """

    def __init__(
        self,
        signature: Signature,
        predictor: str,
        global_mean_of: str | None,
        members: int,
        seed: int,
        first_year: int,
    ) -> None:
        super().__init__(signature)
        if members < 1:
            raise UserError(
                f"{type(self).__name__}: option 'members' = {members} must be 1 or more"
            )
        self.forced = PatternScaling(signature, predictor, global_mean_of)
        self.members, self.seed, self.first_year = members, seed, first_year
        self._series: tuple[int, Noise] | None = None

    @abstractmethod
    def noise(self, member: int, years: int) -> Noise:
        """Return a member's noise from ``first_year`` on ``[year, target, cell]``, normalised.

        More years leave the values of the first ones as they are.
        """

    @property
    def cell_weights(self) -> Array:
        """Share of each cell in the globe's area ``[cell]``."""
        return self.forced.weights.expand(self.signature.shape).flatten().cpu().double().numpy()

    def statistics(self) -> dict[str, Tensor]:
        """Return the sums of the forced response."""
        return {f"forced.{name}": total for name, total in self.forced.statistics().items()}

    def features(self, sample: Sample) -> Tensor:
        """Return run, year, climate model, predictor, and the area mean of every other driver."""
        drivers = [sample.inputs[:, -1], sample.forcings[:, 0]]
        means = [self.forced.area_mean(fields).reshape(len(fields), -1) for fields in drivers]
        identity = torch.stack([sample.run, sample.year[:, 0], sample.climate_model], dim=1)
        return torch.cat([identity, self.forced.predictor_of(sample)[:, :1], *means], dim=1)

    def accumulate(self, sample: Sample) -> None:
        """Add a batch to the sums of the forced response, and keep it for the noise."""
        super().accumulate(sample)
        self.forced.accumulate(sample)

    def solve(self) -> None:
        """Fit the forced response, then the noise."""
        self.forced.solve()
        self._series = None
        super().solve()

    def forward(self, sample: Sample) -> Tensor:
        """Return the forced response ``[batch, lead, target, latitude, longitude]``."""
        answer: Tensor = self.forced(sample)
        return answer

    def draw(self, sample: Sample, member: int) -> Tensor:
        """Return one member ``[batch, lead, target, latitude, longitude]``, normalised.

        Raises
        ------
        UserError
            If a year is before ``first_year``.
        """
        at = sample.year.cpu().numpy() - self.first_year
        if at.min() < 0:
            raise UserError(
                f"year {at.min() + self.first_year} is before option 'first_year' = "
                f"{self.first_year} of {type(self).__name__}: set an earlier one"
            )
        years = max(int(at.max()), LAST_YEAR - self.first_year) + 1
        if self._series is None or self._series[0] != member or len(self._series[1]) < years:
            self._series = member, self.noise(member, years)
        forced = self.forward(sample)
        noise = torch.from_numpy(self._series[1][at]).to(forced)
        return forced + noise.reshape(forced.shape)

    def white(self, member: int, purpose: str, years: int, count: int) -> Noise:
        """Return a member's independent normal numbers for a purpose ``[year, number]``."""
        stream = np.random.SeedSequence([self.seed, member, zlib.crc32(purpose.encode())])
        # Drawn year by year: the first years do not depend on how many there are.
        numbers: Noise = np.random.default_rng(stream).standard_normal((years, count), np.float32)
        return numbers


class PatternScalingWithGaussian(NoisyPatternScaling):
    """Linear pattern scaling with Gaussian spread, independent in time and space.

    The spread is the root mean square of the training residuals: the bar for models of internal
    variability.

    Parameters
    ----------
    signature, predictor, global_mean_of, members, seed, first_year
        See :class:`NoisyPatternScaling`.
    spread
        ``variable``: one number for each target, the area-weighted mean over cells. ``cell``: one
        for each cell, which scores as well in each cell alone as a model with the right memory and
        correlations; means over areas or years tell them apart.
    """

    deviation: Tensor

    def __init__(
        self,
        signature: Signature,
        predictor: str = "carbon_dioxide",
        global_mean_of: str | None = None,
        members: int = 20,
        seed: int = 0,
        first_year: int = 1850,
        spread: Literal["variable", "cell"] = "variable",
    ) -> None:
        super().__init__(signature, predictor, global_mean_of, members, seed, first_year)
        self.spread = spread
        cells = signature.shape[0] * signature.shape[1]
        self.register_buffer("deviation", torch.zeros(len(signature.targets), cells))

    def fit(self, features: Tensor, targets: Tensor) -> None:
        """Set ``deviation [target, cell]``."""
        predictor = features[:, PREDICTOR, None].to(self.forced.line)
        line = self.forced.local_from_global(self.forced.global_from_predictor(predictor))
        square = (targets - line[:, 0].cpu()).double().square().mean(dim=0).flatten(1)
        if self.spread == "variable":
            mean = square @ torch.from_numpy(self.cell_weights)
            square = mean[:, None].expand_as(square)
        self.deviation = square.sqrt().float().to(self.deviation.device)

    def noise(self, member: int, years: int) -> Noise:
        """Return white noise ``[year, target, cell]``."""
        deviation = self.deviation.cpu().numpy()
        fields = [
            self.white(member, name, years, deviation.shape[1]) for name in self.signature.targets
        ]
        return np.asarray(np.stack(fields, axis=1) * deviation)
