#!/usr/bin/env python3
"""What can be known of a flow before it runs, `weir validate` tells: all of it at once, each at its place, and what a
message says of one slip is not said again of what follows from it. Usage: validate_test.py WEIR.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

WEIR = pathlib.Path(sys.argv.pop(1)).resolve()
PATIENCE = 60

# A processor, and what is said of it. Each is right as far as its spec goes: the rest is its own to know.
SOURCES = {
    "FileSource {path: x, after: move}": "after: move needs move_to",
    "FileSource {path: x, move_to: y}": "move_to has no effect without after: move",
    "FileSource {path: x, tail: true, after: delete}": "cannot be combined with after: delete",
    "FileSource {path: x, tail: true, format: whole}": "tail: true needs format: lines or ndjson",
    "MqttSource {url: 'http://h', topic: a}": "unknown scheme",
    "MqttSource {url: 'h:1883', topic: a}": "expected mqtt://HOST:PORT",
    "MqttSource {url: 'mqtt://h:99999', topic: a}": "no valid port",
    "MqttSource {url: 'mqtt://me:hunter2@h', topic: a}": "by the properties 'user' and 'password'",
    "MqttSource {url: 'mqtt://h'}": "give a topic filter",
    "MqttSource {url: 'mqtt://h', topic: 'a/#/b'}": "'a/#/b' has levels after '#'",
    "MqttSource {url: 'mqtt://h', topics: [a, 'b+']}": "'b+' has a wildcard inside a level",
    "MqttSource {url: 'mqtt://h', topic: '$share/x'}": "$share/GROUP/FILTER",
    "MqttSource {url: 'mqtt://h', topic: a, tls: {}}": "tls: needs a url with mqtts://",
    "MqttSource {url: 'mqtts://h', topic: a, tls: {cert: c}}": "cert and key belong together",
    "MqttSource {url: 'mqtt://h', topic: a, session_expiry: 1d}": "session_expiry: needs version: 5",
    "MqttSource {url: 'mqtt://h', topic: a, will: {topic: 'b/+'}}": "will.topic: 'b/+'",
    "MqttSource {url: 'mqtt://h', topic: a, password: hunter2}": "MQTT 3.1.1 has none without a user",
    "GenerateFlowFile {content: a, size: 5B}": "exclude one another",
    "GenerateFlowFile {size: 5B, records_per_flowfile: 3}": "needs content or select",
}
OTHERS = {
    "MqttSink {url: 'mqtt://h', topic: a/+}": "topic: 'a/+'",
    "MqttSink {url: 'nowhere', topic: a}": "has no scheme",
    "MqttSink {url: 'mqtt://h', topic: a, expiry: 1h}": "need version: 5",
    "FileSink {path: x/}": "path must name a file",
    "FileSink {path: x, mode: file_each, roll_size: 1MiB}": "roll_size, roll_count and roll_age do not apply",
    "SqlSink {table: t}": "either `database` or `url`",
    "SqlSink {url: 'oracle://h', table: t}": "no database known here",
    "SqlSink {database: x.db, table: t, mode: upsert}": "mode: upsert needs `key`",
    "KafkaSink {brokers: 'h:9092', topic: t, acks: '1', delivery: exactly_once}": "acks: is 1, and `delivery:",
    "KafkaSink {brokers: 'h:9092', topic: t, options: {enable.idempotence: 'false'}}": "order depends on it being on",
    "KafkaSink {brokers: 'h:9092', topic: t, options: {max.in.flight: '6'}}": "`max.in.flight`",
    "KafkaSink {brokers: 'h:9092', topic: t, delivery: exactly_once, options: {message.timeout.ms: '90000'}}":
        "message.timeout.ms",
    "QualityCheck {}": "there is nothing to check",
    "QualityCheck {rules: {a: {range: [5, 1]}}}": "the lower one first",
    "QualityCheck {rules: {a: {pattern: '(['}}}": "pattern:",
    "QualityCheck {rules: {a: {spike: {}}}}": "spike needs",
    "Deduplicate {key: []}": "key is empty",
    "Deduplicate {key: [a], for: 0s}": "longer than nothing",
    "MergeRecords {max_count: 0, max_bytes: 0B, max_age: 0s}": "all unbounded",
    "MergeRecords {header: x}": "need format: as_is",
    "SplitJson {path: '$..x'}": "path '$..x', column",
    "Route {routes: {}}": "routes is empty",
    "UpdateRecord {}": "nothing to do",
    "UpdateAttributes {remove_matching: '(['}": "no regular expression",
    "Log {attributes: '(['}": "no regular expression",
}


def relationships():
    listed = subprocess.run([WEIR, "processors", "--json"], capture_output=True, text=True, check=True, timeout=PATIENCE)
    return {spec["type"]: [r["name"] for r in spec["relationships"]] for spec in json.loads(listed.stdout)}


class ValidateTest(unittest.TestCase):
    def validate(self, text):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "flow.yaml").write_text(text)
            result = subprocess.run([WEIR, "validate", "flow.yaml"], cwd=folder, capture_output=True, text=True,
                                    timeout=PATIENCE, check=False)
        return result.returncode, result.stderr

    def test_what_only_a_processor_knows_is_told_of_all_at_once(self):
        drops = relationships()
        lines = ["flow: wrong", "processors:"]
        places = {}
        for number, (processor, text) in enumerate([*SOURCES.items(), *OTHERS.items()]):
            kind, properties = processor.split(" ", 1)
            own = [properties[1:-1]] if properties != "{}" else []
            if drops[kind]:
                own.append(f"drop: [{', '.join(drops[kind])}]")
            places[len(lines) + 1] = (processor, text)
            lines.append(f"  p{number}: {{{', '.join([f'type: {kind}', *own])}}}")
        targets = ", ".join(f"p{number}" for number in range(len(SOURCES), len(SOURCES) + len(OTHERS)))
        lines.append(f"  feed: {{type: GenerateFlowFile, to: [{targets}]}}")
        status, said = self.validate("\n".join(lines) + "\n")
        self.assertEqual(status, 2)
        self.assertNotIn("hunter2", "\n".join(line for line in said.splitlines() if "error" in line))
        found = {}
        for line, message in re.findall(r"^flow\.yaml:(\d+):\d+: error: (.*)$", said, re.MULTILINE):
            found.setdefault(int(line), []).append(message)
        for line, (processor, text) in places.items():
            self.assertEqual(len(found.get(line, [])), 1, f"{processor}: {found.get(line)}")
            self.assertIn(text, found[line][0], processor)
        self.assertEqual(found.keys(), places.keys())
        self.assertIn(f"{len(places)} errors, 0 warnings", said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
