"""Build the class that a YAML node names, after checking every option against its signature."""

import importlib
import inspect
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from climbench.config.wording import wrong
from climbench.errors import UserError, nearest


def locate(target: str) -> Any:
    """Return the object at a dotted path.

    Raises
    ------
    UserError
        If the module or the name in it does not exist.
    """
    module_name, _, name = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"_target_ '{target}' cannot be imported: {error}.") from error


def instantiate(node: Mapping[str, Any], **extra: Any) -> Any:
    """Build ``node['_target_']`` with the options of the node and ``extra``.

    Parameters
    ----------
    node
        ``_target_`` (dotted path) and the options to its constructor.
    **extra
        Arguments that do not come from YAML; not checked.

    Raises
    ------
    UserError
        If the target cannot be imported, or an option is unknown, missing or of the wrong type.
    """
    options = dict(node)
    target = options.pop("_target_", None)
    if target is None:
        raise UserError("the option '_target_' is missing: it names the class to build.")
    constructor = locate(target)
    checked = check_options(constructor, options, given=set(extra), name=target.rpartition(".")[2])
    return constructor(**checked, **extra)


def check_options(
    constructor: Any, options: Mapping[str, Any], given: set[str], name: str
) -> dict[str, Any]:
    """Return ``options`` converted to the types that ``constructor`` declares.

    Raises
    ------
    UserError
        If an option is unknown, missing or of the wrong type; the sentence names it.
    """
    parameters = inspect.signature(constructor).parameters
    hints = typing.get_type_hints(
        constructor.__init__ if inspect.isclass(constructor) else constructor,
        include_extras=True,
    )
    kinds = {parameter.kind for parameter in parameters.values()}
    collecting = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)  # *a, **k
    names = {key for key, p in parameters.items() if p.kind not in collecting} - given
    for key in options:
        if key not in names and inspect.Parameter.VAR_KEYWORD not in kinds:
            raise UserError(f"{name} has no option '{key}': {nearest(key, names)}")
    for key in names:
        parameter = parameters[key]
        if parameter.default is parameter.empty and key not in options:
            raise UserError(f"{name} needs the option '{key}', which is not set.")
    checked = {}
    for key, value in options.items():
        try:
            adapter = TypeAdapter(hints.get(key, Any), config=_config(hints.get(key, Any)))
            checked[key] = adapter.validate_python(value)
        except ValidationError as error:
            raise UserError(
                f"{name}: option '{key}' = {value!r} is wrong: {wrong(error)[1]}"
            ) from error
    return checked


def _config(hint: Any) -> ConfigDict | None:
    """Allow arbitrary types in plain hints; pydantic models bring their own configuration."""
    is_model = inspect.isclass(hint) and hasattr(hint, "model_config")
    return None if is_model else ConfigDict(arbitrary_types_allowed=True)
