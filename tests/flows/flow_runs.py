"""What the tests of the ready flows share: weir runs that end with the test, and real servers.

`Weir(build).run(flow, ...)` runs a flow to its end, `.start(...)` in the background. `servers(build, "kafka", ...)` starts
real servers (tests/servers/serve.cpp), or ends the test as skipped.
"""

import atexit
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE = 60  # seconds; a bound, not a wait


class Servers:
    """Real servers, started by tests/servers/serve.cpp; `skipped` says so where one cannot be had."""

    def __init__(self, build, *names, environment=None, prefix=()):
        environment = dict(os.environ, WEIR_SOURCE=str(ROOT), **(environment or {}))
        self.process = subprocess.Popen(
            [*prefix, str(build / "tests/serve"), *names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        atexit.register(self.stop)
        self.where = {}
        for line in self.process.stdout:
            line = line.rstrip("\n")
            if line == "ready":
                return
            if line.startswith("SKIPPED"):
                self.stop()
                self.skipped = line
                return
            name, _, where = line.partition(" ")
            self.where[name] = where
        raise RuntimeError("the servers did not start: " + self.process.stderr.read())

    skipped = None

    def kill(self, name):
        self._command(f"kill {name}")

    def start(self, name):
        self._command(f"start {name}")

    def _command(self, command):
        print(command, file=self.process.stdin, flush=True)
        if self.process.stdout.readline().rstrip("\n") != command:
            raise RuntimeError(f"cannot {command}: {self.process.stderr.read()}")

    def stop(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def start_servers(build, *names, **options):
    """Servers that can be killed and started again; None if one cannot be had, and a line says so."""
    started = Servers(build, *names, **options)
    if started.skipped:
        print(started.skipped, flush=True)
        return None
    return started


def servers(build, *names):
    """By name where each is; None if one cannot be had, and a line says so."""
    started = start_servers(build, *names)
    return started.where if started else None


class Run:
    """A flow that runs in the background."""

    def __init__(self, command, log):
        self.log = log
        self.command = command
        with open(log, "ab") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        atexit.register(self.kill)

    def output(self):
        return pathlib.Path(self.log).read_text(errors="replace")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        """As Ctrl-C does; its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(PATIENCE)


class Weir:
    """Runs flows with their data in folders under one temporary folder, which goes with the test."""

    def __init__(self, build):
        self.program = str(pathlib.Path(build) / "weir")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-flow-"))
        atexit.register(shutil.rmtree, self.folder, True)

    def command(self, flow, name, parameters, *more):
        flows = [flow] if isinstance(flow, str) else flow
        command = [self.program, "run", *[str(ROOT / f) for f in flows], "--data", str(self.folder / name)]
        command += [*more] if "--listen" in more else ["--listen", "none", *more]
        for key, value in parameters.items():
            command += ["--param", f"{key}={value}"]
        return command

    def run(self, flow, name, parameters, *more):
        """To its end. Raises with what it said if it fails."""
        command = self.command(flow, name, parameters, "--until-idle", *more)
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=2 * PATIENCE)
        if result.returncode != 0:
            raise AssertionError(f"{' '.join(command)} ended with {result.returncode}:\n{result.stdout}{result.stderr}")
        return result.stdout + result.stderr

    def start(self, flow, name, parameters, *more):
        return Run(self.command(flow, name, parameters, *more), str(self.folder / f"{name}.log"))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def is_ready(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
        return answer.status == 200


def wait_for(what, condition, run=None, patience=PATIENCE):
    """Until the condition is true; what it last was, where it raises. Fails with the run's log."""
    deadline = time.monotonic() + patience
    problem = None
    while True:
        try:
            value = condition()
            if value:
                return value
            problem = f"it was {value!r}"
        except Exception as error:  # not there yet: a table, a file
            problem = f"{type(error).__name__}: {error}"
        log = "\n" + run.output()[-3000:] if run else ""
        if run and run.process.poll() is not None:
            raise AssertionError(f"weir ended while waiting for {what} ({problem}){log}")
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience} s in vain for {what} ({problem}){log}")
        time.sleep(0.05)


def postgresql(url, sql, password="secret"):
    """The rows of a query, each a list of texts; NULL is ''."""
    return _rows(["psql", url, "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-c", sql],
                 {"PGPASSWORD": password})


def mariadb(url, sql, password="secret"):
    host, _, database = url.removeprefix("mariadb://weir@").partition("/")
    host, _, port = host.partition(":")
    return _rows(["mariadb", "--no-defaults", "-h", host, "-P", port, "-u", "weir", "-N", "-B", database, "-e", sql],
                 {"MYSQL_PWD": password})


def _rows(command, environment):
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env={**os.environ, **environment})
    if result.returncode != 0:
        raise RuntimeError(result.stderr)
    return [line.split("\t") for line in result.stdout.splitlines()]


def build_folder():
    """The argument of a test's command line, which unittest does not see."""
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} BUILD [unittest's options]")
    return pathlib.Path(sys.argv.pop(1)).resolve()
