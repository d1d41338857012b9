"""From emissions to concentrations to effective radiative forcing, in global means."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from climbench.simulate.earth_model import EarthModel
from climbench.simulate.emissions import Pathway

Array = NDArray[np.float64]

AGENTS = ("carbon_dioxide", "methane", "sulphur_dioxide", "black_carbon")

CARBON_DIOXIDE_1850 = 284.317  # ppm
GIGATONNES_PER_PPM = 7.78  # Gt CO2 in the atmosphere
POOL_FRACTION = np.array([0.2173, 0.2240, 0.2824, 0.2763])  # Joos et al. (2013)
POOL_LIFETIME = np.array([1e6, 394.4, 36.54, 4.304])  # years, Joos et al. (2013)
# The two numbers of FaIR's uptake law, fitted to RCMIP's concentrations (scripts/fit_carbon_uptake)
# because the emissions here leave out land use and the law here leaves out warming.
RESPONSE_1850 = 48.95  # years of a century that a pulse spends in the air
RESPONSE_PER_UPTAKE = 0.0738  # years per ppm that land and ocean have taken up

METHANE_1850 = 808.25  # ppb
METHANE_LIFETIME = 9.1  # years, AR6 table 6.2
MEGATONNES_PER_PPB = 2.75  # Mt CH4
# ozone adds 50 % and stratospheric water 15 % to methane's own forcing (AR5, section 8.SM.11.3)
METHANE_INDIRECT = 1.65


def carbon_dioxide_concentration(
    cumulative: ArrayLike,
    response: float = RESPONSE_1850,
    response_per_uptake: float = RESPONSE_PER_UPTAKE,
) -> Array:
    r"""Return the carbon dioxide that emissions leave in the air.

    Four pools share each year's emissions and decay,
    :math:`\dot R_i = a_i E - R_i / (\alpha \tau_i)`, more slowly the more carbon land and ocean
    have taken up: :math:`\alpha = g_0 \exp((r_0 + r_u U) / g_1)` makes the share of a pulse that
    remains, integrated over a century, :math:`r_0 + r_u U` years.

    Parameters
    ----------
    cumulative
        Emissions since 1850, each year included ``[year]``, Gt CO2.
    response
        :math:`r_0`, years.
    response_per_uptake
        :math:`r_u`, years / ppm.

    Returns
    -------
    numpy.ndarray
        Mole fraction at the end of each year ``[year]``, ppm.

    References
    ----------
    Joos et al. (2013), Atmos. Chem. Phys. 13, 2793 (pools); Leach et al. (2021), Geosci. Model
    Dev. 14, 3007, eqs. (1)-(4) (uptake law of FaIR 2.0).

    Examples
    --------
    >>> carbon_dioxide_concentration([0.0, 0.0]).tolist()
    [284.317, 284.317]
    """
    decay = np.exp(-100.0 / POOL_LIFETIME)
    weight = POOL_FRACTION * POOL_LIFETIME
    steepness = np.sum(weight * (1.0 - (1.0 + 100.0 / POOL_LIFETIME) * decay))
    offset = np.sum(weight * (1.0 - decay))
    emitted = np.asarray(cumulative, dtype=np.float64) / GIGATONNES_PER_PPM
    pools = np.zeros(4)
    airborne = np.empty(emitted.size)
    before = 0.0
    for year, total in enumerate(emitted):
        remaining = response + response_per_uptake * (before - pools.sum())
        lifetime = POOL_LIFETIME * np.exp((remaining - offset) / steepness)
        kept = np.exp(-1.0 / lifetime)
        pools = pools * kept + POOL_FRACTION * (total - before) * lifetime * (1.0 - kept)
        airborne[year], before = pools.sum(), total
    return CARBON_DIOXIDE_1850 + airborne


def methane_concentration(emissions: ArrayLike) -> Array:
    r"""Return the methane of a well-mixed box in balance in the first year.

    :math:`\dot M = (E + E_n) / c - M / \tau`, where the natural emissions :math:`E_n` are what the
    balance of the first year asks for.

    Parameters
    ----------
    emissions
        Anthropogenic ``[year]``, Mt CH4 / yr; the first year is 1850.

    Returns
    -------
    numpy.ndarray
        Mole fraction at the end of each year ``[year]``, ppb.

    Examples
    --------
    >>> methane_concentration([43.0, 43.0]).tolist()
    [808.25, 808.25]
    """
    excess = np.asarray(emissions, dtype=np.float64)
    excess = (excess - excess[0]) / MEGATONNES_PER_PPB
    kept = np.exp(-1.0 / METHANE_LIFETIME)
    concentration = np.empty(excess.size)
    anomaly = 0.0
    for year, source in enumerate(excess):
        anomaly = anomaly * kept + source * METHANE_LIFETIME * (1.0 - kept)
        concentration[year] = METHANE_1850 + anomaly
    return concentration


def radiative_forcing(pathway: Pathway, model: EarthModel) -> Array:
    r"""Return the effective radiative forcing of each agent since 1850.

    Carbon dioxide :math:`F_{2\times} \log_2(C / C_0)`, methane
    :math:`1.65 \cdot 0.036 (\sqrt{M} - \sqrt{M_0})`, aerosols in proportion to emissions.

    Parameters
    ----------
    pathway
        Emissions from 1850 on.
    model
        Forcing of doubled carbon dioxide and per emission of aerosol.

    Returns
    -------
    numpy.ndarray
        Forcing ``[year, agent]`` in the order of `AGENTS`, W m-2.

    References
    ----------
    Myhre et al. (1998), Geophys. Res. Lett. 25, 2715 (the two laws of concentration).
    """
    carbon_dioxide = carbon_dioxide_concentration(pathway.carbon_dioxide) / CARBON_DIOXIDE_1850
    methane = np.sqrt(methane_concentration(pathway.methane)) - np.sqrt(METHANE_1850)
    return np.stack(
        [
            model.doubling_forcing * np.log2(carbon_dioxide),
            METHANE_INDIRECT * 0.036 * methane,
            model.sulphur_forcing * (pathway.sulphur_dioxide - pathway.sulphur_dioxide[0]),
            model.black_carbon_forcing * (pathway.black_carbon - pathway.black_carbon[0]),
        ],
        axis=1,
    )
