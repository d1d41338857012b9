"""The command line: ``climbench VERB key=value ...``. A thin dispatcher; imports nothing heavy."""

import errno
import io
import os
import re
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from climbench.errors import UserError, nearest

VERBS = {
    "run": "an experiment from archive to leaderboard: experiment=quickstart",
    "build": "a store from a recipe: recipe=planet_weather [plan=true]",
    "train": "fit one model of an experiment: experiment=quickstart model=resnet",
    "predict": "write the predictions of a checkpoint: checkpoint=PATH",
    "emulate": "project a new pathway: checkpoint=PATH scenario=FILE.csv",
    "evaluate": "score predictions: predictions=PATH truth=STORE",
    "climatology": "mean and quantiles by day of year and hour: truth=STORE period=[FIRST,LAST]",
    "stations": "maps at weather stations: forecasts=PATH stations=STORE output=PATH",
    "compare": "which differences are real: candidate=scores_a.nc reference=scores_b.nc",
    "gate": "pass or fail: candidate=scores_a.nc reference=scores_b.nc rules=FILE",
    "report": "a site of leaderboards, curves and maps: runs=[runs/a,runs/b]",
    "list": "what is there: list [experiments|recipes|models|tasks|metrics]",
    "inspect": "what a store holds: inspect STORE",
    "doctor": "check this installation with a tiny run",
}

POSITIONAL = {"list": "what", "inspect": "store"}
"""Verbs whose first argument may be given without ``key=``."""

LABEL = re.compile(r"""(?<!["'\w])(\w+\([^()"']*\))""")
"""A metric with parameters, which Hydra would take for a function of its own."""

TEXTS = (
    *("predictions", "truth", "climatology", "check", "candidate", "reference", "rules"),
    *("forecasts", "stations", "orography"),
    *("checkpoint", "scenario", "store", "output", "data_root", "stores_dir", "runs_dir"),
    *("name", "title"),
)
"""Options that are one path or name each: whatever signs they hold, they are meant as written."""

NO_GATE = {"gate=null", "~gate"}
"""Without the gate: Hydra would take away what is chosen of its group, not rules in a YAML."""

PLACES = ("models.", "model=[")
"""Where Hydra would take what is not meant."""

TRACEBACK = "--traceback"
"""Shows where a mistake was noticed, before the sentence about it."""

FLAGS = ("--multirun", "-m", "--help", "-h", "--resolve", "--info", "--hydra-help", "--version")
FLAGS_WITH_VALUE = ("--cfg", "-c", "--package", "-p", "--config-dir", "-cd", "--config-name", "-cn")

HELP = """\
usage: climbench VERB [key=value ...] [--multirun] [--help]

Is your weather or climate model better than what exists, and better than a straight line?

verbs:
{verbs}

`climbench VERB --help` shows the option groups of a verb, `--cfg job` the whole configuration,
`--multirun key=a,b` runs every combination, `--traceback` says where a mistake was noticed.
`source <(climbench --completion bash)` (or zsh, fish) lets the tab key complete all of them.
Start with: climbench run experiment=quickstart
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv
        Arguments without the program's name; those of the process by default.

    Returns
    -------
    int
        Exit code: 0 success, 1 a gate that failed, 2 a user's mistake, 3 a fault of climbench, 130
        interrupted, 141 nobody reads what it prints.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    wants_traceback = TRACEBACK in arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # Latin-1 or ASCII lacks signs that tables have
            stream.reconfigure(errors="replace")
    arguments = [word for word in arguments if word != TRACEBACK]
    verb, *rest = arguments or ["--help"]
    try:
        if verb in VERBS:
            code = run_verb(verb, rest)
        else:
            code = 0
            print(_about(verb, rest), end="")
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `climbench list | head`: nobody reads on
        _print_no_more()
        return 128 + signal.SIGPIPE
    except UserError as error:
        if wants_traceback:
            import traceback

            traceback.print_exc()
        print(f"climbench: {error}", file=sys.stderr)
        return 2
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC and not error.filename:
            _print_no_more()
            print("climbench: no space is left where its output goes: free some.", file=sys.stderr)
            return 2
        import traceback

        traceback.print_exc()
        print("climbench: this is a fault of climbench, not of yours.", file=sys.stderr)
        return 3
    except SystemExit as stop:
        if stop.code == 128 + signal.SIGTERM:
            print("climbench: told to end; the same command continues.", file=sys.stderr)
        raise
    except KeyboardInterrupt:
        print("climbench: interrupted; the same command continues.", file=sys.stderr)
        return 130


def _print_no_more() -> None:
    """Let what is still to be printed vanish: Python would complain of it as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _about(word: str, rest: Sequence[str]) -> str:
    """Return what a word that is no verb asks the command line about itself."""
    if word in ("-h", "--help", "help"):
        width = max(map(len, VERBS))
        return HELP.format(verbs="\n".join(f"  {v:{width}}  {t}" for v, t in VERBS.items()))
    if word == "--version":
        from importlib.metadata import version

        return f"climbench {version('climbench')}\n"
    if word == "--complete":  # asked by the shell at each press of the tab key
        from climbench.completion import candidates

        return "\n".join(candidates(" ".join(rest[:1]), list(VERBS))) + "\n"
    if word == "--completion":
        from climbench.completion import script

        return script(*rest[:1] or ["bash"])
    raise UserError(f"climbench has no verb '{word}': {nearest(word, VERBS)}")


