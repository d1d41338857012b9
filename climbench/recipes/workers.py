"""Processes and clusters that make parts; each is an executor of :mod:`concurrent.futures`."""

import os
import pickle
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

import dask
import xarray as xr
import zarr

from climbench.errors import UserError
from climbench.recipes.parts import COPIES
from climbench.recipes.writing import Job

Result = TypeVar("Result")

ATTEMPTS = 3
"""How often a part is tried whose worker is killed."""

MOST = 8
"""Workers that a build takes by itself; whoever wants more says so."""

OPEN_FILES = 32
"""Source files that a process keeps open: each takes about 1 MiB, and xarray's 128 show."""

SMALL = 2**28
"""Bytes of fields that one process has built before others are ready."""

SPARE = 2**26
"""Bytes that a part may be larger than its fields on the way to a worker."""

THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class WorkerLostError(Exception):
    """A worker process was killed, as often as a part is tried."""


class Here(Executor):
    """Runs everything in this process, at once."""

    in_hand = 1

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it; a failure is raised by the future."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Processes(Executor):
    """Worker processes, each started when it is needed and replaced when it is killed.

    ``multiprocessing`` would run the caller's script again in every worker; these import climbench
    only, so that ``climbench.build`` works in plain scripts and notebooks. They end with the
    process that started them, however that ends.

    Parameters
    ----------
    count
        Number of processes, which share the cores of this machine.
    """

    def __init__(self, count: int) -> None:
        self.in_hand = 2 * count
        self.threads = max(1, cores() // count)
        self._feeders = ThreadPoolExecutor(count)
        self._idle: list[subprocess.Popen[bytes]] = []
        self._all: list[subprocess.Popen[bytes]] = []
        self._lock = Lock()
        self._stopped = False

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it in one of the processes.

        The future raises what the function raised, or :class:`WorkerLostError`.
        """
        return self._feeders.submit(self._ask, packed((function, args, kwargs)))

    def pids(self) -> list[int]:
        """Return the process identifiers of the workers that run."""
        with self._lock:
            return [one.pid for one in self._all if one.poll() is None]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End all processes, at once if the futures are to be cancelled."""
        self._stopped = self._stopped or cancel_futures
        if cancel_futures:
            self._end(kill=True)
        self._feeders.shutdown(wait, cancel_futures=cancel_futures)
        self._end(kill=False)

    def _ask(self, message: bytes) -> Any:
        for _ in range(ATTEMPTS):
            worker = self._take()
            try:
                pickle.dump(message, worker.stdin)  # type: ignore[arg-type]
                worker.stdin.flush()  # type: ignore[union-attr]
                failed, answer = pickle.load(worker.stdout)  # type: ignore[arg-type]  # noqa: S301
            except (OSError, EOFError, pickle.UnpicklingError):
                worker.kill()
                worker.wait()
                continue
            self._idle.append(worker)
            if failed:
                raise answer
            return answer
        raise WorkerLostError

    def _take(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopped:
                raise WorkerLostError
            while self._idle:
                worker = self._idle.pop()
                if worker.poll() is None:
                    return worker
            worker = self._start()
            self._all = [*(one for one in self._all if one.poll() is None), worker]
            return worker

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            **{name: str(self.threads) for name in THREAD_COUNTS},
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),  # noqa: PTH109
        }
        program = f"from climbench.recipes.workers import serve; serve({self.threads})"
        return subprocess.Popen(  # noqa: S603 the program is our own
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the coordinator, which then ends its workers
        )

    def _end(self, kill: bool) -> None:
        with self._lock:
            for worker in self._all:
                if kill:
                    worker.kill()
                elif worker.stdin:
                    worker.stdin.close()
            if not kill:
                for worker in self._all:
                    worker.wait()


