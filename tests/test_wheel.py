"""The wheel, installed in a clean environment elsewhere, finds its conf and its recipes."""

import os
import subprocess
import sys
import venv
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def test_an_installed_wheel_lists_experiments_and_recipes(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", tmp_path, REPOSITORY],
        check=True,
        capture_output=True,
    )
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run([python, "-m", "pip", "install", "--no-deps", "-q", wheel], check=True)
    # The dependencies are those of the test environment: only climbench itself is new.
    site = subprocess.run(
        [
            sys.executable,
            "-c",
            "import numpy, pathlib; print(pathlib.Path(numpy.__file__).parents[1])",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    found = subprocess.run(
        [python, "-c", "import climbench, sys; print(climbench.__file__)"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert str(tmp_path) in found
    shown = subprocess.run(
        [tmp_path / "env" / "bin" / "climbench", "list"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": site},
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0, shown.stderr
    assert "quickstart" in shown.stdout and "planet_weather" in shown.stdout
