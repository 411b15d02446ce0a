#!/usr/bin/env python3
"""S3Sink in the real `weir`, killed again and again, against a server that verifies signatures and is killed too.

Usage: kill_test.py BUILD. Lines go from files to objects, exactly once: whatever dies when, in the end the store holds
every line, and none twice.
"""

import collections
import gzip
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = None
LINES = 60_000
KILLS = 5
PATIENCE = 90  # seconds; a bound, not a wait
KEY, SECRET = "test-access-key", "test-secret/key+with=signs"

FLOW = """
flow: to-s3
processors:
  read:
    type: FileSource
    path: {input}/*.ndjson
    format: ndjson
    chunk_size: 8KiB
    interval: 100ms
    to: store
    drop: failure
  store:
    type: S3Sink
    endpoint: http://127.0.0.1:{port}
    bucket: lake
    access_key: {key}
    secret_key: {secret}
    key: raw/kind=$(kind)/lines.ndjson.gz
    roll_count: 490
    connect_timeout: 1s
    delivery: exactly_once
    drop: failure
"""


class Server:
    """versitygw over a folder; its objects are files."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        (folder / "buckets/lake").mkdir(parents=True)
        # Metadata beside the objects is not written in one step with them: such a server cannot be killed.
        self.sidecar = []
        try:
            os.setxattr(folder, "user.weir", b"")
        except OSError:
            (folder / "metadata").mkdir()
            self.sidecar = ["--sidecar", folder / "metadata"]
            print("no extended attributes in", folder, "so the server is not killed", flush=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = None
        self.start()

    def start(self):
        command = [self.program, "--port", f"127.0.0.1:{self.port}", "--access", KEY, "--secret", SECRET, "--quiet",
                   "--keep-alive", "posix", *self.sidecar, self.folder / "buckets"]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        raise RuntimeError((self.folder / "log").read_text())

    def kill(self):
        self.process.kill()
        self.process.wait()

    def objects(self):
        bucket = self.folder / "buckets/lake"
        return [path for path in bucket.rglob("*.gz") if path.is_file() and ".sgwtmp" not in path.parts]


class Kills(unittest.TestCase):
    def setUp(self):
        prepared = subprocess.run([ROOT / "tests/servers/versitygw/prepare"], capture_output=True, text=True)
        if prepared.returncode != 0:
            print("SKIPPED:", prepared.stderr.strip().splitlines()[-1], flush=True)
            self.skipTest("no server")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-s3-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.server = Server(prepared.stdout.strip(), self.folder / "server")
        self.addCleanup(self.server.kill)
        (self.folder / "input").mkdir()
        (self.folder / "flow.yaml").write_text(
            FLOW.format(input=self.folder / "input", port=self.server.port, key=KEY, secret=SECRET))

    def write(self, first, count):
        lines = (json.dumps({"kind": f"k{n % 5}", "n": n, "pad": "x" * 60}) + "\n" for n in range(first, first + count))
        path = self.folder / "input" / f"{first:08}.part"
        path.write_text("".join(lines))
        path.rename(path.with_suffix(".ndjson"))

    def run_weir(self, *options):
        command = [BUILD / "weir", "run", self.folder / "flow.yaml", "--data", self.folder / "data",
                   "--listen", "none", *options]
        with open(self.folder / "weir.log", "ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log)

    def stored(self):
        return [json.loads(line)["n"] for path in self.server.objects() for line in gzip.open(path, "rt")]

    def test_every_line_arrives_once_whatever_is_killed(self):
        seed = int(os.environ.get("WEIR_SEED", "0")) or random.randrange(1, 1 << 30)
        print("seed", seed, flush=True)
        chance = random.Random(seed)
        per_round = LINES // KILLS
        for kill in range(KILLS):
            weir = self.run_weir()
            self.write(kill * per_round, per_round)
            time.sleep(chance.uniform(0.2, 1.5))  # a random moment is what is tried here
            kill_server = kill % 3 == 1 and not self.server.sidecar
            if kill_server:
                self.server.kill()
                time.sleep(chance.uniform(0, 0.5))
            self.assertIsNone(weir.poll(), (self.folder / "weir.log").read_text()[-4000:])
            weir.send_signal(signal.SIGKILL)
            weir.wait()
            if kill_server:
                self.server.start()
        before = len(self.server.objects())
        last = self.run_weir("--until-idle")
        try:
            status = last.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            last.kill()
            status = "still running"
        self.assertEqual(status, 0, (self.folder / "weir.log").read_text()[-4000:])
        after = len(self.server.objects())
        print(f"{before} objects while it was killed, {after} in the end", flush=True)
        self.assertTrue(0 < before < after, "the kills hit nothing: nothing was uploaded between them, or all was")
        counts = collections.Counter(self.stored())
        missing = [n for n in range(LINES) if n not in counts]
        twice = [n for n, count in counts.items() if count > 1]
        self.assertEqual((len(missing), missing[:10]), (0, []))
        self.assertEqual((len(twice), twice[:10]), (0, []))
        self.assertEqual(list((self.folder / "data").rglob("objects/0*")), [], "files were left behind")


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
