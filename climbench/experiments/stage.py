"""A stage of a run: a folder that is named by the hash of all that went into it."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARKER = "stage.json"


def content_hash(*parts: Any) -> str:
    """Return the SHA-256 of JSON-able values; equal values give equal hashes.

    Examples
    --------
    >>> content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
    True
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Stage:
    """One step of an experiment and its folder.

    Attributes
    ----------
    name
        What the stage makes, such as ``train/resnet``.
    inputs
        Everything that decides the result, JSON-able: options and the hashes of earlier stages.
    root
        The run folder.
    """

    name: str
    inputs: dict[str, Any]
    root: Path

    @property
    def hash(self) -> str:
        """The identity of the result."""
        return content_hash(self.name, self.inputs)

    @property
    def directory(self) -> Path:
        """The folder of the finished stage."""
        return self.root / f"{self.name}-{self.hash[:10]}"

    @property
    def finished(self) -> bool:
        """Whether the result is there and whole."""
        return (self.directory / MARKER).is_file()

    def run(self, work: Callable[[Path], Any]) -> Path:
        """Do the work unless it is done, and return the folder of the result.

        The work is given a folder whose name ends in ``.partial`` and which an interrupted run
        leaves behind, so that it can continue there; the folder is renamed when the work is whole.
        """
        if self.finished:
            return self.directory
        partial = self.directory.with_name(self.directory.name + ".partial")
        partial.mkdir(parents=True, exist_ok=True)
        work(partial)
        record = {"name": self.name, "hash": self.hash, "inputs": self.inputs}
        (partial / MARKER).write_text(json.dumps(record, indent=2, default=str))
        if self.directory.exists():  # a folder without marker: not ours, or cut short
            shutil.rmtree(self.directory)
        partial.replace(self.directory)
        return self.directory
