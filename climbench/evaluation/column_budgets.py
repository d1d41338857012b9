"""Budgets of columns: what a model's outputs say about water and energy together."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from climbench.metrics.column_energy import HEAT_CAPACITY, LATENT_HEAT, WATER_DENSITY

Array = NDArray[np.float64]

FUSION_HEAT = 3.337e5  # J kg-1
WATER, ENERGY = "water_budget", "energy_budget"
BUDGETS = {
    WATER: ("ptend_q0001", "cam_out_PRECC"),
    ENERGY: ("ptend_t", "cam_out_PRECC", "cam_out_PRECSC"),
}
"""The outputs that each budget needs; of water also those of cloud, where they are."""
CLOUD = ("ptend_q0002", "ptend_q0003")
NEEDS = {WATER: "pbuf_LHFLX", ENERGY: "pbuf_SHFLX"}


def water_budget(outputs: Mapping[str, Array], latent_heat_flux: Array, mass: Array) -> Array:
    r"""Return what a column gains of water beyond evaporation less precipitation.

    .. math:: L_v \sum_k \dot q_k m_k - \left(E - L_v \rho_w P\right)

    Zero where all water is vapour and none is lost; with clouds in the outputs their water is in
    :math:`\dot q`, without them what they take up or give.

    Parameters
    ----------
    outputs
        ``ptend_q0001`` (kg kg-1 s-1 ``[time, column, level]``), ``cam_out_PRECC`` (m s-1
        ``[time, column]``), and the tendencies of cloud water and ice where they are.
    latent_heat_flux
        :math:`E`, W m-2 ``[time, column]``.
    mass
        Of each layer, kg m-2 ``[time, column, level]``.

    Returns
    -------
    numpy.ndarray
        W m-2 ``[time, column]``.
    """
    gained = np.einsum("tcl,tcl->tc", outputs["ptend_q0001"], mass)
    for name in CLOUD:
        if name in outputs:
            gained = gained + np.einsum("tcl,tcl->tc", outputs[name], mass)
    rain = WATER_DENSITY * outputs["cam_out_PRECC"]
    return np.asarray(LATENT_HEAT * (gained + rain) - latent_heat_flux)


def energy_budget(outputs: Mapping[str, Array], sensible_heat_flux: Array, mass: Array) -> Array:
    r"""Return the heating of a column that neither the surface nor condensation gives.

    .. math:: c_p \sum_k \dot T_k m_k - H - L_v \rho_w P - L_f \rho_w P_s

    It is what radiation heats, and what clouds hold back: no residual by itself, but a model must
    make it as the truth does.

    Parameters
    ----------
    outputs
        ``ptend_t`` (K s-1 ``[time, column, level]``), ``cam_out_PRECC`` and its part that is snow,
        ``cam_out_PRECSC`` (m s-1 ``[time, column]``).
    sensible_heat_flux
        :math:`H`, W m-2 ``[time, column]``.
    mass
        Of each layer, kg m-2 ``[time, column, level]``.

    Returns
    -------
    numpy.ndarray
        W m-2 ``[time, column]``.
    """
    heated = HEAT_CAPACITY * np.einsum("tcl,tcl->tc", outputs["ptend_t"], mass)
    rain, snow = outputs["cam_out_PRECC"], outputs["cam_out_PRECSC"]
    released = WATER_DENSITY * (LATENT_HEAT * rain + FUSION_HEAT * snow)
    return np.asarray(heated - sensible_heat_flux - released)
