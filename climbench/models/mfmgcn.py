"""MFMGCN: four graphs that stay, and one that follows the weather."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import glu, pad

from climbench.models.channels import positions
from climbench.models.station_graphs import (
    correlation_graph,
    distance_graph,
    neighbour_graph,
    row_normalised,
    similarity_graph,
)
from climbench.models.station_parts import StationInput, StationOutput
from climbench.tasks.sample import Sample, Signature


class DynamicGraph(nn.Module):
    r"""A graph of the hour: :math:`\mathrm{softmax}(E_1(x)\, E_2(x)^T / \sqrt{d})`.

    Both embeddings see the window's values and the place of a station, so that a station can look
    to where its wind comes from.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.looks, self.shows = (
            nn.Sequential(nn.Linear(features, 2 * hidden), nn.GELU(), nn.Linear(2 * hidden, hidden))
            for _ in range(2)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return rows that sum to 1 ``[batch, station, station]``."""
        looks, shows = self.looks(features), self.shows(features)
        return torch.softmax(looks @ shows.transpose(1, 2) / math.sqrt(looks.shape[-1]), dim=-1)


class Block(nn.Module):
    r"""A gated convolution over time, then :math:`\sum_k A_k H W_k` over the graphs."""

    def __init__(self, hidden: int, graphs: int, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.over_time = nn.Conv2d(hidden, 2 * hidden, (kernel, 1))
        self.over_graphs = nn.Linear((graphs + 1) * hidden, hidden)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, fields: Tensor, graphs: Tensor) -> Tensor:
        """Return ``[batch, history, station, hidden]``.

        Parameters
        ----------
        fields
            Of the same shape.
        graphs
            ``[batch, graph, station, station]``.
        """
        earlier = pad(fields.movedim(-1, 1), (0, 0, self.kernel - 1, 0))
        own = glu(self.over_time(earlier), dim=1).movedim(1, -1)
        near = torch.einsum("bgij,btjh->btigh", graphs, own).flatten(3)
        mixed = self.over_graphs(torch.cat([own, near], dim=-1)).relu()
        return torch.as_tensor(self.norm(fields + mixed))


class MFMGCN(nn.Module):
    r"""Multi-factor multi-graph convolution over stations.

    Four static graphs, by distance, neighbourhood, likeness of place and altitude, and correlation
    of the inputs over the training samples, are fused as :math:`\sum_k \mathrm{softmax}(w)_k A_k`
    with learned :math:`w`; a fifth follows from the window's values. The paper's equations could
    not be read: these are our reading of its description.

    Parameters
    ----------
    signature
        The question.
    hidden
        Width.
    blocks
        Convolutions over time and graphs, in turn.
    kernel
        Steps of a convolution over time, of the present and the past.
    dynamic
        Width of the embeddings of the dynamic graph.

    Raises
    ------
    UserError
        If the place of a station is not known.

    References
    ----------
    Zhu et al. (2023), Weather2K: a multivariate spatio-temporal benchmark dataset for
    meteorological forecasting based on real-time observation data from ground weather stations,
    AISTATS, section 4 (MFMGCN).
    """

    layouts = ("stations",)
    takes_missing_inputs = True

    by_place: Tensor
    by_correlation: Tensor
    fitted: Tensor

    def __init__(
        self,
        signature: Signature,
        hidden: int = 64,
        blocks: int = 2,
        kernel: int = 3,
        dynamic: int = 32,
    ) -> None:
        super().__init__()
        self.input = StationInput(signature)
        self.ordered = positions(signature.inputs, sorted(signature.inputs))
        kinds = (distance_graph, neighbour_graph, similarity_graph)
        graphs = torch.stack([row_normalised(kind(signature)) for kind in kinds])
        self.register_buffer("by_place", graphs.float(), persistent=False)
        self.register_buffer("by_correlation", torch.eye(signature.shape[1]))
        self.register_buffer("fitted", torch.tensor(False))
        self.fusion = nn.Parameter(torch.zeros(4))
        self.enter = nn.Linear(self.input.each_step + self.input.once, hidden)
        window = signature.history * self.input.each_step + self.input.once
        self.dynamic = DynamicGraph(window, dynamic)
        self.blocks = nn.ModuleList(Block(hidden, 2, kernel) for _ in range(blocks))
        self.mix = nn.Sequential(nn.Linear(hidden + self.input.once, hidden), nn.ReLU())
        self.output = StationOutput(signature, hidden)

    def fit_first(self, samples: Iterable[Sample]) -> None:
        """Set the graph of correlations from normalised samples, each of them once."""
        sums: list[Tensor] = []
        for sample in samples:
            values = sample.inputs[:, -1, self.ordered, 0].double().movedim(1, 0)
            known = values.isfinite().double()
            values = values.nan_to_num(0.0)
            terms = (values, values), (known, values), (known, values.square()), (known, known)
            parts = [torch.einsum("fbj,fbi->fij", one, other) for one, other in terms]
            sums = parts if not sums else [a + b for a, b in zip(sums, parts, strict=True)]
        product, total, square, count = sums
        self.by_correlation = row_normalised(
            correlation_graph(total, product, square, count)
        ).float()
        self.fitted.fill_(True)

    def graphs(self, steps: Tensor, still: Tensor) -> Tensor:
        """Return the fused and the dynamic graph ``[batch, 2, station, station]``."""
        every = torch.cat([self.by_place, self.by_correlation[None]])
        static = torch.einsum("k,kij->ij", self.fusion.softmax(0).to(every), every)
        window = torch.cat([steps.transpose(1, 2).flatten(2), still], dim=-1)
        dynamic = self.dynamic(window)
        return torch.stack([static.to(dynamic).expand_as(dynamic), dynamic], dim=1)

    def forward(self, sample: Sample) -> Tensor:
        """Return ``[batch, lead, target, 1, station]``."""
        steps, still = self.input.steps(sample), self.input.still(sample)
        graphs = self.graphs(steps, still)
        here = still[:, None].expand(-1, steps.shape[1], -1, -1)
        state = self.enter(torch.cat([steps, here], dim=-1))
        for block in self.blocks:
            state = block(state, graphs)
        mixed = self.mix(torch.cat([state[:, -1], still], dim=-1))
        answer: Tensor = self.output(mixed, sample)
        return answer
