"""What a page says about a fitted model: its options, what it cost, and how it learnt."""

import csv
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.utils import get_class

from climbench.config import ModelConfig
from climbench.experiments.stage import MARKER
from climbench.training import load_checkpoint

LOSSES = ("train/loss", "validation/loss")


def model_card(model: ModelConfig, folders: Mapping[str, Path]) -> dict[str, Any]:
    """Return what is known of a model: plain values for its page.

    Parameters
    ----------
    model
        Its options.
    folders
        Of the finished stages ``train``, ``predict`` and ``evaluate``.

    Returns
    -------
    dict
        ``summary`` (the first sentence about its network), ``sections`` and, of a training by
        gradients, ``history``.
    """
    records = {
        name: json.loads((folder / MARKER).read_text("utf-8")) for name, folder in folders.items()
    }
    checkpoint = folders["train"] / "checkpoint.ckpt"
    module = load_checkpoint(checkpoint)
    options = model.model_dump(mode="json", exclude_none=True)
    card = {
        "summary": summary(str(options["network"].get("_target_", ""))),
        "sections": {
            "Size": {
                "trained weights": f"{sum(p.numel() for p in module.parameters()):,}",
                "checkpoint": f"{checkpoint.stat().st_size / 1e6:.2f} MB",
            },
            "Cost": {name: cost(record) for name, record in records.items()}
            | {"energy": "not measured"},
            "Options": options,
            "Training on": records["train"]["inputs"].get("trainer", {}),
            "Identity": {name: record["hash"] for name, record in records.items()},
            "Software": module.record.get("software", {}),
        },
    }
    history = training_history(folders["train"])
    return card | ({"history": history} if history else {})


def summary(target: str) -> str:
    """Return the first sentence of the docstring of a class that is named by its path.

    Examples
    --------
    >>> summary("climbench.models.resnet.ResNet") != "", summary("nowhere.Nothing")
    (True, '')
    """
    try:
        documentation = inspect.getdoc(get_class(target)) or ""
    except (ImportError, ValueError, AttributeError):
        return ""
    first = next(iter(documentation.strip().splitlines()), "")
    return (
        first.partition(", :math:")[0].partition(": :math:")[0].rstrip(".") + "." if first else ""
    )


def cost(record: Mapping[str, Any]) -> dict[str, str] | str:
    """Return in words how long a stage took, and how much memory, as its record says."""
    known = record.get("cost")
    if not known:
        return "not measured"
    words = {"time": f"{known['seconds']:.1f} s"}
    if known.get("continued"):
        words["time"] += " since it was continued"
    for key, name in (("memory", "peak memory"), ("gpu_memory", "peak memory of the GPU")):
        if known.get(key) is not None:
            words[name] = f"{known[key] / 1e9:.2f} GB"
    return words | {"on": known["machine"]}


def training_history(folder: Path) -> dict[str, Any] | None:
    """Return the losses of a training as rows of ``model`` (which loss), ``x`` and ``y``."""
    rows = []
    for log in sorted(folder.glob("logs/version_*/metrics.csv")):
        with log.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                rows += [
                    {"model": name, "x": int(row["step"]), "y": float(row[name])}
                    for name in LOSSES
                    if row.get(name) and row.get("step")
                ]
    several = len({row["x"] for row in rows}) > 1
    return {"along": "step", "rows": rows} if several else None
