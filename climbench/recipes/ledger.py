"""The record of a build: one JSON line per finished part, so that a killed build can go on."""

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from climbench.recipes.parts import Part
from climbench.store.provenance import file_sha256


class Ledger:
    """Append-only JSON lines beside a store that is being built.

    Parameters
    ----------
    path
        The file; a line that a kill has cut is ignored.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[int, dict[str, Any]] = {}
        whole = b""
        if path.exists():
            for line in path.read_bytes().splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    break
                entry = json.loads(line)
                self.entries[entry["part"]] = entry
                whole += line
            if whole != path.read_bytes():
                path.write_bytes(whole)

    def record(
        self,
        part: Part,
        inputs: Sequence[Mapping[str, Any]],
        files: Sequence[Path],
        root: Path,
    ) -> None:
        """Note that a part is written, and wait until the note is on disk.

        Parameters
        ----------
        part
            Which one.
        inputs
            Address, size and SHA-256 of what it was read from.
        files
            What was written for it.
        root
            Folder that the files' names are relative to.
        """
        entry = {
            "part": part.number,
            "start": part.start,
            "stop": part.stop,
            "inputs": list(inputs),
            "files": {path.relative_to(root).as_posix(): file_sha256(path) for path in files},
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.entries[part.number] = entry

    def is_intact(self, part: Part, root: Path) -> bool:
        """Tell whether a part is recorded and all its files are as they were written."""
        entry = self.entries.get(part.number)
        if entry is None or (entry["start"], entry["stop"]) != (part.start, part.stop):
            return False
        return all(
            (root / name).is_file() and file_sha256(root / name) == digest
            for name, digest in entry["files"].items()
        )

    def forget(self, part: Part, root: Path) -> None:
        """Remove what an earlier run has left of a part that is to be made again."""
        for name in self.entries.pop(part.number, {}).get("files", {}):
            (root / name).unlink(missing_ok=True)

    def inputs(self) -> dict[str, dict[str, Any]]:
        """Return what the recorded parts were read from, by address."""
        return {one["address"]: one for e in self.entries.values() for one in e["inputs"]}
