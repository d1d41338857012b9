import json
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
    assert main(["evaluate", *arguments, labels, "bootstrap=100", "regions=[global,land]"]) == 0
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
    assert "not the same bytes: the truth" in capsys.readouterr().out


def test_scores_that_do_not_say_how_they_were_made_are_refused(made, capsys):
    with xr.open_dataset(made, decode_timedelta=False) as scores:
        bare = scores.load()
    del bare.attrs["evaluation"]
    bare.to_netcdf(made)
    assert main(["evaluate", f"check={made}"]) == 2
    assert "does not say how it was made" in capsys.readouterr().err


def test_inputs_are_found_from_another_folder(made, tmp_path, monkeypatch, capsys):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["evaluate", f"check={made}"]) == 0
    lone = tmp_path.parent / f"{tmp_path.name}_lone.nc"
    lone.write_bytes(made.read_bytes())
    assert main(["evaluate", f"check={lone}"]) == 2
    sentence = capsys.readouterr().err
    assert "predictions 'forecasts.zarr'" in sentence and "give predictions=PATH" in sentence
    moved = [f"predictions={tmp_path}/forecasts.zarr", f"truth={tmp_path}/truth.zarr"]
    moved.append(f"climatology={tmp_path}/climate.zarr")
    assert main(["evaluate", f"check={lone}", *moved]) == 0


@pytest.mark.parametrize(
    ("check", "sentence"),
    [
        ("truth.zarr", "The scores file truth.zarr/scores.nc does not exist"),
        ("scores/scores.csv", "cannot be read as netCDF"),
        ("other.nc", "holds no scores"),
    ],
)
def test_what_is_no_scores_file_is_refused(made, check, sentence, capsys):
    xr.Dataset({"a": 1}).to_netcdf("other.nc")
    assert main(["evaluate", f"check={check}"]) == 2
    assert sentence in capsys.readouterr().err


def test_options_beside_check_and_of_other_versions_are_refused(made, capsys):
    assert main(["evaluate", f"check={made}", "metrics=rmse"]) == 2
    assert "takes 'metrics' from the file" in capsys.readouterr().err
    with xr.open_dataset(made, decode_timedelta=False) as scores:
        old = scores.load()
    old.attrs["evaluation"] = old.attrs["evaluation"].replace('"preset"', '"manner"')
    old.to_netcdf(made)
    assert main(["evaluate", f"check={made}"]) == 2
    assert "another version of climbench" in capsys.readouterr().err


def test_areas_of_regions_are_found_where_the_inputs_are(made, tmp_path, monkeypatch):
    ring = [[0, -60], [200, -60], [200, 60], [0, 60], [0, -60]]
    polygon = {"type": "Polygon", "coordinates": [ring]}
    (tmp_path / "half.geojson").write_text(json.dumps(polygon))
    inputs = ["predictions=forecasts.zarr", "truth=truth.zarr", "metrics=rmse", "bootstrap=0"]
    assert main(["evaluate", *inputs, "regions=[half.geojson_land,land]", "output=areas"]) == 0
    (tmp_path / "land").mkdir()  # a folder of the same name is no region
    monkeypatch.chdir(tmp_path / "areas")
    assert main(["evaluate", "check=scores.nc"]) == 0


def test_two_processes_write_the_same_bytes(made, tmp_path):
    arguments = ["predictions=forecasts.zarr", "truth=truth.zarr", "climatology=climate.zarr"]
    labels = "metrics=[rmse,acc(form=centred),csi(threshold=280)]"
    command = [sys.executable, "-c", RUN, "evaluate", *arguments, labels]
    command += ["bootstrap=100", "regions=[global,land]", "output=again"]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)
    assert (tmp_path / "again/scores.nc").read_bytes() == made.read_bytes()
