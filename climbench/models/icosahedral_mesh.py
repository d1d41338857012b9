"""Triangles that cover the globe evenly, and how a grid hangs together with them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Mesh:
    """An icosahedron whose faces were split into four so many times.

    Attributes
    ----------
    points
        Unit vectors ``[point, 3]``; those of coarser levels come first.
    faces
        Three points each ``[face, 3]``.
    edges
        From point to point, of all levels, both ways ``[edge, 2]``: the multi-mesh.
    """

    points: Array
    faces: Indices
    edges: Indices

    @property
    def longest(self) -> float:
        """Length of the longest edge of the finest level, on the unit sphere."""
        sides = self.points[self.faces] - self.points[np.roll(self.faces, 1, axis=1)]
        return float(np.linalg.norm(sides, axis=-1).max())


def icosahedral_mesh(level: int) -> Mesh:
    """Return the mesh whose faces were split ``level`` times.

    References
    ----------
    Lam et al. (2023), Learning skillful medium-range global weather forecasting, supplement 3.2.

    Examples
    --------
    >>> [len(icosahedral_mesh(level).points) for level in (0, 1, 5)]
    [12, 42, 10242]
    """
    points, faces = icosahedron()
    edges = [edges_of(faces)]
    for _ in range(level):
        points, faces = split_faces(points, faces)
        edges.append(edges_of(faces))
    return Mesh(points, faces, np.concatenate(edges))


def unit_vectors(latitude: Sequence[float], longitude: Sequence[float]) -> Array:
    """Return the places of the cells of a grid ``[latitude * longitude, 3]``."""
    phi, lam = np.meshgrid(np.deg2rad(latitude), np.deg2rad(longitude), indexing="ij")
    vector = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)
    return vector.reshape(-1, 3)


def icosahedron() -> tuple[Array, Indices]:
    """Return the points, one on each pole, and the faces of an icosahedron."""
    turn = np.arange(5) * 2 * np.pi / 5
    ring = np.stack([2 * np.cos(turn), 2 * np.sin(turn), np.ones(5)], axis=1) / np.sqrt(5)
    points = np.concatenate([[[0, 0, 1.0]], ring, -ring, [[0, 0, -1.0]]])
    tree = cKDTree(points)
    side = tree.query(points[0], k=2)[0][1]
    near = [set(found) for found in tree.query_ball_point(points, 1.01 * side)]
    faces = [
        (a, b, c)
        for a in range(12)
        for b in near[a]
        for c in near[a] & near[b]
        if a < b < c  # each of the twenty once
    ]
    return points, np.array(sorted(faces))


def split_faces(points: Array, faces: Indices) -> tuple[Array, Indices]:
    """Return points and faces with each face split into four at the middle of its sides."""
    sides = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]], axis=-1).reshape(-1, 2)
    pairs, place = np.unique(sides, axis=0, return_inverse=True)
    middles = points[pairs].sum(axis=1)
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    ab, bc, ca = (len(points) + place.reshape(-1, 3)).T
    a, b, c = faces.T
    four = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.concatenate([points, middles]), np.concatenate([np.stack(f, axis=1) for f in four])


def edges_of(faces: Indices) -> Indices:
    """Return each side of the faces, both ways, once ``[edge, 2]``."""
    sides = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    return np.unique(np.concatenate([sides, sides[:, ::-1]]), axis=0)


def edges_within(points: Array, mesh: Mesh, radius: float) -> Indices:
    """Return edges to the mesh from all points within a distance ``[edge, 2]``.

    Parameters
    ----------
    points
        Unit vectors ``[point, 3]``.
    mesh
        Whose points receive.
    radius
        Straight distance on the unit sphere.
    """
    found = cKDTree(mesh.points).query_ball_point(points, radius, return_sorted=True)
    senders = np.repeat(np.arange(len(points)), [len(near) for near in found])
    return np.stack([senders, np.concatenate([np.array(f, dtype=np.int64) for f in found])], axis=1)


def edges_from_faces(points: Array, mesh: Mesh) -> Indices:
    """Return edges from the three corners of the face around each point ``[3 * point, 2]``."""
    corners = mesh.points[mesh.faces]
    middles = corners.sum(axis=1)
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    _, near = cKDTree(middles).query(points, k=min(8, len(middles)))
    # A point is within a face if it lies on the inner side of all three planes through its sides.
    candidates = corners[near]
    inner = np.cross(candidates, np.roll(candidates, -1, axis=-2))
    inner *= np.sign(np.einsum("pfsx,pfx->pfs", inner, candidates.sum(axis=-2)))[..., np.newaxis]
    depth = np.einsum("pfsx,px->pfs", inner, points).min(axis=-1)
    face = near[np.arange(len(points)), depth.argmax(axis=1)]
    senders = mesh.faces[face].reshape(-1)
    return np.stack([senders, np.repeat(np.arange(len(points)), 3)], axis=1)


def edge_features(senders: Array, receivers: Array, unit: float) -> Array:
    """Return length and direction of edges, as seen from where they arrive.

    Parameters
    ----------
    senders, receivers
        Unit vectors of both ends ``[edge, 3]``.
    unit
        What lengths are given in.

    Returns
    -------
    numpy.ndarray
        Length, and the sender's place above, east and north of the receiver ``[edge, 4]``.
    """
    x, y, z = receivers.T
    around = np.arctan2(y, x)
    east = np.stack([-np.sin(around), np.cos(around), np.zeros_like(z)], axis=1)
    north = np.cross(receivers, east)
    way = senders - receivers
    axes = [np.linalg.norm(way, axis=1)] + [
        (way * axis).sum(1) for axis in (receivers, east, north)
    ]
    return np.stack(axes, axis=1) / unit
