"""What the physics makes of a column: a non-linear function with a closed water budget."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from climbench.simulate.column_states import (
    GRAVITY,
    HEAT_CAPACITY,
    LATENT_HEAT,
    MELTING,
    TROPOPAUSE,
    Array,
    ColumnStates,
    column_planet,
    saturation_humidity,
)

Fidelity = Literal["high", "low"]

WATER_DENSITY = 1000.0  # kg m-3
STEFAN_BOLTZMANN = 5.670374e-8  # W m-2 K-4
BOUNDARY_LAYER = 0.85  # share of the surface pressure below which surface fluxes are mixed in
CRITICAL = 0.85  # relative humidity above which convection removes water
CONVECTION_TIME = 9.5 * 3600.0  # s
LOW_STRENGTH = 0.75  # of convection everywhere, in the smoother function
CAPE_SCALE = 6e3  # J kg-1, over which instability switches convection on
STABLE_SHARE = 0.1  # of the rain that falls without instability
EVAPORATION = 0.4  # of the rain, in entirely dry air below
CHANCE = 0.3  # spread of the logarithm of the strength of convection
VAPOUR_PATH, CLOUD_PATH = 30.0, 0.35  # kg m-2 and mean cloud cover of one optical depth
SURFACE_EMISSION_HEIGHT = 0.9  # share of the surface pressure at which the downward flux forms


@dataclass(frozen=True)
class ColumnChanges:
    """What a step of the physics gives; the names of fields are those of ClimSim.

    Attributes
    ----------
    ptend_t, ptend_q0001
        K s-1 and kg kg-1 s-1 ``[time, column, level]``.
    cam_out_NETSW, cam_out_FLWDS, cam_out_SOLS, cam_out_SOLL, cam_out_SOLSD, cam_out_SOLLD
        Fluxes at the surface, W m-2 ``[time, column]``.
    cam_out_PRECC, cam_out_PRECSC
        All precipitation, and snow of it, m s-1 of water ``[time, column]``.
    """

    ptend_t: Array
    ptend_q0001: Array
    cam_out_NETSW: Array
    cam_out_FLWDS: Array
    cam_out_PRECSC: Array
    cam_out_PRECC: Array
    cam_out_SOLS: Array
    cam_out_SOLL: Array
    cam_out_SOLSD: Array
    cam_out_SOLLD: Array


def column_changes(
    states: ColumnStates, rng: np.random.Generator, fidelity: Fidelity = "high"
) -> ColumnChanges:
    r"""Return what the physics makes of states.

    With the mass of a layer :math:`m_k = \Delta p_k / g`, saturation :math:`q_s` and relative
    humidity :math:`r_k`:

    .. math::

        C_k &= \frac{(q_k - 0.85\, q_s)^+}{9.5\,\mathrm{h}}
               \Big(0.1 + 0.9 \, \sigma\big(B / 6\,\mathrm{kJ\,kg^{-1}}\big)\Big) e^{\epsilon}
               \quad (p > 120\,\mathrm{hPa}) \\
        V_k &= 0.4 \, (1 - r_k)^+ \, s_k \sum_{j<k} (C_j m_j - V_j m_j) / m_k \\
        \dot q_k &= V_k - C_k + w_k E / m_k, \qquad
        P = \sum_k (C_k - V_k) m_k \\
        \dot T_k &= \frac{L (C_k - V_k) + w_k H / m_k}{c_p} + Q_k

    Convection removes what exceeds 85 % of saturation, the faster the more the moist static
    energy of the boundary layer exceeds that of saturated air at 500 hPa (:math:`B`); rain
    evaporates into dry layers below (:math:`s_k`: the layer's share of the mass below); :math:`E`
    and :math:`H` come from the surface into the boundary layer (weights :math:`w_k`). So
    :math:`\sum_k \dot q_k m_k = E - P` to rounding. :math:`\epsilon` is noise of deviation 0.3 that
    is one for a column. Radiation :math:`Q_k` is cooling to space by vapour and carbon dioxide,
    and absorption of sunlight; cloud cover from relative humidity dims the sun and adds to the
    downward infrared. ``low`` is a smoother function of the same states: no instability, no
    evaporating rain, no clouds, no noise.

    Its numbers are chosen; it is no model of E3SM-MMF.
    """
    planet = column_planet()
    pressure, mass = planet.pressure(states.state_ps), planet.mass(states.state_ps)
    saturation = saturation_humidity(states.state_t, pressure)
    relative = np.clip(states.state_q0001 / saturation, 0.0, 1.0)
    condensed = _condensation(states, pressure, saturation, rng, fidelity)
    evaporated = np.zeros_like(condensed)
    if fidelity == "high":
        evaporated = _evaporation(condensed, relative, mass)
    net = condensed - evaporated
    mixed = mass * (pressure > BOUNDARY_LAYER * states.state_ps[..., None])
    mixed /= mixed.sum(axis=-1, keepdims=True) * mass
    moistening = mixed * (states.pbuf_LHFLX / LATENT_HEAT)[..., None] - net
    cloud = _cloud(relative, pressure, fidelity)
    sun, absorbed = _sunlight(states, mass, cloud)
    warmth, cooling = _infrared(states, pressure, mass, cloud)
    heating = LATENT_HEAT * net + mixed * states.pbuf_SHFLX[..., None] + absorbed - cooling
    rain = (net * mass).sum(axis=-1) / WATER_DENSITY
    frozen = 1.0 / (1.0 + np.exp((states.state_t[..., -1] - MELTING) / 1.0))
    return ColumnChanges(
        ptend_t=heating / HEAT_CAPACITY,
        ptend_q0001=moistening,
        cam_out_FLWDS=warmth,
        cam_out_PRECSC=rain * frozen,
        cam_out_PRECC=rain,
        **sun,
    )


def _condensation(
    states: ColumnStates,
    pressure: Array,
    saturation: Array,
    rng: np.random.Generator,
    fidelity: Fidelity,
) -> Array:
    """Return how fast water condenses ``[time, column, level]``, kg kg-1 s-1."""
    excess = np.maximum(0.0, states.state_q0001 - CRITICAL * saturation) * (pressure > TROPOPAUSE)
    if fidelity == "low":
        return np.asarray(excess * LOW_STRENGTH / CONVECTION_TIME)
    near_500 = int(np.argmin(np.abs(column_planet().pressure(np.array(1e5)) - 5e4)))
    height = 287.04 * states.state_t.mean(-1) / GRAVITY * np.log(states.state_ps / 5e4)
    low = HEAT_CAPACITY * states.state_t[..., -1] + LATENT_HEAT * states.state_q0001[..., -1]
    high = HEAT_CAPACITY * states.state_t[..., near_500] + GRAVITY * height
    buoyancy = low - high - LATENT_HEAT * saturation[..., near_500]
    switched = 1.0 / (1.0 + np.exp(-np.clip(buoyancy / CAPE_SCALE, -50.0, 50.0)))
    strength = STABLE_SHARE + (1 - STABLE_SHARE) * switched
    strength *= np.exp(CHANCE * rng.standard_normal(strength.shape) - CHANCE**2 / 2)
    return np.asarray(excess * (strength / CONVECTION_TIME)[..., None])


def _evaporation(condensed: Array, relative: Array, mass: Array) -> Array:
    """Return how much of the rain from above each layer takes up, kg kg-1 s-1."""
    below = np.cumsum(mass[..., ::-1], axis=-1)[..., ::-1]  # mass of the layer and all under it
    share = EVAPORATION * (1.0 - relative) * np.clip(mass / below, 0.0, 0.2)
    formed, taken_up, evaporated = (
        np.ascontiguousarray(np.moveaxis(field, -1, 0))
        for field in (condensed * mass, share, condensed)
    )
    falling = np.zeros(condensed.shape[:-1])
    for level in range(len(formed)):
        evaporated[level] = taken_up[level] * falling
        falling += formed[level] - evaporated[level]
    return np.asarray(np.moveaxis(evaporated, 0, -1) / mass)


def _cloud(relative: Array, pressure: Array, fidelity: Fidelity) -> Array:
    """Return the cover of clouds ``[time, column]``: Sundqvist's, the mean of the troposphere."""
    if fidelity == "low":
        return np.full(relative.shape[:-1], 0.3)
    cover = 1.0 - np.sqrt(np.clip((1.0 - relative) / (1.0 - 0.6), 0.0, 1.0))
    inside = pressure > 2.5e4
    return np.asarray((cover * inside).sum(axis=-1) / inside.sum(axis=-1))


def _sunlight(states: ColumnStates, mass: Array, cloud: Array) -> tuple[dict[str, Array], Array]:
    """Return the fluxes of sunlight at the surface, W m-2, and what layers absorb, W kg-1."""
    vapour = (states.state_q0001 * mass).sum(axis=-1)
    clear = np.exp(-0.12 * (vapour / VAPOUR_PATH) ** 0.4)
    direct = 0.75 * np.exp(-cloud / CLOUD_PATH)
    diffuse = 0.1 + 0.45 * (1.0 - np.exp(-cloud / CLOUD_PATH)) * np.exp(-cloud)
    down = states.pbuf_SOLIN
    ice = 1.0 / (1.0 + np.exp((states.state_t[..., -1] - (MELTING - 3.0)) / 3.0))
    parts = {
        "cam_out_SOLS": 0.52 * down * direct * np.sqrt(clear),
        "cam_out_SOLL": 0.48 * down * direct * clear,
        "cam_out_SOLSD": 0.62 * down * diffuse * np.sqrt(clear),
        "cam_out_SOLLD": 0.38 * down * diffuse * clear,
    }
    net = sum(parts.values(), np.zeros_like(down)) * (1.0 - 0.08 - 0.5 * ice)
    vapour_share = states.state_q0001 / np.maximum(vapour, 1e-3)[..., None]
    ozone_share = np.exp(-np.cumsum(mass, axis=-1) / 60.0) / 60.0
    absorbed = (down * (1.0 - clear))[..., None] * vapour_share
    absorbed = absorbed + 0.004 * down[..., None] * ozone_share
    return {**parts, "cam_out_NETSW": net}, np.asarray(absorbed)


def _infrared(
    states: ColumnStates, pressure: Array, mass: Array, cloud: Array
) -> tuple[Array, Array]:
    """Return the infrared flux down at the surface, W m-2, and the cooling of layers, W kg-1.

    Layers cool to space: each emits into what the layers above it let through.
    """
    vapour = (states.state_q0001 * mass).sum(axis=-1)
    depth = np.cumsum((0.12 * states.state_q0001 + 1e-4) * mass, axis=-1)
    above = np.concatenate([np.zeros_like(depth[..., :1]), depth[..., :-1]], axis=-1)
    emitted = np.exp(-above) - np.exp(-depth)
    planck = STEFAN_BOLTZMANN * states.state_t**4
    level = np.argmin(np.abs(pressure[0, 0] / pressure[0, 0, -1] - SURFACE_EMISSION_HEIGHT))
    emissivity = 1.0 - 0.42 * np.exp(-((vapour / VAPOUR_PATH) ** 0.5)) * (1.0 - cloud)
    cooling = 0.66 * planck * emitted / mass
    return np.asarray(emissivity * planck[..., level]), np.asarray(cooling)
