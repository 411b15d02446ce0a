#!/usr/bin/env python3
"""Every FlowFile that passes a lane has its lineage: from a result back to the messages, by topic, partition and offset,
and forward; after kill -9; and where a lane moves, each Weir knows what it did.

Usage: lane_lineage_test.py BUILD. Real servers.
"""

import collections
import json
import re
import subprocess
import unittest

import workers
from workers import flow_runs

BUILD = None
PARTITIONS = 2
NUMBERS = 1000
SECRET = "secret"

FLOW = """
flow: share
scale_out: true
provenance: {{index: [kafka.offset, kafka.key]}}
processors:
  in: {{type: KafkaSource, brokers: "{brokers}", topic: readings, group: share,
       options: {{session.timeout.ms: "3000", heartbeat.interval.ms: "200"}}, to: [good, raw]}}
  good: {{type: Filter, where: "n % 10 <> 0", to: {{matched: count}}, drop: [unmatched, failure]}}
  count: {{type: WindowAggregate, key: k, time: "1700000000 + n", window: 10s,
           aggregates: {{readings: {{function: count}}}}, to: {{success: table}}, drop: [late, failure]}}
  table: {{type: SqlSink, url: "{database}", password: secret, table: counts, create: false,
           columns: {{k: k, readings: readings}}, delivery: exactly_once, drop: failure}}
  raw: {{type: KafkaSink, brokers: "{brokers}", topic: raw, key: k, delivery: exactly_once, drop: failure}}
"""
PRODUCER = """
flow: produce
processors:
  numbers: {{type: GenerateFlowFile, count: {count}, content: '{{"n": $(seq + {first}), "k": "k$((seq + {first}) % 8)"}}',
             to: topic}}
  topic: {{type: KafkaSink, brokers: "{brokers}", topic: readings, key: k, drop: failure}}
"""


def numbers_of(intervals):
    return [first + i for first, count in intervals for i in range(count)]


class Worker(workers.Worker):
    """And what it knows of what it did."""

    def events(self, processor, kind, **query):
        answer = json.loads(self.get("/api/v1/provenance/events", processor=processor, type=kind, limit=1000, **query))
        assert not answer["limited"], "more events than the test looks at"
        return answer["events"]

    def lineage(self, flowfile, direction):
        answer = json.loads(self.get("/api/v1/provenance/lineage", flowfile=flowfile, direction=direction, limit=2000))
        assert not answer["more"]
        return [node for node in answer["nodes"] if node["kind"] == "event"]

    def messages(self):
        """By partition and offset, the places at which messages left the source to `raw`, oldest first."""
        places = collections.defaultdict(list)
        for event in reversed(self.events("share/in", "RECEIVE")):
            if not event["out_connection"].endswith("/in/success/raw"):
                continue
            where = re.fullmatch(r"readings/(\d), offsets? (\d+)(?: to (\d+))?(, again for windows that were open)?", event["details"])
            partition, first, last = int(where[1]), int(where[2]), int(where[3] or where[2])
            assert event["out_connection"] == f"share@readings/{partition}/in/success/raw", event
            sequences = numbers_of([event["outputs"]])
            assert len(sequences) == last - first + 1, event
            for i, sequence in enumerate(sequences):
                places[partition, first + i].append(sequence)
        return places

    def ended(self, processor, kind):
        """By lane's partition, the sequences of what ended there, once for each time."""
        ended = collections.defaultdict(collections.Counter)
        for event in self.events(f"share/{processor}", kind):
            ended[int(event["in_connection"].split("/")[1])].update(numbers_of([event["inputs"]]))
        return ended


def ends_of(*workers):
    """By partition and offset, how messages ended at `raw`: sent, or dropped because the sink had them already."""
    ends = collections.defaultdict(list)
    for worker in workers:
        sent, dropped = worker.ended("raw", "SEND"), worker.ended("raw", "DROP")
        for at, places in worker.messages().items():
            for place in places:
                ends[at] += ["SEND"] * sent[at[0]][place] + ["DROP"] * dropped[at[0]][place]
    return dict(ends)


