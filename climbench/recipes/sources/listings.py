"""Answers of archives' searches, kept so that a build that goes on reads the same files."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from climbench.recipes.sources.source import Surroundings

SECONDS = 3600
"""How long an answer is used without asking again."""


def remembered(
    surroundings: Surroundings,
    question: Mapping[str, Any],
    ask: Callable[[], list[dict[str, Any]]],
) -> list[dict[str, Any]]:
    """Return the answer to a question: a recent one, or that from which a build has begun.

    Archives publish new versions; a store must not be made of two.

    Parameters
    ----------
    surroundings
        Says where answers lie, and whether a build goes on.
    question
        What is asked, as plain data.
    ask
        Asks it.
    """
    key = hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()[:16]
    path = surroundings.downloads / "searches" / f"{key}.json"
    goes_on = (surroundings.states.parent / "prepared").exists()
    if path.is_file() and (goes_on or time.time() - path.stat().st_mtime < SECONDS):
        answer: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        return answer
    answer = ask()
    if not answer:
        return answer  # the next time, perhaps
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    temporary.write_text(json.dumps(answer), encoding="utf-8")
    temporary.replace(path)
    return answer
