"""The parameters that make one climate model of the embedded planet differ from the next."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

# Standard deviation over models divided by the mean. The first five: the 16 CMIP5 models of
# Geoffroy et al. (2013). The others are chosen; aerosols scatter less than in AR6 (figure 6.12),
# so that drawn models keep a plausible history.
RELATIVE_SPREAD = {
    "heat_capacity": 1.1 / 7.3,
    "deep_heat_capacity": 62.0 / 106.0,
    "heat_exchange": 0.18 / 0.73,
    "feedback": 0.31 / 1.13,
    "doubling_forcing": 0.9 / 6.9,
    "sulphur_forcing": 0.35,
    "black_carbon_forcing": 0.5,
    "arctic_warming": 0.15,
    "antarctic_warming": 0.15,
    "land_warming": 0.08,
    "uptake_delay": 0.3,
    "precipitation_sensitivity": 0.12,
    "wet_gets_wetter": 0.3,
    "variability": 0.2,
    "nino_variability": 0.3,
}


@dataclass(frozen=True)
class EarthModel:
    """Parameters of one simulated climate model; the defaults are the multi-model mean.

    References
    ----------
    Geoffroy et al. (2013), J. Climate 26, 1841 (heat capacities, exchange, feedback, forcing);
    Szopa et al. (2021), IPCC AR6 WG1 chapter 6, figure 6.12 (forcing per emission);
    Andrews et al. (2010), Geophys. Res. Lett. 37, L14701 (precipitation).
    """

    number: int = 0
    heat_capacity: float = 7.3  # of the surface layer, W yr m-2 K-1
    deep_heat_capacity: float = 106.0  # of the deep ocean, W yr m-2 K-1
    heat_exchange: float = 0.73  # between the layers, W m-2 K-1
    feedback: float = 1.13  # radiated per warming, W m-2 K-1
    doubling_forcing: float = 3.45  # of twice the carbon dioxide, W m-2
    sulphur_forcing: float = -0.94 / 110.0  # -0.94 W m-2 by the SO2 of 2014; W m-2 (Mt/yr)-1
    black_carbon_forcing: float = 0.11 / 7.2  # 0.11 W m-2 by the soot of 2014; W m-2 (Mt/yr)-1
    arctic_warming: float = 2.6  # at the North Pole, before land, relative to low latitudes
    antarctic_warming: float = 1.5  # the same at the South Pole
    land_warming: float = 1.5  # land relative to sea at the same latitude
    uptake_delay: float = 0.6  # of the Southern Ocean and North Atlantic, K per K of the deep ocean
    precipitation_sensitivity: float = 2.2  # latent heat released per warming, W m-2 K-1
    wet_gets_wetter: float = 1.0  # strength of the pattern of moistening, 1
    variability: float = 1.0  # factor on the internal variability except El Niño, 1
    nino_variability: float = 0.7  # warming of the equatorial Pacific by El Niño, K

    @property
    def equilibrium_climate_sensitivity(self) -> float:
        r"""Warming at last by twice the carbon dioxide, :math:`F_{2\times} / \lambda`, K.

        Examples
        --------
        >>> round(EarthModel().equilibrium_climate_sensitivity, 2)
        3.05
        """
        return self.doubling_forcing / self.feedback

    def attributes(self) -> dict[str, Any]:
        """Return the parameters as attributes of a dataset."""
        return {f"earth_{name}": value for name, value in asdict(self).items()}


def draw_model(number: int) -> EarthModel:
    r"""Return one of arbitrarily many simulated climate models.

    Number 0 is the multi-model mean. In any other, each parameter :math:`p` is drawn on its own
    from a lognormal law around the mean :math:`\bar p` with the relative spread :math:`r`:
    :math:`p = \bar p\, e^{s z - s^2/2}`, :math:`s^2 = \ln(1 + r^2)`.

    Parameters
    ----------
    number
        Which one, from 0; a number means the same model everywhere.

    Returns
    -------
    EarthModel
        Its parameters.

    Examples
    --------
    >>> draw_model(0) == EarthModel(), draw_model(3) == draw_model(3)
    (True, True)
    """
    mean = EarthModel(number=number)
    if number == 0:
        return mean
    random = np.random.default_rng(np.random.SeedSequence([number, *b"model"]))
    drawn: dict[str, Any] = {}
    for field in fields(EarthModel):
        if spread := RELATIVE_SPREAD.get(field.name):
            variance = np.log1p(spread**2)
            factor = np.exp(np.sqrt(variance) * random.standard_normal() - variance / 2)
            drawn[field.name] = float(getattr(mean, field.name) * factor)
    return replace(mean, **drawn)
