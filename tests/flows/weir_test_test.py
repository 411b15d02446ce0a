#!/usr/bin/env python3
"""`weir test` as its users run it: the ready flows pass; what is wrong fails, at its line, with the reason."""

import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

WEIR = sys.argv.pop(1)

FLOW = """\
flow: rooms
records:
  reading:
    room: {type: text}
    timestamp: {type: time, format: unix_ms, required: true}
    value: {type: number}
processors:
  readings: {type: FileSource, path: nothing-here.ndjson, record: reading, to: warm, drop: failure}
  warm: {type: Filter, where: value > 20, to: {matched: means}, drop: [unmatched, failure]}
  means:
    type: WindowMean
    key: room
    time: timestamp
    value: value
    window: 1h
    to: {success: out}
    drop: [late, failure]
  out: {type: FileSink, path: never-written.ndjson, to: {failure: refused}}
  refused: {type: Log, to: end}
  end: {type: Discard}
"""

GOOD = """\
tests:
  - name: an hour passes
    now: 2024-05-01T12:00:00Z
    given:
      - from: readings
        each: true
        records:
          - {room: hall, timestamp: 1714564800000, value: 21}
          - {room: hall, timestamp: 1714564801000, value: 19}
      - {from: readings, at: 2h, records: [{room: hall, timestamp: 1714572000000, value: 23}]}
    expect:
      - {from: warm/unmatched, records: [{room: hall, timestamp: 1714564801000, value: 19}]}
      - {from: means, partly: true, records: [{mean: 21, count: 1}, {mean: 23, count: 1}]}
  - name: what the sink refuses goes on
    given: [{from: means, records: [{mean: 1}]}]
    answers: {out: [{when: {mean: 1}, to: failure, set: {why: full}}]}
    expect: [{to: refused, records: [{mean: 1, why: full}]}]
"""


class WeirTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weir-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_tests(self, tests, *options, beside=False):
        (self.folder / "rooms.yaml").write_text(FLOW + ("" if beside else tests))
        if beside:
            (self.folder / "rooms.tests.yaml").write_text(tests)
        return subprocess.run(
            [WEIR, "test", "rooms.yaml", *options], cwd=self.folder, capture_output=True, text=True, timeout=120
        )

    def test_hours_pass_in_an_instant_and_nothing_outside_is_touched(self):
        started = time.monotonic()
        result = self.run_tests(GOOD)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("2 passed, 0 failed", result.stdout)
        self.assertIn("note: no test has anything pass by warm/failure, means/late, means/failure", result.stdout)
        self.assertLess(time.monotonic() - started, 30)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["rooms.yaml"])

    def test_tests_may_stand_beside_the_flow(self):
        self.assertIn("2 passed, 0 failed", self.run_tests(GOOD, beside=True).stdout)

    def test_a_failure_points_at_the_line_and_says_the_difference(self):
        result = self.run_tests(GOOD.replace("mean: 23", "mean: 24"), "--junit", "report.xml")
        self.assertEqual(result.returncode, 1)
        line = (FLOW + GOOD).splitlines().index(
            "      - {from: means, partly: true, records: [{mean: 21, count: 1}, {mean: 23, count: 1}]}"
        )
        self.assertRegex(result.stdout, rf"rooms\.yaml:{line + 1}:\d+: means/success: record 2 is not there")
        self.assertIn("mean: expected 24, found 23", result.stdout)
        self.assertIn("1 passed, 1 failed", result.stdout)
        cases = xml.etree.ElementTree.parse(self.folder / "report.xml").findall(".//testcase")
        self.assertEqual([len(case.findall("failure")) for case in cases], [1, 0])

    def test_only_picks_tests_and_none_is_no_success(self):
        self.assertIn("1 passed, 0 failed", self.run_tests(GOOD, "--only", "refuses").stdout)
        none = self.run_tests(GOOD, "--only", "nobody")
        self.assertEqual(none.returncode, 2)
        self.assertIn("no test with 'nobody' in its name", none.stderr)
        self.assertEqual(self.run_tests("").returncode, 2)

    def test_a_name_that_does_not_exist_is_said_with_the_nearest(self):
        result = self.run_tests(GOOD.replace("from: warm/unmatched", "from: warm/unmached"))
        self.assertEqual(result.returncode, 2)
        self.assertIn("'warm' has no relationship 'unmached'", result.stderr)
        self.assertIn("did you mean 'unmatched'?", result.stderr)
        result = self.run_tests(GOOD.replace("to: refused", "to: refuses"), beside=True)
        self.assertIn("rooms.tests.yaml:", result.stderr)
        self.assertIn("there is no processor 'refuses'", result.stderr)

    def test_an_error_bulletin_that_nobody_expects_fails_the_test(self):
        tests = """\
tests:
  - name: refused
    given: [{from: readings, content: garbage}]
    expect: [{from: warm/failure, flowfiles: 1}]
    bulletins: [this never appears]
"""
        result = self.run_tests(tests)
        self.assertEqual(result.returncode, 1)
        self.assertIn("no bulletin has 'this never appears' in it", result.stdout)

    def test_a_flow_that_never_rests_fails_in_time_and_says_what_it_keeps(self):
        loop = FLOW.replace("refused: {type: Log, to: end}", "refused: {type: Log, to: [end, refused]}")
        (self.folder / "rooms.yaml").write_text(loop + GOOD)
        result = subprocess.run(
            [WEIR, "test", "rooms.yaml", "--timeout", "2s", "--only", "refuses"],
            cwd=self.folder, capture_output=True, text=True, timeout=60,
        )
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertIn("did not come to rest", result.stdout)

    def test_the_ready_flows_pass_their_tests(self):
        root = pathlib.Path(__file__).resolve().parents[2]
        tested = sorted(path.with_name(path.name.replace(".tests", "")) for path in root.glob("flows/*/*.tests.yaml"))
        self.assertTrue(tested)
        result = subprocess.run([WEIR, "test", *tested], cwd=root, capture_output=True, text=True, timeout=120)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIsNone(re.search(r"\b0 passed", result.stdout))


if __name__ == "__main__":
    unittest.main(verbosity=2)
