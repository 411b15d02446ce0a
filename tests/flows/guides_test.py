#!/usr/bin/env python3
"""Every flow that the guides show is one: `weir validate` takes it. Usage: guides_test.py WEIR.

A block of YAML that begins with `flow:` is a whole flow; others are parts, and are not checked. A block that follows
the line <!-- refused: TEXT --> has to be refused, with TEXT among the messages.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
WEIR = None
BLOCK = re.compile(r"(?:<!-- refused: (.*) -->\n)?```yaml\n(flow:.*?)```", re.S)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "flows").glob("*/README.md"))]


class Guides(unittest.TestCase):
    def test_flows_are_valid_or_refused_as_said(self):
        seen = 0
        for page in PAGES:
            for refused, flow in BLOCK.findall(page.read_text()):
                seen += 1
                with self.subTest(page=page.name, flow=flow[:60]), tempfile.TemporaryDirectory() as folder:
                    pathlib.Path(folder, "flow.yaml").write_text(flow)
                    pathlib.Path(folder, "sensors.csv").write_text("id,room\ns-1,hall\n")
                    result = subprocess.run(
                        [WEIR, "validate", "flow.yaml"], cwd=folder, capture_output=True, text=True, timeout=30
                    )
                    said = result.stdout + result.stderr
                    self.assertEqual(result.returncode, 2 if refused else 0, said)
                    self.assertIn(refused, said)
        self.assertGreater(seen, 5)

    def test_tests_of_flows_pass(self):
        tested = 0
        for page in PAGES:
            for refused, flow in BLOCK.findall(page.read_text()):
                if refused or "\ntests:" not in flow:
                    continue
                tested += 1
                with self.subTest(page=page.name, flow=flow[:60]), tempfile.TemporaryDirectory() as folder:
                    pathlib.Path(folder, "flow.yaml").write_text(flow)
                    result = subprocess.run(
                        [WEIR, "test", "flow.yaml"], cwd=folder, capture_output=True, text=True, timeout=60
                    )
                    self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertGreater(tested, 1)

    def test_links_lead_somewhere(self):
        for page in PAGES:
            for target in LINK.findall(page.read_text()):
                with self.subTest(page=page.name, link=target):
                    self.assertTrue((page.parent / target).exists())

    def test_example_plugin_in_the_guide_is_the_one_that_is_built(self):
        guide = (ROOT / "docs/plugins.md").read_text()
        for name in ("checksum.cpp", "CMakeLists.txt"):
            self.assertIn((ROOT / "examples/checksum" / name).read_text().strip(), guide, name)


if __name__ == "__main__":
    WEIR = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
