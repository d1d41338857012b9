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
        hint = _nearest_key(key, verb, overrides)
        return UserError(f"climbench {verb} has no option '{key}': {hint}")
    if found := re.search(r"Missing mandatory value: (\S+)", text):
        if verb in ("run", "train") and not any(o.startswith("experiment=") for o in overrides):
            names = ", ".join(group_options("experiment"))
            return UserError(f"climbench {verb} needs experiment=...: one of {names}.")
        return UserError(f"climbench {verb} needs {found[1]}=...: see `climbench {verb} --help`.")
    if found := re.search(r"(?s)mismatched input|no viable alternative|token recognition", text):
        wrong = _culprit(text, overrides)
        return UserError(f"'{wrong}' cannot be read: write key=value, with quotes around signs.")
    first = next((line.strip() for line in text.splitlines() if line.strip()), repr(error))
    return UserError(f"climbench {verb}: {first.rstrip('.')}.")


def _nearest_key(key: str, verb: str, overrides: list[str]) -> str:
    """Return a hint made from the options that stand beside the wrong one."""
    parent, _, last = key.rpartition(".")
    others = [override for override in overrides if not override.lstrip("+~").startswith(key)]
    choices = _options(parent, verb, others)
    return nearest(last, choices) if choices else f"see `climbench {verb} --help`."


def _options(parent: str, verb: str, overrides: list[str]) -> list[str]:
    """Return the names of the options and groups under a key of the configuration."""
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    arguments = [override for override in overrides if not override.startswith("-")]
    try:
        with initialize_config_dir(str(conf_folder()), version_base="1.3"):
            config = compose(verb, arguments)
            node = OmegaConf.select(config, parent) if parent else config
    except (HydraException, OmegaConfBaseException):
        return []  # a second mistake: the first sentence is enough
    groups = [] if parent else [path.name for path in conf_folder().iterdir() if path.is_dir()]
    return [*map(str, node), *groups] if isinstance(node, DictConfig) else []


def _culprit(text: str, overrides: list[str]) -> str:
    found = [override for override in overrides if override in text]
    return found[0] if found else " ".join(overrides)
