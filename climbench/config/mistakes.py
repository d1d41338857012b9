"""Turn Hydra's errors into one sentence that names the option and the nearest right one."""

import re

from climbench.config.folders import conf_folder, group_options
from climbench.errors import UserError, nearest


def explain(error: Exception, verb: str, overrides: list[str]) -> UserError:
    """Return the sentence for a mistake in the command line or in a YAML of the user's.

    Parameters
    ----------
    error
        What Hydra or OmegaConf raised.
    verb
        The verb of the command line: its configuration gives the valid keys.
    overrides
        The arguments after the verb.
    """
    text = str(error)
    if found := re.search(r"Could not (?:find|load) '([^']+)/([^'/]+)'", text):
        group, name = found[1].removeprefix("/"), found[2]
        return UserError(f"{group} '{name}' does not exist: {nearest(name, group_options(group))}")
    if found := re.search(r"Could not override '([^']+)'", text):
        key = found[1].split("@")[0]
        return UserError(f"climbench {verb} has no option '{key}': {_nearest_key(key, text, verb)}")
    if found := re.search(r"Missing mandatory value: (\S+)", text):
        return UserError(f"climbench {verb} needs {found[1]}=...: see `climbench {verb} --help`.")
    if found := re.search(r"(?s)mismatched input|no viable alternative|token recognition", text):
        wrong = _culprit(text, overrides)
        return UserError(f"'{wrong}' cannot be read: write key=value, with quotes around signs.")
    first = next((line.strip() for line in text.splitlines() if line.strip()), repr(error))
    return UserError(f"climbench {verb}: {first.rstrip('.')}.")


def _nearest_key(key: str, text: str, verb: str) -> str:
    """Return a hint made from the keys that stand at the same depth of the configuration."""
    inside = re.search(r"Key '([^']+)' is not in struct\s+full_key: (\S+)", text)
    parent, _, last = (inside[2] if inside else key).rpartition(".")
    choices = _keys_below(parent, verb)
    return nearest(last, choices) if choices else f"see `climbench {verb} --help`."


def _keys_below(parent: str, verb: str) -> list[str]:
    import yaml

    groups = [path.name for path in conf_folder().iterdir() if path.is_dir()]
    if parent in groups:
        files = sorted((conf_folder() / parent).glob("*.yaml"))
    else:
        files = [conf_folder() / f"{verb}.yaml"]
    keys: set[str] = set() if parent else set(groups) & _groups_of(verb)
    for file in files:
        node = yaml.safe_load(file.read_text()) or {}
        for part in [] if parent in groups or not parent else parent.split("."):
            node = node.get(part, {}) if isinstance(node, dict) else {}
        keys |= {str(key) for key in node} if isinstance(node, dict) else set()
    return sorted(keys - {"defaults", "hydra", "_target_"})


def _groups_of(verb: str) -> set[str]:
    import yaml

    defaults = yaml.safe_load((conf_folder() / f"{verb}.yaml").read_text()).get("defaults", [])
    return {
        str(key).removeprefix("optional ").removeprefix("override ").strip("/")
        for entry in defaults
        if isinstance(entry, dict)
        for key in entry
    }


def _culprit(text: str, overrides: list[str]) -> str:
    found = [override for override in overrides if override in text]
    return found[0] if found else " ".join(overrides)
