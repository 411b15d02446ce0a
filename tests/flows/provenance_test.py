#!/usr/bin/env python3
"""`weir provenance` as its users type it: search by processor, type, connection, attribute, transit URI and time, and
lineage through each kind of step, FlowFile by FlowFile. Usage: provenance_test.py WEIR.

FlowFile n of the source is reading n, so that each answer is known without asking.
"""

import datetime
import json
import unittest

from running_weir import WeirTest

FLOW = """\
flow: p
provenance: {index: [batch, name]}
processors:
  in:
    type: GenerateFlowFile
    count: 60
    content: '{"n": $(seq), "key": "k$(seq % 3)", "timestamp": $(1700000000 + seq)}'
    attributes: {batch: "b$(seq / 20)"}
    to: [even, kinds, mean, join]
  even: {type: Filter, where: n % 2 = 0, to: {matched: evens}, drop: [unmatched, failure]}
  evens: {type: FileSink, path: evens.txt, drop: failure}
  kinds: {type: Route, routes: {low: n < 10, high: n >= 50}, to: {low: lows, high: highs}, drop: [unmatched, failure]}
  lows: {type: Log, drop: success}
  highs: {type: Log, drop: success}
  mean: {type: WindowMean, key: key, value: n, window: 20s, to: {success: means}, drop: [late, failure]}
  means: {type: FileSink, path: means.txt, drop: failure}
  join: {type: MergeRecords, max_count: 8, format: array, to: {success: split}, drop: failure}
  split: {type: SplitJson, to: {split: parts}, drop: [original, failure]}
  parts: {type: FileSink, path: parts.txt, drop: failure}
"""
SOURCE = "p/in/success/"


class ProvenanceTest(WeirTest):
    def setUp(self):
        super().setUp()
        (self.folder / "op.yaml").write_text(FLOW)
        self.begin = datetime.datetime.now(datetime.timezone.utc)
        self.weir("run", "op.yaml", "--until-idle", "--listen", "none")

    def ask(self, verb, *arguments):
        """What is found, as JSON, and the summary, which is the last line."""
        lines = [json.loads(line) for line in self.weir("provenance", verb, *arguments, "--limit", "1000", "--json").splitlines()]
        self.assertEqual(lines[-1], {"found": len(lines) - 1, "limited": False, "removed_by_retention": False})
        return lines[:-1]

    def reached(self, verb, place, connection):
        """All sequences that left by a connection, in an answer."""
        return sorted(first + i for step in self.ask(verb, place) if step.get("out_connection") == connection
                      for first, count in step["outputs"] for i in range(count))

    def test_events_are_found_by_each_of_their_fields(self):
        everything = self.ask("events")
        for event in everything:
            self.assertIn(event["type"], ("CREATE", "ROUTE", "DROP", "SEND", "JOIN", "FORK", "CLONE", "CONTENT_MODIFIED"))
        self.assertEqual({e["processor"] for e in self.ask("events", "--processor", "p/evens")}, {"p/evens"})
        self.assertEqual({e["type"] for e in self.ask("events", "--type", "JOIN")}, {"JOIN"})
        by = self.ask("events", "--connection", "p/even/matched/evens")
        self.assertTrue(by)
        for event in by:
            self.assertIn("p/even/matched/evens", (event.get("in_connection"), event.get("out_connection")))
        sent = self.ask("events", "--transit", "means.txt")
        self.assertEqual({(e["type"], e["processor"]) for e in sent}, {("SEND", "p/means")})
        far = (self.begin + datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        before = (self.begin - datetime.timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.assertEqual(self.ask("events", "--from", far), [])
        self.assertEqual(self.ask("events", "--to", before), [])
        self.assertEqual(self.ask("events", "--from", before, "--to", far), everything)
        created = self.ask("events", "--attribute", "batch=b1", "--type", "CREATE")
        found = {e["outputs"][0] + i for e in created for i in range(e["outputs"][1])}
        self.assertLessEqual(set(range(20, 40)), found)
        self.assertEqual(self.ask("events", "--attribute", "batch=b7"), [])
        self.assertIn("`provenance: {index: [filename]}`",
                      self.weir("provenance", "events", "--attribute", "filename=x"))

    def test_what_came_from_a_file_is_found_by_its_name_though_no_index_was_asked_for(self):
        (self.folder / "in").mkdir()
        lines = {"a.txt": 7, "b.txt": 1, "c.txt": 30}
        for name, count in lines.items():
            (self.folder / "in" / name).write_text("x\n" * count)
        flow = """
          flow: {name}
          {more}
          processors:
            in: {{type: FileSource, path: in, emit: each, to: out, drop: failure}}
            out: {{type: FileSink, path: "{name}.txt", drop: failure}}
          """
        for name, more in (("files", ""), ("none", "provenance: {index: []}")):
            (self.folder / "files.yaml").write_text(flow.format(name=name, more=more))
            self.weir("run", "files.yaml", "--until-idle", "--listen", "none")
        first = 0
        for name, count in lines.items():  # in the order of their names
            events = self.ask("events", "--attribute", f"filename={name}", "--type", "RECEIVE")
            self.assertEqual({event["processor"] for event in events}, {"files/in"})
            covered = {event["outputs"][0] + i for event in events for i in range(event["outputs"][1])}
            self.assertLessEqual(set(range(first, first + count)), covered, name)
            first += count
        self.assertEqual(self.ask("events", "--attribute", "filename=d.txt"), [])

    def test_lineage_names_exactly_what_something_came_from_and_became(self):
        evens = [json.loads(line)["n"] for line in (self.folder / "evens.txt").read_text().splitlines()]
        self.assertEqual(evens, list(range(0, 60, 2)))
        for place, n in enumerate(evens):  # a filter
            self.assertEqual(self.reached("ancestors", f"p/even/matched/evens:{place}", SOURCE + "even"), [n])
        self.assertEqual(self.reached("descendants", SOURCE + "even:7", "p/even/matched/evens"), [])
        for n in range(60):  # a route
            for name, numbers in (("low", range(10)), ("high", range(50, 60))):
                self.assertEqual(
                    self.reached("descendants", f"{SOURCE}kinds:{n}", f"p/kinds/{name}/{name}s"),
                    [numbers.index(n)] if n in numbers else [])
        means = [json.loads(line) for line in (self.folder / "means.txt").read_text().splitlines()]
        self.assertEqual(sum(mean["count"] for mean in means), 60)
        for place, mean in enumerate(means):  # a window
            begin = int(datetime.datetime.fromisoformat(mean["window_start"]).timestamp()) - 1_700_000_000
            readings = [n for n in range(max(begin, 0), min(begin + 20, 60)) if f"k{n % 3}" == mean["key"]]
            self.assertEqual(self.reached("ancestors", f"p/mean/success/means:{place}", SOURCE + "mean"),
                             readings)
            for n in readings:
                self.assertEqual(self.reached("descendants", f"{SOURCE}mean:{n}", "p/mean/success/means"),
                                 [place])
        for part in range(60):  # a merge of eight, and a split of what was merged
            together = [n for n in range(60) if n // 8 == part // 8]
            self.assertEqual(self.reached("ancestors", f"p/split/split/parts:{part}", SOURCE + "join"),
                             together)
            self.assertEqual(self.reached("descendants", f"{SOURCE}join:{part}", "p/split/split/parts"),
                             together)


if __name__ == "__main__":
    unittest.main(verbosity=2)
