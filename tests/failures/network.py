"""Two machines and a wire between them, as network namespaces: Weir and the test are on one, the servers on the other,
and a router that can stop forwarding is between them. All of it ends with the test.

    network.enter()            # at once, before threads and files: starts the program again in a namespace of its own
    wire = network.Wire()
    wire.far                   # a command's prefix, to run it on the other machine
    wire.cut("down")           # the near machine's link is down: it is told at once
    wire.cut("silent")         # packets vanish, nobody is told
    wire.mend()
"""

import atexit
import os
import shutil
import subprocess
import sys

NEAR, FAR = "10.77.1.1", "10.77.2.1"
ROUTER_NEAR, ROUTER_FAR = "10.77.1.2", "10.77.2.2"


def why_not():
    """Why this machine cannot have such a network; empty: it can."""
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    for program in ("ip", "unshare", "nsenter"):
        if not shutil.which(program):
            return f"{program} is not installed (scripts/install test)"
    tried = subprocess.run(["unshare", "--net", "ip", "link", "add", "name", "weir0", "type", "veth", "peer", "name", "weir1"],
                           capture_output=True, text=True)
    return tried.stderr.strip() and "no network namespaces here: " + tried.stderr.strip()


def enter():
    """Runs this program on the near machine. Returns why it cannot."""
    if os.environ.get("WEIR_NETWORK") == "entered":
        return ""
    problem = why_not()
    if not problem:
        os.environ["WEIR_NETWORK"] = "entered"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    return problem


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")


class _Machine:
    """A namespace that lives as long as a process that waits in it."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        self.process.stdout.read(1)  # it is there
        atexit.register(self.end)
        self.prefix = ["nsenter", f"--net=/proc/{self.process.pid}/ns/net"]
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *command):
        _run(*self.prefix, *command)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Wire:
    def __init__(self):
        if os.environ.get("WEIR_NETWORK") != "entered":
            raise RuntimeError("enter() first: this would change the machine's own network")
        self.router, other = _Machine(), _Machine()
        self.far = other.prefix
        _run("ip", "link", "set", "lo", "up")
        for name, mine, theirs, process in (
            ("near", NEAR, ROUTER_NEAR, None),
            ("far", FAR, ROUTER_FAR, other.process.pid),
        ):
            _run("ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}-port")
            _run("ip", "link", "set", f"{name}-port", "netns", str(self.router.process.pid))
            if process:
                _run("ip", "link", "set", name, "netns", str(process))
            here = [] if process is None else other.prefix
            for command in (
                ["ip", "address", "add", f"{mine}/24", "dev", name],
                ["ip", "link", "set", name, "up"],
                ["ip", "route", "add", "default", "via", theirs],
            ):
                # The way out is there once the link is up on both sides.
                if command[1] == "route":
                    self.router.run("ip", "address", "add", f"{theirs}/24", "dev", f"{name}-port")
                    self.router.run("ip", "link", "set", f"{name}-port", "up")
                _run(*here, *command)
        self.mend()

    def cut(self, how):
        if how == "silent":
            self._forward(0)
        else:
            _run("ip", "link", "set", "near", "down")

    def mend(self):
        self._forward(1)
        _run("ip", "link", "set", "near", "up")
        _run("ip", "route", "replace", "default", "via", ROUTER_NEAR)

    def _forward(self, on):
        self.router.run("sh", "-c", f"echo {on} > /proc/sys/net/ipv4/ip_forward")
