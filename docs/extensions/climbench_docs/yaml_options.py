"""Options of a YAML of ``conf/`` with the comments that stand beside and above them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

LINE = re.compile(r"^(?P<indent> *)(?P<key>[\w/@.]+):(?: (?P<rest>.*))?$")
COMMENT = re.compile(r"(?:^|\s)# ?(.*)$")


@dataclass(frozen=True)
class Option:
    """An option: its dotted key, its default, and what is said of it."""

    key: str
    default: Any
    comment: str
    above: str = ""
    """Comment on a line of its own before it, about it and those that follow."""


def options_of(path: Path, skip: tuple[str, ...] = ("defaults", "hydra")) -> list[Option]:
    """Return the options that a YAML sets, nested ones by dotted keys, in its order."""
    text = path.read_text(encoding="utf-8")
    values = yaml.safe_load(text) or {}
    comments = _comments(text)
    return [
        Option(key, default, *comments.get(key, ("", "")))
        for key, default in _flat(values)
        if key.partition(".")[0] not in skip and not key.endswith("_target_")
    ]


def head_of(path: Path) -> str:
    """Return the comment that a YAML begins with."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            lines.append(line.lstrip("# "))
    return " ".join(lines)


def bases_of(path: Path) -> list[str]:
    """Return the YAML files of the same group that a YAML begins from."""
    given = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("defaults", [])
    return [name for name in given if isinstance(name, str) and name != "_self_"]


def target_of(path: Path) -> str | None:
    """Return the class that a YAML builds, or that one that it begins from does."""
    values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    if target := values.get("_target_") or values.get("network", {}).get("_target_"):
        return str(target)
    return next((target_of(path.with_name(f"{base}.yaml")) for base in bases_of(path)), None)


def _flat(values: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, given in values.items():
        key = f"{before}{name}"
        found += _flat(given, f"{key}.") if isinstance(given, dict) and given else [(key, given)]
    return found


def _comments(text: str) -> dict[str, tuple[str, str]]:
    """Return the comments beside and above each key."""
    found: dict[str, tuple[str, str]] = {}
    open_keys: list[tuple[int, str]] = []
    above: list[str] = []
    started = False  # the head of the file is not above an option
    for line in text.splitlines():
        if line.strip().startswith("#"):
            above += [line.strip().lstrip("# ")] if started else []
        elif match := LINE.match(line):
            started = True
            indent = len(match["indent"])
            open_keys = [one for one in open_keys if one[0] < indent] + [(indent, match["key"])]
            beside = COMMENT.search(match["rest"] or "")
            key = ".".join(name for _, name in open_keys)
            said = (beside[1] if beside else "", " ".join(above))
            found[key] = said
            for inner in re.findall(r"[{,] ?(\w+):", match["rest"] or ""):  # on one line
                found[f"{key}.{inner}"] = said
                said = (said[0], "")
            above = []
        elif not line.strip():
            above = []
    return found
