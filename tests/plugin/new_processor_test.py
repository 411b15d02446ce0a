#!/usr/bin/env python3
"""`weir new processor`: what it writes builds, passes its test and runs. Usage: new_processor_test.py BUILD."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
WEIR = BUILD / "weir"
PATIENCE = 300  # seconds; a bound, not a wait

FILES = ["CMakeLists.txt", "README.md", "UnitConverter.cpp", "flow.yaml", "unit_converter_test.cpp"]


class NewProcessorTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_(self, *command, status=0, cwd=None, env=None):
        result = subprocess.run([str(word) for word in command], cwd=cwd or self.folder, capture_output=True, text=True,
                                timeout=PATIENCE, check=False, env=env)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        return result.stdout + result.stderr

    def new(self, *arguments, status=0):
        return self.run_(WEIR, "new", "processor", *arguments, status=status)

    def build_and_test(self, package, build):
        self.run_("cmake", "-S", self.plugin, "-B", build, f"-DWeir_DIR={package}", *self.launcher())
        self.run_("cmake", "--build", build)
        self.assertIn("100% tests passed, 0 tests failed out of 1",
                      self.run_("ctest", "--test-dir", build, "--output-on-failure"))

    @staticmethod
    def launcher():
        ccache = shutil.which("ccache")
        return [f"-DCMAKE_CXX_COMPILER_LAUNCHER={ccache}"] if ccache else []

    def test_what_it_writes_builds_passes_its_test_and_runs(self):
        said = self.new("UnitConverter")
        self.plugin = self.folder / "unit_converter"
        self.assertEqual(sorted(os.listdir(self.plugin)), FILES)
        self.assertIn(f"cmake -B build -DWeir_DIR={BUILD}", said)
        for name in FILES:
            self.assertNotIn("@", (self.plugin / name).read_text(), name)

        plugins = self.plugin / "build/plugins"
        self.build_and_test(BUILD, self.plugin / "build")
        self.assertIn("Writes the number of the content's lines",
                      self.run_(WEIR, "processors", "UnitConverter", "--plugins", plugins))
        self.run_(WEIR, "validate", "flow.yaml", "--plugins", plugins, cwd=self.plugin)
        self.run_(WEIR, "run", "flow.yaml", "--plugins", plugins, "--until-idle", "--listen", "none", cwd=self.plugin)
        self.assertEqual((self.plugin / "out/2-lines.txt").read_text().count("another reading\n"), 3)

        self.run_("cmake", "--install", BUILD, "--prefix", self.folder / "prefix", "--component", "sdk")
        package = next((self.folder / "prefix").glob("lib*/**/WeirConfig.cmake")).parent
        self.build_and_test(package, self.folder / "installed")
        self.assertTrue((self.folder / "installed/plugins/unit_converter.so").is_file())

    def test_it_writes_over_nothing(self):
        place = self.folder / "mine"
        place.mkdir()
        (place / "notes.txt").write_text("kept")
        (place / "README.md").symlink_to("nowhere")
        said = self.new("UnitConverter", "--dir", "mine", status=2)
        self.assertIn("mine/README.md is there already, and nothing was written", said)
        self.assertEqual(sorted(os.listdir(place)), ["README.md", "notes.txt"])
        (place / "README.md").unlink()
        self.new("UnitConverter", "--dir", "mine")
        self.assertEqual(sorted(os.listdir(place)), sorted([*FILES, "notes.txt"]))
        self.assertIn("are there already", self.new("UnitConverter", "--dir", "mine", status=2))
        self.assertEqual((place / "notes.txt").read_text(), "kept")

    def test_a_name_that_cannot_be_is_refused_with_what_can(self):
        for name in ("unitConverter", "Unit_Converter", "Unit Converter", "../Unit", "Ünit", "2Units", "U", "",
                     "A" + "b" * 64):
            said = self.new(name, status=2)
            self.assertIn("it begins with a capital letter and has letters and digits only", said)
        self.assertIn("there is a processor type FileSink already", self.new("FileSink", status=2))
        self.assertEqual(os.listdir(self.folder), [])

    def test_words_of_the_name_are_told_apart(self):
        for name, folder in (("HttpLookup2", "http_lookup2"), ("HTTPLookup", "http_lookup"), ("Crc32Sum", "crc32_sum")):
            self.new(name)
            self.assertTrue((self.folder / folder / f"{name}.cpp").is_file(), os.listdir(self.folder))
            shutil.rmtree(self.folder / folder)

    def test_a_folder_that_cannot_be_written_is_an_error(self):
        (self.folder / "file").write_text("")
        self.assertIn("file/sub cannot be made", self.new("UnitConverter", "--dir", "file/sub", status=1))


if __name__ == "__main__":
    unittest.main(verbosity=2)
