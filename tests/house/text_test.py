"""What text.py refuses, and what it leaves alone."""

import subprocess
import tempfile
import unittest
from pathlib import Path

import text


class Text(unittest.TestCase):
    def violations(self, name, content, root="/checkouts/weir"):
        return list(text.violations_in(Path(name), content, text.machine_paths(root)))

    def test_paths_of_the_checkout_and_its_folder_are_refused(self):
        for path in ("/checkouts/weir/core", "/checkouts/other/file", "see /checkouts/weir."):
            with self.subTest(path):
                self.assertIn("a path of this machine", self.violations("README.md", path)[0])

    def test_home_directories_are_refused(self):
        for path in ("/ho" "me/ann/weir", "/Us" "ers/Ann/weir"):
            with self.subTest(path):
                self.assertIn("a path of this machine", self.violations("README.md", path)[0])

    def test_other_paths_pass(self):
        for path in ("/var/lib/weir", "/usr/lib", "a/checkouts/b", "./checkouts/b", "/checkoutsandmore/b", "$X/checkouts/b"):
            with self.subTest(path):
                self.assertEqual(self.violations("README.md", path), [])

    def test_a_checkout_in_a_shared_place_forbids_nothing_that_the_project_says(self):
        self.assertEqual(self.violations("Dockerfile", "VOLUME /var/lib/weir\nWORKDIR /opt/weir", root="/opt/weir"), [])

    def test_trailing_whitespace_is_refused_in_sources(self):
        for name in ("core/a.cpp", "core/CMakeLists.txt", "scripts/test", "Makefile", "flows/f/flow.yaml"):
            with self.subTest(name):
                self.assertEqual(self.violations(name, "a\nb \n"), [f"{name}:2: trailing whitespace"])

    def test_trailing_whitespace_is_left_alone_in_data(self):
        for name in ("tests/flows/bad.yaml", "README.md", "flows/f/readings.ndjson"):
            with self.subTest(name):
                self.assertEqual(self.violations(name, "a \n"), [])

    def test_tabs_are_refused_in_cpp_only(self):
        self.assertIn("a tab", self.violations("core/a.h", "\tint a;\n")[0])
        self.assertEqual(self.violations("Makefile", "all:\n\ttrue\n"), [])

    def test_binary_and_ignored_files_are_not_read(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["git", "init", "-q", folder], check=True)
            Path(folder, ".gitignore").write_text("/build/\n")
            Path(folder, "build").mkdir()
            Path(folder, "build/a.cpp").write_text("\t\n")
            Path(folder, "logo").write_bytes(b"\0 \n")
            Path(folder, "new.cpp").write_text("int a; \n")
            self.assertEqual(text.check(folder), ["new.cpp:1: trailing whitespace"])


if __name__ == "__main__":
    unittest.main()
