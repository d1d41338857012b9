"""A file on its way: the bytes that have come, and what they are bytes of."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Partial:
    """A file that has not come as a whole; it survives a kill and is continued.

    Attributes
    ----------
    path
        ``NAME.part``; beside it ``NAME.part.json`` says what the bytes are from.
    checked
        Whether a published checksum will tell if pieces do not belong together.
    """

    path: Path
    checked: bool = False

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def origin(self) -> dict[str, Any]:
        """What the server said when the first byte came: ``address``, ``size``, its marks."""
        try:
            origin = json.loads(self._about.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return origin if isinstance(origin, dict) else {}

    @property
    def complete(self) -> bool:
        """Whether all bytes are there: a run was killed right before the file got its name."""
        return self.size > 0 and self.size == self.origin.get("size")

    @property
    def share(self) -> float:
        """Which part of the file is there, 0 to 1; 0 if nobody knows its size."""
        size = self.origin.get("size")
        return min(1.0, self.size / size) if size else 0.0

    def begin(self, origin: dict[str, Any]) -> None:
        """Throw away what is there, for the first byte of something."""
        self.path.unlink(missing_ok=True)
        self._about.write_text(json.dumps(origin), encoding="utf-8")

    def extend(self, pieces: Iterable[bytes]) -> None:
        """Append bytes as they come; those before an error stay."""
        with self.path.open("ab") as file:
            for piece in pieces:
                file.write(piece)

    def finish(self, path: Path) -> None:
        """Give the file its name."""
        self.path.replace(path)
        self._about.unlink(missing_ok=True)

    def remove(self) -> None:
        """Forget the file."""
        self.path.unlink(missing_ok=True)
        self._about.unlink(missing_ok=True)

    @property
    def _about(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")
