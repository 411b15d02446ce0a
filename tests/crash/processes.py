"""The processes of the kill test: Weir, the broker, and the publisher."""

import contextlib
import math
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent


class Failure(Exception):
    """The test cannot go on; says why."""


def wait_for(met, seconds, complaint):
    deadline = time.monotonic() + seconds
    while not (result := met()):
        if time.monotonic() > deadline:
            raise Failure(complaint)
        time.sleep(0.002)
    return result


def find_mosquitto():
    return shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")


class Broker:
    """A mosquitto that keeps every message until its subscriber has it."""

    def __init__(self, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = folder / "mosquitto.log"
        config = folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n"
            "set_tcp_nodelay true\nlog_dest stderr\nlog_type subscribe\nlog_type error\n"
        )
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([find_mosquitto(), "-c", config], stderr=log)
        wait_for(self._listens, 10, "mosquitto does not listen")

    @property
    def url(self):
        return f"mqtt://127.0.0.1:{self.port}"

    def await_subscribers(self, count=1):
        wait_for(lambda: self.log.read_text().count("crash/+/readings") >= count, 60, "Weir has not subscribed")

    def stop(self):
        self.process.kill()
        self.process.wait()

    def _listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Publisher:
    """tests/servers/mqtt_blast: publishes at QoS 1 and records what the broker has acknowledged."""

    MOST_UNDER_WAY = 50_000  # messages

    def __init__(self, build, folder, broker, rate):
        self.acknowledged = folder / "acknowledged"
        command = [build / "tests" / "mqtt_blast", "--port", broker.port, "--topics", "crash/s-%04d/readings"]
        command += ["--sensors", 30, "--count", 10**12, "--rate", rate, "--window", 200, "--acked", self.acknowledged]
        self.process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE)

    def keep_pace(self, arrived):
        """Pauses while more than that is under way: on a machine that is busy otherwise the broker would drown."""
        with open(self.acknowledged, "rb") as file:
            file.seek(max(0, os.path.getsize(self.acknowledged) - 100))
            last = file.read().split()[-1:] or [b"0"]
        behind = int(last[0]) - arrived
        self.process.send_signal(signal.SIGSTOP if behind > self.MOST_UNDER_WAY else signal.SIGCONT)

    def stop(self):
        """Ends the publishing; returns the text of what was acknowledged."""
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(signal.SIGINT)
        output, _ = self.process.communicate(timeout=60)
        if self.process.returncode != 0:
            raise Failure(f"the publisher ended with {self.process.returncode}: {output.decode()}")
        return self.acknowledged.read_text()

    def kill(self):
        self.process.kill()
        self.process.wait()


class Weir:
    """One life of `weir run`."""

    def __init__(self, build, folder, broker, number, failpoint=None, until_idle=False):
        self.log = folder / "logs" / f"{number:05d}.log"
        self.log.parent.mkdir(exist_ok=True)
        parameters = {
            "readings": folder / "in" / "readings",
            "documents": folder / "in" / "documents",
            "done": folder / "in" / "done",
            "output": folder / "out",
            "database": folder / "out" / "history.db",
            "broker": broker.url,
            "quiet": "3s" if until_idle else "1h",
        }
        command = [build / "weir", "run", HERE / "flows" / "crash.yaml", "--data", folder / "data"]
        command += ["--listen", "127.0.0.1:0"] + (["--until-idle"] if until_idle else [])
        for name, value in parameters.items():
            command += ["--param", f"{name}={value}"]
        environment = dict(os.environ)
        environment.pop("WEIR_FAILPOINT", None)
        if failpoint:
            environment["WEIR_FAILPOINT"] = failpoint
        self.started = time.monotonic()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log, env=environment)

    @property
    def age(self):
        return time.monotonic() - self.started

    def cpu_seconds(self):
        """The processor time that it has had; proc(5), /proc/PID/stat, fields 14 and 15."""
        try:
            fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return math.inf
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def url(self):
        """Where it listens; None: nowhere yet, or it has ended."""
        found = re.search(r"listening on (http://\S+)", self.log.read_text(errors="replace"))
        return found[1] if found else None

    def ended(self):
        return self.process.poll() is not None

    def await_listening(self):
        return wait_for(lambda: self.ended() or self.url(), 60, f"Weir does not listen: {self.complaint()}")

    def await_ready(self):
        def ready():
            if self.ended():
                raise Failure(f"Weir ended by itself: {self.complaint()}")
            with contextlib.suppress(OSError):
                return urllib.request.urlopen(self.url() + "/readyz", timeout=5).status == 200
            return False

        self.await_listening()
        wait_for(ready, 60, f"Weir does not get ready: {self.complaint()}")

    def waited_seconds(self):
        """How long its threads have waited for a core, all together: what another's load has cost it."""
        nanoseconds = 0
        for file in pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                nanoseconds += int(file.read_text().split()[1])
        return nanoseconds / 1e9

    def state(self):
        """What it is doing, in a few words, as its metrics say."""
        return f"{self._metrics()} (used {self.cpu_seconds():.1f} s, waited {self.waited_seconds():.1f} s for a core)"

    def _metrics(self):
        try:
            text = urllib.request.urlopen(self.url() + "/metrics", timeout=2).read().decode()
        except (OSError, TypeError):
            return "not to be asked"
        values = lambda name: map(float, re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))
        total = lambda name: sum(values(name))
        full = sum(value >= 1 for value in values("weir_queue_fullness_ratio"))
        return (
            f"epoch {total('weir_epoch_number'):.0f}, {total('weir_queue_flowfiles'):.0f} queued, "
            f"{total('weir_queue_held_flowfiles'):.0f} held, {full} full, "
            f"longest epoch {1000 * total('weir_epoch_longest_seconds'):.0f} ms"
        )

    def kill(self):
        """kill -9. True if it was alive until then."""
        alive = not self.ended()
        self.process.kill()
        self.process.wait()
        return alive

    def died_by_kill(self):
        return self.process.returncode == -signal.SIGKILL

    def complaint(self):
        lines = self.log.read_text(errors="replace").splitlines()
        return f"status {self.process.poll()}, {self.log}: " + " | ".join(lines[-6:])
