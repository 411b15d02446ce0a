#!/usr/bin/env python3
"""What passes in lanes, and what failed there, is seen: of all lanes of a Weir together, and of one.

Usage: lane_tap_test.py BUILD. Real servers.
"""

import contextlib
import json
import subprocess
import threading
import unittest

import workers
from workers import Worker, flow_runs

BUILD = None
NUMBERS = 1000
LANES = ["readings/0", "readings/1"]
TAP = "/api/v1/connections/share/in/success/raw/tap"
LETTERS = "/api/v1/flows/share/dead-letters"

FLOW = """
flow: share
scale_out: true
records:
  reading: {{n: {{type: integer}}, k: {{type: text}}}}
processors:
  in: {{type: KafkaSource, brokers: "{brokers}", topic: readings, group: share, record: reading,
       options: {{session.timeout.ms: "1000", heartbeat.interval.ms: "200"}}, to: [check, raw]}}
  check: {{type: Filter, where: "n >= 0", to: {{failure: complaints}}, drop: [matched, unmatched]}}
  complaints: {{type: SqlSink, url: "{database}", password: secret, table: complaints, create: false, columns: {{k: k}},
                delivery: exactly_once, drop: failure}}
  raw: {{type: KafkaSink, brokers: "{brokers}", topic: raw, key: k, delivery: exactly_once, drop: failure}}
"""
PRODUCER = """
flow: produce
processors:
  numbers: {{type: GenerateFlowFile, count: {count}, content: '{{"n": {n}, "k": "k$(seq % 8)"}}', to: topic}}
  topic: {{type: KafkaSink, brokers: "{brokers}", topic: readings, key: k, drop: failure}}
"""


class Stream:
    """The samples of a tap, from the moment on at which it is open."""

    def __init__(self, worker, **query):
        self.answer = worker.open(TAP, rate=50, **query)
        self.samples = []
        line = self.answer.readline()
        assert line == b": tapping\n", line
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        with contextlib.suppress(OSError):  # the Weir has ended
            for line in self.answer:
                if line.startswith(b"data: "):
                    self.samples.append(json.loads(line.removeprefix(b"data: ")))

    def passed(self):
        return self.samples[-1]["passed"] if self.samples else 0

    def lanes(self):
        return sorted({sample["lane"] for sample in self.samples})


