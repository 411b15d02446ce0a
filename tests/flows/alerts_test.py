#!/usr/bin/env python3
"""Prometheus's own promtool tries each rule of deploy/prometheus-alerts.yml (alerts.test.yml), and reads what a real Weir
shows. Usage: alerts_test.py WEIR."""

import pathlib
import re
import subprocess
import sys
import unittest
import urllib.request

from running_weir import PATIENCE, WeirTest

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus-alerts.yml"
TESTS = ROOT / "tests/flows/alerts.test.yml"
PROMTOOL = None


class Alerts(WeirTest):
    def promtool(self, *arguments, given=""):
        result = subprocess.run([PROMTOOL, *map(str, arguments)], input=given, capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout + result.stderr

    def test_each_rule_fires_when_it_should_and_only_then(self):
        self.promtool("check", "rules", RULES)
        self.promtool("test", "rules", TESTS)
        rules = set(re.findall(r"- alert: (\w+)", RULES.read_text()))
        self.assertEqual(rules, set(re.findall(r"alertname: (\w+)", TESTS.read_text())), "a rule that is not tried")
        # And the tests can fail.
        changed = self.folder / "prometheus-alerts.yml"
        changed.write_text(RULES.read_text().replace("weir_queue_oldest_age_seconds > 900", "weir_queue_oldest_age_seconds > 10"))
        (self.folder / "tests.yml").write_text(TESTS.read_text().replace("../../deploy/", ""))
        with self.assertRaises(AssertionError):
            self.promtool("test", "rules", self.folder / "tests.yml")

    def test_what_a_weir_shows_is_as_prometheus_has_it(self):
        (self.folder / "op.yaml").write_text("""
          flow: f
          processors:
            in: {type: GenerateFlowFile, rate: 100/s, content: '{"n": $(seq)}', to: check}
            check: {type: QualityCheck, key: "1", checks: {even: n % 2 = 0}, to: {pass: out, suspect: out, fail: out}, drop: failure}
            out: {type: FileSink, path: out.txt, drop: failure}
          """)
        self.start()
        with urllib.request.urlopen(self.url + "/metrics", timeout=PATIENCE) as answer:
            self.assertEqual(self.promtool("check", "metrics", given=answer.read().decode()), "")


if __name__ == "__main__":
    prepared = subprocess.run([ROOT / "tests/servers/prometheus/prepare"], capture_output=True, text=True)
    PROMTOOL = prepared.stdout.strip()
    if prepared.returncode != 0:
        print("SKIPPED", prepared.stderr.strip().splitlines()[-1])
        sys.exit(0)
    unittest.main(verbosity=2)
