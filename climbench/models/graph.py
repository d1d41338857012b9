"""Messages along the edges of an icosahedral mesh, as in GraphCast."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from climbench.errors import UserError
from climbench.grids import is_global
from climbench.models.channels import NetworkInput, NetworkOutput
from climbench.models.icosahedral_mesh import (
    Array,
    Indices,
    edge_features,
    edges_from_faces,
    edges_within,
    icosahedral_mesh,
    unit_vectors,
)
from climbench.tasks.sample import Sample, Signature

REACH = 0.6  # of the mesh's longest edge: which cells send to a point of the mesh


class GraphNetwork(nn.Module):
    """Cells send to a mesh, its points send to each other, and each cell hears from three of them.

    1. Encoder: every cell sends to the points of the finest mesh within 0.6 of its longest edge.
    2. Processor: messages along the edges of all levels of the mesh, short and long.
    3. Decoder: the corners of the triangle around each cell send to it.

    Every update is a perceptron with one hidden layer and a layer norm, added to what was there;
    messages are summed where they arrive. An edge knows its length and direction as seen from
    where it ends, a point of the mesh its place; a cell knows its place with ``coordinates``. On a
    region the mesh is that part of the globe's which cells send to or hear from.

    The updates of the authors' code that nothing depends on are left out. The lead time enters as
    a constant channel.

    Parameters
    ----------
    signature
        The question.
    mesh_level
        How often the icosahedron is refined: 6 for GraphCast at 0.25 degrees, 5 at 1 degree.
    latent_size
        Length of the vector of each cell, point and edge, and width of the perceptrons.
    steps
        Rounds of messages on the mesh.
    calendar, coordinates, residual
        As in :class:`climbench.models.resnet.ResNet`.

    Raises
    ------
    UserError
        If a number is too small.

    References
    ----------
    Lam et al. (2023), Learning skillful medium-range global weather forecasting, supplement 3.
    """

    points: Tensor

    def __init__(
        self,
        signature: Signature,
        mesh_level: int = 5,
        latent_size: int = 512,
        steps: int = 16,
        calendar: bool = False,
        coordinates: bool = True,
        residual: bool = False,
    ) -> None:
        super().__init__()
        if mesh_level < 0 or latent_size < 1 or steps < 1:
            raise UserError(
                f"GraphNetwork: mesh_level = {mesh_level} must be at least 0, latent_size = "
                f"{latent_size} and steps = {steps} at least 1."
            )
        self.input = NetworkInput(
            signature, lead_time=True, calendar=calendar, coordinates=coordinates
        )
        self.output = NetworkOutput(signature, residual=residual)
        graph = Graph.of(signature, mesh_level)
        points = torch.from_numpy(graph.points).float()[None]
        self.register_buffer("points", points, persistent=False)
        self.embed_cells = perceptron(self.input.count, latent_size)
        self.embed_points = perceptron(3, latent_size)
        self.embed_edges = nn.ModuleDict(
            {
                name: EdgeEmbedding(features, latent_size)
                for name, features in graph.features.items()
            }
        )
        self.encoder = Messages(graph.edges["encoder"], latent_size)
        self.update_cells = perceptron(latent_size, latent_size)
        self.processor = nn.ModuleList(
            Messages(graph.edges["processor"], latent_size) for _ in range(steps)
        )
        self.decoder = Messages(graph.edges["decoder"], latent_size)
        last = nn.Linear(latent_size, self.output.count)
        if residual:
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.head = nn.Sequential(nn.Linear(latent_size, latent_size), nn.SiLU(), last)

    def forward(self, sample: Sample) -> Tensor:
        """Return the answer ``[batch, lead, target, latitude, longitude]``."""
        channels = self.input(sample)
        cells = self.embed_cells(channels.flatten(2).transpose(1, 2))
        points = self.embed_points(self.points).expand(len(cells), -1, -1)
        edges = {name: embed() for name, embed in self.embed_edges.items()}
        points, _ = self.encoder(cells, points, edges["encoder"])
        cells = cells + self.update_cells(cells)
        along = edges["processor"]
        for step in self.processor:
            points, along = step(points, points, along)
        cells, _ = self.decoder(points, cells, edges["decoder"])
        maps = self.head(cells).transpose(1, 2).unflatten(2, channels.shape[2:])
        answer: Tensor = self.output(maps, sample)
        return answer


class Messages(nn.Module):
    """One round of messages along edges, and the update of those who get them.

    The first layer of the messages' perceptron works on edge, sender and receiver side by side;
    its parts for the ends are multiplied before they are spread over the edges.
    """

    senders: Tensor
    receivers: Tensor

    def __init__(self, edges: Indices, width: int) -> None:
        super().__init__()
        for name, ends in zip(("senders", "receivers"), edges.T, strict=True):
            self.register_buffer(name, torch.from_numpy(ends.copy()), persistent=False)
        self.from_edge = nn.Linear(width, width)
        self.from_sender = nn.Linear(width, width, bias=False)
        self.from_receiver = nn.Linear(width, width, bias=False)
        for part in (self.from_edge, self.from_sender, self.from_receiver):
            nn.init.uniform_(part.weight, -((3 * width) ** -0.5), (3 * width) ** -0.5)
        self.message = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.LayerNorm(width))
        self.update = perceptron(2 * width, width)

    def forward(self, senders: Tensor, receivers: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """Return receivers and edges after the round.

        Parameters
        ----------
        senders, receivers
            Vectors of both kinds of nodes ``[batch, node, width]``.
        edges
            Vectors of the edges ``[batch, edge, width]``, with a batch of 1 the same for all.
        """
        hidden = (
            self.from_edge(edges)
            + self.from_sender(senders).index_select(1, self.senders)
            + self.from_receiver(receivers).index_select(1, self.receivers)
        )
        message = self.message(hidden)
        empty = message.new_zeros(receivers.shape, dtype=torch.float32)
        arrived = empty.index_add(1, self.receivers, message.float())
        change = self.update(torch.cat([receivers, arrived.to(receivers.dtype)], dim=-1))
        return receivers + change, edges + message


class EdgeEmbedding(nn.Module):
    """Vectors of edges ``[1, edge, width]``, made from their lengths and directions."""

    features: Tensor

    def __init__(self, features: Array, width: int) -> None:
        super().__init__()
        self.register_buffer("features", torch.from_numpy(features).float()[None], persistent=False)
        self.perceptron = perceptron(features.shape[1], width)

    def forward(self) -> Tensor:
        """Return the vectors."""
        return torch.as_tensor(self.perceptron(self.features))


@dataclass(frozen=True)
class Graph:
    """Which cells and points of the mesh send to which.

    Attributes
    ----------
    points
        Unit vectors of the mesh ``[point, 3]``.
    edges
        From and to ``[edge, 2]``, of the ``encoder`` (cell to point), the ``processor`` (point to
        point) and the ``decoder`` (point to cell).
    features
        What edges know of themselves ``[edge, 4]``.
    """

    points: Array
    edges: dict[str, Indices]
    features: dict[str, Array]

    @classmethod
    def of(cls, signature: Signature, level: int) -> Self:
        """Return the graph of a grid and a mesh; on a region without the rest of the globe."""
        mesh = icosahedral_mesh(level)
        cells = unit_vectors(signature.latitude, signature.longitude)
        edges = {
            "encoder": edges_within(cells, mesh, REACH * mesh.longest),
            "processor": mesh.edges,
            "decoder": edges_from_faces(cells, mesh),
        }
        points = mesh.points
        if not is_global(signature.latitude, signature.longitude):
            kept = np.union1d(edges["encoder"][:, 1], edges["decoder"][:, 0])
            place = np.full(len(points), -1)
            place[kept] = np.arange(len(kept))
            points = points[kept]
            edges["encoder"][:, 1] = place[edges["encoder"][:, 1]]
            edges["decoder"][:, 0] = place[edges["decoder"][:, 0]]
            within = place[mesh.edges]
            edges["processor"] = within[(within >= 0).all(axis=1)]
        ends = {
            "encoder": (cells, points),
            "processor": (points, points),
            "decoder": (points, cells),
        }
        features = {
            name: edge_features(
                ends[name][0][pairs[:, 0]], ends[name][1][pairs[:, 1]], mesh.longest
            )
            for name, pairs in edges.items()
        }
        return cls(points, edges, features)


def perceptron(inputs: int, width: int) -> nn.Sequential:
    """Return a perceptron with one hidden layer and a layer norm."""
    return nn.Sequential(
        nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.LayerNorm(width)
    )