def serve(threads: int) -> None:
    """Be a worker: take functions from standard input, give their results to standard output."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not come between answers
    questions: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_listen, args=(questions,), daemon=True).start()
    zarr.config.set({"threading.max_workers": threads})
    warnings.filterwarnings("ignore", module=r"zarrs?\.")
    xr.set_options(file_cache_maxsize=OPEN_FILES)  # type: ignore[no-untyped-call]
    with dask.config.set(num_workers=threads):
        while True:
            pickle.dump(_answer(questions.get()), answers)
            answers.flush()


def _listen(questions: "SimpleQueue[bytes]") -> None:
    """Queue what comes in; end the process as soon as the one that started it is gone."""
    while True:
        try:
            questions.put(pickle.load(sys.stdin.buffer))  # noqa: S301 our own pipe
        except (EOFError, OSError, pickle.UnpicklingError):
            os._exit(0)


def _answer(question: bytes) -> tuple[bool, Any]:
    try:
        return False, call(question)
    except Exception as error:
        if not isinstance(error, UserError):
            error.add_note(f"in a worker:\n{traceback.format_exc()}")
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 our own
        except Exception:
            return True, RuntimeError(traceback.format_exc())
        return True, error


def call(message: bytes) -> Any:
    """Run a packed function; the bytes come from the coordinator of the same build."""
    function, args, kwargs = pickle.loads(message)  # noqa: S301
    return function(*args, **kwargs)


def packed(content: Any) -> bytes:
    """Return something as bytes for another process; functions of scripts go along."""
    import cloudpickle

    return bytes(cloudpickle.dumps(content))


def can_be_sent(job: Job) -> bool:
    """Tell whether another process can make a part.

    It cannot make one of a simulation that goes on from one part to the next, and should not be
    sent fields that are in memory as a whole.
    """
    try:
        return len(packed(job)) <= job.lazy.nbytes + SPARE
    except (TypeError, AttributeError, ValueError, pickle.PicklingError, RecursionError):
        return False


def cores() -> int:
    """Return the number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


def memory() -> int:
    """Return the memory of this machine, bytes."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return 2**33


def sensible_count(job: Job, parts: int, wished: int | None, block: int = 0) -> int:
    """Return how many processes should make parts such as this one.

    Parameters
    ----------
    job
        One of them.
    parts
        How many there are.
    wished
        What the user says; obeyed unless the part cannot be sent to another process.
    block
        What a thread holds of the sources, bytes; there are as many threads as cores in all.
    """
    if wished == 1 or not can_be_sent(job):
        return 1
    if wished is not None:
        return wished
    if parts * job.lazy.nbytes < SMALL:
        return 1
    fitting = (memory() // 2 // COPIES - cores() * block) // job.lazy.nbytes
    return max(1, min(cores(), parts, MOST, fitting))


def in_turn(
    pool: Any, function: Callable[[Job], Result], jobs: Iterable[Job]
) -> Iterator[tuple[Job, Result]]:
    """Have jobs done, no more of them in hand than the executor can use; give each when finished.

    Raises
    ------
    UserError
        If the workers of a part are killed each time; else whatever the function raises.
    """
    waiting: dict[Future[Result], Job] = {}
    for job in jobs:
        waiting[pool.submit(function, job)] = job
        if len(waiting) >= pool.in_hand:
            yield from _finished(waiting)
    while waiting:
        yield from _finished(waiting)


def _finished(waiting: dict[Future[Result], Job]) -> Iterator[tuple[Job, Result]]:
    done = wait(waiting, return_when=FIRST_COMPLETED).done
    for future in sorted(done, key=lambda one: one.exception() is not None):  # failures last
        job = waiting.pop(future)
        try:
            yield job, future.result()
        except WorkerLostError as error:
            raise UserError(
                f"part {job.part.number} ({job.lazy.nbytes / 2**20:.0f} MiB) lost its worker "
                f"{ATTEMPTS} times, as if memory were short: use fewer workers or a smaller "
                "output.shard; the same command goes on."
            ) from error


@contextmanager
def executor(count: int | None, scheduler: Any, folder: Path) -> Iterator[Any]:
    """Give an executor that says by ``in_hand`` how many parts should be on the way.

    Parameters
    ----------
    count
        Worker processes on this machine; 1 is this process itself.
    scheduler
        Address of a running dask scheduler, or options of a SLURM cluster, in place of processes.
    folder
        Where the store is built.

    Raises
    ------
    UserError
        If there is no such scheduler, or its workers lack what a build needs.
    """
    if scheduler is not None:
        from climbench.recipes.clusters import dask_executor

        with dask_executor(scheduler, folder) as cluster:
            yield cluster
    elif count is None or count == 1:
        yield Here()
    else:
        pool = Processes(count)
        try:
            yield pool
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        pool.shutdown()
