"""Train every model of the zoo by the protocol of conf/experiment/planet_zoo.yaml and score it.

Run ``python benchmarks/skill/run.py --stores stores --runs runs``, alone on the machine: training
is limited by the clock. What is finished is not done again, so the table may grow over days.
Figures go to results/planet_zoo.json, and from there to docs/zoo.md by
``python scripts/make_zoo_page.py``. All of it is about simulated weather.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
import xarray as xr
import yaml
from filelock import FileLock

from climbench.evaluation import compare, read_scores

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "results" / "planet_zoo.json"
REFERENCE = "linear_regression"
SCORES = ("rmse", "mae", "acc", "crps", "spread_skill")


def run_model(model: str, seed: int, options: list[str], runs: Path) -> Path:
    """Run the experiment with one model and return its scores beside the baselines'."""
    program = Path(sys.executable).with_name("climbench")
    command = [str(program), "run", "experiment=planet_zoo"]
    if "optimizer" in yaml.safe_load((ROOT / "conf" / "model" / f"{model}.yaml").read_text()):
        command.append("model.max_epochs=20")  # the clock ends the training
    command += [f"model={model}", f"trainer.seed={seed}", f"runs_dir={runs}", *options]
    done = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    page = next(line for line in done.stdout.splitlines() if line.startswith("report: "))
    return Path(page.removeprefix("report: ")).parents[1] / "scores.nc"


def figures(scores: xr.Dataset, model: str) -> dict[str, Any]:
    """Return metric -> channel -> for each lead: score, bounds, better or worse than the line."""
    against = compare(scores, scores, candidate_model=model, reference_model=REFERENCE)
    own = scores.sel(model=model).isel(region=0)
    table: dict[str, Any] = {"leads": own["lead_time"].values.tolist()}
    for metric in (name for name in SCORES if name in own["metric"].values):
        table[metric] = {}
        for channel in own["channel"].values.tolist():
            at = {"metric": metric, "channel": channel}
            columns = [
                [float(f"{value:.5g}") for value in own[key].sel(at).values]
                for key in ("score", "lower", "upper")
            ]
            marks = [""] * len(columns[0])
            if metric in against["metric"].values:
                marks = against["mark"].isel(region=0).sel(at).values.tolist()
            table[metric][channel] = list(zip(*columns, marks, strict=True))
    return table


def weights_of(model: str, runs: Path) -> dict[str, Any]:
    """Return how many numbers the newest checkpoint of a model holds."""
    made = (runs / "planet_zoo" / "train").glob(f"{model}-*/checkpoint.ckpt")
    newest = max(made, key=os.path.getmtime)
    state = torch.load(newest, map_location="cpu", weights_only=True)["state_dict"]
    numbers = sum(value.numel() for value in state.values() if value.is_floating_point())
    return {"numbers": numbers}


def main() -> None:
    """Run models and seeds and write down what they score."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", help="names in conf/model; default: models.yaml")
    parser.add_argument("--stores", type=Path, default=Path("stores"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    given = parser.parse_args()
    listed = yaml.safe_load((Path(__file__).parent / "models.yaml").read_text())
    RESULT.parent.mkdir(exist_ok=True)
    options = [f"stores_dir={given.stores.resolve()}", f"trainer.max_minutes={given.minutes}"]
    options += ["trainer.progress_bar=false"]
    for model in given.models or listed:
        for seed in given.seeds:
            scores = read_scores(run_model(model, seed, options, given.runs.resolve()))
            entry = {"model": model, "seed": seed, "minutes": given.minutes}
            entry |= weights_of(model, given.runs.resolve())
            entry["scores"] = figures(scores, model)
            write_down(f"{model}/{seed}", entry)


def write_down(key: str, entry: dict[str, Any]) -> None:
    """Put an entry into the results, which another process may be writing too."""
    with FileLock(RESULT.with_suffix(".lock")):
        record = json.loads(RESULT.read_text()) if RESULT.exists() else {"simulated": True}
        record[key] = entry
        text = json.dumps(record, separators=(",", ":")).replace('},"', '},\n"')
        RESULT.write_text(text + "\n")


if __name__ == "__main__":
    main()
