"""Graphs of stations against brute force, and what has no place."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from climbench.errors import UserError
from climbench.models.station_graphs import (
    GRAPHS,
    correlation_graph,
    distance_graph,
    distances,
    neighbour_graph,
    row_normalised,
    scaled_laplacian,
    symmetric_normalised,
)
from climbench.testing.model_contract import STATIONS


def test_great_circles_of_cities():
    apart = distances(STATIONS)
    oslo, bergen = 0, 1  # as the contract places them
    phi, lam = np.deg2rad(np.array(STATIONS.places)[:, :2]).T
    between = np.arccos(
        np.sin(phi[oslo]) * np.sin(phi[bergen])
        + np.cos(phi[oslo]) * np.cos(phi[bergen]) * np.cos(lam[oslo] - lam[bergen])
    )
    assert apart[oslo, bergen].item() == pytest.approx(6371.2 * between, rel=1e-9)
    torch.testing.assert_close(apart, apart.T)
    assert apart.diagonal().eq(0).all()


@pytest.mark.parametrize("kind", GRAPHS)
def test_graphs_are_symmetric_between_0_and_1(kind):
    graph = GRAPHS[kind](STATIONS)
    torch.testing.assert_close(graph, graph.T)
    assert ((graph >= 0) & (graph <= 1)).all()


def test_nearer_stations_are_joined_more():
    graph, apart = distance_graph(STATIONS), distances(STATIONS)
    order = apart[0].argsort()
    assert (graph[0, order].diff() <= 0).all()
    few = neighbour_graph(STATIONS)
    assert few.eq(1).all()  # five stations have fewer than eight neighbours


def test_normalisations():
    graph = distance_graph(STATIONS)
    torch.testing.assert_close(row_normalised(graph).sum(1), torch.ones(5).double())
    joined = graph.clone().fill_diagonal_(1)
    degree = joined.sum(1)
    expected = joined / (degree[:, None] * degree).sqrt()
    torch.testing.assert_close(symmetric_normalised(graph), expected)
    values = torch.linalg.eigvalsh(scaled_laplacian(graph))
    assert values[0].item() >= -1 - 1e-9
    assert values[-1].item() == pytest.approx(1)


def test_correlations_leave_out_the_times_that_one_of_both_misses():
    drawn = np.random.default_rng(0)
    series = drawn.normal(size=(200, 4)) + drawn.normal(size=(200, 1))
    series[drawn.random(series.shape) < 0.2] = np.nan
    values = torch.from_numpy(series)[None]
    known = values.isfinite().double()
    filled = values.nan_to_num(0.0)
    terms = (known, filled), (filled, filled), (known, filled.square()), (known, known)
    total, product, square, count = (
        torch.einsum("fbj,fbi->fij", one, other) for one, other in terms
    )
    found = correlation_graph(total, product, square, count).numpy()
    for one, other in np.ndindex(4, 4):
        both = np.isfinite(series[:, one]) & np.isfinite(series[:, other])
        expected = np.corrcoef(series[both, one], series[both, other])[0, 1]
        assert found[one, other] == pytest.approx(max(expected, 0))


@pytest.mark.parametrize("kind", ["distance", "neighbours"])
def test_a_station_without_a_place_is_named(kind):
    places = (*STATIONS.places[:3], (0.0, 0.0, 0.0), STATIONS.places[4])
    with pytest.raises(UserError, match=r"'Lerwick' has none: give its coordinates in the recipe"):
        GRAPHS[kind](replace(STATIONS, places=places))
