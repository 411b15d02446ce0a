#!/usr/bin/env python3
"""docker-compose.yml and the Dockerfile are sound as far as that can be seen without a container engine, and the dashboard
and the alerts that come along ask for metrics that there are. Usage: deploy_test.py WEIR."""

import json
import pathlib
import os
import re
import subprocess
import sys
import tempfile
import unittest

try:
    import yaml
except ImportError:
    yaml = None

ROOT = pathlib.Path(__file__).resolve().parents[2]
WEIR = str(pathlib.Path(sys.argv.pop(1)).resolve())
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


# Of the Compose specification (compose-spec.io), what is used here: another key is a slip, or one to be added.
TOP = {"services", "volumes"}
SERVICE = {"build", "image", "profiles", "restart", "stop_grace_period", "healthcheck", "ports", "volumes", "command",
           "entrypoint", "environment", "depends_on"}
HEALTHCHECK = {"test", "interval", "timeout", "start_period", "retries", "disable"}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
INSTRUCTIONS = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "VOLUME", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}


def interpolated(text, chosen):
    """As Compose does it: the innermost first, so that one may stand in another."""
    def value(match):
        name, how, other = match.group(1), match.group(2), match.group(3) or ""
        if how == ":+":
            return other if chosen.get(name) else ""
        return chosen.get(name) or other
    while (inner := re.sub(r"\$\{([A-Z0-9_]+)(?:(:[-+])([^${}]*))?\}", value, text)) != text:
        text = inner
    return text.replace("$$", "$")


@unittest.skipIf(yaml is None, "python3-yaml is not installed")
class Compose(unittest.TestCase):
    def setUp(self):
        self.compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
        self.services = self.compose["services"]

    def test_it_has_the_keys_of_the_specification_only(self):
        self.assertEqual({key for key in self.compose if not key.startswith("x-")} - TOP, set())
        for name, service in self.services.items():
            with self.subTest(service=name):
                self.assertEqual(service.keys() - SERVICE, set())
                self.assertEqual(service.get("healthcheck", {}).keys() - HEALTHCHECK, set())
                self.assertIn("image", service)
                for text in self.texts(service):
                    self.assertEqual(re.findall(r"(?<!\$)\$(?![${])|\$\{(?![A-Z0-9_]+(:?[-?+][^}]*)?\})", text), [], text)

    def texts(self, node):
        if isinstance(node, str):
            yield node
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            yield from self.texts(child)

    def test_what_a_service_names_is_there_in_each_of_its_profiles(self):
        for name, service in self.services.items():
            with self.subTest(service=name):
                for other, how in service.get("depends_on", {}).items():
                    self.assertIn(how["condition"], CONDITIONS)
                    if how.get("required", True):
                        self.assertLessEqual(set(service["profiles"]), set(self.services[other]["profiles"]))
                    if how["condition"] == "service_healthy":
                        self.assertTrue(self.services[other]["healthcheck"].get("test"))
                for volume in service.get("volumes", []):
                    source = volume.split(":")[0]
                    self.assertTrue((ROOT / source).exists() if source.startswith(".") else source in self.compose["volumes"],
                                    volume)
                for port in service.get("ports", []):
                    self.assertRegex(port, r"^127\.0\.0\.1:\$\{[A-Z0-9_]+:-\d+\}:\d+$")
                if service["image"] == "weir":
                    for argument in service["command"]:
                        if argument.startswith("/opt/weir/"):
                            self.assertTrue((ROOT / argument.removeprefix("/opt/weir/")).exists(), argument)
        used = {v.split(":")[0] for s in self.services.values() for v in s.get("volumes", []) if v[0] not in "./"}
        self.assertEqual(used, self.compose["volumes"].keys())

    def test_weir_takes_the_flows_with_the_settings_that_a_service_gives(self):
        for name, service in self.services.items():
            if service["image"] != "weir":
                continue
            for chosen in ({}, {"HISTORY": "postgresql://weir@postgresql/lake"}):
                with self.subTest(service=name, chosen=chosen):
                    command = [interpolated(argument, chosen) for argument in service["command"]]
                    flows = [argument for argument in command[1:] if argument.endswith(".yaml")]
                    parameters = [p for at, p in enumerate(command) if "--param" in (p, command[at - 1])]
                    settings = {k: interpolated(str(v), chosen) for k, v in service["environment"].items()}
                    self.check_flows(flows, parameters, settings)

    def check_flows(self, flows, parameters, settings):
        image = dict(re.findall(r"^ENV (\w+)=(/opt/weir/\S+)$", (ROOT / "Dockerfile").read_text(), re.M))
        here = [text.replace("/opt/weir", str(ROOT)) for text in [*flows, *parameters]]
        with tempfile.TemporaryDirectory() as folder:
            result = subprocess.run(
                [WEIR, "validate", *here], capture_output=True, text=True, timeout=60, check=False, cwd=folder,
                env={k: v.replace("/opt/weir", str(ROOT)) for k, v in {**os.environ, **image, **settings}.items()})
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_the_profile_that_comes_up_by_itself_is_one(self):
        chosen = re.search(r"^COMPOSE_PROFILES=(\S+)$", (ROOT / ".env").read_text(), re.M).group(1)
        self.assertTrue(any(chosen in service["profiles"] for service in self.services.values()))


class Dockerfile(unittest.TestCase):
    def test_its_instructions_and_what_they_name_are_there(self):
        text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
        stages = set()
        for line in text.splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            instruction, rest = line.split(" ", 1)
            self.assertIn(instruction, INSTRUCTIONS)
            if instruction == "FROM":
                self.assertRegex(rest, r"^debian:12\.\d+-slim( AS (\w+))?$")
                stages.update(re.findall(r" AS (\w+)$", rest))
            elif instruction == "COPY" and rest.startswith("--from="):
                self.assertIn(rest.split()[0].removeprefix("--from="), stages)
            elif instruction == "COPY":
                for source in rest.split()[:-1]:
                    self.assertTrue((ROOT / source).exists(), line)
            elif "install --yes" in rest:
                groups = re.search(r"install --yes ([a-z ]+?) *(&&|$)", rest).group(1).split()
                subprocess.run([ROOT / "scripts/install", "--list", *groups], check=True, capture_output=True, timeout=60)


if __name__ == "__main__":
    if yaml is None:
        print("SKIPPED python3-yaml is not installed (scripts/install test)")
    unittest.main(verbosity=2)
