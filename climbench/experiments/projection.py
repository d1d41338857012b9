"""A pathway through an emulator, from the CSV to a folder with page, maps and series."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from climbench.config.instantiate import check_options
from climbench.errors import UserError
from climbench.prediction.emulate import Projection, emulate
from climbench.report.projection import write_projection

MAPS, RECORD = "maps.zarr", "projection.json"


def project(output: Path, options: Mapping[str, Any]) -> Projection:
    """Emulate a pathway and write ``index.html``, maps, series and figures into a folder.

    The folder appears whole or not at all; an earlier projection in it is replaced.

    Parameters
    ----------
    output
        The folder.
    options
        Those of :func:`climbench.prediction.emulate.emulate` but ``maps``.

    Raises
    ------
    UserError
        If an option is wrong, or the folder holds something else.
    """
    checked = check_options(emulate, options, {"maps"}, "emulate")
    if output.exists() and not (output / RECORD).is_file():
        raise UserError(f"{output} is there and no projection: choose another output=FOLDER.")
    partial = output.with_name(output.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        found = emulate(**checked, maps=partial / MAPS)
        partial.mkdir(parents=True, exist_ok=True)
        write_projection(
            partial,
            found.series,
            found.mean_map,
            title=Path(checked["scenario"]).stem,
            spread=found.spread,
            notes=found.notes,
            record=found.record,
        )
        told = {**found.record, "spread": found.spread, "notes": found.notes}
        (partial / RECORD).write_text(json.dumps(told, indent=2))
        shutil.rmtree(output, ignore_errors=True)
        partial.rename(output)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return found
