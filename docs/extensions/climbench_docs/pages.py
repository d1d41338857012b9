"""All pages of the reference, and writing them where Sphinx reads them."""

from pathlib import Path
from typing import Any

from climbench_docs import recipes, zoo
from climbench_docs.api import api_pages
from climbench_docs.experiments import experiment_page
from climbench_docs.literature import literature_page
from climbench_docs.options import option_pages

INDEX = """# Reference

Made from the code, its docstrings and the YAML files whenever these pages are built.

```{toctree}
:maxdepth: 2
:caption: Options

options/verbs
options/experiment
options/task
options/model
options/trainer
options/evaluation
options/gate
options/report
options/launcher
options/debug
options/recipe
```

```{toctree}
:maxdepth: 1
:caption: Catalogues

catalogues/models
catalogues/recipes
catalogues/published
```

```{toctree}
:maxdepth: 2

api/index
```
"""


def reference_pages() -> dict[str, str]:
    """Return the text of every generated page by its path below ``docs/reference``."""
    return {
        "index.md": INDEX,
        **api_pages(),
        **option_pages(),
        "options/experiment.md": experiment_page(),
        "options/model.md": zoo.model_page(),
        "options/recipe.md": recipes.recipe_page(),
        "catalogues/models.md": zoo.catalogue_page(),
        "catalogues/recipes.md": recipes.catalogue_page(),
        "catalogues/published.md": literature_page(),
    }


def write_reference(app: Any) -> None:
    """Write the pages, each only where it changed, and take away those that are no more."""
    folder = Path(app.srcdir) / "reference"
    pages = reference_pages()
    for path in folder.rglob("*.*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
