"""What the outputs of a column model are worth in energy: W m-2, as ClimSim weights them."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.metrics.fields import Array

GRAVITY = 9.80616  # m s-2
HEAT_CAPACITY = 1004.64  # of dry air at constant pressure, J kg-1 K-1
LATENT_HEAT = 2.501e6  # of vaporisation, J kg-1
WATER_DENSITY = 1000.0  # kg m-3

# Energy per unit of each output: of a kilogram by a kelvin, of a kilogram or cubic metre of water;
# 1 for fluxes, which are W m-2 already. The tendency of the wind is no energy: with the mass of a
# layer it is a stress, N m-2.
ENERGY = {
    "ptend_t": HEAT_CAPACITY,
    "ptend_q0001": LATENT_HEAT,
    "ptend_q0002": LATENT_HEAT,
    "ptend_q0003": LATENT_HEAT,
    "ptend_u": 1.0,
    "ptend_v": 1.0,
    "cam_out_NETSW": 1.0,
    "cam_out_FLWDS": 1.0,
    "cam_out_PRECSC": LATENT_HEAT * WATER_DENSITY,
    "cam_out_PRECC": LATENT_HEAT * WATER_DENSITY,
    "cam_out_SOLS": 1.0,
    "cam_out_SOLL": 1.0,
    "cam_out_SOLSD": 1.0,
    "cam_out_SOLLD": 1.0,
}
STRESSES = ("ptend_u", "ptend_v")
TIME, COLUMN, LEVEL = "time", "ncol", "lev"  # ClimSim's names


def layer_mass(
    surface_pressure: NDArray[Any],
    coefficient_a: NDArray[Any],
    coefficient_b: NDArray[Any],
    reference_pressure: float,
) -> Array:
    r"""Return the mass of each layer per area, :math:`\Delta p / g`.

    .. math:: \Delta p_k = p_0 (a_{k+1} - a_k) + p_s (b_{k+1} - b_k)

    Parameters
    ----------
    surface_pressure
        :math:`p_s` ``[...]``, Pa.
    coefficient_a, coefficient_b
        Hybrid coefficients at the interfaces of the layers ``[interface]``, from the top down.
    reference_pressure
        :math:`p_0`, Pa.

    Returns
    -------
    numpy.ndarray
        ``[..., level]``, kg m-2.

    Examples
    --------
    >>> layer_mass(np.array(9.80616e4), np.array([0.0, 0.1]), np.array([0.0, 0.9]), 9.80616e4)
    array([10000.])
    """
    pressure = np.asarray(surface_pressure, dtype=np.float64)[..., np.newaxis]
    thickness = reference_pressure * np.diff(coefficient_a) + pressure * np.diff(coefficient_b)
    return np.asarray(thickness / GRAVITY)


def energy_per_unit(
    target: xr.DataArray, grid: xr.Dataset, surface_pressure: xr.DataArray
) -> xr.Variable:
    """Return what one unit of an output is worth in each column: energy over the mean area.

    Parameters
    ----------
    target
        The output, such as ``ptend_t`` (time, ncol, lev).
    grid
        ClimSim's grid file: ``area`` (ncol), ``hyai`` and ``hybi`` (ilev), ``P0`` in Pa.
    surface_pressure
        Of the same times and columns (time, ncol), Pa.

    Returns
    -------
    xarray.Variable
        W m-2 per unit of the output (for winds N m-2), times the column's area over the mean.

    Raises
    ------
    UserError
        If the output, the grid and the surface pressure do not fit together.

    References
    ----------
    Yu et al. (2023), ClimSim, NeurIPS Datasets and Benchmarks, supplement on evaluation.
    """
    area = matched(grid["area"], target, "the grid's area").variable
    weight = area / float(area.mean()) * ENERGY[str(target.name)]
    if LEVEL not in target.dims:
        return weight
    if target.sizes[LEVEL] != grid.sizes["ilev"] - 1:
        raise UserError(
            f"'{target.name}' has {target.sizes[LEVEL]} levels, the grid {grid.sizes['ilev'] - 1}: "
            "give the grid file of this run."
        )
    pressure = matched(surface_pressure, target, "the surface pressure").variable
    mass = layer_mass(
        pressure.to_numpy(), grid["hyai"].to_numpy(), grid["hybi"].to_numpy(), float(grid["P0"])
    )
    return weight * xr.Variable((*pressure.dims, LEVEL), mass)


def matched(values: xr.DataArray, target: xr.DataArray, what: str) -> xr.DataArray:
    """Return values in the order of the target, by coordinates where both have them.

    Parameters
    ----------
    values, target
        Arrays that share some dimensions.
    what
        What the values are, for the sentence of the error.

    Raises
    ------
    UserError
        If they lie on other times, columns or levels.
    """
    for dim in (dim for dim in target.dims if dim in values.dims):
        if dim in values.indexes and dim in target.indexes:
            theirs, ours = values.indexes[dim], target.indexes[dim]
            if set(theirs) != set(ours) or len(theirs) != len(ours):
                raise UserError(f"In {what}, '{dim}' is not that of the truth: select the same.")
            values = values.sel({dim: ours})
        elif values.sizes[dim] != target.sizes[dim]:
            raise UserError(
                f"In {what}, '{dim}' has {values.sizes[dim]} values, in the truth "
                f"{target.sizes[dim]}: select the same."
            )
    return values


def _coordinate(grid: xr.Dataset, dim: str) -> dict[str, Any]:
    return {dim: grid[dim].to_numpy()} if dim in grid.coords else {}
