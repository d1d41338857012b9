"""Latitude-longitude grids: cell bounds, areas and weights."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from climbench.errors import UserError, nearest

Weighting = Literal["area", "area_half_step", "cos", "none"]
WEIGHTINGS: tuple[Weighting, ...] = get_args(Weighting)


def latitude_bounds(latitude: ArrayLike, caps: bool = True) -> NDArray[np.float64]:
    """Return the edges of latitude rows.

    Inner edges lie half-way between centres; the outer ones half a step beyond the first and
    last centre, cut at the poles. Where at most another half step then remains to the pole, the
    row owns the polar cap: the last row of a Gaussian grid, and of a grid without its pole row.

    Parameters
    ----------
    latitude
        Row centres, monotonic in either direction ``[latitude]``, degrees north.
    caps
        False leaves the outer edges half a step beyond the centres, caps or not.

    Returns
    -------
    numpy.ndarray
        Edges ``[latitude + 1]``, degrees north, in the order of ``latitude``.

    Raises
    ------
    ValueError
        If the latitudes are not strictly monotonic or lie beyond the poles.

    Examples
    --------
    >>> latitude_bounds([-90.0, 0.0, 90.0]).tolist()
    [-90.0, -45.0, 45.0, 90.0]
    >>> latitude_bounds([50.0, 60.0, 70.0, 80.0]).tolist()
    [45.0, 55.0, 65.0, 75.0, 90.0]
    """
    centres = np.atleast_1d(np.asarray(latitude, dtype=np.float64))
    if np.any(np.abs(centres) > 90.0 + 1e-6):
        raise ValueError("latitude must lie between -90 and 90 degrees")
    edges = np.clip(_edges(centres, "latitude", alone=180.0), -90.0, 90.0)
    if caps and centres.size > 1:
        # the poles are a full step from the outer centres at most; 1e-4 for float32 coordinates
        for outer, step in ((0, centres[0] - centres[1]), (-1, centres[-1] - centres[-2])):
            pole = np.copysign(90.0, step)
            if abs(pole - centres[outer]) <= abs(step) + 1e-4:
                edges[outer] = pole
    return edges


def longitude_bounds(longitude: ArrayLike) -> NDArray[np.float64]:
    """Return the edges of longitude columns ``[longitude + 1]``, degrees east.

    Parameters
    ----------
    longitude
        Column centres, strictly monotonic ``[longitude]``, degrees east.

    Returns
    -------
    numpy.ndarray
        Edges, half a step around each centre.

    Examples
    --------
    >>> longitude_bounds([0.0, 90.0, 180.0, 270.0]).tolist()
    [-45.0, 45.0, 135.0, 225.0, 315.0]
    """
    centres = np.atleast_1d(np.asarray(longitude, dtype=np.float64))
    return _edges(centres, "longitude", alone=360.0)


def _edges(centres: NDArray[np.float64], name: str, alone: float) -> NDArray[np.float64]:
    if centres.size == 1:
        return np.array([centres[0] - alone / 2, centres[0] + alone / 2])
    steps = np.diff(centres)
    if not (np.all(steps > 0) or np.all(steps < 0)):
        raise ValueError(f"{name} must be strictly monotonic")
    inner = centres[:-1] + steps / 2
    return np.concatenate([[centres[0] - steps[0] / 2], inner, [centres[-1] + steps[-1] / 2]])


def gaussian_latitudes(rows: int) -> NDArray[np.float64]:
    """Return the rows of a Gaussian grid, from south to north ``[rows]``, degrees north.

    Examples
    --------
    >>> gaussian_latitudes(4).round(4).tolist()
    [-59.4444, -19.8757, 19.8757, 59.4444]
    """
    return np.asarray(np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(rows)[0])))


def latitude_weights(latitude: ArrayLike, weighting: Weighting = "area") -> NDArray[np.float64]:
    r"""Return the weight of each latitude row, with mean 1.

    ``area`` is the area of the cells,
    :math:`w_j \propto |\sin\phi_{j+1/2} - \sin\phi_{j-1/2}|`, with the edges of
    :func:`latitude_bounds`: on a global grid those of WeatherBench 2, on a regional one those
    of WeatherBench-X. ``area_half_step`` is the same without polar caps: everywhere those of
    WeatherBench-X. ``cos`` is :math:`w_j \propto \cos\phi_j`; ``none`` weighs every row the
    same. On an even grid that ends half a step from the poles the first three agree.

    Parameters
    ----------
    latitude
        Row centres ``[latitude]``, degrees north, ascending or descending.
    weighting
        The rule.

    Returns
    -------
    numpy.ndarray
        Weights ``[latitude]``, dimensionless, mean 1.

    Raises
    ------
    UserError
        If there is no such rule.

    References
    ----------
    Rasp et al. (2024), WeatherBench 2, J. Adv. Model. Earth Syst. 16, eq. (2): outer edges
    always at the poles, which a regional grid must not have. WeatherBench-X,
    ``weighting.GridAreaWeighting``: outer edges always half a step beyond the last centres.

    Examples
    --------
    >>> latitude_weights([-60.0, 0.0, 60.0], "cos").tolist()
    [0.75, 1.5, 0.75]
    """
    if weighting in ("area", "area_half_step"):
        edges = latitude_bounds(latitude, caps=weighting == "area")
        weights = np.abs(np.diff(np.sin(np.deg2rad(edges))))
    elif weighting == "cos":
        weights = np.cos(np.deg2rad(np.atleast_1d(np.asarray(latitude, dtype=np.float64))))
        weights = np.round(np.maximum(weights, 0.0), 15)
    elif weighting == "none":
        weights = np.ones(np.atleast_1d(np.asarray(latitude)).size)
    else:
        raise UserError(f"there is no weighting '{weighting}': {nearest(weighting, WEIGHTINGS)}")
    return np.asarray(weights / weights.mean(), dtype=np.float64)


def is_periodic(longitude: ArrayLike) -> bool:
    """Tell whether the columns go all round the globe.

    Examples
    --------
    >>> is_periodic([0.0, 90.0, 180.0, 270.0]), is_periodic([0.0, 90.0])
    (True, False)
    """
    edges = longitude_bounds(longitude)
    return bool(np.isclose(abs(edges[-1] - edges[0]), 360.0, atol=1e-3))


def is_global(latitude: ArrayLike, longitude: ArrayLike) -> bool:
    """Tell whether a grid covers the globe: columns all round, rows from pole to pole.

    Rows may end up to a whole step before a pole.

    Examples
    --------
    >>> is_global([-60.0, 0.0, 60.0], [0.0, 120.0, 240.0])
    True
    >>> is_global([0.0, 30.0, 60.0], [0.0, 120.0, 240.0])
    False
    """
    edges = latitude_bounds(latitude)
    return is_periodic(longitude) and bool(np.all(np.abs(edges[[0, -1]]) == 90.0))
