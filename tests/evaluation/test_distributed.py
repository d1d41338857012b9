import numpy as np
import pytest

from climbench.errors import UserError
from climbench.evaluation import evaluate

distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")


def test_workers_give_the_bits_of_one_process(forecasts, truth, climatology, tmp_path):
    paths = {}
    for name, data in (("f", forecasts), ("t", truth), ("c", climatology)):
        paths[name] = tmp_path / f"{name}.zarr"
        data.to_zarr(paths[name])
    options = {"metrics": ["rmse", "acc", "bias"], "regions": ["global", "tropics"]}
    alone = evaluate(paths["f"], paths["t"], paths["c"], **options)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        shared = evaluate(
            paths["f"], paths["t"], paths["c"], scheduler=cluster.scheduler_address, **options
        )
    for name in ("score", "lower", "upper", "per_sample", "count", "missing"):
        np.testing.assert_array_equal(shared[name], alone[name])
    for name in ("map_rmse", "map_bias"):
        np.testing.assert_allclose(shared[name], alone[name], rtol=1e-6, atol=1e-7)


def test_a_scheduler_that_does_not_answer_is_named(forecasts, truth, monkeypatch):
    def client(address, **options):
        raise OSError("nobody there")

    monkeypatch.setattr(distributed, "Client", client)
    with pytest.raises(UserError, match="No dask scheduler answers at 'tcp:"):
        evaluate(forecasts, truth, scheduler="tcp://127.0.0.1:9")
