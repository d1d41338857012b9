"""Linear downscaling: each fine cell from the coarse cells around it."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from climbench.errors import UserError
from climbench.models.channels import calendar_features
from climbench.models.padding import Edges, pad
from climbench.models.resizing import MARGIN, around, extended_columns, extended_rows
from climbench.models.ridge import RidgeRegression
from climbench.tasks.sample import Sample, Signature

SIDES = {4: 2, 9: 3}


class LinearDownscaling(RidgeRegression):
    """Predict each fine cell by a ridge regression of its own on the nearest coarse cells.

    Features are all input channels (each step of the history) of the 2 x 2 coarse cells whose
    centres lie around the fine one, or of the 3 x 3 around the nearest, round the globe and over
    the poles, and the harmonics of the season and the local solar day. What is constant in time
    at a cell, as orography is, is in its constant. The bilinear interpolation is one of the
    answers that 4 cells can give.

    A sample in which a fine cell has a missing target does not count for that cell.

    Parameters
    ----------
    signature
        The question.
    cells
        Coarse cells of each regression: 4 or 9; 9 take some four times the memory.
    ridge
        The penalties to choose from, see :class:`climbench.models.ridge.RidgeRegression`.

    Raises
    ------
    UserError
        If ``cells`` is something else.
    """

    takes_coarse_inputs = True

    near_rows: Tensor
    near_columns: Tensor
    longitude: Tensor

    def __init__(
        self,
        signature: Signature,
        cells: int = 4,
        ridge: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1),
    ) -> None:
        if cells not in SIDES:
            raise UserError(f"option 'cells' = {cells} is wrong: take 4 or 9.")
        rows, columns = signature.shape
        channels = signature.history * len(signature.inputs)
        features = channels * cells + len(signature.forcings) + 4 + 1
        super().__init__(signature, rows * columns, features, len(signature.targets), ridge)
        latitude = signature.input_latitude or signature.latitude
        longitude = signature.input_longitude or signature.longitude
        self.edges = Edges.of(latitude, longitude)
        centres = extended_rows(latitude, self.edges)
        near = nearest_centres(centres, np.array(signature.latitude), SIDES[cells])
        self.register_buffer("near_rows", near, persistent=False)
        wanted = around(np.array(signature.longitude), longitude, self.edges)
        near = nearest_centres(extended_columns(longitude, self.edges), wanted, SIDES[cells])
        self.register_buffer("near_columns", near, persistent=False)
        east = torch.tensor(signature.longitude, dtype=torch.float32)
        self.register_buffer("longitude", east, persistent=False)
        weights = torch.cos(torch.deg2rad(torch.tensor(signature.latitude, dtype=torch.float64)))
        self.group_weights = weights.repeat_interleave(columns)

    def features(self, sample: Sample, lead: int) -> Tensor:
        """Return features ``[cell, batch, feature]`` in the type of the inputs."""
        margin, (height, width) = (MARGIN, MARGIN), self.signature.shape
        padded = pad(sample.inputs.flatten(1, 2), self.edges, margin, margin)
        near = padded[:, :, self.near_rows][..., self.near_columns]
        near = near.permute(2, 4, 0, 1, 3, 5).flatten(3)
        day, hour = sample.day_of_year[:, 0], sample.hour[:, 0]
        calendar = calendar_features(day, hour, self.longitude)[:, :, None]
        here = [
            sample.forcings[:, lead],
            calendar.expand(-1, -1, height, -1),
            torch.ones(len(padded), 1, height, width, device=padded.device),
        ]
        own = torch.cat([each.to(padded) for each in here], dim=1).permute(2, 3, 0, 1)
        return torch.cat([near, own], dim=3).flatten(0, 1)

    def rows(self, fields: Tensor) -> Tensor:
        """Return fields as ``[cell, batch, target]``."""
        return fields.permute(2, 3, 0, 1).flatten(0, 1)

    def fields(self, rows: Tensor) -> Tensor:
        """Undo :meth:`rows`."""
        return rows.reshape(*self.signature.shape, *rows.shape[1:]).permute(2, 3, 0, 1)


def nearest_centres(centres: NDArray[np.float64], wanted: NDArray[np.float64], side: int) -> Tensor:
    """Return the positions of the nearest centres of each wanted point ``[wanted, side]``.

    They follow each other: for an even ``side`` as many on either side of the point, for an odd
    one round the nearest centre. Beyond the second and the last but one they are those of these.

    Examples
    --------
    >>> nearest_centres(np.arange(6.0), np.array([2.2]), 2).tolist()
    [[2, 3]]
    >>> nearest_centres(np.arange(6.0), np.array([2.7]), 3).tolist()
    [[2, 3, 4]]
    """
    left = np.clip(np.searchsorted(centres, wanted, side="right") - 1, 1, centres.size - 3)
    if side % 2:
        share = (wanted - centres[left]) / (centres[left + 1] - centres[left])
        left = left + (share > 0.5) - side // 2
    return torch.from_numpy(left[:, None] + np.arange(side))
