#!/usr/bin/env python3
"""A changed flow is shown, applied, refused and rolled back while Weir runs: by command, over HTTP and by SIGHUP.

Usage: apply_test.py WEIR
"""

import json
import os
import signal
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

from running_weir import PATIENCE, WEIR, WeirTest, eventually

KILLS = int(os.environ.get("KILLS", "4"))

MAKE = "  make: {type: GenerateFlowFile, rate: 2000/s, batch: 20, content: '{\"n\": $(seq)}', to: tag}\n"
HEAD = "flow: lake\ndefaults: {failure: dead}\nprocessors:\n" + MAKE
DEAD = "  dead: {type: FileSink, path: dead.ndjson, drop: failure}\n"
KEEP = "  keep: {type: FileSink, path: out.ndjson, delivery: exactly_once, drop: failure}\n"


def version(tag, extra):
    """A flow whose setting is `tag`, with another processor in the way if `extra`."""
    flow = HEAD + f"  tag: {{type: UpdateRecord, set: {{tag: {tag}}}, to: {'more' if extra else 'keep'}}}\n"
    if extra:
        flow += "  more: {type: UpdateRecord, set: {more: 1}, to: keep}\n"
    return flow + KEEP + DEAD


class ApplyTest(WeirTest):
    def setUp(self):
        super().setUp()
        self.flows = self.folder / "flows"
        self.flows.mkdir()
        self.file = self.flows / "lake.yaml"
        self.file.write_text(version(1, False))
        self.file.chmod(0o640)
        self.run_flow()

    def run_flow(self):
        self.start(flow="flows")
        eventually(lambda: self.get("/status")["ready"])

    def post(self, path, body, status=200):
        request = urllib.request.Request(self.url + "/api/v1" + path, json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                found, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            found, text = error.code, error.read()
        self.assertEqual(found, status, text)
        return json.loads(text)

    def base(self):
        return self.get("/flows/lake/source")["hash"]

    def apply(self, text, status=200, **more):
        return self.post("/flows/lake/apply", {"text": text, "base": self.base(), **more}, status)

    def ask(self, *arguments, status=0):
        return self.weir(*arguments, "--url", self.url, status=status)

    def processors(self):
        return [p["name"] for p in self.get("/flows/lake")["processors"]]

    def queued(self):
        return sum(c["queued"] + c["held"] for c in self.get("/flows/lake")["connections"])

    def numbers(self):
        return [json.loads(line)["n"] for line in (self.folder / "out.ndjson").read_text().splitlines()]

    def test_the_command_shows_what_changes_and_applies_it(self):
        changed = self.folder / "changed.yaml"
        changed.write_text(version(2, True))
        shown = self.ask("apply", "changed.yaml", "--dry-run")
        self.assertIn("~ processor tag  (is started anew)", shown)
        self.assertIn("set.tag: 1 -> 2", shown)
        self.assertIn("+ processor more", shown)
        self.assertIn("- connection lake/tag/success/keep", shown)
        self.assertIn("+ connection lake/more/success/keep", shown)
        self.assertEqual(self.file.read_text(), version(1, False))
        self.assertIn("--yes applies it", self.ask("apply", "changed.yaml", status=2))
        self.assertIn("applied; flows/lake.yaml has it", self.ask("apply", "changed.yaml", "--yes"))
        self.assertEqual(self.file.read_text(), version(2, True))
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o640)
        self.assertEqual([p.name for p in self.flows.iterdir()], ["lake.yaml"])
        self.assertIn("more", self.processors())
        self.assertIn("this is what runs", self.ask("apply", "changed.yaml", "--yes"))
        eventually(lambda: '"more"' in (self.folder / "out.ndjson").read_text())
        self.stop()
        self.run_flow()
        self.assertIn("more", self.processors())  # over a restart

    def test_what_is_wrong_is_told_at_once_and_changes_nothing(self):
        wrong = version(1, False).replace("path: out.ndjson", "pth: out.ndjson").replace("tag: 1", "tag: 1 +")
        (self.folder / "wrong.yaml").write_text(wrong)
        said = self.ask("apply", "wrong.yaml", "--yes", status=2)
        self.assertRegex(said, r"wrong\.yaml:\d+:\d+: error: .*pth")
        answer = self.apply(wrong, 422)
        self.assertFalse(answer["ok"])
        self.assertIsNone(answer["difference"])
        places = {(p["line"], p["severity"]) for p in answer["problems"]}
        self.assertGreaterEqual(len(places), 2)
        self.assertTrue(all(p["column"] > 0 and p["message"] for p in answer["problems"]))
        checked = self.post("/flows/lake/validate", {"text": wrong})
        self.assertEqual(checked["problems"], answer["problems"])
        self.assertTrue(self.post("/flows/lake/validate", {"text": version(3, False)})["ok"])
        other = self.post("/flows/lake/validate", {"text": version(1, False).replace("flow: lake", "flow: sea")})
        self.assertIn("is to take the place of 'lake'", other["problems"][0]["message"])
        self.post("/flows/sea/validate", {"text": wrong}, 404)
        self.post("/flows/lake/apply", {"text": wrong}, 400)
        self.post("/flows/lake/apply", {"text": wrong, "base": "x", "force": True}, 400)
        (self.folder / "other.yaml").write_text("flow: sea\n")
        self.assertIn("there is no flow 'sea'", self.ask("apply", "other.yaml", status=1))
        self.assertEqual(self.file.read_text(), version(1, False))

    def test_one_operator_does_not_overwrite_another(self):
        base = self.base()
        first = self.post("/flows/lake/apply", {"text": version(2, False), "base": base})
        self.assertEqual(first["outcome"], "applied")
        self.assertEqual(first["difference"]["restarts"], ["tag"])
        again = self.post("/flows/lake/apply", {"text": version(2, False), "base": base})
        self.assertEqual(again["outcome"], "unchanged")  # who did not hear the answer may ask again
        late = self.post("/flows/lake/apply", {"text": version(3, False), "base": base}, 412)
        self.assertEqual(late["hash"], first["hash"])
        self.file.write_text(version(4, False))  # somebody edits the file itself
        refused = self.apply(version(5, False), 409)
        self.assertIn("has been changed since it was read", refused["error"])
        self.assertFalse(self.get("/flows/lake/source")["writable"])
        self.assertEqual(self.file.read_text(), version(4, False))

    def test_a_flow_that_does_not_start_is_rolled_back(self):
        eventually(lambda: len(self.numbers()) > 0)
        # An address that this machine does not have (RFC 5737): only the start finds out.
        web = version(2, True) + "  web: {type: HttpListen, listen: '203.0.113.1:8088', auth: {bearer: x}, to: tag}\n"
        answer = self.apply(web, 409)
        self.assertEqual(answer["outcome"], "rolled_back")
        self.assertIn("lake/web: ", answer["error"])
        self.assertEqual(self.file.read_text(), version(1, False))
        self.assertEqual(self.processors(), ["make", "tag", "keep", "dead"])
        self.assertIn("not applied, and what ran before runs on", self.log())
        before = len(self.numbers())
        eventually(lambda: len(self.numbers()) > before)
        self.assertEqual(self.apply(version(2, True))["outcome"], "applied")

    def test_sighup_applies_the_files_and_flows_come_and_go_with_them(self):
        self.file.write_text(version(7, True))
        (self.flows / "pond.yaml").write_text(
            "flow: pond\nprocessors:\n  drops: {type: GenerateFlowFile, rate: 10/s, content: x, to: end}\n"
            "  end: {type: Discard}\n")
        self.process.send_signal(signal.SIGHUP)
        eventually(lambda: [f["name"] for f in self.get("/flows")] == ["lake", "pond"])
        self.assertIn("more", self.processors())
        self.assertIn("applied by SIGHUP: lake: ", self.log())
        self.file.write_text(version("1 +", True))
        self.process.send_signal(signal.SIGHUP)
        eventually(lambda: "read again and not applied, what ran runs on: 1 error" in self.log())
        self.assertIn("lake.yaml:", self.log())
        self.file.write_text(version(8, False))
        (self.flows / "pond.yaml").unlink()
        self.process.send_signal(signal.SIGHUP)
        eventually(lambda: [f["name"] for f in self.get("/flows")] == ["lake"] and "more" not in self.processors())
        self.process.send_signal(signal.SIGHUP)
        eventually(lambda: "read again: nothing has changed" in self.log())

    def test_under_load_and_killed_nothing_is_lost_and_nothing_is_twice(self):
        for round_ in range(KILLS + 1):
            for change in range(4):
                answer = self.apply(version(10 * round_ + change, change % 2 == 0))
                self.assertEqual(answer["outcome"], "applied")
            if round_ == KILLS:
                break
            text = version(10 * round_ + 9, True)
            request = subprocess.Popen(
                [sys.executable, "-c",
                 "import sys, urllib.request as u\n"
                 "u.urlopen(u.Request(sys.argv[1], sys.argv[2].encode(), {'Content-Type': 'application/json'}))",
                 self.url + "/api/v1/flows/lake/apply", json.dumps({"text": text, "base": self.base()})],
                stderr=subprocess.DEVNULL)
            try:
                request.wait(0.1 + 0.05 * round_)  # somewhere in the middle of it, or just behind
            except subprocess.TimeoutExpired:
                pass
            self.stop(signal.SIGKILL)
            request.wait(PATIENCE)
            self.assertIn(self.file.read_text(), [text, version(10 * round_ + 3, False)])  # the one or the other, whole
            self.run_flow()
        # What waits in connections that are gone flows on with the version that has them.
        self.post("/flows/lake/processors/make/stop", {}, 202)
        for extra in (True, False):
            self.apply(version(1000, extra))
            eventually(lambda: self.queued() == 0)
        self.assertEqual(self.get("/status")["connections_without_a_flow"], [])
        made = self.get("/connections/lake/make/success/tag")["next"]
        self.stop()
        self.assertGreater(made, 200 * KILLS)
        numbers = self.numbers()
        self.assertEqual(len(numbers), len(set(numbers)))
        self.assertEqual(sorted(numbers), list(range(made)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
