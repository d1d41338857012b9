"""A finished site takes its place: whole, and over nothing that is not a former site's."""

import json
import shutil
from pathlib import Path

from climbench.errors import UserError

PAGE, FILES = "index.html", "report_files"
"""The page to open, and what it needs beside it."""

_RECORD = f"{FILES}/made.json"
"""Names of all that the site has written into its folder."""


def refuse_file(directory: Path) -> None:
    """Refuse a folder that is none, before any work is done."""
    if directory.exists() and not directory.is_dir():
        raise UserError(f"{directory} is a file: choose another folder for the report.")


def publish(partial: Path, directory: Path) -> None:
    """Move a finished site into its folder, the page last, in place of a former one.

    What a former site has written and this one has not is removed; all else is left alone.

    Raises
    ------
    UserError
        If something is in the way that no site has written.
    """
    names = sorted((entry.name for entry in partial.iterdir()), key=lambda name: name == PAGE)
    (partial / _RECORD).write_text(json.dumps(names), encoding="utf-8")
    if not directory.exists():
        partial.rename(directory)
        return
    former = _written_before(directory)
    for name in names:
        if (directory / name).exists() and name not in former:
            raise UserError(
                f"{directory / name} is there and is no part of a report: choose another folder "
                "for the report."
            )
    for name in former:
        if (directory / name).exists():
            (directory / name).rename(partial / f"former_{name}")
    for name in names:
        (partial / name).rename(directory / name)
    shutil.rmtree(partial)


def _written_before(directory: Path) -> list[str]:
    """Return the names that a former site has written, nothing where there was none."""
    try:
        found = json.loads((directory / _RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return []
    names = found if isinstance(found, list) else []
    plain = [name for name in map(str, names) if Path(name).name == name]  # none in other folders
    return sorted(plain, key=lambda name: name != PAGE)  # the page goes first
