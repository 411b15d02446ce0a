#!/usr/bin/env python3
"""`weir backup` of a data directory that runs, that is stopped, and that is killed amid; and Weir from the copy.

Usage: backup_test.py WEIR
"""

import json
import signal
import sqlite3
import subprocess
import unittest

from running_weir import PATIENCE, WEIR, WeirTest, eventually


# Contents of 100 kB are in content files, which come and go as `keep` follows; `later` does not run, so its queue stays.
FLOW = """\
flow: op
defaults: {queue: {max_count: 200}}
processors:
  make: {type: GenerateFlowFile, rate: 40/s, content: '{"n": $(seq), "x": "LARGE"}', to: keep}
  keep: {type: FileSink, path: out.ndjson, drop: failure}
  small: {type: GenerateFlowFile, rate: 200/s, content: '{"n": $(seq)}', to: later}
  later: {type: FileSink, path: later.ndjson, drop: failure, enabled: LATER}
"""
SQL = """\
flow: once
processors:
  make: {type: GenerateFlowFile, rate: 200/s, content: '{"n": $(seq)}', to: sink}
  sink: {type: SqlSink, url: "sqlite:there.db", table: t, delivery: exactly_once, drop: failure}
"""


class BackupTest(WeirTest):
    def setUp(self):
        super().setUp()
        self.write("false")

    def write(self, later):
        (self.folder / "op.yaml").write_text(
            FLOW.replace("LARGE", "x" * 100_000).replace("LATER", later))

    def run_flow(self, *arguments, flow="op.yaml"):
        self.start(*arguments, flow=flow, listen="none")

    def lines(self, name):
        path = self.folder / name
        if not path.exists():
            return []
        return [json.loads(line)["n"] for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def flows(self):
        return len(self.lines("out.ndjson"))

    def test_a_running_store_is_copied_whole_again_and_again_and_weir_runs_from_the_copy(self):
        self.run_flow()
        eventually(lambda: self.flows() > 20, "it flows")
        before = 0
        for i in range(4):
            at = self.flows()
            said = self.weir("backup", f"copy{i}")
            self.assertIn("is a copy of data as of epoch", said)
            self.assertIn("is well", self.weir("check", f"copy{i}"))
            self.assertFalse((self.folder / f"copy{i}.part").exists())
            # A copy is of an instant: what was queued for `later` then, from the first on.
            epoch = int(said.split("epoch ")[1].split(":")[0])
            self.assertGreater(epoch, before)
            before = epoch
            eventually(lambda at=at: self.flows() > at + 20, "it flows on, for more than an epoch")
        self.stop()
        self.write("true")
        self.run_flow("--data", "copy2")
        eventually(lambda: len(self.lines("later.ndjson")) > 200, "what was queued in the copy arrives")
        self.stop()
        numbers = self.lines("later.ndjson")
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        self.assertIn("is well", self.weir("check", "copy2"))

    def test_a_stopped_store_is_copied_with_its_tokens_and_history(self):
        self.run_flow("--for", "2s")
        self.process.wait(PATIENCE)
        self.weir("token", "add", "oscar")
        self.weir("backup", "copy")
        self.assertIn("is well", self.weir("check", "copy"))
        self.assertIn("oscar", self.weir("token", "list", "--data", "copy"))
        self.assertEqual((self.folder / "copy/tokens.json").stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.weir("provenance", "events", "--type", "CREATE", "--limit", "5"),
                         self.weir("provenance", "events", "--type", "CREATE", "--limit", "5", "--data", "copy"))
        self.assertIn("is well", self.weir("check", "data"))

    def test_one_that_is_interrupted_leaves_nothing_that_looks_whole(self):
        self.run_flow()
        eventually(lambda: self.flows() > 20, "it flows")
        part = self.folder / "copy.part"
        for how in (signal.SIGTERM, signal.SIGKILL):
            backup = subprocess.Popen([WEIR, "backup", "copy", "--rate", "20KiB"], cwd=self.folder,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.addCleanup(backup.wait)
            self.addCleanup(backup.kill)
            eventually(lambda: (part / "weir.db.part").exists(), "it copies")
            self.assertIn("in use by process", self.weir("backup", "copy", status=1))
            backup.send_signal(how)
            self.assertNotEqual(backup.wait(PATIENCE), 0)
            self.assertFalse((self.folder / "copy").exists())
            if how == signal.SIGKILL:
                self.weir("check", "copy.part", status=1)
                self.assertIn("is no data directory", self.weir("run", "op.yaml", "--listen", "none", "--data",
                                                                "copy.part", "--for", "1s", status=1))
            else:
                self.assertFalse(part.exists())
        self.weir("backup", "copy")
        self.assertIn("is well", self.weir("check", "copy"))

    def test_what_cannot_be_is_refused(self):
        self.run_flow("--for", "1s")
        self.process.wait(PATIENCE)
        self.assertIn("it has no weir.db", self.weir("backup", "copy", "--data", "none", status=1))
        (self.folder / "there").mkdir()
        (self.folder / "there" / "file").write_text("mine")
        self.assertIn("is there already", self.weir("backup", "there", status=1))
        self.assertEqual((self.folder / "there" / "file").read_text(), "mine")
        self.assertIn("lies in what is to be copied", self.weir("backup", "data/copy", status=1))

    def test_a_sink_that_delivers_exactly_once_stops_when_its_far_side_is_ahead_of_a_backup(self):
        (self.folder / "once.yaml").write_text(SQL)

        def rows():
            try:
                with sqlite3.connect(f"file:{self.folder}/there.db?mode=ro", uri=True) as database:
                    return database.execute("SELECT count(*) FROM t").fetchone()[0]
            except sqlite3.Error:
                return 0

        self.run_flow(flow="once.yaml")
        eventually(lambda: rows() > 50, "rows arrive")
        self.weir("backup", "copy")
        at = rows()
        eventually(lambda: rows() > at + 100, "more rows arrive")
        self.stop()
        after = rows()
        self.run_flow("--data", "copy", flow="once.yaml")
        eventually(lambda: "restored from a backup" in (self.folder / "log").read_text(), "it says so")
        self.stop()
        self.assertEqual(rows(), after)


if __name__ == "__main__":
    unittest.main()
