"""Is this installation whole? Versions, devices, optional extras, and a tiny run."""

import importlib.metadata
import importlib.util
import platform
import tempfile
import time
from pathlib import Path

from dask.utils import format_bytes
from rich.console import Console

PACKAGES = ("climbench", "torch", "lightning", "xarray", "zarr", "dask", "hydra-core", "cartopy")
EXTRAS = {"grib": "cfgrib", "gcs": "gcsfs", "s3": "s3fs", "http": "aiohttp", "xgboost": "xgboost"}


def diagnose(console: Console, tiny_run: bool = True) -> bool:
    """Print the findings and tell whether the tiny run worked.

    Parameters
    ----------
    console
        Where to print.
    tiny_run
        Run a small experiment on simulated data from archive to report in a temporary folder.
    """
    console.print(f"python {platform.python_version()} on {platform.platform()}")
    for package in PACKAGES:
        console.print(f"  {package:12} {importlib.metadata.version(package)}")
    console.print(f"devices: {', '.join(devices())}")
    for extra, module in EXTRAS.items():
        found = importlib.util.find_spec(module) is not None
        mend = "" if found else f"   pip install 'climbench[{extra}]'"
        console.print(f"  extra {extra:8} {'present' if found else 'missing'}{mend}", markup=False)
    console.print(f"downloads: {describe_downloads()}", markup=False)
    if not tiny_run:
        return True
    start = time.monotonic()
    page = run_tiny()
    console.print(f"tiny run: {'works' if page else 'FAILED'} ({time.monotonic() - start:.0f} s)")
    return page


def describe_downloads() -> str:
    """Return where downloads are kept, their size and its limit."""
    from climbench.recipes.downloads.cache import LIMIT, downloads_folder, limit_text, used_bytes

    folder = downloads_folder(Path("stores"))
    return f"{format_bytes(used_bytes(folder))} in {folder} ({LIMIT}: {limit_text()})"


def devices() -> list[str]:
    """Return the devices that torch can use."""
    import torch

    gpus = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    apple = ["Apple GPU (mps)"] if torch.backends.mps.is_available() else []
    return [f"CPU ({torch.get_num_threads()} threads)", *gpus, *apple]


def run_tiny() -> bool:
    """Run the smallest experiment from archive to report; tell whether the page is there."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    from climbench.config.folders import conf_folder
    from climbench.experiments.run import RunConfig, run

    GlobalHydra.instance().clear()  # the verb's own application has done its part
    with (
        tempfile.TemporaryDirectory() as folder,
        initialize_config_dir(str(conf_folder()), version_base="1.3"),
    ):
        overrides = [
            "experiment=planet_emulation",
            "debug=fast",
            f"runs_dir='{folder}/runs'",
            f"stores_dir='{folder}/stores'",
            "trainer.progress_bar=false",
            "report=tables",
        ]
        config = OmegaConf.to_container(compose("run", overrides), resolve=True)
        return Path(run(RunConfig.parse(config)).page).is_file()