class LaneTap(unittest.TestCase):
    def setUp(self):
        broker = f"kafka,num.partitions={len(LANES)},group.min.session.timeout.ms=1000,group.initial.rebalance.delay.ms=0"
        self.servers = flow_runs.start_servers(BUILD, broker, "postgresql")
        if not self.servers:
            self.skipTest("a server cannot be had")
        self.addCleanup(self.servers.stop)
        self.brokers, self.database = self.servers.where["kafka"], self.servers.where["postgresql"]
        flow_runs.postgresql(self.database, "CREATE TABLE complaints (k text)")
        self.weir = flow_runs.Weir(BUILD)
        self.produced = 0
        (self.weir.folder / "share.yaml").write_text(FLOW.format(brokers=self.brokers, database=self.database))
        self.produce()
        self.worker = Worker(self.weir, "first")
        self.wait_for_lanes(self.worker, len(LANES))

    def produce(self, n="$(seq)", count=NUMBERS):
        self.produced += 1
        flow = self.weir.folder / f"produce-{self.produced}.yaml"
        flow.write_text(PRODUCER.format(brokers=self.brokers, count=count, n=n))
        self.weir.run(str(flow), flow.stem, {})

    def wait_for_lanes(self, worker, count):
        flow_runs.wait_for("its lanes", lambda: len(worker.list_lanes()) == count
                           and all(lane["ready"] and lane["offset"] is not None for lane in worker.list_lanes()), worker.run)

    def told(self, *verb):
        return subprocess.run([self.weir.program, *verb, "--url", self.worker.url],
                              capture_output=True, text=True, check=True).stdout

    def test_a_tap_shows_all_lanes_or_one_also_where_they_begin_anew(self):
        flow_runs.wait_for("what was there", lambda: self.worker.metric("weir_in_records_total", "raw") == NUMBERS)
        together = Stream(self.worker)
        ones = [Stream(self.worker, lane=lane) for lane in LANES]
        self.produce()
        flow_runs.wait_for("all", lambda: together.passed() == NUMBERS, self.worker.run)
        flow_runs.wait_for("each", lambda: sum(one.passed() for one in ones) == NUMBERS, self.worker.run)
        self.assertEqual(together.lanes(), LANES)
        self.assertEqual([one.lanes() for one in ones], [[lane] for lane in LANES])
        for sample in together.samples + ones[1].samples:
            self.assertEqual(sample["flowfile"], f"share@{sample['lane']}/in/success/raw:{sample['sequence']}")
            self.assertIn('"k"', sample["preview"]["text"])
        received = flow_runs.wait_for("its lineage", lambda: json.loads(self.worker.get(
            "/api/v1/provenance/flowfile", flowfile=ones[1].samples[0]["flowfile"]))["events_in"], self.worker.run)
        self.assertIn("readings/1, offset", received[0]["details"])

        # Its lanes go, and come back as others.
        second = Worker(self.weir, "second")
        for worker in (second, self.worker):
            self.wait_for_lanes(worker, 1)
        second.run.stop()
        self.wait_for_lanes(self.worker, len(LANES))
        for stream in (together, *ones):
            stream.samples.clear()

        def seen_again():
            self.produce()
            return together.lanes() == LANES and all(one.samples for one in ones)
        flow_runs.wait_for("lanes that have begun anew", seen_again, self.worker.run)
        self.assertGreater(together.passed(), NUMBERS, "it counts on")

        command = subprocess.Popen([self.weir.program, "tap", "share/in/success/raw", "--lane", "readings/1", "--limit", "3",
                                    "--url", self.worker.url], stdout=subprocess.PIPE, text=True)

        def told():
            self.produce()
            return command.poll() is not None
        flow_runs.wait_for("weir tap", told, self.worker.run)
        lines = [json.loads(line) for line in command.stdout]
        self.assertEqual([line["lane"] for line in lines], ["readings/1"] * 3)

        self.assertIn("does not run the lane 'readings/7'",
                      workers.refused(self, 404, self.worker.get, TAP, lane="readings/7"))
        self.assertIn("did you mean", workers.refused(self, 404, self.worker.get, TAP.replace("raw", "rwa")))

    def letters(self, **query):
        return json.loads(self.worker.get(LETTERS, **query))

    def test_what_failed_in_lanes_waits_there_while_its_sink_does_not_take_it(self):
        self.assertEqual(self.letters(), {"connections": [
            {"id": "share/check/failure/complaints", "queued": 0, "held": 0, "consumer": "complaints"}],
            "flowfiles": [], "more": False})
        self.servers.kill("postgresql")
        self.produce(n='"none"', count=40)
        flow_runs.wait_for("all", lambda: len(self.letters()["flowfiles"]) == 40, self.worker.run)
        letters = self.letters()
        self.assertEqual(letters["connections"][0]["queued"] + letters["connections"][0]["held"], 40)
        self.assertEqual(sorted({letter["lane"] for letter in letters["flowfiles"]}), LANES)
        ones = [self.letters(lane=lane) for lane in LANES]
        for lane, one in zip(LANES, ones):
            self.assertEqual({letter["lane"] for letter in one["flowfiles"]}, {lane})
            self.assertEqual(one["connections"][0]["queued"] + one["connections"][0]["held"], len(one["flowfiles"]))
        self.assertEqual(sum(len(one["flowfiles"]) for one in ones), 40)
        for letter in letters["flowfiles"]:
            self.assertEqual(letter["flowfile"], f"share@{letter['lane']}/check/failure/complaints:{letter['sequence']}")
            self.assertEqual(letter["error"]["processor"], "check")
            self.assertIn("n", letter["error"]["message"])
            self.assertEqual(letter["connection"], "share/check/failure/complaints")
            self.assertFalse(letter["redrivable"])
        few = self.letters(limit=3)
        self.assertEqual((len(few["flowfiles"]), few["more"]), (3, True))
        self.assertIn("does not run the lane 'readings/7'",
                      workers.refused(self, 404, self.worker.get, LETTERS, lane="readings/7"))
        told = self.told("dead-letters", "share", "--lane", "readings/0", "--limit", "100").splitlines()
        self.assertEqual(len(told), len(ones[0]["flowfiles"]))
        self.assertRegex(told[0], r"^share@readings/0/check/failure/complaints:\d+  check: ")
        self.assertIn("readings/1/check", self.told("dead-letters", "share", "--limit", "100"))

        self.servers.start("postgresql")
        flow_runs.wait_for("that they have gone on", lambda: self.letters()["flowfiles"] == [], self.worker.run)
        self.assertIn("nothing waits", self.told("dead-letters", "share"))
        self.assertEqual(flow_runs.postgresql(self.database, "SELECT count(*) FROM complaints"), [["40"]])


if __name__ == "__main__":
    BUILD = flow_runs.build_folder()
    unittest.main(verbosity=2)
