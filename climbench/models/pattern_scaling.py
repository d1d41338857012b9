"""Linear pattern scaling: local change follows the global mean, which follows emissions."""

from collections.abc import Sequence

import torch
from torch import Tensor

from climbench.models.pattern_scaling_stages import TwoStageRegression
from climbench.tasks.sample import Sample, Signature


class PatternScaling(TwoStageRegression):
    r"""Two straight lines, both by ordinary least squares with intercept.

    1. The area-weighted global mean follows a scalar predictor,
       :math:`\bar T(t) = \alpha + \beta\, E(t)`.
    2. Every cell of every target follows the *true* global mean of the training years,
       :math:`y_i(t) = b_i + a_i\, \bar T(t)`.

    A prediction puts the first into the second. By linearity the area-weighted mean of :math:`a`
    is 1 and that of :math:`b` is 0 for the target whose global mean is used, in normalised values
    and in physical units alike.

    Parameters
    ----------
    signature
        The question.
    predictor
        The channel :math:`E` among the inputs (its last step) or the forcings; by default the
        cumulative emissions of carbon dioxide. Where it is a map, its area mean is taken.
    global_mean_of
        The target whose global mean scales the patterns; by default the first.

    Raises
    ------
    UserError
        If one of the names is not there.

    References
    ----------
    Luetjens et al. (2025), The impact of internal variability on benchmarking deep learning
    climate emulators; Santer et al. (1990).
    """

    def __init__(
        self,
        signature: Signature,
        predictor: str = "carbon_dioxide",
        global_mean_of: str | None = None,
    ) -> None:
        super().__init__(signature, global_mean_of, [predictor], global_count=1, local_count=1)
        self.predictor = predictor

    @property
    def line(self) -> Tensor:
        """Slope and intercept of stage 1, normalised."""
        return self.global_coefficients.flip(0)

    @property
    def slope(self) -> Tensor:
        """Slopes of stage 2 ``[target, latitude, longitude]``, normalised."""
        return self.local_coefficients[1]

    @property
    def intercept(self) -> Tensor:
        """Intercepts of stage 2 ``[target, latitude, longitude]``, normalised."""
        return self.local_coefficients[0]

    def global_features(self, sample: Sample) -> Tensor:
        """Return the predictor ``[batch, lead, 1]``."""
        return self.predictor_of(sample)[..., None]

    def predictor_of(self, sample: Sample) -> Tensor:
        """Return the area mean of the predictor ``[batch, lead]``, normalised, float64."""
        return self.driver_mean(sample, self.predictor)

    def global_from_predictor(self, predictor: Tensor) -> Tensor:
        """Return stage 1, the global mean for a predictor of any shape, both normalised."""
        return self.line[1] + self.line[0] * predictor

    def local_from_global(self, global_mean: Tensor) -> Tensor:
        """Return stage 2, the fields for global means ``[batch, lead]``, both normalised."""
        return self.fields_of(global_mean.to(self.slope)[..., None])

    def maps(self, mean: Sequence[float], std: Sequence[float]) -> tuple[Tensor, Tensor]:
        """Return slope and intercept in physical units.

        Parameters
        ----------
        mean, std
            Normalisation of each target, in its unit ``[target]``.

        Returns
        -------
        tuple of torch.Tensor
            Slope in units of the target per unit of the global mean, and intercept in units of
            the target ``[target, latitude, longitude]``.
        """
        offset = torch.as_tensor(mean).to(self.slope)[:, None, None]
        scale = torch.as_tensor(std).to(self.slope)[:, None, None]
        slope = self.slope * scale / scale[self.target]
        return slope, self.intercept * scale + offset - slope * offset[self.target]
