#!/usr/bin/env python3
"""An operator's verbs on a `weir run` of its own: status, stop, queue, tap, dead letters, redrive, tokens.

Usage: operator_test.py WEIR
"""

import json
import os
import re
import subprocess
import time
import unittest
import urllib.error
import urllib.request

from running_weir import PATIENCE, WEIR, WeirTest, eventually


FLOW = """\
flow: op
defaults: {failure: dead}
processors:
  make: {type: GenerateFlowFile, rate: 50/s, content: '{"n": $(seq)}', to: pick}
  pick: {type: Filter, where: "n % 2 = 0", to: {matched: keep}, drop: unmatched}
  keep: {type: FileSink, path: out.ndjson, drop: failure}
  dead: {type: FileSink, path: dead.ndjson, drop: failure}
"""


class OperatorTest(WeirTest):
    def setUp(self):
        super().setUp()
        (self.folder / "op.yaml").write_text(FLOW)
        self.start()

    def ask(self, verb, *arguments, **more):
        return self.weir(verb, *arguments, "--url", self.url, **more)

    def state(self, processor):
        flows = json.loads(self.ask("status", "--json"))["flows"]
        return next(p for p in flows[0]["processors"] if p["name"] == processor)["status"]

    def test_an_operator_sees_stops_looks_drops_and_starts(self):
        eventually(lambda: (self.folder / "out.ndjson").exists())
        self.assertRegex(self.ask("status"), r"op\n.*processor.*\n(.*\n)*\s+keep\s+running")
        self.assertIn("op/keep: stop", self.ask("stop", "op/keep"))
        eventually(lambda: self.state("keep") == "stopped")
        queue = "op/pick/matched/keep"
        eventually(lambda: len(self.ask("queue", queue, "--json").splitlines()) >= 5)
        first = json.loads(self.ask("queue", queue, "--json", "--limit", "1"))
        self.assertEqual(json.loads(first["preview"]["text"])["n"] % 2, 0)
        self.assertIn("nothing was dropped", self.ask("queue", queue, "--drop", answer="no\n", status=1))
        self.ask("stop", "op/pick")
        eventually(lambda: self.state("pick") == "stopped")
        self.assertRegex(self.ask("queue", queue, "--drop", answer="yes\n"), r"^\d+ dropped")
        self.assertIn("0 queued", self.ask("queue", queue))
        self.stop()
        self.start()
        self.assertEqual(self.state("keep"), "stopped")  # over a restart
        earlier = self.get("/bulletins?earlier=true")
        self.assertIn(("op", "keep", "stopped by 127.0.0.1"), [(b["flow"], b["processor"], b["message"]) for b in earlier])
        now = self.get("/bulletins")
        self.assertFalse({(b["time"], b["message"]) for b in earlier} & {(b["time"], b["message"]) for b in now})
        self.assertEqual(self.state("make"), "running")
        self.ask("start", "op")
        eventually(lambda: self.state("keep") == "running")

    def test_a_tap_shows_what_passes(self):
        lines = self.ask("tap", "op/make/success/pick", "--limit", "3", "--rate", "50").splitlines()
        self.assertEqual(len(lines), 3)
        self.assertIn("n", json.loads(json.loads(lines[0])["preview"]["text"]))

    def test_what_comes_from_data_says_nothing_to_the_terminal(self):
        self.stop()
        (self.folder / "op.yaml").write_text(FLOW.replace("'{\"n\": $(seq)}'", '"\\u009b2J\\x7f\\u0085{\\"n\\": $(seq)}"'))
        self.start()
        self.ask("stop", "op/pick")
        queue = "op/make/success/pick"
        eventually(lambda: len(self.ask("queue", queue, "--json").splitlines()) >= 2)
        lines = [self.ask("tap", queue, "--limit", "1"), self.ask("queue", queue, "--json", "--limit", "1")]
        for said in lines + [self.ask("queue", queue)]:
            self.assertFalse(set(said) & set("\u009b\x7f\u0085"), said)
            self.assertIn("2J", said)
        for line in lines:  # and nothing is lost of it
            self.assertTrue(json.loads(line)["preview"]["text"].startswith("\u009b2J\x7f\u0085{"))

    def test_what_does_not_exist_is_named(self):
        self.assertIn("did you mean", self.ask("stop", "op/kepe", status=1))
        self.assertIn("expected a connection", self.ask("queue", "op/keep", status=2))
        self.assertIn("no Weir answers at", self.weir("status", "--url", "http://127.0.0.1:1", status=1))
        self.assertIn("is no URL", self.weir("status", "--url", "ftp://x", status=2))
        for nowhere in ("http://127.0.0.1:99999", "http://127.0.0.1:80x", "http://", "http://:80"):
            self.assertIn("names no host, or no port", self.weir("status", "--url", nowhere, status=2))
        self.assertIn("did you mean", self.ask("tap", "op/make/success/pikc", status=1))
        self.assertIn("whole number up to 50", self.ask("tap", "op/make/success/pick", "--rate", "51", status=1))
        self.assertIn("expected a processor", self.ask("run-once", "op", status=2))

    def test_provenance_and_replay_are_answered_by_a_weir_that_runs_as_from_its_data(self):
        eventually(lambda: self.get("/connections/op/pick/matched/keep")["next"] > 3)
        self.ask("stop", "op/make")
        eventually(lambda: self.state("make") == "stopped")
        eventually(lambda: not any(c["queued"] for c in self.get("/flows/op")["connections"]))
        made = "op/make/success/pick:4"
        for question in (["events", "--type", "SEND", "--processor", "op/keep"], ["events", "--from", "2020-01-01"],
                         ["descendants", made], ["ancestors", "op/pick/matched/keep:1"], ["events", "--limit", "1"]):
            for form in ([], ["--json"]):
                there = eventually(lambda q=[*question, *form]: self.ask("provenance", *q))
                self.assertEqual(there, self.weir("provenance", *question, *form))
        self.assertIn("op/pick/matched/keep:2", self.ask("provenance", "descendants", made))
        for question, why in ((["events", "--type", "NO"], "expected CREATE"), (["ancestors", "x"], "names no FlowFile"),
                              (["events", "--data", "data"], "excludes")):
            self.assertIn(why, self.ask("provenance", *question, status=2))
        self.assertIn("--url the Weir that runs there", self.weir("replay", made, status=1))
        self.assertIn("names no FlowFile", self.ask("replay", "x", status=2))
        self.assertIn("there is no FlowFile", self.ask("replay", made + "00000", status=1))
        replayed = json.loads(self.ask("replay", made, "--json"))
        self.assertEqual((replayed["connection"], replayed["sequence"]), ("op/make/success/pick", 4))
        self.assertIn(f"{made} replayed as op/make/success/pick:{replayed['as']}", (self.folder / "log").read_text())
        eventually(lambda: "SEND" in self.ask("provenance", "descendants", f"op/make/success/pick:{replayed['as']}"))

    def test_bulletins_are_told_of_one_flow_or_of_all(self):
        self.stop()
        (self.folder / "other.yaml").write_text(FLOW.replace("flow: op", "flow: op2").replace("out.", "a.").replace("dead.", "b."))
        for question in ("", "&earlier=true"):  # the second time, what the first has told
            self.start("other.yaml")
            for flow in ("op", "op2"):
                self.ask("stop", f"{flow}/keep")
                eventually(lambda f=flow: any("stopped by" in b["message"] for b in self.get("/bulletins?limit=9&flow=" + f)))
                told = self.get(f"/bulletins?flow={flow}{question}")
                self.assertEqual({b["flow"] for b in told}, {flow})
                self.assertEqual(len(self.get(f"/bulletins?flow={flow}&limit=1{question}")), 1)
                self.ask("start", f"{flow}/keep")
            self.assertEqual(self.get("/bulletins?flow=o" + question), [])
            self.assertLessEqual({"op", "op2"}, {b["flow"] for b in self.get("/bulletins?limit=100" + question)})
            self.stop()

    def test_what_is_not_ready_stands_on_a_line_each(self):
        self.stop()
        flow = FLOW.replace("matched: keep", "matched: [keep, dead]").replace("out.ndjson", "/proc/no/a")
        (self.folder / "op.yaml").write_text(flow.replace("dead.ndjson", "/proc/no/b"))
        self.start("--data", "other")
        eventually(lambda: len(re.findall(r"(?m)^  op/(keep|dead): ", self.ask("status"))) == 2)

    def test_from_the_first_token_on_everybody_needs_one(self):
        viewer = self.weir("token", "add", "viv").strip()
        operator = self.weir("token", "add", "oscar", "--role", "operator").strip()
        self.assertRegex(self.weir("token", "list"), r"viv +viewer .*\noscar +operator ")
        eventually(lambda: subprocess.run([WEIR, "status", "--url", self.url], capture_output=True, check=False,
                                          timeout=PATIENCE).returncode == 1)
        self.assertIn("a token is needed", self.ask("status", status=1))
        self.assertIn("a token is needed", self.ask("tap", "op/make/success/pick", status=1))
        self.assertIn("a token is needed", self.ask("provenance", "events", status=1))
        self.assertIn("role operator", self.ask("replay", "op/make/success/pick:0", token=viewer, status=1))
        self.assertIn("op", self.ask("status", token=viewer))
        self.assertIn("role operator", self.ask("stop", "op/keep", token=viewer, status=1))
        self.ask("stop", "op/keep", token=operator)
        self.assertIn("stopped by oscar", (self.folder / "log").read_text())
        for secret in (viewer, operator):
            self.assertNotIn(secret, (self.folder / "log").read_text())
            self.assertNotIn(secret, (self.folder / "data" / "tokens.json").read_text())
        self.weir("token", "remove", "viv")
        eventually(lambda: subprocess.run([WEIR, "status", "--url", self.url, "--token", viewer], capture_output=True,
                                          check=False, timeout=PATIENCE).returncode == 1)
        self.weir("token", "remove", "viv", status=1)

    def test_beyond_this_machine_it_listens_with_tokens_only(self):
        self.stop()
        command = [WEIR, "run", "op.yaml", "--data", "other", "--listen", "0.0.0.0:0", "--for", "1s"]
        refused = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("weir token add NAME --role operator", refused.stderr)
        self.weir("token", "add", "oscar", "--role", "operator", "--data", "other")
        allowed = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual(allowed.returncode, 0, allowed.stderr)
        self.assertIn("listening on http://0.0.0.0:", allowed.stderr)

    def request(self, path, body=None, token=None, **headers):
        """The status, and the body as JSON, or as the text that it is."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            headers["Authorization"] = "Bearer " + token
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(self.url + path, data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                is_json = refused.headers.get_content_type() == "application/json"
                return refused.code, json.load(refused) if is_json else refused.read().decode()

    def test_who_changed_what_is_kept_also_where_it_was_refused(self):
        operator = self.weir("token", "add", "oscar", "--role", "operator").split()[0]
        viewer = self.weir("token", "add", "viv").split()[0]
        eventually(lambda: self.request("/api/v1/status")[0] == 401)
        self.ask("stop", "op/keep", token=operator)
        eventually(lambda: any(p["status"] == "stopped" for p in json.loads(
            self.ask("status", "--json", token=operator))["flows"][0]["processors"]))
        self.ask("run-once", "op/keep", token=operator)
        self.ask("stop", "op/none", token=operator, status=1)
        self.ask("stop", "op/make", token=viewer, status=1)
        self.ask("queue", "op/pick/matched/keep", "--drop", answer="no\n", token=operator, status=1)
        self.ask("apply", "op.yaml", "--dry-run", token=operator)
        self.assertEqual(self.request("/api/v1/flows/op/stop", b"{}")[0], 401)
        self.assertEqual(self.request("/api/v1/flows/op/stop", b"{}", operator, Content_Type="text/plain")[0], 415)
        self.assertEqual(self.request("/api/v1/nowhere", b"{}", operator)[0], 404)
        self.request("/api/v1/session", json.dumps({"token": operator}).encode())
        self.request("/api/v1/session", json.dumps({"token": "weir_guess"}).encode())
        entries = [json.loads(line) for line in self.ask("audit", "--json", token=operator).splitlines()]
        self.assertEqual([entry["id"] for entry in entries], sorted((e["id"] for e in entries), reverse=True))
        seen = {(e["who"], e["role"], e["action"], e["on"], e["outcome"], e["status"]) for e in entries}
        for expected in (("oscar", "operator", "stop", "op/keep", "done", 202),
                         ("oscar", "operator", "run-once", "op/keep", "done", 202),
                         ("oscar", "operator", "stop", "op/none", "refused", 404),
                         ("oscar", "operator", "drop", "op/pick/matched/keep", "asked", 200),
                         ("oscar", "operator", "apply", "op", "asked", 200),
                         ("viv", "viewer", "stop", "op/make", "refused", 403),
                         ("", "", "stop", "op", "refused", 401),
                         ("oscar", "operator", "stop", "op", "refused", 415),
                         ("oscar", "operator", "POST", "/api/v1/nowhere", "refused", 404),
                         ("", "", "session", "", "done", 200), ("", "", "session", "", "refused", 401)):
            self.assertIn(expected, seen)
        self.assertTrue(all(entry["from"] == "127.0.0.1" and entry["time"] for entry in entries))
        self.assertIn("did you mean", next(e["why"] for e in entries if e["on"] == "op/none"))
        # What a page of another site tries is refused before it comes to any page, and is written down as well.
        foreign = [self.request("/api/v1/flows/op/stop?x=1", b"{}", operator, Origin="http://evil.example"),
                   self.request("/api/v1/flows", None, operator, Host="rebound.example"),
                   self.request("/api/v1/flows/op/stop", b"{}", operator, Sec_Fetch_Site="cross-site")]
        self.assertEqual([status for status, _ in foreign], [403, 421, 403])
        tried = [json.loads(line) for line in self.ask("audit", "--json", "--limit", "3", token=operator).splitlines()]
        self.assertEqual([(e["who"], e["action"], e["on"], e["outcome"], e["status"]) for e in reversed(tried)],
                         [("", "POST", "/api/v1/flows/op/stop", "refused", 403),
                          ("", "GET", "/api/v1/flows", "refused", 421),
                          ("", "POST", "/api/v1/flows/op/stop", "refused", 403)])
        for said, entry in zip(("http://evil.example", "rebound.example", "cross-site"), reversed(tried)):
            self.assertIn(said, entry["why"])
        self.assertIn("refused: ", self.ask("audit", token=operator))
        self.assertEqual({e["who"] for e in map(json.loads, self.ask("audit", "--who", "viv", "--json",
                                                                     token=operator).splitlines())}, {"viv"})
        self.assertIn("and more", self.ask("audit", "--limit", "2", token=operator))
        self.assertIn("role operator", self.ask("audit", token=viewer, status=1))
        file = self.folder / "data" / "audit.ndjson"
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        for secret in (operator, viewer, "weir_guess"):
            self.assertNotIn(secret, file.read_text())
        # Strangers cannot push out what others did; and it is all there after a kill.
        for _ in range(60):
            self.request("/api/v1/flows/op/stop", b"{}")
        lines = file.read_text().splitlines()
        self.assertLess(len(lines), len(entries) + 45)
        self.process.kill()
        self.process.wait()
        with file.open("a") as torn:
            torn.write('{"id": 99999, "ti')
        self.start()
        again = [json.loads(line) for line in self.ask("audit", "--json", "--limit", "1000", token=operator).splitlines()]
        self.assertEqual([e["id"] for e in again], [json.loads(line)["id"] for line in reversed(lines)])
        self.ask("stop", "op/keep", token=operator)
        newest = json.loads(self.ask("audit", "--json", "--limit", "1", token=operator))
        self.assertEqual((newest["action"], newest["id"]), ("stop", again[0]["id"] + 1))

    def test_streams_end_when_the_first_token_is_made_and_when_theirs_is_taken_back(self):
        def stream(token=None):
            headers = {"Authorization": "Bearer " + token} if token else {}
            return urllib.request.urlopen(urllib.request.Request(self.url + "/api/v1/events", headers=headers),
                                          timeout=PATIENCE)

        with stream() as open_to_all:
            self.assertTrue(open_to_all.readline())
            operator = self.weir("token", "add", "oscar", "--role", "operator").split()[0]
            open_to_all.read()  # to its end
            with stream(operator) as known:
                self.assertTrue(known.readline())
                self.weir("token", "remove", "oscar")
                known.read()
        with self.assertRaises(urllib.error.HTTPError) as refused:
            stream()
        refused.exception.close()

    def test_state_is_shown_and_cleared(self):
        eventually(lambda: not self.ask("state", "op/make").startswith("0 entries"))
        entries = [json.loads(line) for line in self.ask("state", "op/make", "--json").splitlines()]
        self.assertTrue(all("key" in entry and "size" in entry for entry in entries))
        self.assertIn("first: its state is its own", self.ask("state", "op/make", "--clear", answer="yes\n", status=1))
        self.ask("stop", "op/make")
        eventually(lambda: self.state("make") == "stopped")
        self.assertIn("nothing was cleared", self.ask("state", "op/make", "--clear", answer="no\n", status=1))
        self.assertIn(f"{len(entries)} entries cleared", self.ask("state", "op/make", "--clear", answer="yes\n"))
        self.assertEqual(self.ask("state", "op/make"), "0 entries\n")
        self.assertIn("expected a processor", self.ask("state", "op", status=2))

    @unittest.skipIf(os.geteuid() != 0, "SKIPPED: only root makes tokens for another user")
    def test_what_root_makes_for_a_service_its_user_can_read(self):
        home = self.folder / "service"
        home.mkdir()
        os.chown(home, 65534, 65534)
        for _ in range(2):  # the folder is there the second time
            self.weir("token", "add", "oscar", "--data", "service/made/data")
            for made in ("service/made", "service/made/data", "service/made/data/tokens.json"):
                owner = (self.folder / made).stat()
                self.assertEqual((owner.st_uid, owner.st_gid), (65534, 65534), made)
        self.assertEqual((home / "made/data/tokens.json").stat().st_mode & 0o777, 0o600)
        self.weir("token", "remove", "oscar", "--data", "service/made/data")
        self.assertEqual((home / "made/data/tokens.json").stat().st_uid, 65534)

    def test_a_broken_list_of_tokens_lets_nobody_in_and_says_so_but_the_process_is_well(self):
        operator = self.weir("token", "add", "oscar", "--role", "operator").split()[0]
        eventually(lambda: self.request("/api/v1/status", token=operator)[0] == 200
                   and self.request("/api/v1/status")[0] == 401)
        file = self.folder / "data" / "tokens.json"
        good = file.read_text()
        file.write_text("broken")
        eventually(lambda: self.request("/api/v1/status", token=operator)[0] != 200)
        read_again = time.monotonic() + 1.5  # which it is each second
        while time.monotonic() < read_again:
            with urllib.request.urlopen(self.url + "/healthz", timeout=PATIENCE) as well:
                self.assertEqual(well.status, 200)
            self.assertIn(self.request("/api/v1/status", token=operator)[0], (401, 500))
        file.write_text(good)
        eventually(lambda: self.request("/api/v1/status", token=operator)[0] == 200)

    def test_a_token_has_a_name(self):
        for name in ("", "a\nb", "x" * 101):
            self.assertIn("a token has a name", self.weir("token", "add", name, status=2))

    def test_a_token_may_be_made_before_the_first_run(self):
        self.stop()
        self.weir("token", "add", "oscar", "--data", "fresh")
        self.start("--data", "fresh")
        self.assertEqual(self.request("/api/v1/status")[0], 401)

    def test_a_closed_network_without_tokens_may_read_only(self):
        self.stop()
        self.start("--data", "open", "--allow-unauthenticated-network", listen="0.0.0.0:0")
        self.url = self.url.replace("0.0.0.0", "127.0.0.1")
        self.assertEqual(self.request("/api/v1/status")[0], 200)
        self.assertEqual(self.request("/api/v1/flows/op/stop", b"{}")[0], 403)
        self.assertEqual(self.request("/api/v1/audit")[0], 403)

    def test_settings_are_shown_in_the_units_that_a_flow_file_has(self):
        _, processor = self.request("/api/v1/flows/op/processors/keep")
        durations = {name: value for name, value in processor["settings"].items()
                     if isinstance(value, str) and re.fullmatch(r"\d{6,}", value)}
        self.assertEqual(durations, {})

    def test_a_page_of_another_site_can_do_nothing(self):
        for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Content-Type": "text/plain"}):
            request = urllib.request.Request(self.url + "/api/v1/flows/op/stop", data=b"{}", method="POST",
                                             headers={"Content-Type": "application/json", **headers})
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, timeout=PATIENCE)
            self.assertIn(refused.exception.code, (403, 415, 421))
            refused.exception.close()
        self.assertEqual(self.state("keep"), "running")


if __name__ == "__main__":
    unittest.main()
