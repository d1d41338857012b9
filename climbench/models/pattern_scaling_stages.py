"""Two regressions in a chain: drivers give the global mean, which gives every cell."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from climbench.errors import UserError, nearest
from climbench.grids import latitude_weights
from climbench.models.channels import driver
from climbench.models.closed_form import ClosedForm
from climbench.tasks.sample import Sample, Signature

STILL = 1e-12  # a feature that varies less, relative to its size, explains nothing
ALIKE = 1e-10  # eigenvalue of the features' correlation below which they say the same


class TwoStageRegression(ClosedForm):
    r"""Ordinary least squares with intercept in two stages, from sums over the training years.

    1. The area-weighted global mean of a target follows features of the drivers,
       :math:`\bar T(t) = \alpha + \sum_k \beta_k \phi_k(t)`.
    2. Every cell of every target follows features :math:`\psi` of the *true* global mean of the
       training years, the first of which is :math:`\bar T` itself,
       :math:`y_i(t) = b_i + \sum_k a_{ik} \psi_k(t)`.

    A prediction puts the first into the second. What the features are is up to the subclasses.

    Parameters
    ----------
    signature
        The question.
    global_mean_of
        The target whose global mean scales the patterns; ``None``: the first.
    drivers
        Channels that the features are made of, among the inputs or the forcings.
    global_count, local_count
        Number of features of both stages, the constant not counted.

    Attributes
    ----------
    target
        Position of the target whose global mean scales the patterns.
    global_coefficients
        The intercept, then the slopes of stage 1 ``[1 + global_count]``, normalised.
    local_coefficients
        The intercepts, then the slopes of stage 2
        ``[1 + local_count, target, latitude, longitude]``, normalised.

    Raises
    ------
    UserError
        If a channel is not there.
    """

    weights: Tensor
    global_gram: Tensor
    global_product: Tensor
    local_gram: Tensor
    local_product: Tensor
    global_coefficients: Tensor
    local_coefficients: Tensor

    def __init__(
        self,
        signature: Signature,
        global_mean_of: str | None,
        drivers: Sequence[str],
        global_count: int,
        local_count: int,
    ) -> None:
        super().__init__(signature)
        option = "predictor" if len(drivers) == 1 else "predictors"
        for name in drivers:
            self.require(name, (*signature.inputs, *signature.forcings), option)
        target = signature.targets[0] if global_mean_of is None else global_mean_of
        self.require(target, signature.targets, "global_mean_of")
        self.target = signature.targets.index(target)

        cells = signature.shape[0] * signature.shape[1]
        weights = torch.from_numpy(latitude_weights(signature.latitude, "area"))[:, None] / cells
        self.register_buffer("weights", weights, persistent=False)
        sizes = (1 + global_count, 1 + local_count)
        field = (len(signature.targets), *signature.shape)
        self.register_statistic("global_gram", sizes[0], sizes[0])
        self.register_statistic("global_product", sizes[0])
        self.register_statistic("local_gram", sizes[1], sizes[1])
        self.register_statistic("local_product", sizes[1], *field)
        for name, shape in (("global", sizes[:1]), ("local", (sizes[1], *field))):
            zeros = torch.zeros(shape, dtype=torch.float64)
            self.register_buffer(f"{name}_coefficients", zeros)

    @abstractmethod
    def global_features(self, sample: Sample) -> Tensor:
        """Return what the global mean follows ``[batch, lead, feature]``, without the constant."""

    def local_features(self, global_mean: Tensor, sample: Sample) -> Tensor:
        """Return what the cells follow ``[batch, lead, feature]``, the global mean first.

        Parameters
        ----------
        global_mean
            ``[batch, lead]``, true in training, of stage 1 in prediction; normalised.
        sample
            The question.
        """
        return global_mean[..., None]

    def accumulate(self, sample: Sample) -> None:
        """Add a batch of years to the sums of both stages."""
        fields = sample.targets.flatten(0, 1)
        mean = self.area_mean(sample.targets[:, :, self.target])
        drivers = _with_constant(self.global_features(sample)).flatten(0, 1)
        self.global_gram += drivers.T @ drivers
        self.global_product += drivers.T @ mean.flatten()
        features = _with_constant(self.local_features(mean, sample)).flatten(0, 1)
        self.local_gram += features.T @ features
        product = features.T @ fields.flatten(1).double()
        self.local_product += product.reshape(self.local_product.shape)

    def solve(self) -> None:
        """Set the coefficients of both stages."""
        self.global_coefficients = self.solve_global()
        self.local_coefficients = least_squares(self.local_gram, self.local_product)

    def solve_global(self) -> Tensor:
        """Return the coefficients of stage 1 from its sums."""
        return least_squares(self.global_gram, self.global_product)

    def forward(self, sample: Sample) -> Tensor:
        """Return both stages chained ``[batch, lead, target, latitude, longitude]``."""
        return self.fields(self.global_mean(sample), sample)

    def global_mean(self, sample: Sample) -> Tensor:
        """Return stage 1 ``[batch, lead]``, normalised, float64."""
        return _with_constant(self.global_features(sample)) @ self.global_coefficients

    def fields(self, global_mean: Tensor, sample: Sample) -> Tensor:
        """Return stage 2 for global means ``[batch, lead]``, both normalised."""
        return self.fields_of(self.local_features(global_mean, sample))

    def fields_of(self, features: Tensor) -> Tensor:
        """Return stage 2 for its features ``[batch, lead, feature]``, normalised, float32."""
        intercept, *slopes = self.local_coefficients.float().unbind(0)
        # Sums of fields, not a matrix product: each value is written once or twice.
        answer = intercept.expand(*features.shape[:2], *intercept.shape)
        for at, slope in enumerate(slopes):
            scale = features[..., at, None, None, None].float()
            answer = torch.addcmul(answer, scale, slope)
        return answer

    def driver_mean(self, sample: Sample, name: str) -> Tensor:
        """Return the area mean of a driver ``[batch, lead]``, normalised, float64."""
        return self.area_mean(driver(self.signature, sample, name))

    def area_mean(self, field: Tensor) -> Tensor:
        """Return the area-weighted mean over the last two axes, float64."""
        return (field.double() * self.weights).sum((-2, -1))

    def require(self, name: str, choices: Sequence[str], option: str) -> None:
        """Refuse a channel that is not there."""
        if name not in choices:
            raise UserError(
                f"{type(self).__name__}: option '{option}' = '{name}' is not a channel of the "
                f"task: {nearest(name, choices)}"
            )


def least_squares(gram: Tensor, product: Tensor) -> Tensor:
    r"""Return the coefficients of ordinary least squares from sums over rows.

    Features that never change get the coefficient 0; of features that say the same the solution
    is the one of least norm, each in units of its standard deviation.

    Parameters
    ----------
    gram
        Sums of products of the features :math:`X^T X` ``[feature, feature]``, the first of them 1.
    product
        Sums of products of features and targets :math:`X^T Y` ``[feature, ...]``.

    Returns
    -------
    torch.Tensor
        ``[feature, ...]``, the intercept first.

    Examples
    --------
    >>> x = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    >>> y = torch.tensor([1.0, 3.0, 5.0])
    >>> least_squares(x.T @ x, x.T @ y)
    tensor([1., 2.])
    """
    centre = gram[0, 1:] / gram[0, 0]
    spread = gram[1:, 1:] - torch.outer(centre, gram[0, 1:])
    variance = spread.diagonal()
    moves = variance > STILL * gram.diagonal()[1:].clamp(min=1.0)
    inverse = torch.where(moves, variance, 1.0).rsqrt() * moves
    correlation = inverse[:, None] * spread * inverse
    pairs = product.flatten(1) if product.ndim > 1 else product[:, None]
    centred = pairs[1:] - torch.outer(centre, pairs[0])
    solution = torch.linalg.pinv(correlation, rtol=ALIKE, hermitian=True)
    slopes = inverse[:, None] * (solution @ (inverse[:, None] * centred))
    intercept = pairs[:1] / gram[0, 0] - centre[None] @ slopes
    return torch.cat([intercept, slopes]).reshape(product.shape)


def _with_constant(features: Tensor) -> Tensor:
    return torch.cat([torch.ones_like(features[..., :1]), features], dim=-1)
