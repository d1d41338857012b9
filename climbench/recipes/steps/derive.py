"""Variables that follow from others, from the time, or from the place."""

from typing import Annotated, ClassVar

import numpy as np
import xarray as xr
from pydantic import Field

from climbench.errors import UserError, nearest
from climbench.recipes import formulas
from climbench.recipes.dates import DateText, within
from climbench.recipes.steps.convert_units import same_unit
from climbench.recipes.steps.step import Step, require
from climbench.recipes.strict import Strict


class RelativeHumidity(Strict):
    """Relative humidity, %, from specific humidity (kg kg-1), temperature (K) and pressure.

    Attributes
    ----------
    specific_humidity, temperature
        Names of the variables.
    pressure
        Name of the variable (Pa); the levels (hPa) by default.
    result
        Name of the new variable.
    """

    specific_humidity: str = "specific_humidity"
    temperature: str = "temperature"
    pressure: str | None = None
    result: str = "relative_humidity"

    def variables(self, dataset: xr.Dataset) -> dict[str, xr.DataArray]:
        """Return the new variable."""
        named = [self.specific_humidity, self.temperature, self.pressure or "level"]
        require(dataset, named, "derive")
        unit = None if self.pressure else dataset["level"].attrs.get("units", "hPa")
        if unit not in (None, "hPa"):
            raise UserError(f"step 'derive': the levels are in '{unit}': name a 'pressure' (Pa).")
        humidity, temperature = dataset[self.specific_humidity], dataset[self.temperature]
        pressure = dataset[self.pressure] if self.pressure else dataset["level"] * np.float32(100)
        value = formulas.relative_humidity(humidity, temperature, pressure)
        return {
            self.result: value.transpose(*temperature.dims)
            .astype(temperature.dtype)
            .assign_attrs(standard_name="relative_humidity", units="%")
        }


class WindSpeed(Strict):
    """Speed of the wind from its components.

    Attributes
    ----------
    eastward, northward
        Names of the components.
    result
        Name of the new variable.
    """

    eastward: str = "u_component_of_wind"
    northward: str = "v_component_of_wind"
    result: str = "wind_speed"

    def variables(self, dataset: xr.Dataset) -> dict[str, xr.DataArray]:
        """Return the new variable."""
        require(dataset, [self.eastward, self.northward], "derive")
        eastward, northward = dataset[self.eastward], dataset[self.northward]
        unit = eastward.attrs.get("units", "m s-1")
        speed = (eastward**2 + northward**2) ** 0.5
        return {self.result: speed.assign_attrs(standard_name="wind_speed", units=unit)}


class Anomaly(Strict):
    """Difference from a mean over a period: of the scenario given, and of all members together.

    Attributes
    ----------
    of
        Variables.
    period
        First and last date of the reference.
    scenario
        Scenario of the reference; each its own without one.
    suffix
        Appended to the name; empty to put the anomaly in the variable's place.
    """

    of: list[str]
    period: tuple[DateText, DateText]
    scenario: str | None = None
    suffix: str = "_anomaly"

    def variables(self, dataset: xr.Dataset) -> dict[str, xr.DataArray]:
        """Return the new variables."""
        require(dataset, self.of, "derive")
        reference = within(dataset[self.of], *self.period)
        if self.scenario is not None:
            names = dataset["scenario"].values.tolist() if "scenario" in dataset.coords else []
            if self.scenario not in names:
                hint = nearest(self.scenario, names)
                raise UserError(f"step 'derive': no scenario '{self.scenario}' for anomaly: {hint}")
            reference = reference.sel(scenario=self.scenario, drop=True)
        over = [name for name in ("time", "member") if name in reference.dims]
        mean = reference.mean(over, skipna=True, dtype=np.float64)
        return {
            name + self.suffix: (dataset[name] - mean[name])
            .astype(dataset[name].dtype)
            .transpose(*dataset[name].dims)
            .assign_attrs(dataset[name].attrs | {"reference_period": " to ".join(self.period)})
            for name in self.of
        }


