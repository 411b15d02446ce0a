"""A `weir run` in a temporary folder, for tests of what a running Weir does: started, asked, stopped, always ended.

A test's first argument is the weir command.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

WEIR = str(pathlib.Path(sys.argv.pop(1)).resolve())
PATIENCE = 120  # seconds; a bound, not a wait


def eventually(condition, what="it"):
    """What the condition gives once it is true. Who answers not yet, or not yet all, is asked again."""
    end = time.monotonic() + PATIENCE
    problem = None
    while time.monotonic() < end:
        try:
            if found := condition():
                return found
        except (OSError, KeyError) as error:
            problem = error
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come about in time" + (f": {problem}" if problem else ""))


class WeirTest(unittest.TestCase):
    process = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.addCleanup(self.stop)

    def log(self):
        """Of the last start."""
        return (self.folder / "log").read_text(errors="replace")

    def start(self, *arguments, flow="op.yaml", listen="127.0.0.1:0", environment=None, **options):
        with (self.folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                [WEIR, "run", flow, "--listen", listen, *arguments], cwd=self.folder, stderr=log, stdout=log,
                env={**os.environ, **(environment or {})}, **options)
        if listen == "none":
            return
        found = eventually(self.listens, "that it listens")
        self.url, self.port = found.group(1), int(found.group(2))

    def listens(self):
        if self.process.poll() is not None:
            raise AssertionError(self.log())
        return re.search(r"listening on (https?://\S+:(\d+))", self.log())

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def weir(self, *arguments, status=0, answer=None, token=None, folder=None):
        """What a command prints; what it complains of, too, if it is to fail."""
        environment = {name: value for name, value in os.environ.items() if name != "WEIR_TOKEN"}
        if token:
            environment["WEIR_TOKEN"] = token
        result = subprocess.run([WEIR, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False,
                                cwd=folder or self.folder, input=answer or "", env=environment)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        return result.stdout + (result.stderr if status else "")

    def get(self, path):
        with urllib.request.urlopen(self.url + "/api/v1" + path, timeout=PATIENCE) as answer:
            return json.load(answer)
