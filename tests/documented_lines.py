"""The lines of shell in README and docs, and what is known of each: filled, shortened, not run."""

import re
from dataclasses import dataclass

from doc_pages import ROOT, Block, blocks

MISTAKES = ROOT / "docs" / "troubleshooting.md"
"""Its commands are wrong on purpose; tests/docs/test_troubleshooting.py runs them."""
PAGES = [ROOT / "README.md", *sorted({*(ROOT / "docs").glob("*.md")} - {MISTAKES})]


@dataclass(frozen=True)
class Line:
    """A line of shell as a page has it, without its comment."""

    page: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"


def lines() -> list[Line]:
    """Return every line of the pages once, where it stands first."""
    found = {}
    for page in PAGES:
        for block in blocks(page):
            if block.language in ("", "bash", "console"):
                for text in texts(block):
                    found.setdefault(text, Line(page.relative_to(ROOT).as_posix(), text))
    return [*found.values()]


def texts(block: Block) -> list[str]:
    """Return what is typed: lines with their continuations, of a console those after its prompt."""
    typed = re.sub(r"\s*\\\n\s*", " ", block.text).splitlines()
    if block.language == "console":
        typed = [line[2:] for line in typed if line.startswith("$ ")]
    bare = ("" if line.startswith("#") else re.split(r"\s+# ", line)[0].strip() for line in typed)
    return [line for line in bare if line]


BUCKET = "Google's bucket is out of reach"
NOT_RUN = {
    # commands that need what a machine of tests lacks
    r".*launcher=submitit_slurm": "needs SLURM; submitit_local starts jobs in the same way",
    r".*launcher=dask_slurm": "needs SLURM; tests/recipes/test_clusters.py has a play of it",
    r".*trainer=gpus": "needs GPUs",
    r"torchrun ": "needs several GPUs; tests/training/test_distributed.py has processes of a CPU",
    r"srun ": "needs SLURM and several nodes",
    r".*experiment=climatelearn_era5_forecasting": (
        f"{BUCKET}, and published networks take minutes a step; tests/recipes/test_wb2.py builds it"
    ),
    r".*recipe=cmip6_pangeo": f"{BUCKET}; tests/recipes/test_pangeo.py serves one of its layout",
    # commands that other tests run
    r"climbench (gate|compare) candidate=new/": "tests/evaluation/test_gate_page.py runs them",
    # commands that are not of climbench
    r"make ": "installs from the network; the target is looked for in the Makefile",
    r"source \.venv": "of the environment that make has made",
    r"(python )?(benchmarks|scripts)/": "takes minutes to hours; its file is looked for",
    r"export PYTHONPATH|P=\$|START=": "set for the commands after it, which run",
    # what is no command
    r"archive --build--|\\--gate--": "a drawing",
    r"machine ": "a line of ~/.netrc",
    r"year,|20\d\d,": "lines of a CSV, which the command beside it reads",
    r"rollout:|steps:|detach:|replay:": "options in YAML; tests/training/test_rollout.py",
    r"\+model\.loss\._target_": "an option; tests/training/test_fitting_options.py",
}
"""Beginnings of lines that do not run here, as patterns, and why."""

FIRST = {
    r".*climatology=clim\.zarr": ["climbench climatology "],
    r".*predictions=at_stations\.zarr": ["climbench stations "],
    r".*recipe=NAME verify|climbench inspect": ["climbench run experiment=ncep_slp"],
    r".*recipe=ncep_air verify": ["climbench build recipe=ncep_air"],
    r".*\$START": ["climbench run experiment=planet_pretraining"],
    r"climbench report runs": [
        "climbench run experiment=quickstart",
        "climbench run experiment=ipsl_pattern_scaling",
    ],
    r".*predictions=MINE\.nc": ["climbench run experiment=climsim_twin"],
    r".*predictions=mine\.zarr|.*CHECKPOINT": ["climbench run experiment=climatebench model=lps"],
}
"""Lines that need what others leave, and how these begin."""

