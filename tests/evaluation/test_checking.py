import subprocess
import sys

import pytest
import xarray as xr

from climbench.cli import main

RUN = "import sys; from climbench.cli import main; sys.exit(main())"


@pytest.fixture
def made(forecasts, truth, climatology, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, data in (("forecasts", forecasts), ("truth", truth), ("climate", climatology)):
        data.to_zarr(tmp_path / f"{name}.zarr")
    arguments = ["predictions=forecasts.zarr", "truth=truth.zarr", "climatology=climate.zarr"]
    labels = "metrics=[rmse,acc(form=centred),csi(threshold=280)]"
    assert main(["evaluate", *arguments, labels, "bootstrap=20", "regions=[global,land]"]) == 0
    return tmp_path / "scores/scores.nc"


def test_scores_that_their_inputs_give_pass_the_check(made, capsys):
    assert main(["evaluate", f"check={made}"]) == 0
    assert "every score is the same" in capsys.readouterr().out


def test_a_changed_number_or_input_is_found(made, capsys):
    with xr.open_dataset(made, decode_timedelta=False) as scores:
        forged = scores.load()
    forged["score"][0, 0, 0] *= 0.9
    forged.to_netcdf(made)
    assert main(["evaluate", f"check={made}"]) == 1
    assert "'score' differs by up to" in capsys.readouterr().out
    store = xr.open_zarr("truth.zarr").load()
    (store + 1).assign_attrs(store.attrs).to_netcdf("other.nc")
    forged.attrs["evaluation"] = forged.attrs["evaluation"].replace("truth.zarr", "other.nc")
    forged.to_netcdf(made)
    assert main(["evaluate", f"check={made}"]) == 1
    assert "the truth are not the same bytes" in capsys.readouterr().out


def test_scores_that_do_not_say_how_they_were_made_are_refused(made, capsys):
    with xr.open_dataset(made, decode_timedelta=False) as scores:
        bare = scores.load()
    del bare.attrs["evaluation"]
    bare.to_netcdf(made)
    assert main(["evaluate", f"check={made}"]) == 2
    assert "does not say how it was made" in capsys.readouterr().err


def test_two_processes_write_the_same_bytes(made, tmp_path):
    arguments = ["predictions=forecasts.zarr", "truth=truth.zarr", "climatology=climate.zarr"]
    labels = "metrics=[rmse,acc(form=centred),csi(threshold=280)]"
    command = [sys.executable, "-c", RUN, "evaluate", *arguments, labels]
    command += ["bootstrap=20", "regions=[global,land]", "output=again"]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)
    assert (tmp_path / "again/scores.nc").read_bytes() == made.read_bytes()
