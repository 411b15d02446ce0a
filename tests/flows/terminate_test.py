#!/usr/bin/env python3
"""A processor hangs, in each call that it can: an operator terminates it and starts it again, others' work goes on, and
nothing is lost or there twice; a Weir that is told to end ends, says which processor hangs, and goes on at the next start.

Usage: terminate_test.py WEIR PLUGINS
"""

import json
import pathlib
import signal
import sys
import time
import unittest
import urllib.error
import urllib.request

from running_weir import PATIENCE, WeirTest, eventually

PLUGINS = str(pathlib.Path(sys.argv.pop(1)).resolve())
CALLS = ("step", "start", "flush", "stop")
ENDS_WITHIN = 28  # seconds: service managers kill after 30

FLOW = """\
flow: op
processors:
  make: {type: GenerateFlowFile, rate: 200/s, content: '{"n": $(seq)}', to: hang}
  hang: {type: Hang, file: stuck, in: CALL, to: keep}
  keep: {type: FileSink, path: out.ndjson, delivery: exactly_once, drop: failure}
  beside: {type: GenerateFlowFile, rate: 200/s, content: '{"n": $(seq)}', to: kept}
  kept: {type: FileSink, path: beside.ndjson, drop: failure}
"""


class TerminateTest(WeirTest):
    def run_weir(self, call="step"):
        (self.folder / "op.yaml").write_text(FLOW.replace("CALL", call))
        self.start("--plugins", PLUGINS)

    def begin_anew(self, name):
        self.stop()
        self.folder = self.folder.parent / name if self.folder.name in CALLS else self.folder / name
        self.folder.mkdir()

    def ask(self, verb, *arguments, **more):
        return self.weir(verb, *arguments, "--url", self.url, **more)

    def processor(self, name="hang"):
        return self.get(f"/flows/op/processors/{name}")

    def hang(self):
        """Begins to, and is seen to."""
        (self.folder / "stuck").touch()

    def come_back(self):
        (self.folder / "stuck").unlink()

    def hangs(self, call):
        eventually(lambda: f"hangs in {call}" in self.log(), f"that it hangs in {call}")

    def lines(self, file="out.ndjson"):
        path = self.folder / file
        return path.read_text().splitlines() if path.exists() else []

    def flows_on(self, file="out.ndjson"):
        before = len(self.lines(file))
        eventually(lambda: len(self.lines(file)) > before + 20, f"that {file} grows")

    def post(self, path, token=None):
        headers = {"Content-Type": "application/json", **({"Authorization": "Bearer " + token} if token else {})}
        request = urllib.request.Request(self.url + "/api/v1" + path, data=b"{}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)

    def each_once(self):
        """Stops what makes more, and waits until all is out: each number once, in order."""
        self.ask("stop", "op/make")
        eventually(lambda: self.processor("make")["status"] == "stopped")
        eventually(lambda: not any(c["queued"] + c["held"] for c in self.get("/flows/op")["connections"]
                                   if not c["id"].startswith("op/beside/")))
        numbers = [json.loads(line)["n"] for line in self.lines()]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        return len(numbers)

    def test_terminated_in_a_step_it_goes_on_with_another_and_what_it_did_does_not_count(self):
        self.run_weir()
        self.flows_on()
        self.assertIn("stop op/hang first", self.ask("terminate", "op/hang", status=1))
        self.assertIn("expected a processor", self.ask("terminate", "op", status=2))
        self.hang()
        self.hangs("step")
        self.assertEqual(self.ask("stop", "op/hang"), "op/hang: stopping\n")
        self.flows_on("beside.ndjson")
        self.assertEqual(self.processor()["status"], "stopping")
        self.assertEqual(self.ask("terminate", "op/hang"), "op/hang: stopped\n")
        self.assertIn("nothing to terminate", self.ask("terminate", "op/hang", status=1))
        stopped = self.processor()
        self.assertEqual((stopped["status"], stopped["stopped_by"]["who"], stopped["threads_left"], stopped["active"]),
                         ("stopped", "127.0.0.1", 1, 0))
        metrics = urllib.request.urlopen(self.url + "/metrics", timeout=PATIENCE).read().decode()
        self.assertIn('weir_processor_threads_left{flow="op",processor="hang"} 1\n', metrics)
        self.ask("start", "op/hang")  # the file is still there: so hangs the next, too
        eventually(lambda: self.log().count("hangs in step") == 2)
        self.ask("stop", "op/hang")
        self.ask("terminate", "op/hang")
        self.assertEqual(self.processor()["threads_left"], 2)
        self.come_back()
        eventually(lambda: self.processor()["threads_left"] == 0)
        self.assertIn("has come back after", self.log())
        self.assertNotIn("hangs no more", self.log())
        self.ask("start", "op/hang")
        self.flows_on()
        count = self.each_once()
        self.assertEqual(self.get("/flows/op/processors/hang/state")["entries"][0]["value"]["text"], str(count))

    def test_terminated_in_other_calls(self):
        for call in CALLS[1:]:
            with self.subTest(call):
                self.begin_anew(call)
                if call != "start":
                    self.run_weir(call)
                    self.flows_on()
                self.hang()
                if call == "start":
                    self.run_weir(call)
                if call != "stop":
                    self.hangs(call)
                self.ask("stop", "op/hang")
                self.hangs(call)
                self.assertEqual(self.ask("terminate", "op/hang"), "op/hang: stopped\n")
                eventually(lambda: self.processor("kept")["status"] == "running")
                self.flows_on("beside.ndjson")
                self.come_back()
                self.ask("start", "op/hang")
                self.flows_on()
                eventually(lambda: self.processor()["threads_left"] == 0)
                self.each_once()
                self.stop()
                self.assertEqual(self.process.returncode, 0)

    def test_after_a_kill_it_is_still_stopped_and_nothing_is_lost(self):
        self.run_weir()
        self.flows_on()
        self.hang()
        self.hangs("step")
        self.ask("stop", "op/hang")
        self.ask("terminate", "op/hang")
        epoch = self.get("/status")["epochs"]["last"]
        eventually(lambda: self.get("/status")["epochs"]["last"] > epoch)
        self.stop(signal.SIGKILL)
        self.start("--plugins", PLUGINS)
        self.assertEqual((self.processor()["status"], self.processor()["stopped_by"]["who"]), ("stopped", "127.0.0.1"))
        self.assertEqual(self.processor()["threads_left"], 0)
        self.come_back()
        self.ask("start", "op/hang")
        self.flows_on()
        self.each_once()

    def test_a_weir_ends_with_a_thread_still_away(self):
        self.run_weir()
        self.flows_on()
        self.hang()
        self.hangs("step")
        self.ask("stop", "op/hang")
        self.ask("terminate", "op/hang")
        begin = time.monotonic()
        self.stop()
        self.assertLess(time.monotonic() - begin, 5)
        self.assertEqual(self.process.returncode, 0, self.log())
        self.assertIn("op/hang was terminated and has not come back: the process ends without it", self.log())
        self.come_back()
        self.start("--plugins", PLUGINS)
        self.ask("start", "op/hang")
        self.flows_on()
        self.each_once()

    def test_a_weir_ends_whatever_hangs_and_says_what(self):
        for call in CALLS:
            with self.subTest(call):
                self.begin_anew(call)
                if call != "start":
                    self.run_weir(call)
                    self.flows_on()
                self.hang()
                if call == "start":
                    self.run_weir(call)
                if call != "stop":
                    self.hangs(call)
                begin = time.monotonic()
                self.stop()
                self.assertLess(time.monotonic() - begin, ENDS_WITHIN)
                self.assertEqual(self.process.returncode, 1, self.log())
                self.assertRegex(self.log(), "error ends without op/hang, not having returned from a call")
                self.come_back()
                self.run_weir(call)
                self.flows_on()
                self.each_once()
                self.stop()
                self.assertEqual(self.process.returncode, 0)

    def test_it_takes_an_operator_and_is_in_the_audit(self):
        operator = self.weir("token", "add", "oscar", "--role", "operator").split()[0]
        viewer = self.weir("token", "add", "viv").split()[0]
        self.run_weir()
        path = "/flows/op/processors/hang/"
        self.hang()
        self.hangs("step")
        self.assertEqual(self.post(path + "terminate")[0], 401)
        self.assertEqual(self.post(path + "terminate", viewer)[0], 403)
        self.assertEqual(self.post(path + "terminate", operator),
                         (409, {"error": "stop op/hang first: it can be terminated if it does not come to an end then"}))
        self.assertEqual(self.post(path + "stop", operator)[0], 202)
        self.assertEqual(self.post(path + "terminate", operator),
                         (202, {"flow": "op", "processors": [{"name": "hang", "status": "stopped"}]}))
        self.assertEqual(self.post("/flows/op/processors/hnag/terminate", operator)[0], 404)
        self.assertEqual(self.post("/flows/op/terminate", operator)[0], 404)
        entries = [json.loads(line) for line in self.ask("audit", "--json", token=operator).splitlines()]
        seen = [(e["who"], e["action"], e["on"], e["outcome"], e["status"]) for e in reversed(entries)]
        for expected in (("", "terminate", "op/hang", "refused", 401), ("viv", "terminate", "op/hang", "refused", 403),
                         ("oscar", "terminate", "op/hang", "refused", 409),
                         ("oscar", "terminate", "op/hang", "done", 202)):
            self.assertIn(expected, seen)
        told = [b["message"] for b in json.loads(self.ask("status", "--json", token=operator)).get("bulletins", [])]
        self.assertIn("terminated by oscar", "|".join(told) + self.log())
        self.come_back()


if __name__ == "__main__":
    unittest.main()