FILLED = {
    "recipe=NAME": "recipe=ncep_slp data_root=DATA",
    "recipe=ncep_air": "recipe=ncep_air data_root=DATA",
    "workers=4": "workers=4 stores_dir=$FRESH",  # where other lines have built nothing
    "recipe=noaa_ersst": "recipe=noaa_ersst data_root=DATA",
    "recipe=cmip6_esgf": "recipe=cmip6_esgf data_root=DATA",
    "experiment=nunavut_downscaling": "experiment=nunavut_downscaling data_root=DATA",
    "experiment=weatherbench1_direct": "experiment=weatherbench1_direct data_root=DATA",
    "experiment=NAME": "experiment=quickstart",
    "source=DIR": "source=TABLES",
    "tcp://node1:8786": "$SCHEDULER stores_dir=$FRESH",
}
"""Names that stand for others, and archives of which copies are here."""


def periods(days: str, *recipes: str) -> list[str]:
    """Return options for the first and last days of training, validation and test.

    ``recipes`` are those that the experiment reads beside its own.
    """
    first, trained, begins, ends, starts, last = days.split()
    change = f"dates: {{start: {first}, end: {last}}}, statistics: {{period: [{first},{trained}]}}"
    further = [f"{{recipe: {recipe}, overrides: {{{change}}}}}" for recipe in recipes]
    return [
        f"++recipe_overrides.dates={{start: {first}, end: {last}}}",
        f"++recipe_overrides.statistics.period=[{first},{trained}]",
        f"task.train=[{first},{trained}]",
        f"task.validation=[{begins},{ends}]",
        f"task.test=[{starts},{last}]",
        *([f"further_recipes=[{','.join(further)}]"] if recipes else []),
    ]


def planets(members: int, changed: str, scenarios: str = "", **options: str) -> list[str]:
    """Return options for the recipe of an emulator: few members, 8 x 16 cells."""
    names = f"[{scenarios}historical,ssp126,ssp245,ssp370,ssp585]"
    source = {"kind": "simulated_earth", "scenarios": names, "members": members, **options}
    words = ", ".join(f"{key}: {value}" for key, value in source.items())
    history = "period: [1850, 1900], scenario: historical"
    anomaly = f"{{derive: {{anomaly: {{of: [{changed}], {history}}}}}}}"
    return [
        f"++recipe_overrides.sources=[{{{words}}}]",
        f"++recipe_overrides.steps=[{anomaly},{{regrid: {{resolution: 22.5}}}}]",
    ]


SEASONS = "tas, tas_djf, tas_mam, tas_jja, tas_son"
CLIMATEBENCH = "tas, diurnal_temperature_range, pr, pr90"
WARM = ("climsim_twin_low", "climsim_twin_low_warm", "climsim_twin_warm")
ONE_MONTH = "0001-01-01 0001-01-12 0001-01-13 0001-01-18 0001-01-19 0001-01-23"
FORTY_STEPS = "0001-02-01 0001-02-08 0001-02-09 0001-02-15 0001-02-16 0001-02-22"
TWO_MONTHS = "2000-01-01 2000-01-31 2000-02-01 2000-02-14 2000-02-15 2000-02-29"
STATIONS_OF_2017 = "2017-01-01 2017-02-19 2017-02-20 2017-04-10 2017-04-11 2017-05-31"
COLUMN_NETWORKS = [
    *("column_cnn", "column_encoder_decoder", "heteroskedastic_regression", "conditional_vae"),
    *("column_randomised_prior", "column_unet", "column_lstm"),
]
FEW_DRAWS = ["seeds=2", "candidate_seeds=1", "processes=1"]

