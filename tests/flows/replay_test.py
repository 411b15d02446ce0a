#!/usr/bin/env python3
"""`weir replay` as its users run it, after kill -9 too. Usage: replay_test.py WEIR."""

import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import unittest

WEIR = sys.argv.pop(1)
PATIENCE = 60  # seconds; a bound, not a wait
SOURCE = "again/numbers/success/even"

FLOW = """\
flow: again
processors:
  numbers: {type: GenerateFlowFile, rate: 2000/s, batch: 50, content: '{"id": $(seq)}', to: even}
  even: {type: Filter, where: id % 2 = 0, to: {matched: out}, drop: [unmatched, failure]}
  out: {type: FileSink, path: "PATH", drop: failure}
"""


class ReplayTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.output = self.folder / "out.ndjson"
        self.flow = self.folder / "flow.yaml"
        self.flow.write_text(FLOW.replace("PATH", str(self.output)))

    def weir(self, *arguments, status=0):
        result = subprocess.run([WEIR, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        return result.stdout + result.stderr

    def replay(self, sequence, status=0, connection=SOURCE):
        return self.weir("replay", f"{connection}:{sequence}", "--data", self.folder / "data", status=status)

    def start(self):
        command = [WEIR, "run", self.flow, "--data", self.folder / "data", "--listen", "none"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def ids(self):
        if not self.output.exists():
            return []
        return [json.loads(line)["id"] for line in self.output.read_text().splitlines(keepends=True) if "\n" in line]

    def await_condition(self, condition, complaint):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), deadline, complaint)
            time.sleep(0.02)

    def await_lines(self, count):
        self.await_condition(lambda: len(self.ids()) >= count, "too few lines came")

    def lineage(self, verb, sequence):
        return self.weir("provenance", verb, f"{SOURCE}:{sequence}", "--data", self.folder / "data")

    def test_what_was_consumed_flows_again_whenever_the_process_was_killed(self):
        draw = random.Random(7)
        for replays in range(4):
            process = self.start()
            self.await_lines(len(self.ids()) + 1000 + draw.randrange(200))
            wanted = draw.choice(self.ids()[-500:])
            sequence = wanted + replays  # each replay before it took one, too
            self.await_condition(lambda: "SEND" in self.lineage("descendants", sequence), "it is not durable")
            self.assertIn(f"is in use by process {process.pid}", self.replay(1, status=1))
            process.kill()
            process.wait()
            self.assertIn("is well", self.weir("check", self.folder / "data"))
            self.assertEqual(self.ids().count(wanted), 1)
            said = self.replay(sequence)
            self.assertIn(f"{SOURCE}:{sequence} is queued again as {SOURCE}:", said)
            new = int(said.split(f"again as {SOURCE}:")[1].split(";")[0])
            self.assertGreater(new, sequence)
            self.assertIn("is well", self.weir("check", self.folder / "data"))

            process = self.start()
            self.await_condition(lambda: self.ids().count(wanted) == 2, "it did not come again")
            process.terminate()
            self.assertEqual(process.wait(PATIENCE), 0)
            ancestors = self.lineage("ancestors", new)
            self.assertEqual([line.split()[2] for line in ancestors.splitlines()], ["REPLAY", "CREATE"])
            self.assertIn(f"{SOURCE}:{sequence}  -> {SOURCE}:{new}", ancestors)
            self.assertEqual(self.lineage("descendants", sequence).count("SEND"), 2)

    def test_what_cannot_be_replayed_is_said(self):
        self.assertIn("is no data directory of Weir's", self.replay(1, status=1))
        self.assertFalse((self.folder / "data").exists())
        process = self.start()
        self.await_lines(100)
        process.terminate()
        process.wait(PATIENCE)
        self.assertIn("expected CONNECTION:SEQUENCE", self.weir("replay", "1", status=2))
        self.assertIn(f'did you mean "{SOURCE}"?', self.replay(1, status=2, connection=SOURCE[:-1]))
        self.assertIn("yet: the last one was", self.replay(10_000_000, status=1))
        self.assertIn("Weir keeps content where it leaves a source", self.replay(1, 1, "again/even/matched/out"))
        self.flow.write_text(self.flow.read_text().replace("rate:", "retain: none, rate:"))
        lines = len(self.ids())
        process = self.start()
        self.await_lines(lines + 1000)
        process.terminate()
        process.wait(PATIENCE)
        self.assertIn("is not kept", self.replay(1, status=1))
        self.assertEqual(list((self.folder / "data" / "retained").glob("*")), [])


if __name__ == "__main__":
    unittest.main()
