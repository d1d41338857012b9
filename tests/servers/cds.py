"""A data store on this machine that speaks as Copernicus' does to its Python client."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

KEY = "00000000-1111-2222-3333-444444444444"
Make = Callable[[str, dict[str, Any]], bytes]
EXECUTION = re.compile(r"/retrieve/v1/processes/([^/]+)/execution")
PROCESS = re.compile(r"/retrieve/v1/processes/([^/]+)")
JOB = re.compile(r"/retrieve/v1/jobs/([^/]+)")
RESULTS = re.compile(r"/retrieve/v1/jobs/([^/]+)/results")


@dataclass
class Job:
    """A request in the queue; each look at it brings it one state further."""

    dataset: str
    request: dict[str, Any]
    states: list[str]
    content: bytes = b""
    error: str = ""


@dataclass
class Behaviour:
    """What the service does, to be changed by tests.

    Attributes
    ----------
    make
        From data set and request to the bytes of the file.
    states
        Which a request goes through.
    busy
        How many of the next requests are answered with 429.
    deleted
        How many of the next requests somebody deletes while they wait.
    refuse
        Code and text with which requests are refused.
    fail
        Text of the error of requests that fail.
    jobs
        All that was ever asked for, by number.
    asked
        Method and path of everything.
    """

    make: Make
    states: list[str] = field(default_factory=lambda: ["accepted", "running", "successful"])
    busy: int = 0
    deleted: int = 0
    refuse: tuple[int, str] | None = None
    fail: str = ""
    jobs: dict[str, Job] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def next_states(self) -> list[str]:
        """Return the states of the next request."""
        if self.deleted > 0:
            self.deleted -= 1
            return ["accepted", "dismissed"]
        return ["accepted", "running", "failed"] if self.fail else list(self.states)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    behaviour: Behaviour

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self._held_up():
            return
        match = EXECUTION.fullmatch(self.path)
        if match is None:
            self._problem(404, "process not found")
        elif self.behaviour.refuse is not None:
            self._problem(*self.behaviour.refuse)
        else:
            number = f"job-{len(self.behaviour.jobs)}"
            request = json.loads(body)["inputs"]
            job = Job(match[1], request, self.behaviour.next_states())
            job.error = self.behaviour.fail
            self.behaviour.jobs[number] = job
            self._json(self._status(number, job), 201)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/catalogue/v1/messages":
            self._json({"messages": []})
        elif path.startswith("/files/"):
            self._file(self.behaviour.jobs[path.split("/")[2]])
        elif self._held_up():
            return
        elif match := RESULTS.fullmatch(path):
            self._results(match[1])
        elif match := JOB.fullmatch(path):
            job = self.behaviour.jobs.get(match[1])
            if job is None:
                self._problem(404, "job not found")
                return
            self._json(self._status(match[1], job))
            if len(job.states) > 1 and "log=" in self.path:
                job.states.pop(0)
        elif match := PROCESS.fullmatch(path):
            if match[1].startswith("reanalysis-"):
                self._json({"id": match[1], "links": []})
            else:
                self._problem(404, f"dataset {match[1]} not found")
        else:
            self._problem(404, "not found")

    def _held_up(self) -> bool:
        """Answer what comes before anything else: too many requests, and a wrong key."""
        self.behaviour.asked.append(f"{self.command} {self.path.partition('?')[0]}")
        if self.behaviour.busy > 0:
            self.behaviour.busy -= 1
            self._problem(429, "too many requests", {"Retry-After": "0"})
        elif self.headers.get("PRIVATE-TOKEN") != KEY:
            self._problem(401, "operation not allowed")
        else:
            return False
        return True

    def _status(self, number: str, job: Job) -> dict[str, Any]:
        link = f"{self.behaviour.url}/retrieve/v1/jobs/{number}"
        links = [{"href": link, "rel": rel} for rel in ("monitor", "self")]
        if job.states[0] in ("successful", "failed"):
            links.append({"href": f"{link}/results", "rel": "results"})
        return {"processID": job.dataset, "jobID": number, "status": job.states[0], "links": links}

    def _results(self, number: str) -> None:
        job = self.behaviour.jobs[number]
        if job.error:
            self._problem(400, "The job has failed", detail=job.error)
            return
        job.content = job.content or self.behaviour.make(job.dataset, job.request)
        value = {
            "type": "application/x-netcdf",
            "href": f"{self.behaviour.url}/files/{number}/data",
            "file:size": len(job.content),
        }
        self._json({"asset": {"value": value}})

    def _file(self, job: Job) -> None:
        self.behaviour.asked.append(f"GET {self.path}")
        content, status, headers = job.content, 200, {"ETag": '"one"', "Accept-Ranges": "bytes"}
        if match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            first = int(match[1])
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
            content, status = content[first:], 206
        self._send(status, content, "application/octet-stream", headers)

    def _problem(
        self, code: int, title: str, headers: dict[str, str] | None = None, detail: str = ""
    ) -> None:
        self._json({"title": title, "detail": detail or title, "status": code}, code, headers)

    def _json(self, content: Any, code: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(code, json.dumps(content).encode(), "application/json", headers or {})

    def _send(self, code: int, content: bytes, kind: str, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in {"Content-Type": kind, **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def serving_cds(make: Make) -> Iterator[Behaviour]:
    """Serve whatever ``make`` makes of a request, on a free port."""
    behaviour = Behaviour(make)
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), type("Handler", (_Handler,), {"behaviour": behaviour})
    )
    behaviour.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield behaviour
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
