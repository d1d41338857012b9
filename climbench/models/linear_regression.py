"""Linear regression: the bar that a network has to clear."""

import torch
from torch import Tensor

from climbench.errors import UserError
from climbench.grids import latitude_weights
from climbench.models.channels import calendar_features
from climbench.models.padding import Edges, pad
from climbench.models.ridge import RidgeRegression
from climbench.tasks.sample import Sample, Signature

MOST_FEATURES = 20_000  # of the whole field: 3 GB of float64 for each fold


class LinearRegression(RidgeRegression):
    """Predict each cell from its neighbourhood, with coefficients for each row of latitude.

    Features are all input channels (each step of the history) of the cells up to
    ``neighbourhood`` rows and columns away, round the globe and over the poles, the forcings and
    static fields of the cell, and the harmonics of the season and the local solar day.

    Parameters
    ----------
    signature
        The question.
    neighbourhood
        Cells to each side; 2 means 5 x 5.
    ridge
        The penalties to choose from, see :class:`climbench.models.ridge.RidgeRegression`.
    """

    longitude: Tensor

    def __init__(
        self,
        signature: Signature,
        neighbourhood: int = 2,
        ridge: tuple[float, ...] = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1),
    ) -> None:
        window = 2 * neighbourhood + 1
        features = signature.history * len(signature.inputs) * window**2
        features += len(signature.forcings) + len(signature.static) + 4 + 1
        super().__init__(signature, signature.shape[0], features, len(signature.targets), ridge)
        self.neighbourhood = neighbourhood
        self.edges = Edges.of(signature.latitude, signature.longitude)
        longitude = torch.tensor(signature.longitude, dtype=torch.float32)
        self.register_buffer("longitude", longitude, persistent=False)
        self.group_weights = torch.from_numpy(latitude_weights(signature.latitude, "area"))

    def features(self, sample: Sample, lead: int) -> Tensor:
        """Return features ``[latitude, batch * longitude, feature]`` in the type of the inputs."""
        batch, height = len(sample.inputs), sample.inputs.shape[-2]
        margin, window = (self.neighbourhood, self.neighbourhood), 2 * self.neighbourhood + 1
        padded = pad(sample.inputs.flatten(1, 2), self.edges, margin, margin)
        # With channels last, a window of columns is one run in memory: a view, not a copy.
        columns = padded.permute(2, 0, 3, 1).contiguous().unfold(2, window, 1)
        strips = columns.transpose(3, 4).flatten(3)
        day, hour = sample.day_of_year[:, 0], sample.hour[:, 0]
        calendar = calendar_features(day, hour, self.longitude)[:, :, None]
        here = [
            sample.forcings[:, lead],
            sample.static.expand(batch, -1, -1, -1),
            calendar.expand(-1, -1, height, -1),
            torch.ones_like(calendar[:, :1]).expand(-1, -1, height, -1),
        ]
        near = [strips[row : row + height] for row in range(window)]
        own = torch.cat(here, dim=1).to(padded.dtype).permute(2, 0, 3, 1)
        return torch.cat([*near, own], dim=3).flatten(1, 2)

    def rows(self, fields: Tensor) -> Tensor:
        """Return fields as ``[latitude, batch * longitude, channel]``."""
        return fields.permute(2, 0, 3, 1).flatten(1, 2)

    def fields(self, rows: Tensor) -> Tensor:
        """Undo :meth:`rows`."""
        height, width = self.signature.shape
        return rows.reshape(height, -1, width, rows.shape[-1]).permute(1, 3, 0, 2)


class FieldLinearRegression(RidgeRegression):
    """Predict each cell from the whole field, as WeatherBench does.

    Features are every cell of every input (each step of the history) and forcing, and the
    harmonics of season and day. Static fields never change, so they tell it nothing.

    Parameters
    ----------
    signature
        The question.
    ridge
        The penalties to choose from; several need four times the memory.

    Raises
    ------
    UserError
        If the field has too many values for the equations to be held in memory.

    References
    ----------
    Rasp et al. (2020), WeatherBench, section 4 (without penalty there).
    """

    layouts = ("map", "stations")
    answers_new_places = False

    origin: Tensor

    def __init__(self, signature: Signature, ridge: tuple[float, ...] = (0.1,)) -> None:
        cells = signature.shape[0] * signature.shape[1]
        maps = signature.history * len(signature.inputs) + len(signature.forcings)
        if maps * cells > MOST_FEATURES:
            raise UserError(
                f"a linear regression on the whole field of {maps * cells} values does not fit "
                f"into memory (at most {MOST_FEATURES}): take model=linear_regression, which is "
                "local, or fewer inputs."
            )
        super().__init__(signature, 1, maps * cells + 5, cells * len(signature.targets), ridge)
        self.register_buffer("origin", torch.zeros(1), persistent=False)

    def features(self, sample: Sample, lead: int) -> Tensor:
        """Return features ``[1, batch, feature]``."""
        day, hour = sample.day_of_year[:, 0], sample.hour[:, 0]
        calendar = calendar_features(day, hour, self.origin).flatten(1)
        values = [
            sample.inputs.flatten(1),
            sample.forcings[:, lead].flatten(1),
            calendar,
            torch.ones_like(calendar[:, :1]),
        ]
        return torch.cat([value.to(sample.inputs.dtype) for value in values], dim=1)[None]

    def rows(self, fields: Tensor) -> Tensor:
        """Return fields as ``[1, batch, target * latitude * longitude]``."""
        return fields.flatten(1)[None]

    def fields(self, rows: Tensor) -> Tensor:
        """Undo :meth:`rows`."""
        return rows[0].reshape(rows.shape[1], -1, *self.signature.shape)
