"""Where the numbers of a run come from: archives, licences, versions, the command."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from climbench.experiments.stage import content_hash
from climbench.store import open_store, store_hash
from climbench.tasks import Task


def stores_of(task: Task) -> tuple[Path, Path | None, Sequence[Path]]:
    """Return the store of a task, that of its inputs if it is another, and further ones."""
    return task.store, getattr(task, "input_store", None), getattr(task, "further_stores", ())


def provenance(
    config: Any, store: Path, inputs: Path | None = None, further: Sequence[Path] = ()
) -> dict[str, Any]:
    """Return what a reader needs to repeat the run: recipes, licences, versions, command, hashes.

    Parameters
    ----------
    config
        The experiment, see :class:`climbench.experiments.run.RunConfig`.
    store
        That of the task.
    inputs
        That of the inputs, where it is another one.
    further
        Those that were learnt from as well.
    """
    of_inputs = {} if inputs is None else _archive(inputs)
    return {
        "description": config.description,
        "created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        **_archive(store),
        **{f"{key} of the inputs": value for key, value in of_inputs.items()},
        **({"also learnt from": [_archive(other) for other in further]} if further else {}),
        "software": json.loads(open_store(store).attrs["software"]),
        "seed": config.trainer.seed,
        "command": config.command or f"climbench run experiment={config.name}",
        "hash": content_hash(config.model_dump(mode="json", exclude={"command"})),
        "python": sys.version.split()[0],
    }


def _archive(store: Path) -> dict[str, Any]:
    recipe = json.loads(open_store(store).attrs["recipe"])
    return {
        "recipe": recipe.get("name"),
        "licence": recipe.get("licence"),
        "citation": recipe.get("citation"),
        "store hash": store_hash(store),
    }
