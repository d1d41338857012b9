"""Where the YAML folders lie: beside the package in a checkout, inside it in a wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def conf_folder() -> Path:
    """Return the Hydra tree."""
    return _folder("conf")


def recipe_folder() -> Path:
    """Return the folder of the data recipes."""
    return _folder("data_recipes")


def _folder(name: str) -> Path:
    installed = _PACKAGE / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def group_options(group: str) -> list[str]:
    """Return the names of a group's options, such as all models.

    Parameters
    ----------
    group
        Folder under ``conf/``.
    """
    return sorted(path.stem for path in (conf_folder() / group).glob("*.yaml"))
