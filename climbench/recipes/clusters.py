"""Parts on dask.distributed: on a scheduler that runs already, or in jobs of SLURM."""

import re
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from climbench.errors import UserError
from climbench.recipes.workers import WorkerLostError, call, packed

PATIENCE = 3600
"""Seconds that a cluster has until its first worker is there: queues are long."""
CONNECT = 10
"""Seconds that a scheduler has to answer."""


class OnCluster(Executor):
    """Runs functions on the workers of a dask client, which must see the same folders.

    Parameters
    ----------
    client
        A ``distributed.Client``.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self._remote: set[Any] = set()  # dask forgets what nobody holds

    @property
    def in_hand(self) -> int:
        """How many parts there should be on the way: the cluster may grow."""
        return 2 * max(1, sum(map(int, self.client.nthreads().values())))

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it on a worker; dask gives it to another one when that is killed."""
        from distributed.scheduler import KilledWorker

        answer: Future[Any] = Future()
        remote = self.client.submit(call, packed((function, args, kwargs)), pure=False)
        self._remote.add(remote)

        def hand_on(done: Any) -> None:
            self._remote.discard(done)
            if done.status == "finished":
                answer.set_result(done.result())
                return
            error = done.exception() if done.status == "error" else WorkerLostError()
            answer.set_exception(WorkerLostError() if isinstance(error, KilledWorker) else error)

        remote.add_done_callback(hand_on)
        return answer


@contextmanager
def dask_executor(scheduler: str | Mapping[str, Any], folder: Path) -> Iterator[OnCluster]:
    """Give an executor on a dask cluster.

    Parameters
    ----------
    scheduler
        Address such as ``tcp://node1:8786``; or options of ``dask_jobqueue.SLURMCluster`` and
        ``jobs``, the number of SLURM jobs.
    folder
        Where the store is built; every worker must see it.

    Raises
    ------
    UserError
        If a package is missing, nobody answers, or the workers see other folders.
    """
    check_cluster(scheduler)
    from distributed import Client

    with ExitStack() as stack:
        where = scheduler
        if not isinstance(scheduler, str):
            where = stack.enter_context(slurm_cluster(scheduler))
        try:
            client = stack.enter_context(Client(where, set_as_default=False, timeout=CONNECT))
        except (OSError, TimeoutError, ValueError) as error:
            raise UserError(_nobody_answers(scheduler)) from error
        _check_workers(client, folder)
        yield OnCluster(client)
        # a build that fails leaves by an exception: closing the client drops what still waits


def check_cluster(scheduler: str | Mapping[str, Any]) -> None:
    """Look at what a cluster needs, before anything is built.

    Raises
    ------
    UserError
        If a package or SLURM is missing, the address is none, or nobody listens there.
    """
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise UserError("a dask scheduler needs `pip install climbench[cluster]`.") from error
    if not isinstance(scheduler, str):
        _slurm()
        return
    if scheduler.startswith("inproc://"):
        return
    found = re.fullmatch(r"(?:\w+://)?(?:\[(.+)\]|([^:/]+)):(\d{1,5})/?", scheduler)
    if found is None:
        raise UserError(
            f"option 'scheduler' = {scheduler!r} is no address: write such as tcp://node1:8786."
        )
    try:
        socket.create_connection((found[1] or found[2], int(found[3])), CONNECT).close()
    except (OSError, OverflowError) as error:  # a port beyond 65535 is one
        raise UserError(_nobody_answers(scheduler)) from error


def _nobody_answers(scheduler: Any) -> str:
    return (
        f"no dask scheduler answers at {scheduler}: start one with `dask scheduler` and "
        "`dask worker`, and give the address that it prints."
    )


def _check_workers(client: Any, folder: Path) -> None:
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError as error:
        raise UserError(
            f"the dask cluster had no worker for {PATIENCE} s: start some with `dask worker`, or "
            "look at the queue."
        ) from error
    try:
        seen = client.run(is_folder, str(folder.resolve()))
    except ModuleNotFoundError as error:
        raise UserError(
            f"a dask worker has no package '{error.name}': install climbench in its environment."
        ) from error
    for worker, there in seen.items():
        if not there:
            raise UserError(
                f"the dask worker {worker} does not see {folder}: set stores_dir to a folder on a "
                "file system that all workers share."
            )


def slurm_cluster(options: Mapping[str, Any]) -> Any:
    """Return a cluster of dask workers in SLURM jobs, which end with it.

    Parameters
    ----------
    options
        ``jobs``, and what ``dask_jobqueue.SLURMCluster`` takes; those that are None are left to
        its own configuration.

    Raises
    ------
    UserError
        If the package or SLURM itself is missing, or an option is wrong.
    """
    given = {name: value for name, value in options.items() if value is not None}
    jobs = given.pop("jobs", 1)
    try:
        cluster = _slurm()(**given)
    except (TypeError, ValueError) as error:
        raise UserError(f"launcher=dask_slurm: {error}.") from error
    cluster.scale(jobs=jobs)
    return cluster


def _slurm() -> Any:
    """Return the class of clusters, if SLURM is here and the package as well."""
    otherwise = "or start a scheduler yourself and give scheduler=tcp://..."
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise UserError(
            "launcher=dask_slurm needs the package dask-jobqueue: `pip install climbench[slurm]`, "
            + otherwise
        ) from error
    if shutil.which("sbatch") is None:
        raise UserError(
            f"launcher=dask_slurm needs SLURM's command sbatch on PATH: run it there, {otherwise}"
        )
    return SLURMCluster


def is_folder(path: str) -> bool:
    """Tell whether this machine sees a folder."""
    return Path(path).is_dir()
