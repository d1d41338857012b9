"""Baselines of real sea-level pressure against published-style figures.

The figures were computed from the file with xarray and numpy alone: daily NCEP/NCAR sea-level
pressure over the North Atlantic, training 2001-2006, test 2007-2008.
"""

import numpy as np
import pytest
import xarray as xr
from small_training import CLIMATOLOGY, PERSISTENCE, TRAINER, baseline

from climbench.prediction import predict
from climbench.recipes import build, load_recipe
from climbench.tasks import DirectForecasting
from climbench.training import train

PERSISTENCE_RMSE = {24: 642.2, 48: 908.6, 72: 1023.4, 120: 1154.9, 168: 1212.9}  # Pa
DAMPED_RMSE = {24: 595.5, 48: 778.4, 72: 841.1, 120: 890.6, 168: 903.9}  # Pa, of anomalies
CLIMATOLOGY_RMSE = 910.0  # Pa, of four harmonics; the smoothed daily mean comes close
BOTH = {"fit_on": "train_and_validation"}  # the figures are of all six years
DAMPED = baseline("damped_persistence", "damped_persistence.DampedPersistence").model_copy(
    update=BOTH
)
HARMONIC = baseline("harmonics", "damped_persistence.HarmonicClimatology").model_copy(update=BOTH)


@pytest.mark.data
def test_baselines_have_the_known_errors(data_root, tmp_path):
    store = build(load_recipe("ncep_slp"), tmp_path, data_root)
    name = "mean_sea_level_pressure"
    task = DirectForecasting(
        store=store,
        inputs=[name],
        targets=[name],
        lead_times=tuple(PERSISTENCE_RMSE),
        train=("2001", "2005"),
        validation=("2006", "2006"),
        test=("2007", "2008"),
    )
    errors = {}
    for model in (PERSISTENCE, CLIMATOLOGY, DAMPED, HARMONIC):
        checkpoint = train(task, model, TRAINER, tmp_path / model.name)
        path = predict(checkpoint, task, tmp_path / f"{model.name}.zarr", batch_size=64)
        ds = xr.open_zarr(path, decode_timedelta=True)[name].load()
        truth = task.truth()[name].load()
        difference = ds - truth.sel(time=ds["time"] + ds["prediction_timedelta"])
        square = (difference**2).weighted(np.cos(np.deg2rad(ds["latitude"])))
        mean = square.mean(["time", "latitude", "longitude"])
        errors[model.name] = np.sqrt(mean).values
    np.testing.assert_allclose(errors["persistence"], [*PERSISTENCE_RMSE.values()], rtol=0.01)
    np.testing.assert_allclose(errors["damped_persistence"], [*DAMPED_RMSE.values()], rtol=0.01)
    np.testing.assert_allclose(errors["harmonics"], CLIMATOLOGY_RMSE, rtol=0.01)
    np.testing.assert_allclose(errors["climatology"], CLIMATOLOGY_RMSE, rtol=0.02)
