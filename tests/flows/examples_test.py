#!/usr/bin/env python3
"""The flows under examples/: `weir validate` takes each, and those with a folder `expected` make what it holds.

Usage: examples_test.py WEIR. An example is run to its end in a copy of its folder; each file of `expected` has to be
there then, with the same content.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
WEIR = None


class Examples(unittest.TestCase):
    def test_flows_are_valid(self):
        flows = sorted(EXAMPLES.rglob("*flow.yaml"))
        self.assertTrue(flows)
        for flow in flows:
            with self.subTest(flow=flow.relative_to(EXAMPLES)):
                result = subprocess.run([WEIR, "validate", flow.name], cwd=flow.parent, capture_output=True, text=True)
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_flows_make_what_is_expected(self):
        for expected in sorted(EXAMPLES.glob("*/expected")):
            with self.subTest(example=expected.parent.name), tempfile.TemporaryDirectory() as folder:
                place = pathlib.Path(folder, "example")
                shutil.copytree(expected.parent, place)
                result = subprocess.run(
                    [WEIR, "run", "flow.yaml", "--until-idle", "--listen", "none"],
                    cwd=place,
                    capture_output=True,
                    text=True,
                    timeout=60,
                )
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
                files = [file for file in sorted(expected.rglob("*")) if file.is_file()]
                self.assertTrue(files)
                for file in files:
                    made = place / file.relative_to(expected)
                    self.assertTrue(made.exists(), f"{made} was not made\n{result.stdout}{result.stderr}")
                    self.assertEqual(made.read_text(), file.read_text(), file.name)


if __name__ == "__main__":
    WEIR = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
