#!/usr/bin/env python3
"""The command as someone types it: slips on the command line, and what a terminal shows. Usage: command_test.py WEIR."""

import json
import os
import pathlib
import pty
import re
import subprocess
import sys
import tempfile
import time
import unittest

WEIR = sys.argv.pop(1)
PATIENCE = 60  # seconds; a bound, not a wait

TALKS = """\
flow: talks
processors:
  make: {type: GenerateFlowFile, rate: 20/s, content: "line $(seq)", to: log}
  log: {type: Log, drop: success}
"""


class CommandLineTest(unittest.TestCase):
    def refused(self, *arguments):
        result = subprocess.run([WEIR, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertLessEqual(len(result.stderr.splitlines()), 2, result.stderr)
        return result.stderr

    def test_an_unknown_command_is_named_with_the_nearest_one(self):
        self.assertIn("weir: error: there is no command 'vaildate'; did you mean validate?", self.refused("vaildate", "x"))
        self.assertIn("there is no command 'frobnicate': there are run, validate", self.refused("frobnicate"))
        self.assertIn("weir provenance: error: there is no command 'event'; did you mean events?",
                      self.refused("provenance", "event"))
        self.assertIn("weir --help", self.refused("frobnicate", "--force"))

    def test_a_missing_command_is_asked_for(self):
        self.assertIn("weir: error: a command is missing: one of run, validate", self.refused())
        self.assertIn("weir provenance: error: a command is missing: one of events,", self.refused("provenance"))

    def test_an_unknown_option_is_named_with_the_nearest_one(self):
        self.assertIn("weir run: error: there is no option --until-idel; did you mean --until-idle?",
                      self.refused("run", "x.yaml", "--until-idel"))
        self.assertIn("there is no option --dta; did you mean --data?", self.refused("run", "x.yaml", "--dta=y"))

    def test_a_value_that_cannot_be_is_one_clear_line(self):
        self.assertIn("weir run: error: --for: '1x' is no duration, such as 500ms, 30s, 5m, 1h or 2d",
                      self.refused("run", "--for", "1x", "x.yaml"))
        for text in ("nan", "1e300d", "-1s", "30", "s"):
            self.assertIn("is no duration", self.refused("run", f"--for={text}", "x.yaml"))
        self.assertIn("weir run: error: Could not convert: --workers = many", self.refused("run", "--workers", "many", "x.yaml"))
        self.assertIn("weir check: error: data is required", self.refused("check"))

    def test_help_is_printed_where_it_is_asked_for(self):
        result = subprocess.run([WEIR, "run", "--help"], capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("--until-idle", result.stdout)


class LiveLineTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "flow.yaml").write_text(TALKS)

    def command(self):
        return [WEIR, "run", self.folder / "flow.yaml", "--data", self.folder / "data", "--listen", "none", "--live",
                "--for", "3s"]

    def test_on_a_terminal_log_lines_go_above_the_live_line(self):
        terminal, of_weir = pty.openpty()
        process = subprocess.Popen(self.command(), stdin=of_weir, stderr=of_weir, close_fds=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        os.close(of_weir)
        output = b""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                part = os.read(terminal, 65536)
            except OSError:  # nobody has the other end any more
                break
            if not part:
                break
            output += part
        os.close(terminal)
        self.assertEqual(process.wait(PATIENCE), 0)
        lines = [re.sub(r"^.*\r\x1b\[K", "", line) for line in output.decode().replace("\r\n", "\n").split("\n")]
        live = [line for line in lines if " in  " in line]
        logged = [line for line in lines if "line " in line]
        self.assertGreater(len(logged), 20)
        for line in logged:
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT[^ ]*Z info talks/log: ")
        self.assertEqual(len(live), 1, "the live line is rewritten, and stays once, at the end")
        self.assertRegex(live[0], r"^[\d,]+ in  [\d,]+ out  ")
        self.assertGreater(output.count(b"\r\x1b[K"), 20)

    def test_elsewhere_it_is_a_line_like_any_other(self):
        result = subprocess.run(self.command(), capture_output=True, text=True, timeout=PATIENCE, check=True)
        self.assertNotIn("\x1b", result.stderr)
        self.assertGreaterEqual(sum(bool(re.match(r"[\d,]+ in  ", line)) for line in result.stderr.splitlines()), 2)


class LogTest(unittest.TestCase):
    """What is told of a file that is not there, in a folder whose name is no UTF-8, by a name that speaks to terminals."""

    def said(self, log_format):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        here = pathlib.Path(folder.name) / os.fsdecode(b"d\xff\x9b31m")
        here.mkdir()
        (here / "flow.yaml").write_text(
            'flow: talks\nprocessors:\n  in: {type: FileSource, path: "gone\\x9b31m\\x1b[2J\\r{\\"level\\":1}/*.txt", '
            "to: log, drop: failure}\n  log: {type: Log, drop: success}\n")
        return subprocess.run([WEIR, "run", "flow.yaml", "--data", "data", "--listen", "none", "--until-idle",
                               "--log-format", log_format], cwd=here, capture_output=True, timeout=PATIENCE,
                              check=True).stderr

    def test_a_line_of_json_is_one_whatever_is_told_with_flow_processor_and_epoch(self):
        lines = [json.loads(line) for line in self.said("json").decode("utf-8", "strict").splitlines()]
        told = [line for line in lines if line.get("processor") == "in"]
        self.assertEqual({(line["flow"], line["level"]) for line in told}, {("talks", "warning")})
        self.assertIn('31m\x1b[2J {"level":1}', told[0]["message"])  # what a processor tells is one line
        self.assertTrue(all(isinstance(line["epoch"], int) for line in told))

    def test_what_is_told_gives_no_orders_to_a_terminal(self):
        said = self.said("text")
        self.assertIn(b"31m", said)
        for order in (b"\x1b", b"\x9b", b"\r"):
            self.assertNotIn(order, said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
