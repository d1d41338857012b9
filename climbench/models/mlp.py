"""A plain stack of dense layers, over columns or over whole small fields."""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from climbench.errors import UserError
from climbench.grids import latitude_weights
from climbench.models.channels import NetworkInput, NetworkOutput
from climbench.tasks.sample import Sample, Signature


class MLP(nn.Module):
    """Dense layers with leaky rectifiers.

    Parameters
    ----------
    signature
        The question.
    scope
        What one row of numbers is. ``column``: the channels of one cell, every cell by itself with
        the same weights (the published use, on columns of the atmosphere). ``field``: all channels
        of all cells at once, for small grids. ``global_mean``: the area mean of each channel gives
        the whole field, for emissions that are one number a year.
    width, depth
        Of the hidden layers: 512 and 7 in Bhouri et al.
    slope
        Of the rectifier below zero.
    bottleneck
        Width of a linear layer in front, without rectifier, that first shortens what comes in;
        none by default.

    Raises
    ------
    UserError
        If a size is not positive.

    References
    ----------
    Bhouri et al. (2023), Multi-fidelity climate model parameterization for better generalization
    and extrapolation, arXiv:2309.10231. Initial weights after Glorot and Bengio (2010).
    """

    layouts = ("map", "columns")

    weights: Tensor

    def __init__(
        self,
        signature: Signature,
        scope: Literal["column", "field", "global_mean"] = "column",
        width: int = 512,
        depth: int = 7,
        slope: float = 0.15,
        bottleneck: int | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("width", width), ("depth", depth), ("bottleneck", bottleneck)):
            if value is not None and value < 1:
                raise UserError(f"MLP: option '{name}' = {value} must be 1 or more")
        self.signature, self.scope = signature, scope
        self.input = NetworkInput(signature, lead_time=False, calendar=False, coordinates=False)
        self.output = NetworkOutput(signature, residual=False)
        cells = signature.shape[0] * signature.shape[1]
        given = self.input.count * (cells if scope == "field" else 1)
        wanted = self.output.count * (1 if scope == "column" else cells)
        layers: list[nn.Module] = [nn.Linear(given, bottleneck)] if bottleneck else []
        sizes = [bottleneck or given, *[width] * depth]
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.LeakyReLU(slope)]
        self.layers = nn.Sequential(*layers, nn.Linear(width, wanted))
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_normal_(layer.weight)
                nn.init.zeros_(layer.bias)
        weights = torch.from_numpy(latitude_weights(signature.latitude, "area")).float()
        self.register_buffer("weights", weights[:, None] / cells, persistent=False)

    def forward(self, sample: Sample) -> Tensor:
        """Return the answer ``[batch, lead, target, latitude, longitude]``."""
        maps = self.input(sample)
        batch, shape = len(maps), (-1, self.output.count, *self.signature.shape)
        if self.scope == "column":
            answer = self.layers(maps.movedim(1, -1)).movedim(-1, 1)
        elif self.scope == "field":
            answer = self.layers(maps.flatten(1)).reshape(batch, *shape[1:])
        else:
            answer = self.layers((maps * self.weights).sum((-2, -1))).reshape(batch, *shape[1:])
        fields: Tensor = self.output(answer, sample)
        return fields
