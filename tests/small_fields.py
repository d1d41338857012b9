"""Fields that rise by one a day, and forecasts of them with a constant error."""

import numpy as np
import xarray as xr

LATITUDE = np.linspace(-84, 84, 15)
LONGITUDE = np.arange(0, 360, 15.0)
TIMES = np.array(["2001-01-01", "2001-01-02", "2001-01-03", "2001-01-04"], "datetime64[ns]")
LEADS = np.array([24, 48], "timedelta64[h]").astype("timedelta64[ns]")


def truth(name="tas", units="K", shift=0.0):
    """A field that rises by one a day, and with latitude and longitude."""
    values = np.arange(4.0)[:, None, None] + LATITUDE[None, :, None] / 10 + LONGITUDE / 100 + shift
    dims = {"time": TIMES, "latitude": LATITUDE, "longitude": LONGITUDE}
    return xr.DataArray(values, dims, name=name, attrs={"units": units}).to_dataset()


def forecasts(error=2.0, name="tas"):
    """Truth of the valid time with a constant error, in the layout of WeatherBench 2."""
    known = truth(name)
    parts = [
        known[[name]]
        .isel(time=slice(step, step + 2))
        .assign_coords(time=TIMES[:2])
        .expand_dims(prediction_timedelta=[lead])
        for step, lead in enumerate(LEADS, 1)
    ]
    found = xr.concat(parts, "prediction_timedelta") + error
    found[name].attrs = known[name].attrs
    return found.transpose("time", "prediction_timedelta", ...)
