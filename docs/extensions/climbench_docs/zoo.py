"""Pages of the models: the catalogue with family tags, and the options of each class."""

from pathlib import Path

import yaml

from climbench.config.folders import conf_folder, group_options
from climbench.config.instantiate import locate
from climbench.models.closed_form import ClosedForm
from climbench_docs import docstrings
from climbench_docs.markdown import table
from climbench_docs.options import code_table, known_options
from climbench_docs.yaml_options import head_of, target_of

TAGS = Path(__file__).with_name("model_tags.yaml")
SCHEMAS = {
    "ModelConfig": "Of every model",
    "OptimizerConfig": "`optimizer`",
    "FineTuningConfig": "`fine_tuning`",
    "LowRankConfig": "`fine_tuning.low_rank`",
    "RolloutConfig": "`rollout`",
    "ReplayConfig": "`rollout.replay`",
}
LOSSES = ("MeanSquaredError", "MeanAbsoluteError", "HuberError", "SpectralError")
CATALOGUE = """# Models

`climbench list models` shows the same names; `model=NAME` runs one. Family tags: *paradigm* (closed
form: one pass over the training data, no optimizer; or gradient descent), *scope* (what it answers
for) and *architecture*. `NAME_small` is for laptops. Scores by one protocol stand in
[the zoo on the embedded planet](../../zoo.md).

"""


def paradigm(name: str) -> str:
    """Return how a model is fitted, as its class says."""
    target = locate(str(target_of(_path(name))))
    return "closed form" if issubclass(target, ClosedForm) else "gradient descent"


def _path(name: str) -> Path:
    return conf_folder() / "model" / f"{name}.yaml"


def tags() -> dict[str, list[str]]:
    """Return scope and architecture by class."""
    return dict(yaml.safe_load(TAGS.read_text(encoding="utf-8")))


def catalogue_page() -> str:
    """Return the table of all models."""
    rows = []
    for name in group_options("model"):
        target = str(target_of(_path(name))).rpartition(".")[2]
        link = f"[{target}](../options/model.md#{target.lower()})"
        what = f"{link}: {head_of(_path(name))}"
        rows.append([f"`{name}`", paradigm(name), *tags()[target], what])
    return CATALOGUE + table(("model", "paradigm", "scope", "architecture", "what"), rows)


def model_page() -> str:
    """Return the options of all models: those that all have, losses, and each class's own."""
    page = (
        "# Group `model`\n\nWhat answers: `model=NAME` and `model.OPTION=VALUE`; within an "
        "experiment `models.NAME.OPTION=VALUE`. What a YAML leaves out is written with a plus: "
        "`+model.patience=3`. [All models](../catalogues/models.md).\n\n"
    )
    for schema, heading in SCHEMAS.items():
        target = f"climbench.config.schema.{schema}"
        page += f"## {heading}\n\n{docstrings.summary(locate(target))}\n\n"
        page += code_table(known_options(target))
    page += "## `loss`\n\n`loss._target_` is one of:\n\n"
    for loss in LOSSES:
        target = f"climbench.training.losses.{loss}"
        page += f"### {loss}\n\n`{target}`: {docstrings.first_sentence(locate(target))}\n\n"
        page += code_table(known_options(target))
    page += "## `network`\n\nOptions of each class, `model.network.OPTION`:\n\n"
    return page + "".join(_network(target) for target in _targets())


def _targets() -> list[str]:
    found = {str(target_of(_path(name))) for name in group_options("model")}
    return sorted(found, key=lambda target: target.rpartition(".")[2].lower())


def _network(target: str) -> str:
    described = locate(target)
    users = [f"`{name}`" for name in group_options("model") if target_of(_path(name)) == target]
    text = f"### {described.__name__}\n\n`{target}`, of {', '.join(users)}.\n\n"
    text += f"{docstrings.first_sentence(described)}\n\n"
    return text + code_table(known_options(target), without=("signature",))
