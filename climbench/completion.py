"""Completion of the command line in bash, zsh and fish: verbs, options, and what groups hold."""

from pathlib import Path
from typing import Any

from climbench.errors import UserError, nearest

SCRIPTS = {
    "bash": """\
_climbench() {
    local typed="${COMP_LINE:0:COMP_POINT}" word
    word="${COMP_WORDS[COMP_CWORD]}"
    mapfile -t COMPREPLY < <(climbench --complete "$typed" 2>/dev/null)
    # bash takes '=' for the end of a word: it wants what stands behind it
    local last="${typed##* }"
    local before="${last%"$word"}"
    if [[ "$word" == "=" ]]; then before="$last"; fi
    COMPREPLY=("${COMPREPLY[@]#"$before"}")
    [[ ${#COMPREPLY[@]} == 1 && "${COMPREPLY[0]}" == *[=.] ]] && compopt -o nospace
}
complete -o default -F _climbench climbench
""",
    "zsh": """\
#compdef climbench
_climbench() {
    local -a found
    found=("${(@f)$(climbench --complete "${LBUFFER}" 2>/dev/null)}")
    compadd -S '' -- $found
}
compdef _climbench climbench
""",
    "fish": """\
complete --command climbench --no-files --arguments \\
    '(climbench --complete (commandline --cut-at-cursor) 2>/dev/null)'
""",
}
"""What a shell reads once, such as ``source <(climbench --completion bash)`` in ~/.bashrc."""


def script(shell: str) -> str:
    """Return the completion script of a shell.

    Raises
    ------
    UserError
        If there is none.
    """
    if shell not in SCRIPTS:
        raise UserError(f"there is no completion for '{shell}': {nearest(shell, SCRIPTS)}")
    return SCRIPTS[shell]


def candidates(typed: str, verbs: list[str]) -> list[str]:
    """Return the words that what was typed so far may go on with.

    Parameters
    ----------
    typed
        The line up to the cursor, beginning with the program's name.
    verbs
        All verbs.
    """
    words = typed.split()
    last = "" if typed.endswith(" ") or len(words) < 2 else words[-1]
    complete_words = words[1 : len(words) - (1 if last else 0)]
    if not complete_words:
        return [verb for verb in verbs if verb.startswith(last)]
    if complete_words[0] not in verbs:
        return []
    known = _options(complete_words[0], last)
    return [word for word in known if word.startswith(last)]


def _options(verb: str, last: str) -> list[str]:
    """Return options, or the values of the group that the word names."""
    from climbench.config.folders import conf_folder, group_options, recipe_folder

    folder = conf_folder()
    key, equals, _ = last.partition("=")
    plain, _, _ = key.lstrip("+~").partition("@")
    if equals and plain == "recipe":
        return [f"{key}={path.stem}" for path in sorted(recipe_folder().glob("*.yaml"))]
    if equals:
        known = (folder / plain).is_dir()
        return [f"{key}={name}" for name in group_options(plain)] if known else []
    names = {name: "=" for name in _keys(folder / f"{verb}.yaml") | _keys(folder / "base.yaml")}
    names |= {group: "=" for group in _groups(folder / f"{verb}.yaml")}
    if "." in key:
        group = key.partition(".")[0]
        return [f"{group}.{name}=" for name in sorted(_keys(folder / group / "default.yaml"))]
    sections = [name for name in names if (folder / name / "default.yaml").is_file()]
    return sorted([f"{name}=" for name in names] + [f"{name}." for name in sections])


def _keys(path: Path) -> set[str]:
    return {str(key) for key in _read(path) if key not in ("defaults", "hydra")}


def _groups(path: Path) -> set[str]:
    entries = [entry for entry in _read(path).get("defaults", []) if isinstance(entry, dict)]
    return {str(key).split()[-1].split("@")[0] for entry in entries for key in entry}


def _read(path: Path) -> dict[str, Any]:
    import yaml

    return dict(yaml.safe_load(path.read_text("utf-8")) or {}) if path.is_file() else {}
