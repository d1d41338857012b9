"""The names that other archives and packages have for the axes of fields."""

INITIAL_TIMES = ("init_time", "initial_time", "forecast_reference_time", "init")
# Names in WeatherBench-X, cfgrib, GraphCast, CMIP, CDS and seasonal archives.
ALIASES = {
    "lat": "latitude",
    "lon": "longitude",
    **dict.fromkeys(INITIAL_TIMES, "time"),
    "lead_time": "prediction_timedelta",
    "prediction_time": "prediction_timedelta",
    "forecast_period": "prediction_timedelta",
    "step": "prediction_timedelta",
    "lead": "prediction_timedelta",
    "number": "member",
    "realization": "member",
    "realisation": "member",
    "ensemble": "member",
    "isobaricInhPa": "level",
    "isobaricInPa": "level",
    "pressure_level": "level",
    "plev": "level",
}