class LaneLineage(unittest.TestCase):
    def setUp(self):
        broker = f"kafka,num.partitions={PARTITIONS},group.min.session.timeout.ms=1000,group.initial.rebalance.delay.ms=0"
        servers = flow_runs.start_servers(BUILD, broker, "postgresql")
        if not servers:
            self.skipTest("a server cannot be had")
        self.addCleanup(servers.stop)
        self.servers = servers
        self.brokers, self.database = servers.where["kafka"], servers.where["postgresql"]
        flow_runs.postgresql(self.database, "CREATE TABLE counts (k text, readings bigint)", SECRET)
        self.weir = flow_runs.Weir(BUILD)
        self.count = 0
        (self.weir.folder / "share.yaml").write_text(FLOW.format(brokers=self.brokers, database=self.database))

    def produce(self):
        flow = self.weir.folder / f"produce-{self.count}.yaml"
        flow.write_text(PRODUCER.format(brokers=self.brokers, count=NUMBERS, first=self.count))
        self.weir.run(str(flow), flow.stem, {})
        self.count += NUMBERS

    def counted(self):
        """Readings of the windows that are in the table."""
        return int(flow_runs.postgresql(self.database, "SELECT coalesce(sum(readings), 0) FROM counts", SECRET)[0][0])

    def wait_until_all_is_out(self, *workers):
        """What was sent before a kill, and its lineage not on disk, is read again: and dropped, as the sink has it."""
        def all_is_out():
            ends = ends_of(*workers)
            return len(ends) == self.count and all(ends.values())
        flow_runs.wait_for("that all is out", all_is_out, workers[-1].run)
        ends = ends_of(*workers)
        self.assertEqual({at: kinds for at, kinds in ends.items() if kinds.count("SEND") > 1}, {}, "sent twice")
        return ends

    def results(self, worker):
        """The places of what went into the table, newest first."""
        for event in worker.events("share/table", "SEND"):
            for sequence in numbers_of([event["inputs"]]):
                yield f"{event['in_connection']}:{sequence}"

    def readings_behind(self, worker, result):
        """Partitions and offsets of the messages that a result came from."""
        found = set()
        for node in worker.lineage(result, "ancestors"):
            if node["type"] != "RECEIVE":
                continue
            self.assertEqual(node["processor"], node["out_connection"].split("/in/")[0] + "/in")
            partition = int(node["out_connection"].split("/")[1])
            found.update((partition, sequence) for sequence in numbers_of(node["outputs"]))
        return found

    def test_a_result_leads_to_its_messages_and_back_whatever_becomes_of_the_weir(self):
        self.produce()
        first = Worker(self.weir, "first")
        self.wait_until_all_is_out(first)
        self.assertEqual(first.lanes(), PARTITIONS)
        flow_runs.wait_for("the windows", lambda: self.counted() > 0.8 * NUMBERS, first.run)

        # Back: each reading that the table has counted is behind one of its rows, and no other.
        results = list(self.results(first))
        self.assertEqual({result.split("/count/")[0] for result in results}, {"share@readings/0", "share@readings/1"})
        readings = [reading for result in results for reading in self.readings_behind(first, result)]
        self.assertEqual(len(readings), len(set(readings)))
        self.assertEqual(len(readings), self.counted())

        # Forward: from a message, found by its offset, to the row and to the topic.
        lane, _, sequence = results[0].partition("/count/success/table:")
        partition = int(lane.partition("/")[2])
        received = next(node for node in first.lineage(results[0], "ancestors") if node["type"] == "RECEIVE")
        at = received["outputs"][0][0]
        message = f"{lane}/in/success/good:{at}"
        known = json.loads(first.get("/api/v1/provenance/flowfile", flowfile=message))
        offset = known["content"]["attributes"]["kafka.offset"]
        self.assertIn(f"readings/{partition}, offset", known["events_in"][0]["details"])
        found = first.events("share/in", "RECEIVE", attribute="kafka.offset", value=offset,
                             connection=f"{lane}/in/success/good")
        self.assertTrue(any(at in numbers_of([event["outputs"]]) for event in found), found)
        onward = first.lineage(message, "descendants")
        self.assertIn((f"{lane}/table", "SEND", [[int(sequence), 1]]),
                      [(node["processor"], node["type"], node["inputs"]) for node in onward])
        self.assertEqual(known["content"]["where"], "retained")
        self.assertEqual(json.loads(first.get("/api/v1/provenance/content", flowfile=message))["n"] % 10 > 0, True)
        self.assertFalse(known["replayable"])
        self.assertIn("Produce its message to the topic again",
                      workers.refused(self, 404, first.post, "/api/v1/provenance/replay", {"flowfile": message}))

        # A kill takes nothing of it, and what comes then has other names.
        before = first.lineage(results[0], "both"), onward
        first.run.kill()
        first = Worker(self.weir, "first")
        flow_runs.wait_for("the lanes", lambda: first.lanes() == PARTITIONS, first.run)
        self.assertEqual((first.lineage(results[0], "both"), first.lineage(message, "descendants")), before)
        self.produce()
        self.wait_until_all_is_out(first)
        flow_runs.wait_for("the windows", lambda: self.counted() > 0.8 * self.count, first.run)
        after = list(self.results(first))
        self.assertEqual(len(after), len(set(after)))
        counts = collections.Counter(
            reading for result in after for reading in self.readings_behind(first, result))
        self.assertEqual(max(counts.values()), 1)
        self.assertEqual(len(counts), self.counted())

        # A lane that moves: each Weir knows what it did.
        ended_here = ends_of(first)
        second = Worker(self.weir, "second")
        flow_runs.wait_for("that they share", lambda: second.lanes() == 1 and first.lanes() == 1, second.run)
        self.produce()
        self.wait_until_all_is_out(first, second)
        moved = ends_of(second)
        self.assertEqual(len({partition for partition, _ in moved}), 1)
        again = {at for at in moved if at in ended_here}
        self.assertTrue(again, "no window was open")
        self.assertEqual({end for at in again for end in moved[at]}, {"DROP"})
        self.assertEqual({end for at in set(moved) - again for end in moved[at]}, {"SEND"})
        self.assertEqual({at: ends for at, ends in ends_of(first).items() if at in ended_here}, ended_here)
        self.assertTrue(self.readings_behind(second, next(self.results(second))))
        for worker in (first, second):
            self.assertEqual(worker.run.stop(), 0, worker.run.output()[-3000:])
            told = subprocess.run([self.weir.program, "provenance", "events", "--data", worker.data, "--processor",
                                   "share/table", "--type", "SEND"], capture_output=True, text=True, check=True)
            self.assertIn("share@readings/", told.stdout)
            check = subprocess.run([self.weir.program, "check", worker.data], capture_output=True, text=True, check=False)
            self.assertEqual(check.returncode, 0, check.stdout + check.stderr)


    def test_an_operator_looks_into_a_lane_and_changes_nothing_there(self):
        self.produce()
        worker = Worker(self.weir, "first")
        self.wait_until_all_is_out(worker)
        self.assertEqual([lane["lane"] for lane in worker.list_lanes()], ["readings/0", "readings/1"])
        self.assertTrue(all(lane["ready"] for lane in worker.list_lanes()))
        self.servers.kill("postgresql")
        self.produce()
        queue = "/api/v1/connections/share/count/success/table/flowfiles"

        def waiting(lane):
            return [file for file in json.loads(worker.get(queue, lane=lane))["flowfiles"] if file["state"] != "active"]
        waits = flow_runs.wait_for("what waits", lambda: waiting("readings/0"), worker.run)
        self.assertRegex(waits[0]["flowfile"], r"^share@readings/0/count/success/table:\d+$")
        self.assertIn('"readings"', waits[0]["preview"]["text"])
        flow_runs.wait_for("why", lambda: "table" in worker.list_lanes()[0]["problem"], worker.run)
        told = self.told(worker, "queue", "share/count/success/table", "--lane", "readings/0", "--json")
        self.assertEqual(json.loads(told.splitlines()[0])["flowfile"], waits[0]["flowfile"])
        for path, query in ((queue, {}), ("/api/v1/flows/share/processors/count/state", {})):
            self.assertIn("Say which with lane=TOPIC/PARTITION; it has readings/0, readings/1",
                          workers.refused(self, 400, worker.get, path, **query))
        self.assertIn("does not run the lane 'readings/7'", workers.refused(self, 404, worker.get, queue, lane="readings/7"))
        for change in ("connections/share/count/success/table/drop", "connections/share/count/success/table/redrive",
                       "flows/share/processors/count/state/clear"):
            self.assertIn("share scales out", workers.refused(self, 409, worker.post, "/api/v1/" + change, {}))

        self.servers.start("postgresql")
        flow_runs.wait_for("the windows", lambda: self.counted() > 0.8 * self.count, worker.run)
        ends = flow_runs.wait_for("the offsets", lambda: [lane for lane in worker.list_lanes() if lane["ready"]]
                                  if sum(lane["offset"] for lane in worker.list_lanes()) == self.count else None, worker.run)
        for lane in ends:
            self.assertLess(lane["needed_from"], lane["offset"], "a window is open")
            self.assertIsNone(lane["reads_again_from"])
            state = json.loads(worker.get("/api/v1/flows/share/processors/count/state", lane=lane["lane"]))
            self.assertGreater(state["total"], 0)
        self.assertIn(f"{state['total']} entries", self.told(worker, "state", "share/count", "--lane", lane["lane"]))
        self.assertRegex(self.told(worker, "lanes", "share"), rf"readings/1 .* {lane['offset']} +{lane['needed_from']}")

    def told(self, worker, *verb):
        return subprocess.run([self.weir.program, *verb, "--url", worker.url],
                              capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    BUILD = flow_runs.build_folder()
    unittest.main(verbosity=2)
