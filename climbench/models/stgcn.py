"""STGCN: convolutions over time and over the graph, in turn."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import glu

from climbench.errors import UserError
from climbench.models.station_graphs import GRAPHS, scaled_laplacian
from climbench.models.station_parts import StationInput, StationOutput
from climbench.tasks.sample import Sample, Signature


class TimeConvolution(nn.Module):
    """Gated convolution over time without padding: ``kernel - 1`` steps are lost."""

    def __init__(self, before: int, after: int, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.convolution = nn.Conv2d(before, 2 * after, (kernel, 1))
        self.align = nn.Conv2d(before, after, 1) if before != after else nn.Identity()

    def forward(self, fields: Tensor) -> Tensor:
        """Return ``[batch, channel, time, station]``: gate times values, beside the input."""
        values, gate = self.convolution(fields).chunk(2, dim=1)
        beside = self.align(fields)[:, :, self.kernel - 1 :]
        return glu(torch.cat([values + beside, gate], dim=1), dim=1)


class GraphConvolution(nn.Module):
    r"""Chebyshev polynomials of the scaled Laplacian, :math:`\sum_k T_k(\tilde L) X \Theta_k`."""

    laplacian: Tensor

    def __init__(self, channels: int, order: int, laplacian: Tensor) -> None:
        super().__init__()
        self.register_buffer("laplacian", laplacian, persistent=False)
        self.order = order
        self.mix = nn.Conv2d(order * channels, channels, 1)

    def forward(self, fields: Tensor) -> Tensor:
        """Return ``[batch, channel, time, station]``, rectified, beside the input."""
        terms = [fields, fields @ self.laplacian]
        while len(terms) < self.order:
            terms.append(2 * terms[-1] @ self.laplacian - terms[-2])
        mixed = self.mix(torch.cat(terms[: self.order], dim=1))
        return torch.relu(mixed + fields)


class Block(nn.Module):
    """Time, graph, time: a spatio-temporal block."""

    def __init__(
        self, before: int, wide: int, narrow: int, kernel: int, order: int, laplacian: Tensor
    ) -> None:
        super().__init__()
        self.first = TimeConvolution(before, narrow, kernel)
        self.graph = GraphConvolution(narrow, order, laplacian)
        self.second = TimeConvolution(narrow, wide, kernel)
        self.norm = nn.LayerNorm(wide)

    def forward(self, fields: Tensor) -> Tensor:
        """Return ``[batch, wide, time, station]``, twice ``kernel - 1`` steps shorter."""
        after = self.second(self.graph(self.first(fields)))
        return torch.as_tensor(self.norm(after.movedim(1, -1)).movedim(-1, 1))


class STGCN(nn.Module):
    """Two blocks of convolutions over time, graph and time, then one over what time is left.

    Where the history is too short for the convolutions its first step is repeated before it.

    Parameters
    ----------
    signature
        The question.
    wide, narrow
        Channels of the outer and of the inner convolutions of a block: 64 and 16 there.
    kernel
        Steps of a convolution over time.
    order
        Terms of the Chebyshev polynomials.
    graph
        By ``distance``, ``neighbours`` or ``similarity`` of the stations.

    Raises
    ------
    UserError
        If a size is not positive, or the place of a station is not known.

    References
    ----------
    Yu, Yin and Zhu (2018), Spatio-temporal graph convolutional networks: a deep learning framework
    for traffic forecasting, IJCAI.
    """

    layouts = ("stations",)
    takes_missing_inputs = True

    def __init__(
        self,
        signature: Signature,
        wide: int = 64,
        narrow: int = 16,
        kernel: int = 3,
        order: int = 3,
        graph: Literal["distance", "neighbours", "similarity"] = "distance",
    ) -> None:
        super().__init__()
        for name, value in (
            ("wide", wide),
            ("narrow", narrow),
            ("kernel", kernel),
            ("order", order),
        ):
            if value < 1:
                raise UserError(f"STGCN: option '{name}' = {value} must be 1 or more.")
        laplacian = scaled_laplacian(GRAPHS[graph](signature)).float()
        self.input = StationInput(signature)
        shared = (wide, narrow, kernel, order, laplacian)
        self.blocks = nn.Sequential(Block(self.input.each_step, *shared), Block(wide, *shared))
        self.least = 4 * (kernel - 1) + 1
        left = max(signature.history, self.least) - self.least + 1
        self.last = TimeConvolution(wide, wide, left)
        self.mix = nn.Sequential(nn.Linear(wide + self.input.once, wide), nn.ReLU())
        self.output = StationOutput(signature, wide)

    def forward(self, sample: Sample) -> Tensor:
        """Return ``[batch, lead, target, 1, station]``."""
        steps = self.input.steps(sample)
        missing = self.least - steps.shape[1]
        if missing > 0:
            steps = torch.cat([steps[:, :1].expand(-1, missing, -1, -1), steps], dim=1)
        state = self.last(self.blocks(steps.movedim(-1, 1)))[:, :, -1].transpose(1, 2)
        mixed = self.mix(torch.cat([state, self.input.still(sample)], dim=-1))
        answer: Tensor = self.output(mixed, sample)
        return answer
