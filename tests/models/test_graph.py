"""The graph network's mesh covers the globe, and messages go where the edges lead."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from climbench.errors import UserError
from climbench.models.graph import Graph, GraphNetwork, Messages
from climbench.models.icosahedral_mesh import (
    edge_features,
    edges_from_faces,
    edges_of,
    edges_within,
    icosahedral_mesh,
    unit_vectors,
)
from climbench.testing.model_contract import GLOBAL, REGIONAL, check_model, random_sample


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_the_mesh_has_the_published_numbers(level):
    # GraphCast's mesh refined 6 times: 40,962 points, 327,660 edges of all levels
    mesh = icosahedral_mesh(level)
    assert len(mesh.points) == 10 * 4**level + 2
    assert len(mesh.faces) == 20 * 4**level
    assert len(mesh.edges) == 20 * (4 ** (level + 1) - 1)
    assert 10 * 4**6 + 2 == 40_962
    assert 20 * (4**7 - 1) == 327_660
    np.testing.assert_allclose(np.linalg.norm(mesh.points, axis=1), 1.0)
    finest = edges_of(mesh.faces)
    assert len(finest) == 60 * 4**level
    neighbours = np.bincount(finest[:, 1])
    assert sorted(np.unique(neighbours).tolist()) == ([5] if level == 0 else [5, 6])
    assert np.count_nonzero(neighbours == 5) == 12


def test_coarse_points_keep_their_numbers_in_finer_meshes():
    coarse, fine = icosahedral_mesh(1), icosahedral_mesh(2)
    np.testing.assert_array_equal(fine.points[: len(coarse.points)], coarse.points)
    assert {tuple(pair) for pair in coarse.edges} < {tuple(pair) for pair in fine.edges}


def test_every_cell_hears_from_the_triangle_around_it():
    mesh = icosahedral_mesh(2)
    cells = unit_vectors(np.linspace(-90, 90, 13), np.arange(0, 360, 15.0))
    edges = edges_from_faces(cells, mesh)
    assert edges[:, 1].tolist() == np.repeat(np.arange(len(cells)), 3).tolist()
    corners = mesh.points[edges[:, 0]].reshape(-1, 3, 3)
    # the cell is a sum of the corners, none of them with a negative weight
    weights = np.linalg.solve(corners.transpose(0, 2, 1), cells[:, :, None])
    assert weights.min() > -1e-12


def test_cells_send_to_all_points_within_reach():
    mesh = icosahedral_mesh(2)
    cells = unit_vectors(GLOBAL.latitude, GLOBAL.longitude)
    edges = edges_within(cells, mesh, 0.6 * mesh.longest)
    apart = np.linalg.norm(cells[:, None] - mesh.points, axis=-1)
    np.testing.assert_array_equal(edges, np.argwhere(apart <= 0.6 * mesh.longest))
    assert set(edges[:, 0]) == set(range(len(cells)))


def test_edges_know_their_length_and_direction():
    east_of_it, north_of_it = unit_vectors([0.0], [41.0]), unit_vectors([1.0], [40.0])
    receiver = unit_vectors([0.0], [40.0])
    step = np.deg2rad(1.0)
    found = edge_features(np.concatenate([east_of_it, north_of_it]), receiver.repeat(2, 0), step)
    np.testing.assert_allclose(found, [[1, 0, 1, 0], [1, 0, 0, 1]], atol=0.01)
    # on a pole a direction still is one
    pole = edge_features(unit_vectors([89.0], [0.0]), unit_vectors([90.0], [0.0]), step)
    assert np.abs(pole[0, 2:]).max() == pytest.approx(1.0, abs=0.01)


def test_messages_are_perceptrons_of_edge_sender_and_receiver_summed_where_they_arrive():
    torch.manual_seed(0)
    edges = np.array([[0, 1], [2, 1], [1, 0]])
    layer = Messages(edges, 4)
    senders, receivers, features = torch.randn(2, 3, 4), torch.randn(2, 2, 4), torch.randn(1, 3, 4)
    weight = torch.cat(
        [layer.from_edge.weight, layer.from_sender.weight, layer.from_receiver.weight], dim=1
    )
    total, messages = torch.zeros(2, 2, 4), []
    for number, (a, b) in enumerate(edges):
        side_by_side = torch.cat(
            [features[0, number].expand(2, -1), senders[:, a], receivers[:, b]], dim=-1
        )
        message = layer.message(side_by_side @ weight.T + layer.from_edge.bias)
        total[:, b] += message
        messages.append(message)
    expected = receivers + layer.update(torch.cat([receivers, total], dim=-1))
    answer, after = layer(senders, receivers, features)
    torch.testing.assert_close(answer, expected)
    torch.testing.assert_close(after, features + torch.stack(messages, dim=1))


def parameters(channels: int, maps: int, width: int, steps: int) -> int:
    def perceptron(inputs: int) -> int:
        return inputs * width + width + width**2 + width + 2 * width

    messages = perceptron(3 * width) + perceptron(2 * width)
    embeddings = perceptron(channels) + perceptron(3) + 3 * perceptron(4)
    head = width**2 + width + width * maps + maps
    return embeddings + (steps + 2) * messages + perceptron(width) + head


def test_parameters_are_those_of_the_publication():
    # GraphCast with 474 channels a cell and 227 maps: 35.6 million, and 36.3 with the updates that
    # nothing depends on (points of the mesh in the decoder: 0.5, zeros they embed: 0.2); the
    # publication says 36.7.
    assert round(parameters(474, 227, 512, 16) / 1e6, 1) == 35.6
    channels = 2 * 3 + 2 * 2 + 2 + 1 + 3
    model = GraphNetwork(GLOBAL, mesh_level=1, latent_size=8, steps=2)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == parameters(channels, 2 * 2, 8, 2)


def test_on_a_region_only_the_mesh_there_is_used():
    whole, part = Graph.of(GLOBAL, 3), Graph.of(REGIONAL, 3)
    assert len(whole.points) == 642
    assert len(part.points) < 642 / 4
    cells = unit_vectors(REGIONAL.latitude, REGIONAL.longitude)
    for name, senders, receivers in (
        ("encoder", cells, part.points),
        ("decoder", part.points, cells),
    ):
        ends = part.edges[name]
        apart = np.linalg.norm(senders[ends[:, 0]] - receivers[ends[:, 1]], axis=1)
        assert apart.max() < icosahedral_mesh(3).longest
        assert set(ends[:, 1 if name == "decoder" else 0]) == set(range(len(cells)))


def test_poles_hear_of_what_happens_around_them():
    signature = replace(GLOBAL, latitude=tuple(np.linspace(-90, 90, 9).tolist()))
    model, sample = GraphNetwork(signature, 1, 8, 1), random_sample(signature, 1)
    inputs = sample.inputs.requires_grad_()
    model(sample._replace(inputs=inputs))[..., -1, 0].sum().backward()
    felt = inputs.grad.abs().sum((0, 1, 2))
    assert bool((felt[-2] > 0).all())


@pytest.mark.parametrize("signature", [GLOBAL, REGIONAL])
def test_it_keeps_the_contract(signature):
    options = {"mesh_level": 1, "latent_size": 8, "steps": 2, "calendar": True}
    check_model(lambda s: GraphNetwork(s, coordinates=False, residual=True, **options), [signature])


def test_lead_time_changes_the_answer():
    torch.manual_seed(0)
    model, sample = GraphNetwork(GLOBAL, 1, 8, 1).eval(), random_sample(GLOBAL, 2)
    later = sample._replace(lead_time=sample.lead_time + 24)
    assert not torch.allclose(model(sample), model(later))


def test_mistakes_are_named():
    with pytest.raises(
        UserError, match=r"mesh_level = 1 must be at least 0, .* steps = 0 at least 1"
    ):
        GraphNetwork(GLOBAL, mesh_level=1, steps=0)
