#!/usr/bin/env python3
"""What docker-compose.yml brings along: the dashboard and the alerts ask for metrics that there are."""

import json
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
METRIC = re.compile(r"\b((?:weir|process)_[a-z_]+)")


def documented():
    names = set()
    for name, kind in re.findall(r"^\| `((?:weir|process)_[a-z_]+)` \| (\w+) \|", (ROOT / "docs/metrics.md").read_text(), re.M):
        names |= {name + s for s in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
    return names


class Deploy(unittest.TestCase):
    def test_the_dashboard_asks_for_metrics_that_there_are(self):
        dashboard = json.loads((ROOT / "deploy/grafana/dashboards/weir.json").read_text())
        expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
        used = {name for expression in expressions for name in METRIC.findall(expression)}
        self.assertGreater(len(used), 10)
        self.assertEqual(used - documented(), set())
        self.assertEqual({t["datasource"]["uid"] for p in dashboard["panels"] for t in p["targets"]}, {"prometheus"})

    def test_the_alerts_ask_for_metrics_that_there_are(self):
        text = (ROOT / "deploy/prometheus-alerts.yml").read_text()
        used = {name for line in text.splitlines() if "expr:" in line for name in METRIC.findall(line)}
        self.assertGreater(len(used), 3)
        self.assertEqual(used - documented(), set())

    def test_images_are_pinned_and_every_service_has_a_profile(self):
        text = (ROOT / "docker-compose.yml").read_text()
        for image in re.findall(r"^    image: (\S+)$", text, re.M):
            self.assertRegex(image, r":\S*\d", image)
        services = text[text.index("\nservices:") : text.index("\nvolumes:")]
        for service in re.split(r"\n(?=  [a-z0-9-]+:\n)", services)[1:]:
            self.assertIn("    profiles: [", service, service.splitlines()[0])


if __name__ == "__main__":
    unittest.main(verbosity=2)
