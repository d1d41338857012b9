"""The record of a build: one JSON line per finished part, so that a killed build can go on."""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from climbench.recipes.parts import Part
from climbench.store.provenance import file_sha256

CHECKSUMS = "checksums.sha256"
"""Beside the ledger of a finished store: of the files that belong to no part."""


class Ledger:
    """Append-only JSON lines beside a store that is being built.

    Parameters
    ----------
    path
        The file; a line that a kill has cut is ignored.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inputs: dict[str, dict[str, Any]] = {}  # what parts were read from, by address
        self._files: dict[int, tuple[int, int, dict[str, str]]] = {}
        length = 0
        if path.exists():
            with path.open("rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._remember(json.loads(line))
                    length += len(line)
            if length < path.stat().st_size:
                os.truncate(path, length)

    def _remember(self, entry: Mapping[str, Any]) -> None:
        self._files[entry["part"]] = (entry["start"], entry["stop"], entry["files"])
        for one in entry["inputs"]:
            self.inputs.setdefault(one["address"], one)

    def record(
        self,
        part: Part,
        inputs: Sequence[Mapping[str, Any]],
        made: Mapping[str, Any],
    ) -> None:
        """Note that a part is written, and wait until the note is on disk.

        Parameters
        ----------
        part
            Which one.
        inputs
            Address, size and SHA-256 of what it was read from.
        made
            From :func:`climbench.recipes.writing.make`: SHA-256 of each of its ``files`` by name
            below the build's folder, ``bytes``, ``seconds`` and ``missing`` values.
        """
        entry = {
            "part": part.number,
            "start": part.start,
            "stop": part.stop,
            "inputs": list(inputs),
            **made,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._remember(entry)

    def is_intact(self, part: Part, root: Path) -> bool:
        """Tell whether a part is recorded and all its files are as they were written."""
        start, stop, files = self._files.get(part.number, (-1, -1, {}))
        if (start, stop) != (part.start, part.stop):
            return False
        return all(is_same(root / name, digest) for name, digest in files.items())

    def missing(self) -> Counter[str]:
        """Return how many values of each variable are missing in all parts."""
        lines = self.path.read_text(encoding="utf-8").splitlines()
        last = {entry["part"]: entry for entry in map(json.loads, lines)}
        total = Counter[str]()
        for entry in last.values():
            total.update({name: one["missing"] for name, one in entry["missing"].items()})
        return total

    def forget(self, part: Part, root: Path) -> None:
        """Remove what an earlier run has left of a part that is to be made again."""
        for name in self._files.pop(part.number, (0, 0, {}))[2]:
            (root / name).unlink(missing_ok=True)

    def publish(self, path: Path) -> None:
        """Write the last line of each part, in the order of parts, for the finished store."""
        places: dict[int, int] = {}
        with self.path.open("rb") as file:
            place = 0
            for line in file:
                places[json.loads(line)["part"]] = place
                place += len(line)
            with path.open("wb") as published:
                for number in sorted(places):
                    file.seek(places[number])
                    published.write(file.readline())

    def publish_others(self, store: Path, path: Path) -> None:
        """Write the SHA-256 of what belongs to no part, as ``sha256sum -c`` reads it.

        Coordinates and metadata, ``statistics`` and ``climatology``.
        """
        parts = {name for _, _, files in self._files.values() for name in files}
        lines = []
        for file in sorted(one for one in store.rglob("*") if one.is_file()):
            name = file.relative_to(store).as_posix()
            if f"store/{name}" not in parts and name not in (CHECKSUMS, "ledger.jsonl"):
                lines.append(f"{file_sha256(file)}  {name}\n")
        path.write_text("".join(lines))


def others(store: Path) -> dict[str, str]:
    """Return the SHA-256 that :meth:`Ledger.publish_others` wrote, by name.

    Raises
    ------
    ValueError
        If a line is cut or garbled.
    """
    lines = (store / CHECKSUMS).read_text().splitlines()
    pairs = (line.split("  ", 1) for line in lines)
    return {name: digest for digest, name in pairs}


def is_same(path: Path, digest: str) -> bool:
    """Tell whether a file is there with this SHA-256."""
    return path.is_file() and file_sha256(path) == digest
