"""A stage of a run: a folder that is named by the hash of all that went into it."""

import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from climbench.errors import UserError
from climbench.memory import forget_peak, peak_gpu_memory, peak_memory
from climbench.recipes.lock import alone

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


def process_rank() -> int:
    """Return which of several processes of one training this is, as torchrun or SLURM say."""
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")))


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

    @property
    def begun(self) -> bool:
        """Whether an interrupted run left work that the next one goes on with."""
        return self._partial.is_dir()

    @property
    def _partial(self) -> Path:
        return self.directory.with_name(self.directory.name + ".partial")

    def cost(self) -> dict[str, Any] | None:
        """Return seconds, memory and machine of the finished work, None where nobody measured."""
        if not self.finished:
            return None
        record = json.loads((self.directory / MARKER).read_text())
        return dict(record["cost"]) if record.get("cost") else None

    def run(self, work: Callable[[Path], Any]) -> Path:
        """Do the work unless it is done, and return the folder of the result.

        The work is given a folder whose name ends in ``.partial`` and which an interrupted run
        leaves behind, so that it can continue there; the folder is renamed when the work is whole.
        Another process that wants the same waits for it.
        """
        partial = self._partial
        partial.parent.mkdir(parents=True, exist_ok=True)
        if process_rank() > 0:  # of a training by several processes, of which the first goes on
            if not self.finished:
                partial.mkdir(exist_ok=True)
                work(partial)
            while not self.finished:
                time.sleep(0.1)
            return self.directory
        if not self.finished:
            with alone(self.directory):  # models that are run side by side share their baselines
                if not self.finished:
                    self._finish(partial, work)
        return self.directory

    def _finish(self, partial: Path, work: Callable[[Path], Any]) -> None:
        partial.mkdir(exist_ok=True)
        continued = any(partial.iterdir())
        forget_peak()
        start = time.perf_counter()
        try:
            work(partial)
        except UserError:
            if not any(partial.glob("*.ckpt")):  # nothing to continue from
                shutil.rmtree(partial)
            raise
        cost = {
            "seconds": time.perf_counter() - start,
            "continued": continued,
            "memory": peak_memory(),
            "gpu_memory": peak_gpu_memory(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        }
        record = {"name": self.name, "hash": self.hash, "inputs": self.inputs, "cost": cost}
        (partial / MARKER).write_text(json.dumps(record, indent=2, default=str))
        if self.directory.exists():  # a folder without marker: not ours, or cut short
            shutil.rmtree(self.directory)
        partial.replace(self.directory)
