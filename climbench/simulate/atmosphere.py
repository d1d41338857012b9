"""Weather of the embedded planet: a two-level quasi-geostrophic atmosphere over a slab."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from climbench.simulate.planet_geography import land_sea_mask, orography
from climbench.simulate.spherical_harmonics import Coefficients, Field, SphericalHarmonics
from climbench.simulate.surface import insolation, season, warm_surface

State = dict[str, NDArray[Any]]

RADIUS = 6.371e6  # m
ROTATION = 7.292e-5  # s-1
GAS_CONSTANT = 287.05  # J kg-1 K-1
HEAT_OF_AIR = 1004.0 * 5e4 / 9.81  # J m-2 K-1, capacity of the lower 500 hPa
DAY = 86400.0  # s

# mean state about which the quasi-geostrophic model gives anomalies: US Standard Atmosphere
MEAN_GEOPOTENTIAL = {500: 54_630.0, 850: 14_290.0}  # m2 s-2
MEAN_TEMPERATURE = {500: 253.0, 850: 279.0}  # K
HEIGHT_850 = 1457.0  # m
LAPSE_RATE = 6.5e-3  # K m-1


@dataclass(frozen=True)
class Parameters:
    """What sets the weather; the defaults give Earth-like jets and storm tracks."""

    deformation_radius: float = 650e3  # m, of the layer from 250 to 750 hPa
    shear: float = 28.0  # m s-1, wind at 250 minus 750 hPa in thermal equilibrium, 39 degrees
    shear_season: float = 9.0  # m s-1, by which it is stronger in winter
    land_season: float = 12.0  # K, by which land is colder than sea at 500 hPa in winter
    land_mean: float = 4.0  # K, the same in the mean of the year
    relaxation_time: float = 15 * DAY  # s, towards thermal equilibrium
    drag_time: float = 2 * DAY  # s, over sea; half of it over high mountains
    diffusion_time: float = 2 * DAY  # s, at the smallest scale that is resolved
    diffusion_order: int = 4  # power of the Laplacian
    orographic_scale: float = 9000.0  # m, height over which a mountain shrinks a column
    air_relaxation_time: float = 6 * DAY  # s, of 850 hPa temperature towards the column's
    air_amplification: float = 1.15  # K of 850 hPa temperature per K at 500 hPa


class Atmosphere:
    r"""A deterministic, chaotic atmosphere whose state can be seen in its fields.

    Potential vorticity is carried by the wind at 250 (1) and 750 hPa (3),

    .. math:: q_{1,3} = \nabla^2\psi_{1,3} \mp R^{-2}(\psi_1 - \psi_3)
              + f (1 + \delta_3 h / H),

    and changed by relaxation towards a thermal equilibrium that follows the season and the
    continents, drag and diffusion; 850 hPa temperature is carried by the wind of that level and
    exchanges heat with a slab that the sun warms day by day. See ``docs/planet_weather.md``.

    Parameters
    ----------
    seed
        Draws the disturbance from which the spin-up starts.
    parameters
        Physical constants.

    References
    ----------
    Marshall and Molteni (1993), Toward a dynamical understanding of planetary-scale flow
    regimes, J. Atmos. Sci. 50, 1792-1818.

    Examples
    --------
    >>> planet = Atmosphere(seed=1)
    >>> fields, state = planet.integrate(planet.initial_state(spin_up_days=2), steps=4)
    >>> fields["geopotential"].shape
    (4, 2, 32, 64)
    """

    start: ClassVar[np.datetime64] = np.datetime64("2000-01-01T00", "ns")
    hours_per_step: ClassVar[int] = 6
    substeps: ClassVar[int] = 3
    levels: ClassVar[tuple[int, int]] = (500, 850)
    units: ClassVar[dict[str, str]] = {
        "geopotential": "m2 s-2",
        "temperature": "K",
        "2m_temperature": "K",
        "10m_u_component_of_wind": "m s-1",
        "10m_v_component_of_wind": "m s-1",
    }

    def __init__(self, seed: int = 0, parameters: Parameters | None = None) -> None:
        self.seed = seed
        self.parameters = p = parameters or Parameters()
        self._gauss = gauss = SphericalHarmonics(21, "GL", (32, 64))
        self._even = SphericalHarmonics(21, "F1", (32, 64))
        self.latitude = self._even.latitude
        self.longitude = self._even.longitude
        self._land = land_sea_mask(self.latitude, self.longitude)
        self._height = orography(self.latitude, self.longitude)

        self._air_descent = LAPSE_RATE * (HEIGHT_850 - self._height)
        angle = np.deg2rad(15.0 + 15.0 * self._land) * np.tanh(self.latitude / 15.0)[:, None]
        strength = 0.6 - 0.2 * self._land
        self._reduced = (strength * np.cos(angle))[::-1]
        self._turned = (strength * np.sin(angle))[::-1]

        self._laplacian = gauss.laplacian / RADIUS**2
        self._coupling = p.deformation_radius**-2
        scale = gauss.laplacian / gauss.laplacian.min()
        self._diffusion = scale**p.diffusion_order / p.diffusion_time
        land = land_sea_mask(gauss.latitude, gauss.longitude)
        height = orography(gauss.latitude, gauss.longitude)
        high = 1.0 - np.exp(-height / 1000.0)
        self._drag = (1.0 + 0.5 * land + 0.5 * high) / p.drag_time
        sine = np.sin(np.deg2rad(gauss.latitude))[:, None]
        planetary = 2 * ROTATION * sine * np.ones_like(land)
        self._planetary = gauss.analysis(
            np.stack([planetary, planetary * (1.0 + height / p.orographic_scale)])
        )
        self._equilibrium_shear = self._equilibrium_patterns(land, sine)

    def _equilibrium_patterns(self, land: Field, sine: Field) -> Coefficients:
        """Return psi_1 - psi_3 in equilibrium: annual mean and amplitude of the seasons."""
        p = self.parameters
        jets = 5.379 * sine**2 * np.sqrt(1 - sine**2) ** 3  # 1 at 39 degrees
        wind = np.stack([p.shear * jets, p.shear_season * 1.5 * sine * jets])
        eastward = wind * np.ones_like(land)
        southward_of_curl = np.stack([eastward, np.zeros_like(eastward)], axis=1)
        zonal = self._invert(self._gauss.divergence(southward_of_curl) / RADIUS, self._laplacian)
        # Phi = f psi nearby, and f changes sign where winter turns to summer
        contrast = -GAS_CONSTANT / (2 * ROTATION) * jets * (land - land.mean(1, keepdims=True))
        continents = np.stack([p.land_mean * sine * contrast, p.land_season * contrast])
        return zonal + self._gauss.analysis(continents)

    @staticmethod
    def _invert(coefficients: Coefficients, operator: Field) -> Coefficients:
        """Divide by the operator; the mean, which it does not see, becomes zero."""
        return np.divide(
            coefficients, operator, out=np.zeros_like(coefficients), where=operator != 0
        )

    # --- dynamics -----------------------------------------------------------------------------

    def _streamfunction(self, vorticity: Coefficients) -> Coefficients:
        """Return psi at 250, 750 and 850 hPa from anomalies of potential vorticity ``[2, mode]``.

        The wind is linear in pressure, so that 850 hPa lies a fifth of the layer below 750 hPa.
        """
        mean = self._invert(vorticity[0] + vorticity[1], 2 * self._laplacian)
        half = self._invert(vorticity[0] - vorticity[1], 2 * self._laplacian - 4 * self._coupling)
        half[0] = 0.0
        return np.stack([mean + half, mean - half, mean - 1.4 * half])

    def _vorticity(self, streamfunction: Coefficients) -> Coefficients:
        stretching = self._coupling * (streamfunction[0] - streamfunction[1])
        return np.asarray(
            self._laplacian * streamfunction[:2] + np.stack([-stretching, stretching])
        )

    def _equilibrium(self, days: float) -> Coefficients:
        """Return psi_1 - psi_3 in thermal equilibrium, coldest four weeks after solstice."""
        mean, amplitude = self._equilibrium_shear
        return np.asarray(mean + amplitude * np.cos(season(days - 28.0) + np.pi / 2))

    def _column_temperature(self, shear: Coefficients) -> Coefficients:
        """Return the anomaly of 500 hPa temperature that balances psi_1 - psi_3, K."""
        return 2 * ROTATION / GAS_CONSTANT * self._gauss.linear_balance(shear)

    def _tendency(self, carried: Coefficients, days: float) -> Coefficients:
        """Return d/dt of (q_1, q_3, T_850) anomalies ``[3, mode]`` without surface heat."""
        p = self.parameters
        psi = self._streamfunction(carried[:2])
        values = carried.copy()
        values[:2] += self._planetary
        gradient, amount = self._gauss.gradient(psi), self._gauss.synthesis(values)
        flux = np.empty_like(gradient)
        flux[:, 0] = -gradient[:, 1] * amount  # the wind blows along psi: south, then east
        flux[:, 1] = gradient[:, 0] * amount
        flux[1] += self._drag * gradient[2]
        change = self._gauss.divergence(flux) * -(RADIUS**-2)
        shear = psi[0] - psi[1]
        heating = (shear - self._equilibrium(days)) * (self._coupling / p.relaxation_time)
        change[0] += heating
        change[1] -= heating
        target = p.air_amplification * self._column_temperature(shear)
        change[2] += (target - carried[2]) / p.air_relaxation_time
        return np.asarray(change - self._diffusion * carried)

    def _step(
        self, carried: Coefficients, surface: Field, days: float
    ) -> tuple[Coefficients, Field]:
        """Advance by one substep: slab, then fourth-order Runge-Kutta."""
        step = self.hours_per_step * 3600.0 / self.substeps
        half, whole = step / 2 / DAY, step / DAY
        sunlight = insolation(days + half, self.latitude, self.longitude)
        air = self._even.synthesis(carried[2]) + MEAN_TEMPERATURE[850] + self._air_descent
        surface, heat = warm_surface(surface, air, sunlight, self.latitude, self._land, step)
        heat_in = np.zeros_like(carried)
        heat_in[2] = self._even.analysis(heat / HEAT_OF_AIR)
        first = self._tendency(carried, days) + heat_in
        second = self._tendency(carried + step / 2 * first, days + half) + heat_in
        third = self._tendency(carried + step / 2 * second, days + half) + heat_in
        fourth = self._tendency(carried + step * third, days + whole) + heat_in
        return carried + step / 6 * (first + 2 * second + 2 * third + fourth), surface

    # --- what the user sees -------------------------------------------------------------------

    def coordinates(self) -> dict[str, NDArray[np.float64]]:
        """Return latitude (south to north), longitude (degrees) and level (hPa) of the fields."""
        return {
            "latitude": self.latitude[::-1].copy(),
            "longitude": self.longitude.copy(),
            "level": np.array(self.levels, dtype=np.float64),
        }

    def static(self) -> dict[str, NDArray[np.float32]]:
        """Return orography (m) and land_sea_mask (0 to 1) ``[latitude, longitude]``."""
        return {
            "orography": self._height[::-1].astype(np.float32),
            "land_sea_mask": self._land[::-1].astype(np.float32),
        }

    def initial_state(self, spin_up_days: int = 120) -> State:
        """Return the state at 2000-01-01T00, after a spin-up from equilibrium and a disturbance.

        Parameters
        ----------
        spin_up_days
            Days that the model runs before; they are not given out.
        """
        steps = -(spin_up_days * 24) // self.hours_per_step
        draw = np.random.default_rng(self.seed).normal(size=(2, 2, self._laplacian.size))
        large = (self._gauss.degree > 2) & (self._gauss.degree < 12) & (self._gauss.order > 0)
        noise = 3e5 * large * (draw[0] + 1j * draw[1])
        shear = self._equilibrium(steps * self.hours_per_step / 24)
        psi = np.stack([shear, 0.0 * shear]) + noise
        air = self.parameters.air_amplification * self._column_temperature(shear)
        surface = self._even.synthesis(air) + MEAN_TEMPERATURE[850] + self._air_descent
        state: State = {
            "step": np.array(steps),
            "carried": np.concatenate([self._vorticity(psi), air[None]]),
            "surface_temperature": surface,
        }
        return self._advance(state, -steps)

    def _advance(self, state: State, steps: int) -> State:
        step = int(state["step"])
        carried, surface = state["carried"], state["surface_temperature"]
        per_day = 24 // self.hours_per_step * self.substeps
        for substep in range(step * self.substeps, (step + steps) * self.substeps):
            carried, surface = self._step(carried, surface, substep / per_day)
        return {
            "step": np.array(step + steps),
            "carried": carried,
            "surface_temperature": surface,
        }

    def integrate(self, state: State, steps: int) -> tuple[dict[str, NDArray[np.float32]], State]:
        """Return the fields of ``steps`` times six hours apart, and the state after them.

        The first field is that of ``state`` itself, at ``start`` plus six hours times its
        ``step``. Running a and then b steps gives the same
        bytes as running a + b.

        Parameters
        ----------
        state
            From :meth:`initial_state` or an earlier call; it is left as it was.
        steps
            Number of times.

        Returns
        -------
        tuple
            Fields ``[step, (level), latitude, longitude]`` by ERA5 name (units: :attr:`units`)
            and the state that continues them.
        """
        shape = (*self.latitude.shape, *self.longitude.shape)
        shapes = {name: (steps, *shape) for name in self.units}
        shapes |= dict.fromkeys(("geopotential", "temperature"), (steps, len(self.levels), *shape))
        fields = {name: np.empty(shapes[name], dtype=np.float32) for name in self.units}
        for step in range(steps):
            for name, values in self._diagnose(state).items():
                fields[name][step] = values
            state = self._advance(state, 1)
        return fields, state

    def _diagnose(self, state: State) -> dict[str, Field]:
        carried, surface = state["carried"], state["surface_temperature"]
        psi = self._streamfunction(carried[:2])
        geopotential = self._gauss.linear_balance(np.stack([(psi[0] + psi[1]) / 2, psi[2]]))
        temperature = self._column_temperature(psi[0] - psi[1])
        spectra = [*(2 * ROTATION * geopotential), temperature, carried[2]]
        maps = self._even.synthesis(np.stack(spectra))[:, ::-1]
        means = [*MEAN_GEOPOTENTIAL.values(), *MEAN_TEMPERATURE.values()]
        maps += np.array(means)[:, None, None]
        wind = self._even.gradient(psi[2])[:, ::-1] / RADIUS
        ground = surface[::-1]
        descent, reduced, turned = self._air_descent[::-1], self._reduced, self._turned
        return {
            "geopotential": maps[:2],
            "temperature": maps[2:],
            "2m_temperature": 0.7 * ground + 0.3 * (maps[3] + descent),
            "10m_u_component_of_wind": reduced * wind[0] - turned * wind[1],
            "10m_v_component_of_wind": reduced * wind[1] + turned * wind[0],
        }