class Difference(Strict):
    """One variable less another of the same unit, such as a daily range of temperature.

    The mean of differences is the difference of means, so both may be annual means already.

    Attributes
    ----------
    of, less
        Names of the variables: ``tasmax`` and ``tasmin``.
    result
        Name of the new variable.
    """

    of: str
    less: str
    result: str

    def variables(self, dataset: xr.Dataset) -> dict[str, xr.DataArray]:
        """Return the new variable."""
        require(dataset, [self.of, self.less], "derive")
        whole, part = dataset[self.of], dataset[self.less]
        units = [array.attrs.get("units") for array in (whole, part)]
        if not same_unit(*units):
            one, other = (unit or "no unit" for unit in units)
            raise UserError(
                f"step 'derive': '{self.of}' is in '{one}' and '{self.less}' in '{other}': "
                "convert one of them before, or declare its unit in the source."
            )
        kept = {key: whole.attrs[key] for key in ("units", "cell_methods") if key in whole.attrs}
        words = {"long_name": f"{self.of} less {self.less}"}
        return {self.result: (whole - part).transpose(*whole.dims).assign_attrs(words | kept)}


class SolarRadiation(Strict):
    """Solar energy at the top of the atmosphere in the hours before each time, J m-2.

    Attributes
    ----------
    window
        Hours: 1 as ERA5's hourly field, 6 as WeatherBench 2's ``..._6hr``.
    result
        Name of the new variable.
    """

    window: Annotated[float, Field(gt=0, le=24)] = 1.0
    result: str = "toa_incident_solar_radiation"

    def variables(self, dataset: xr.Dataset) -> dict[str, xr.DataArray]:
        """Return the new variable ``[time, latitude, longitude]``, as lazy as the dataset."""
        require(dataset, ["time", "latitude", "longitude"], "derive")
        chunks = dataset.chunksizes.get("time", -1)
        time = dataset["time"].drop_vars("time")
        day = time.dt.dayofyear.astype(float).chunk(time=chunks)
        hour = (time.dt.hour + time.dt.minute / 60.0).astype(float).chunk(time=chunks)
        energy = xr.apply_ufunc(
            formulas.toa_incident_solar_radiation,
            day,
            hour,
            dataset["latitude"].drop_vars("latitude"),
            dataset["longitude"].drop_vars("longitude"),
            kwargs={"window": self.window},
            dask="allowed",
        )
        attributes = {
            "standard_name": "integral_wrt_time_of_toa_incoming_shortwave_flux",
            "units": "J m-2",
        }
        energy = energy.transpose("time", "latitude", "longitude").astype(np.float32)
        return {self.result: energy.assign_attrs(attributes)}


class LandSeaMask(Strict):
    """1 on land and 0 at sea, from a variable that is missing on land.

    Attributes
    ----------
    missing_on_land
        Such as a sea surface temperature; its first time is looked at.
    """

    missing_on_land: str

    def variables(self, dataset: xr.Dataset) -> dict[str, xr.DataArray]:
        """Return ``land_sea_mask [latitude, longitude]``."""
        require(dataset, [self.missing_on_land], "derive")
        field = dataset[self.missing_on_land]
        others = {name: 0 for name in field.dims if name not in ("latitude", "longitude")}
        mask = field.isel(others, drop=True).isnull().astype(np.float32)
        return {"land_sea_mask": mask.assign_attrs(standard_name="land_binary_mask", units="1")}


class Place(Strict):
    """Latitude and longitude as fields, degrees: ``latitude_field`` and ``longitude_field``."""

    def variables(self, dataset: xr.Dataset) -> dict[str, xr.DataArray]:
        """Return the two fields ``[latitude, longitude]``."""
        require(dataset, ["latitude", "longitude"], "derive")
        rows, columns = xr.broadcast(dataset["latitude"], dataset["longitude"])
        return {
            f"{name}_field": field.drop_vars(["latitude", "longitude"])
            .astype(np.float32)
            .assign_attrs(standard_name=name, units=unit)
            for name, field, unit in (
                ("latitude", rows, "degrees_north"),
                ("longitude", columns, "degrees_east"),
            )
        }


class Derive(Step):
    """Add variables; what they are made of stays.

    Attributes
    ----------
    relative_humidity, wind_speed, difference, anomaly, toa_incident_solar_radiation,
    land_sea_mask, place
        One or more of these, each with its options (``{}`` for the usual names).
    """

    name: ClassVar[str] = "derive"
    relative_humidity: RelativeHumidity | None = None
    wind_speed: WindSpeed | None = None
    difference: Difference | None = None
    anomaly: Anomaly | None = None
    toa_incident_solar_radiation: SolarRadiation | None = None
    land_sea_mask: LandSeaMask | None = None
    place: Place | None = None

    def apply(self, dataset: xr.Dataset) -> xr.Dataset:
        """Return the dataset with the new variables."""
        for option in type(self).model_fields:
            wanted = getattr(self, option)
            if wanted is not None:
                dataset = dataset.assign(wanted.variables(dataset))
        return dataset
