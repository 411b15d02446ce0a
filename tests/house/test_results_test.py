"""What scripts/test-results makes of ctest's output: nothing that went wrong may look well."""

import importlib.machinery
import importlib.util
import io
import sys
import tempfile
import unittest
from pathlib import Path


def load_script():
    sys.dont_write_bytecode = True  # no cache beside the script
    path = str(Path(__file__).resolve().parents[2] / "scripts/test-results")
    loader = importlib.machinery.SourceFileLoader("test_results", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("test_results", loader))
    loader.exec_module(module)
    return module


test_results = load_script()

PASSED = '<testcase name="ok" status="run"><system-out>fine, none SKIPPED</system-out></testcase>'
FAILED = '<testcase name="bad" status="fail"><failure message=""/><system-out>SKIPPED no broker</system-out></testcase>'
SKIPPED = '<testcase name="away" status="run"><system-out>1\nSKIPPED no broker\n</system-out></testcase>'
NOT_BUILT = '<testcase name="gone" status="notrun"><skipped message="Unable to find executable"/></testcase>'
RETURN_CODE = '<testcase name="rc" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/></testcase>'
EXPRESSION = '<testcase name="re" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/></testcase>'
DISABLED = '<testcase name="off" status="disabled"/>'


class Summary(unittest.TestCase):
    def summary(self, *cases, extra=()):
        """(exit status, lines) for one phase `release` with these test cases, and extra phases."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "results.xml")
            file.write_text(f"<testsuite>{''.join(cases)}</testsuite>", encoding="utf-8")
            out = io.StringIO()
            status = test_results.summary([("release", str(file)), *extra], out)
            return status, out.getvalue().splitlines()

    def test_the_last_line_is_the_total(self):
        status, lines = self.summary(PASSED, PASSED)
        self.assertEqual((status, lines[-1]), (0, "2 passed, 0 failed, 0 skipped"))

    def test_a_skipped_test_is_named_with_its_reason_and_is_no_failure(self):
        status, lines = self.summary(PASSED, SKIPPED)
        self.assertEqual((status, lines[-1]), (0, "1 passed, 0 failed, 1 skipped"))
        self.assertIn("release: away: SKIPPED no broker", lines)

    def test_a_failure_that_prints_skipped_is_a_failure(self):
        status, lines = self.summary(FAILED)
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))

    def test_a_test_that_was_not_built_is_a_failure(self):
        status, lines = self.summary(NOT_BUILT)
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))
        self.assertIn("release: gone: Unable to find executable", lines)

    def test_ways_of_ctest_to_skip(self):
        self.assertEqual(self.summary(RETURN_CODE, DISABLED)[1][-1], "0 passed, 0 failed, 2 skipped")
        self.assertEqual(self.summary(EXPRESSION)[0], 1)

    def test_a_build_that_fails_is_a_failure(self):
        status, lines = self.summary(PASSED, extra=[("asan", "build failed")])
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))

    def test_results_that_are_missing_empty_or_cut_off_are_failures(self):
        self.assertEqual(self.summary()[0], 1)
        self.assertEqual(self.summary(PASSED, extra=[("asan", "no/such/file")])[0], 1)
        self.assertEqual(self.summary(PASSED, "<cut")[0], 1)


class Targets(unittest.TestCase):
    def test_built_tests_name_their_executable_and_others_themselves(self):
        tests = {"tests": [
            {"name": "store_test", "command": ["/b/tests/store_test", "--x"]},
            {"name": "engine_test"},
        ]}
        self.assertEqual(test_results.targets("/b", tests), ["engine_test", "store_test"])

    def test_a_test_that_another_program_runs_has_no_target_and_is_refused(self):
        tests = {"tests": [{"name": "script", "command": ["/usr/bin/python3", "x.py", "/b/weir"]}]}
        with self.assertRaisesRegex(ValueError, "script is no executable of the build but run by /usr/bin/python3"):
            test_results.targets("/b", tests)


if __name__ == "__main__":
    unittest.main()
