"""Turn Hydra's errors into one sentence that names the option and the nearest right one."""

import re
from typing import TYPE_CHECKING

from climbench.config.folders import conf_folder, group_options
from climbench.errors import UserError, nearest

if TYPE_CHECKING:
    from omegaconf import DictConfig

EXPERIMENTS = ("run", "train")  # verbs whose options are those of groups


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
    if found := re.search(r"Could not (?:find|load) '([^']+)/([^'/]*)'", text):
        group, name = found[1].removeprefix("/"), found[2]
        return UserError(f"{group} '{name}' does not exist: {nearest(name, group_options(group))}")
    if found := re.search(r"Multiple values for ([^ ]+)\. ", text):
        return UserError(f"{found[1]} is chosen already: write {found[1]}=... without the +.")
    if found := re.search(r"Could not delete from config\. '([^']+)' does not exist", text):
        hint = _nearest_key(found[1], verb, [o for o in overrides if o[0] != "~"])
        return UserError(f"climbench {verb} has no option '{found[1]}' to take away: {hint}")
    if found := re.search(r"Could not override '([^']+)'", text):
        key = found[1].split("@")[0]
        group = key.partition(".")[0]
        if "." in key and any(word.startswith(f"{group}=") and "," in word for word in overrides):
            return UserError(f"'{key}' is an option of each {group} of several: write ++{key}=...")
        hint = _nearest_key(key, verb, overrides)
        last = key.rpartition(".")[2]
        if verb in EXPERIMENTS and last in _left_out():
            hint = f"write +{key}=..., as the YAML leaves it out."
            chosen = bool(_options("model", verb, [o for o in overrides if found[1] not in o]))
            if group not in ("model", "models") or (group == "model" and not chosen):
                place = "model" if chosen else "models.NAME"
                hint = f"it is an option of each model: write ++{place}.{last}=..."
        return UserError(f"climbench {verb} has no option '{key}': {hint}")
    if found := re.search(r"Missing mandatory value: (\S+)", text):
        if verb in ("run", "train") and not any(o.startswith("experiment=") for o in overrides):
            names = ", ".join(group_options("experiment"))
            return UserError(f"climbench {verb} needs experiment=...: one of {names}.")
        whole = re.search(r"full_key: (\S+)", text)
        option = whole[1] if whole else found[1]
        return UserError(f"climbench {verb} needs {option}=...: see `climbench {verb} --help`.")
    if found := re.search(r"Ambiguous value for argument '(.+)'", text):
        key, _, value = found[1].partition("=")
        mend = f"write a list as '{key}=[{value}]'"
        if group_options(key):
            mend = f"add --multirun to run one after another, or choose one {key}"
        return UserError(f"'{found[1]}' has a comma: {mend}.")
    if found := re.search(r"Interpolation key '([^']+)' not found", text):
        return UserError(
            f"climbench {verb}: ${{{found[1]}}} names no option: write \\${{{found[1]}}} where it "
            "is part of a name."
        )
    if wrong := _unreadable(overrides):
        key, _, value = wrong.partition("=")
        words = '","'.join(value.strip("[]").split(","))
        quoted = f'["{words}"]' if value.startswith("[") else f'"{value}"'
        return UserError(f"'{wrong}' cannot be read: quote its signs, '{key}={quoted}'.")
    first = next((line.strip() for line in text.splitlines() if line.strip()), repr(error))
    return UserError(f"climbench {verb}: {first.rstrip('.')}.")


def _left_out() -> set[str]:
    """Return the options of models and machines that a YAML may leave out."""
    from climbench.config import schema

    parts = (schema.ModelConfig, schema.OptimizerConfig, schema.FineTuningConfig)
    return {name for part in parts for name in part.model_fields}


def _nearest_key(key: str, verb: str, overrides: list[str]) -> str:
    """Return a hint made from the options that stand beside the wrong one."""
    parent, _, last = key.rpartition(".")
    first = key.partition(".")[0]
    if verb in EXPERIMENTS and first not in _options("", verb, []):
        parent, last = "", first
    others = [override for override in overrides if not override.lstrip("+~").startswith(key)]
    choices = _options(parent, verb, others)
    return nearest(last, choices) if choices else f"see `climbench {verb} --help`."


def _options(parent: str, verb: str, overrides: list[str]) -> list[str]:
    """Return the names of the options and groups under a key of the configuration."""
    node = _defaults(parent, verb, overrides)
    made_of_groups = verb in EXPERIMENTS and not parent
    groups = [path.name for path in conf_folder().iterdir() if path.is_dir() and made_of_groups]
    return [*map(str, node), *groups] if node else []


def _defaults(parent: str, verb: str, overrides: list[str]) -> "DictConfig | None":
    """Return what stands under a key of the configuration; None where nothing does."""
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
        return None  # a second mistake: the first sentence is enough
    return node if isinstance(node, DictConfig) else None


def _unreadable(overrides: list[str]) -> str | None:
    """Return the first argument that Hydra's grammar cannot read, None if it reads them all."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    for override in overrides:
        try:
            if not override.startswith("-"):
                parser.parse_override(override)
        except HydraException:
            return override
    return None


def check_overrides(verb: str, overrides: list[str]) -> None:
    """Refuse what would not be heeded, and to take away what a verb cannot do without.

    An experiment is made of groups, and checks each option itself.

    Raises
    ------
    UserError
        With the nearest option.
    """
    from omegaconf import OmegaConf

    for group, _, value in (override.partition("=") for override in overrides):
        chosen = value.split(",")
        if "null" in chosen and verb in EXPERIMENTS and (names := group_options(group)):
            shown = ", ".join(names)
            raise UserError(f"'{group}={value}' chooses nothing: leave it out or take of {shown}.")
        if group == "model" and value.startswith("[") and verb in EXPERIMENTS:
            several = value.strip("[]").replace(" ", "")
            raise UserError(f"'{group}={value}' is no model: write model={several} --multirun.")
    for override in overrides:
        key = override.lstrip("+~").partition("=")[0]
        place, _, option = key.removeprefix("models.").partition(".")
        if option and key != f"{place}.{option}" and f"model={place}" in overrides:
            raise UserError(f"'{key}' is not heeded beside model={place}: write model.{option}=...")
    plain = [o for o in overrides if o[0] not in "+~" and not o.endswith("=null")]
    if verb in EXPERIMENTS or _defaults("", verb, plain) is None:
        return  # what else is wrong, Hydra finds
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        parent, _, last = key.rpartition(".")
        if key.startswith("hydra"):
            continue
        node = _defaults(parent, verb, plain) or OmegaConf.create()
        known = list(node)  # `in` does not see those that are missing still
        needed = last in known and (OmegaConf.is_missing(node, last) or node[last] is not None)
        if needed and (override.startswith("~") or value == "null"):
            raise UserError(f"climbench {verb} needs the option '{key}': give a value, not null.")
        if override[0] in "+~" and last not in known:
            hint = nearest(last, map(str, known)) if known else f"see `climbench {verb} --help`."
            raise UserError(f"climbench {verb} has no option '{key}': {hint}")
        if override.startswith("~"):
            raise UserError(f"option '{key}' has a value always: write {key}=null.")