SHORTENED = (
    (r"climbench (run|train) ", "seconds for each network", ["trainer.max_minutes=0.03"]),
    (
        r".*=(quickstart|planet_(extremes|downscaling|zoo))\b",
        "months of simulated weather for years",
        periods("2002-07-01 2002-09-30 2002-10-01 2002-10-15 2002-11-01 2002-11-30"),
    ),
    (
        r".*=planet_pretraining",
        "months of simulated weather for years",
        [
            *periods(TWO_MONTHS),
            "further_recipes.0.overrides.dates={start: 2000-01-01, end: 2000-02-29}",
            "further_recipes.0.overrides.statistics.period=[2000-01-01,2000-01-31]",
        ],
    ),
    (r".*=climsim_twin\b", "days of simulated columns for years", periods(ONE_MONTH)),
    (r".*=climsim_twin_warm", "days of simulated columns for years", periods(ONE_MONTH, *WARM)),
    (
        r".*=climsim(_v2)? ",
        "the days that the archive of the test has, the straight line and one network",
        [
            *periods(FORTY_STEPS, "climsim_scoring"),
            *(f"~models.{name}" for name in COLUMN_NETWORKS),
            "trainer.batch_size=64",
        ],
    ),
    (
        r".*=weatherbench1_direct",
        "the weeks that the archive of the test has, small steps of the published network",
        [
            *periods("2017-12-31 2018-01-15 2018-01-16 2018-01-21 2018-01-22 2018-01-27"),
            "trainer.batch_size=4",
        ],
    ),
    (r".*=stations_twin", "months of simulated weather for years", periods(TWO_MONTHS)),
    (r".*=weather2k", "the months that the archive of the test has", periods(STATIONS_OF_2017)),
    (
        r".*=beijing_stations",
        "months for years",
        [
            "task.train=[2013-03-01,2013-05-31]",
            "task.validation=[2016-01-01,2016-01-31]",
            "task.test=[2016-07-01,2016-07-31]",
        ],
    ),
    (
        r".*=telemetry$",
        "two temperatures of eleven, eight weeks of 26",
        [
            "task.targets=[temperature_01,temperature_02]",
            "++recipe_overrides.dates={start: 2024-02-15, end: 2024-04-10, frequency: 10min}",
        ],
    ),
    (
        r".*=example_slp",
        "the networks of the experiment that it is a copy of",
        [f"~models.{name}_small" for name in ("resnet", "unet", "vit", "climax")]
        + ["candidate=linear_regression", "reference=damped_persistence"],
    ),
    (
        r".*=climatebench",
        "one member on a coarse grid",
        planets(
            *(1, CLIMATEBENCH, "hist-GHG,hist-aer,"),
            **{"variables": f"[{CLIMATEBENCH}]", "emission_maps": "true"},
        ),
    ),
    (
        r".*=planet_seasonal",
        "one member, a coarse grid",
        planets(1, SEASONS, variables=f"[{SEASONS}]"),
    ),
    (
        r".*=climateset_super",
        "three climate models of six, one member each",
        [
            *planets(1, "tas, pr", model="[0, 1, 2]"),
            *("seen=[planet-0,planet-1]", "unseen=planet-2", "single=[pattern_scaling]"),
        ],
    ),
    (
        r".*=internal_variability\b",
        "three members of fifty on a coarse grid, few draws",
        [*planets(3, "tas, pr"), "members=[1,3]", *FEW_DRAWS],
    ),
    (r".*=internal_variability_global", "few draws", ["members=[1,10]", *FEW_DRAWS]),
)
"""Which lines are given more options, what these make short, and the options."""


def not_run(line: Line) -> str | None:
    """Return why a line does not run here, if so."""
    return next((why for pattern, why in NOT_RUN.items() if re.match(pattern, line.text)), None)


def filled(text: str) -> str:
    """Return a line with real names in the place of those that stand for others."""
    for name, real in FILLED.items():
        text = re.sub(rf"{re.escape(name)}\b", real, text)
    return text


def shortened(text: str) -> list[str]:
    """Return the options that make the work of a line short."""
    return [one for pattern, _, more in SHORTENED if re.match(pattern, text) for one in more]


def needed(line: Line) -> list[str]:
    """Return how the lines begin whose files a line needs."""
    return [one for pattern, more in FIRST.items() if re.match(pattern, line.text) for one in more]
