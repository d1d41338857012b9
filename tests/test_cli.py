"""The command line as a user meets it: exit codes, one sentence per mistake.

Every verb is met once in a process of its own; all else runs in this one, which has loaded what
the verbs need.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from climbench.cli import main


def climbench(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "climbench", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


@pytest.fixture
def climbench_here(tmp_path, monkeypatch, capfd):
    """Return what runs the command line in this process, in an empty folder."""

    def run(*arguments):
        try:
            code = main(arguments)
        except SystemExit as end:  # of Hydra, which shows its help and configuration itself
            code = end.code or 0
        shown = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, code, shown.out, shown.err)

    monkeypatch.chdir(tmp_path)
    return run


def test_help_names_every_verb_and_loads_nothing_heavy():
    script = (
        "import sys; from climbench.cli import main; main(['--help']);"
        "print([m for m in ('torch', 'xarray', 'hydra', 'numpy') if m in sys.modules])"
    )
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert time.monotonic() - start < 5  # generous: machines are shared; the imports decide
    assert done.stdout.splitlines()[-1] == "[]"
    verbs = "build train predict evaluate climatology stations gate report run list inspect doctor"
    for verb in verbs.split():
        assert f"\n  {verb} " in done.stdout


ONE_OF_EVERY_VERB = [
    (["bild"], "climbench has no verb 'bild': did you mean 'build'?"),
    (["list", "modles"], "did you mean 'models'?"),
    (["inspect", "nowhere.zarr"], "nowhere.zarr"),
    (["predict", "checkpoint=nowhere.ckpt"], "nowhere.ckpt"),
    (["evaluate", "predictions=a.zarr", "truth=b.zarr", "climatology=c.zarr"], "a.zarr"),
    (["climatology", "truth=a.zarr", "output=c.zarr", "period=[1990,2019]"], "a.zarr"),
    (["stations", "forecasts=a.zarr", "stations=b.zarr", "output=c.zarr"], "a.zarr"),
    (["gate", "candidate=a.nc", "reference=b.nc"], "a.nc"),
    (["report", "scores=a.nc"], "a.nc"),
    (["run", "experiment=quickstart", "data_root=nowhere"], "there is no folder nowhere"),
    (["build", "recipe=planet_weather", "dates=2002-01-01/2002-13-31"], "2002-13-31"),
    (
        [
            "train",
            "--multirun",
            "experiment=quickstart",
            "model=vit,resnet",
            "model.patience=2",
        ],
        "is an option of each model of several: write ++model.patience=...",
    ),
    (["compare", "candidate=mit leer.nc", "reference=b"], "The scores file mit leer.nc does not"),
    (["emulate", "checkpoint=nowhere.ckpt", "scenario=a.csv"], "nowhere.ckpt"),
]
MISTAKES = [
    (["build"], "climbench build needs recipe=...: see `climbench build --help`."),
    (["build", "recip=x"], "climbench build has no option 'recip': did you mean 'recipe'?"),
    (["build", "recipe=planet_wether"], "did you mean 'planet_weather'?"),
    (["build", "recipe=planet_weather", "period=[2000,2001]"], "build has no option 'period'"),
    (["run", "experiment=quikstart"], "did you mean 'quickstart'?"),
    (["run", "experimnt=quickstart"], "did you mean 'experiment'?"),
    (["run", "experiment=quickstart", "trainer.sed=1"], "did you mean 'seed'?"),
    (["run", "experiment=quickstart", "trainer.seed=one"], "trainer.seed"),
    (["run", "experiment=quickstart", "task.histroy=1"], "did you mean 'history'?"),
    (
        ["run", "experiment=quickstart", "models.resnet_small.network.bloks=1"],
        "did you mean 'blocks'?",
    ),
    (["run", "experiment=quickstart", "trainr.seed=1"], "did you mean 'trainer'?"),
    (["run", "experiment=quickstart", "report=null"], "'report=null' chooses nothing"),
    (["run", "quickstart"], "'quickstart' is not an option"),
    (["run"], "climbench run needs experiment=...: "),
    (
        ["climatology", "truth=a.zarr", "output=c.zarr"],
        "climbench climatology needs period=...",
    ),
    (["stations", "forecasts=a.zarr"], "climbench stations needs stations=..."),
    (["stations", "forecasts=a", "stations=b", "output=c", "lapse_rate=x"], "'lapse_rate' = 'x'"),
    (["gate", "candidate=null", "reference=b.nc"], "gate needs the option 'candidate'"),
    (["gate", "candidate=a.nc", "reference=b.nc", "rules=null"], "needs the option 'rules'"),
    (["evaluate", "+typo=1"], "climbench evaluate has no option 'typo': valid names: bins"),
    (["evaluate", "++regons=[land]"], "has no option 'regons': did you mean 'regions'?"),
    (["evaluate", "+evaluation.bootstap=1"], "did you mean 'bootstrap'?"),
    (["evaluate", "~preset"], "climbench evaluate needs the option 'preset'"),
    (["evaluate", "output=null"], "climbench evaluate needs the option 'output'"),
    (["evaluate", "metrics=null"], "climbench evaluate needs the option 'metrics'"),
    (["evaluate", "metrics=rmse,bias"], "write a list as 'metrics=[rmse,bias]'"),
    (["evaluate", "metrics=rmse("], "'metrics=rmse(' cannot be read"),
    (["evaluate", "regions=[Süd.geojson]"], "'regions=[\"Süd.geojson\"]'"),
    (["evaluate", "predictions=${a}.zarr"], "write \\${a} where it is part of a name"),
    (
        ["run", "experiment=quickstart", "~models.resnet_small"],
        "'candidate' = resnet_small is none of",
    ),
    (["run", "experiment=quickstart", "trainer.accelerator=gpus"], "trainer.accelerator"),
    (
        ["run", "experiment=quickstart", "trainer.max_epochs=1"],
        "write ++models.NAME.max_epochs=...",
    ),
    (["run", "experiment=quickstart", "model.max_epochs=1"], "write ++models.NAME.max_epochs=..."),
    (["run", "experiment=quickstart", "++model.max_epochs=1"], "need model=NAME; each model's own"),
    (["train", "experiment=quickstart", "++model.max_epochs=1"], "train needs model=NAME"),
    (
        ["run", "experiment=quickstart", "model=unet_small", "trainer.max_epochs=1"],
        "write ++model.max_epochs=...",
    ),
    (
        ["run", "experiment=quickstart", "++models.resnet_smal.max_epochs=1"],
        "'models.resnet_smal' has no name, nor has the experiment it: did you mean 'resnet_small'?",
    ),
    (
        ["run", "experiment=quickstart", "++models.vit_small.max_epoch=1"],
        "there is no such option: did you mean 'max_epochs'?\n",
    ),
    (
        ["run", "experiment=quickstart", "model=vit_small", "models.vit_small.max_epochs=1"],
        "'models.vit_small.max_epochs' is not heeded beside model=vit_small: write model.",
    ),
    (
        ["train", "experiment=quickstart", "model=resnet_small,vit_small"],
        "add --multirun to run one after another",
    ),
    (
        ["train", "experiment=quickstart", "model=vit", "model.optimizer.gradient_clip=1"],
        "write +model.optimizer.gradient_clip=...",
    ),
    (
        ["train", "experiment=quickstart", "model=vit", "+model.optimizer.foo=1"],
        "there is no such option: valid names: average_decay, betas",
    ),
    (["run", "experiment=quickstart", "trainer.seed=-1"], "greater than or equal to 0"),
    (["run", "experiment=quickstart", "evaluation.bootstrap=50"], "must be at least 100"),
    (["run", "experiment=quickstart", "evaluation.metrics=[rms]"], "did you mean 'rmse'?"),
    (["run", "experiment=quickstart", "models=resnet_small"], "write model=NAME for one of them"),
    (["run", "experiment=quickstart", "models=null"], "'models' = None is no set of models"),
    (["run", "experiment=quickstart", "=3"], "'=3' is not an option of climbench run"),
    (["run", "experiment=quickstart", "--cfg"], "write --cfg job."),
    (["run", "experiment=quickstart", "--cfg", "foo"], "write --cfg job."),
    (["run", "experiment=quickstart", "--multrun"], "did you mean '--multirun'?"),
    (["run", "experiment="], "experiment '' does not exist: valid names: "),
    (["run", "experiment=quickstart", "model="], "model '' does not exist: valid names: "),
    (["run", "experiment=quickstart", "+model=vit"], "write model=... without the +"),
    (
        ["run", "experiment=quickstart", "~models.vit_smal"],
        "to take away: did you mean 'vit_small'?",
    ),
    (["run", "experiment=quickstart", "model=[vit, unet]"], "write model=vit,unet --multirun."),
    (["build", "recipe=planet_weather", "workers=two"], "'workers' = two is wrong"),
    (["build", "recipe=planet_weather", "plan=perhaps"], "'plan' = 'perhaps' is wrong"),
    (["build", "recipe=planet_weather", "verify=perhaps"], "'verify' = 'perhaps'"),
    (["build", "recipe=planet_weather", "scheduler=garbage"], "'garbage' is no address"),
]


def check_one_sentence(done, sentence, folder):
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("arguments", "sentence"), ONE_OF_EVERY_VERB)
def test_a_mistake_gives_one_sentence_and_exit_code_2(arguments, sentence, tmp_path):
    check_one_sentence(climbench(*arguments, cwd=tmp_path), sentence, tmp_path)


@pytest.mark.parametrize(("arguments", "sentence"), MISTAKES)
def test_so_does_every_other_mistake(arguments, sentence, tmp_path, climbench_here):
    check_one_sentence(climbench_here(*arguments), sentence, tmp_path)


@pytest.mark.parametrize(
    "path", ["mit leer.nc", "grüße.nc", "a=b.nc", "a,b.nc", "it's.nc", "[1].nc", "(x){y}.nc", "a\\"]
)
def test_paths_may_hold_any_sign(path, climbench_here):
    done = climbench_here("compare", f"candidate={path}", "reference=b")
    assert f"The scores file {path} does not exist" in done.stderr
    quoted = climbench_here("compare", f'candidate="{path}"', "reference=b")
    assert path.endswith("\\") or f"The scores file {path} does not" in quoted.stderr


def test_every_verb_explains_its_groups_and_options(climbench_here):
    shown = climbench_here("run", "--help").stdout
    assert "experiment: " in shown and "quickstart" in shown
    assert "runs_dir" in shown


@pytest.mark.parametrize("word", ["gate=null", "~gate"])
def test_a_gate_is_switched_off(word, monkeypatch):
    """Also one whose rules stand in the experiment, which Hydra itself would keep."""
    from climbench import cli
    from climbench.experiments import verbs

    seen = []
    monkeypatch.setattr(verbs, "run_verb", lambda config: seen.append(config) or 0)
    assert cli.main(["run", "experiment=planet_downscaling", word]) == 0
    assert seen[0]["gate"] is None
    assert cli.main(["run", "experiment=planet_downscaling"]) == 0
    assert seen[1]["gate"]["rules"]


def test_nobody_reading_on_is_no_fault():
    reading, writing = os.pipe()
    os.close(reading)  # as `head` does when it has seen enough
    command = [sys.executable, "-m", "climbench", "--help"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_full_disk_behind_the_output_is_said_in_a_sentence():
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "climbench", "--help"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    sentence = "climbench: no space is left where its output goes: free some.\n"
    assert (done.returncode, done.stderr) == (2, sentence)


def test_signs_that_an_output_lacks_are_replaced():
    done = subprocess.run(
        [sys.executable, "-m", "climbench", "list", "recipes"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"planet_weather" in done.stdout and b"?" in done.stdout


def test_formulas_are_listed_without_markup(climbench_here):
    done = climbench_here("list", "metrics")
    assert "wavenumber k" in done.stdout and ":math:" not in done.stdout


def test_list_shows_names_with_their_descriptions(climbench_here):
    shown = climbench_here("list").stdout
    for name in ("quickstart", "planet_weather", "resnet", "pattern_scaling", "rmse"):
        assert name in shown


@pytest.mark.parametrize(
    "arguments", [["--cfg", "job"], ["trainer.seed=1", "--cfg", "job"], ["--cfg=job"]]
)
def test_flags_may_stand_anywhere(arguments, climbench_here):
    done = climbench_here("run", "experiment=quickstart", *arguments)
    assert done.returncode == 0, done.stderr
    assert "recipe: planet_weather" in done.stdout


def test_doctor_runs_from_archive_to_page(tmp_path):
    done = climbench("doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "tiny run: works" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_traceback_is_shown_only_to_those_who_ask(capsys):
    assert main(["report"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert main(["report", "--traceback"]) == 2
    error = capsys.readouterr().err
    assert "Traceback" in error and error.splitlines()[-1].startswith("climbench: ")


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are of POSIX")
@pytest.mark.parametrize("plain", [True, False])
def test_colours_are_left_out_where_nobody_wants_them(plain):
    import pty

    reader, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "60"}
    environment.pop("NO_COLOR", None)
    environment |= {"NO_COLOR": "1"} if plain else {}
    command = [sys.executable, "-m", "climbench", "list", "recipes"]
    with subprocess.Popen(command, stdout=terminal, stderr=terminal, env=environment):
        os.close(terminal)
        text = b""
        try:
            while part := os.read(reader, 4096):
                text += part
        except OSError:  # the end, in the words of Linux
            pass
    assert b"planet_weather" in text
    assert (b"\x1b[36m" in text) is not plain  # the archive's period, in cyan
