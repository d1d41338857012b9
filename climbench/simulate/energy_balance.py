"""The two-layer energy balance of a planet: a surface layer above a deep ocean."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import expm

from climbench.simulate.earth_model import EarthModel


def warming(forcing: ArrayLike, model: EarthModel) -> NDArray[np.float64]:
    r"""Return the temperatures of the two layers under a forcing that is constant in each year.

    .. math::

        C \dot T &= F - \lambda T - \gamma (T - T_d) \\
        C_d \dot T_d &= \gamma (T - T_d)

    A year is stepped with the exact exponential of the linear system, so nothing depends on a
    time step. The system is linear: forcings of several agents may be passed apart.

    Parameters
    ----------
    forcing
        Effective radiative forcing ``[year, ...]``, W m-2; the planet is in balance before.
    model
        Heat capacities, heat exchange and feedback.

    Returns
    -------
    numpy.ndarray
        Temperature change of surface and deep layer at the end of each year
        ``[year, layer, ...]``, K.

    References
    ----------
    Geoffroy et al. (2013), Transient climate response in a two-layer energy-balance model,
    part I, J. Climate 26, 1841, eqs. (1)-(2).

    Examples
    --------
    >>> end = warming(np.full(5000, 3.45), EarthModel())[-1]
    >>> end.round(2).tolist(), round(EarthModel().equilibrium_climate_sensitivity, 2)
    ([3.05, 3.05], 3.05)
    """
    forcing = np.asarray(forcing, dtype=np.float64)
    up, down = model.heat_exchange, model.heat_exchange / model.deep_heat_capacity
    system = np.zeros((3, 3))  # the third component is the forcing, constant over the year
    system[0] = np.array([-model.feedback - up, up, 1.0]) / model.heat_capacity
    system[1, :2] = down, -down
    step = expm(system)
    state = np.zeros((2, *forcing.shape[1:]))
    temperatures = np.empty((forcing.shape[0], *state.shape))
    for year, now in enumerate(forcing):
        state = np.tensordot(step[:2, :2], state, axes=1) + np.multiply.outer(step[:2, 2], now)
        temperatures[year] = state
    return temperatures