def run_verb(verb: str, arguments: Sequence[str]) -> int:
    """Run one verb as a Hydra application and return its exit code.

    Raises
    ------
    UserError
        If an argument is not ``key=value``, or names an option or group that does not exist.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    codes = [0]
    mistakes: list[Exception] = []  # Hydra would print its own words if they left the job

    here = os.getpid()
    overrides = _as_overrides(verb, arguments)
    judged = verb != "run" or not NO_GATE & {*overrides}
    overrides = [word for word in overrides if judged or word not in NO_GATE]

    def job(config: Any) -> float | None:
        from omegaconf import OmegaConf

        from climbench.experiments import verbs

        warnings.formatwarning = lambda message, *_, **__: f"climbench: {message}\n"
        if not sys.warnoptions:  # of what stores hold and how: nothing that a user can mend
            warnings.filterwarnings("ignore", module=r"zarrs?\.")
        try:
            plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
            if not judged:
                plain |= {"gate": None, "words": ["gate=null"]}
            result = getattr(verbs, f"{verb}_verb")(plain)
            code, objective = (result, None) if isinstance(result, int) else result
            codes.append(code)
            return objective
        except (UserError, OmegaConfBaseException) as mistake:
            if os.getpid() != here:  # a launcher's process, whose lists nobody reads
                raise
            mistakes.append(mistake)
        except OSError as mistake:
            if mistake.filename is None or mistake.strerror is None:
                raise
            mistakes.append(UserError(f"{mistake.filename}: {mistake.strerror.lower()}."))
        return None

    if any(word[0] in "+~" or "null" in word or word.startswith(PLACES) for word in overrides):
        from climbench.config.mistakes import check_overrides

        check_overrides(verb, overrides)
    try:
        _hydra_application(verb, job, overrides)
        if mistakes:
            raise mistakes[0]
    except (HydraException, OmegaConfBaseException) as error:
        from climbench.config.mistakes import explain

        raise explain(error, verb, [o for o in overrides if "=" in o or o[0] == "~"]) from error
    return max(codes)


def _as_overrides(verb: str, arguments: Sequence[str]) -> list[str]:
    """Return the arguments as Hydra wants them: flags first, bare words as ``key=value``."""
    flags: list[str] = []
    overrides: list[str] = []
    words = iter(arguments)
    for position, word in enumerate(words):
        if word in FLAGS_WITH_VALUE:
            value = next(words, "")
            if not value or (word in ("--cfg", "-c") and value not in ("job", "hydra", "all")):
                example = "job" if word in ("--cfg", "-c") else "VALUE"
                raise UserError(f"{word} needs a value that it knows: write {word} {example}.")
            flags += [word, value]
        elif word.startswith("-"):
            name = word.partition("=")[0]
            if name not in FLAGS + FLAGS_WITH_VALUE:
                hint = nearest(name, FLAGS + FLAGS_WITH_VALUE)
                raise UserError(f"climbench {verb} has no flag '{word}': {hint}")
            flags.append(word)
        elif word.startswith("metrics="):
            overrides.append(LABEL.sub(r'"\1"', word))
        elif "=" in word[1:] or word.startswith("~"):
            overrides.append(word)
        elif position == 0 and verb in POSITIONAL:
            overrides.append(f"{POSITIONAL[verb]}={_quoted(word)}")
        else:
            raise UserError(f"'{word}' is not an option of climbench {verb}: write key=value.")
    if not {"-m", "--multirun"} & {*flags}:  # there a comma stands between several values
        overrides = [_with_quotes(word) for word in overrides]
    return [*flags, *overrides]


def _with_quotes(override: str) -> str:
    """Return ``key=value`` with quotes around paths and names, whose signs Hydra cannot read."""
    key, _, value = override.partition("=")
    bare = key in TEXTS and value != "null" and not re.fullmatch(r"""(["']).*\1""", value)
    return f"{key}={_quoted(value)}" if bare else override


def _quoted(text: str) -> str:
    r"""Return text in quotes, as Hydra's grammar escapes them.

    Examples
    --------
    >>> print(_quoted("it's"))
    'it\'s'
    """
    escaped = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + "\\'" * bool(found[2]), text)
    return f"'{escaped}'"


def _hydra_application(verb: str, job: Callable[[Any], float | None], overrides: list[str]) -> None:
    # Hydra prints and exits by itself unless this is set; the sentences are ours to write.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    import hydra

    from climbench.config.folders import conf_folder

    application = hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name=verb)(
        job
    )
    before, sys.argv = sys.argv, [f"climbench {verb}", *overrides]
    try:
        application()
    finally:
        sys.argv = before
