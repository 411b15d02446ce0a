#!/usr/bin/env python3
"""What an operator sees of a flow that scales out: its processors and queues, as those of all lanes of a Weir together,
and no count goes back where a lane ends.

Usage: lane_metrics_test.py BUILD.
"""

import json
import pathlib
import re
import sys
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "flows"))

import flow_runs  # noqa: E402  (found through the line above)

BUILD = None
PARTITIONS = 4
NUMBERS = 1000

FLOW = """
flow: share
scale_out: true
processors:
  in: {{type: KafkaSource, brokers: "{brokers}", topic: readings, group: share, emit: chunk, chunk_size: 4KiB,
       options: {{session.timeout.ms: "3000", heartbeat.interval.ms: "200"}}, to: [good, raw]}}
  good: {{type: Filter, where: "n % 10 <> 0", to: {{matched: mean}}, drop: [unmatched, failure]}}
  mean: {{type: WindowAggregate, key: k, time: "1700000000 + n", window: 10s,
          aggregates: {{readings: {{function: count}}}}, to: {{success: means}}, drop: [late, failure]}}
  means: {{type: KafkaSink, brokers: "{brokers}", topic: means, key: k, delivery: exactly_once, drop: failure}}
  raw: {{type: KafkaSink, brokers: "{brokers}", topic: raw, key: k, delivery: exactly_once, drop: failure}}
"""
CHECKED = """
flow: share
scale_out: true
processors:
  in: {{type: KafkaSource, brokers: "{brokers}", topic: readings, group: share, emit: chunk, chunk_size: 4KiB,
       options: {{session.timeout.ms: "3000", heartbeat.interval.ms: "200"}}, to: check}}
  check: {{type: QualityCheck, key: k, rules: {{n: {{range: [10, 1000000]}}}}, checks: {{tens: "n % 10 <> 0"}},
           to: {{pass: mean, fail: raw}}, drop: [suspect, failure]}}
  mean: {{type: WindowAggregate, key: k, time: "1700000000 + n", window: 1d,
          aggregates: {{readings: {{function: count}}}}, to: {{success: means}}, drop: [late, failure]}}
  means: {{type: KafkaSink, brokers: "{brokers}", topic: means, key: k, delivery: exactly_once, drop: failure}}
  raw: {{type: KafkaSink, brokers: "{brokers}", topic: raw, key: k, delivery: exactly_once, drop: failure}}
"""
PRODUCER = """
flow: produce
processors:
  numbers: {{type: GenerateFlowFile, count: {count}, content: '{{"n": $(seq + {first}), "k": "k$((seq + {first}) % 40)"}}',
             to: topic}}
  topic: {{type: KafkaSink, brokers: "{brokers}", topic: readings, key: k, drop: failure}}
"""


class Worker:
    def __init__(self, weir, name):
        self.port = flow_runs.free_port()
        self.run = weir.start(str(weir.folder / "share.yaml"), name, {}, "--listen", f"127.0.0.1:{self.port}")

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return answer.read().decode()

    def metric(self, name, processor, more=""):
        """0 if it is not there."""
        found = re.search(rf'^{name}\{{flow="share",processor="{processor}"{more}\}} (\S+)$', self.get("/metrics"), re.M)
        return float(found.group(1)) if found else 0

    def through(self, processor):
        return self.metric("weir_in_records_total", processor)

    def lanes(self):
        return self.metric("weir_processor_kafka_lanes", "in")


class LaneMetrics(unittest.TestCase):
    def begin(self, more="", flow=FLOW):
        servers = flow_runs.start_servers(
            BUILD, f"kafka,num.partitions={PARTITIONS},group.min.session.timeout.ms=1000,group.initial.rebalance.delay.ms=0{more}")
        if not servers:
            self.skipTest("the server cannot be had")
        self.addCleanup(servers.stop)
        self.brokers = servers.where["kafka"]
        self.weir = flow_runs.Weir(BUILD)
        self.count = 0
        (self.weir.folder / "share.yaml").write_text(flow.format(brokers=self.brokers))
        self.produce()

    def produce(self):
        flow = self.weir.folder / f"produce-{self.count}.yaml"
        flow.write_text(PRODUCER.format(brokers=self.brokers, count=NUMBERS, first=self.count))
        self.weir.run(str(flow), flow.stem, {})
        self.count += NUMBERS

    def test_brokers_that_keep_too_little_with_an_offset_are_an_error(self):
        self.begin(",offset.metadata.max.bytes=5")
        worker = Worker(self.weir, "first")
        flow_runs.wait_for("that it is told", lambda: "offset.metadata.max.bytes. Raise that" in worker.run.output(), worker.run)

    def test_all_lanes_are_seen_as_one_flow_and_no_count_goes_back(self):
        self.begin()
        first = Worker(self.weir, "first")
        flow_runs.wait_for("all", lambda: first.through("raw") == self.count and first.through("mean") == 0.9 * self.count, first.run)
        self.assertEqual(first.lanes(), PARTITIONS)
        self.assertEqual(first.metric("weir_out_records_total", "in", ',relationship="success"'), self.count)
        self.assertEqual(first.metric("weir_out_records_total", "good", ',relationship="unmatched"'), self.count / 10)
        self.assertEqual(first.metric("weir_processor_status", "raw", ',status="running"'), 1)
        flow_runs.wait_for("what the brokers have", lambda: first.metric("weir_processor_kafka_messages_total", "raw") == self.count)
        # The lane that is behind: the last numbers are in all of them, or nearly.
        watermark = first.metric("weir_processor_window_watermark_seconds", "mean") - 1_700_000_000
        self.assertGreater(watermark, 0.8 * self.count)
        self.assertLess(watermark, self.count)
        metrics = first.get("/metrics")
        self.assertIn('weir_queue_flowfiles{flow="share",from="in",relationship="success",to="raw"} 0', metrics)
        self.assertIn('weir_processor_info{flow="share",processor="raw",type="KafkaSink",role="sink"} 1', metrics)

        flow = json.loads(first.get("/api/v1/flows/share"))
        self.assertEqual([each["name"] for each in flow["processors"]], ["in", "good", "mean", "means", "raw"])
        chunks = flow["processors"][0]["out"]["success"]["flowfiles"]
        self.assertGreaterEqual(chunks, PARTITIONS)
        self.assertEqual([(each["next"], each["cursor"]) for each in flow["connections"] if each["from"] == "in"],
                         [(chunks, chunks)] * 2)
        self.assertEqual(len(flow["connections"]), 4)
        self.assertEqual({each["status"] for each in flow["processors"]}, {"running"})
        self.assertEqual([each["records_in"] for each in json.loads(first.get("/api/v1/flows"))], [self.count])
        raw = json.loads(first.get("/api/v1/flows/share/processors/raw"))
        self.assertEqual((raw["in"]["records"], raw["errors"], raw["metrics"]["kafka_messages"]), (self.count, 0, self.count))

        self.check_datasets(first)

        second = Worker(self.weir, "second")
        flow_runs.wait_for("that they share", lambda: second.lanes() > 0 and first.lanes() + second.lanes() == PARTITIONS, second.run)
        self.assertEqual(first.through("raw"), self.count, "lanes that have gone counted too")
        queue = json.loads(first.get("/api/v1/connections/share/in/success/raw"))
        self.assertGreaterEqual(queue["next"], chunks)
        self.assertEqual(first.metric("weir_processor_kafka_messages_total", "raw"), self.count)
        self.produce()
        flow_runs.wait_for("the others", lambda: first.through("raw") + second.through("raw") == self.count, second.run)
        self.assertGreater(second.through("raw"), 0)
        for worker in (first, second):
            self.assertEqual(worker.run.stop(), 0, worker.run.output()[-3000:])

    def test_quality_is_found_once_by_whoever_had_the_lane(self):
        self.begin(flow=CHECKED)
        first = Worker(self.weir, "first")
        judged = lambda *workers: [sum(each[what] for worker in workers
                                       for each in json.loads(worker.get("/api/v1/quality"))["processors"])
                                   for what in ("n", "fail")]
        bad = lambda: self.count / 10 + 9  # the tens, and what is below the range
        flow_runs.wait_for("all", lambda: judged(first) == [self.count, bad()], first.run)
        second = Worker(self.weir, "second")
        flow_runs.wait_for("that they share", lambda: second.lanes() > 0 and first.lanes() + second.lanes() == PARTITIONS,
                           second.run)
        # The windows that are open are built anew.
        flow_runs.wait_for("what is read again", lambda: second.through("check") > 0, second.run)
        self.produce()
        flow_runs.wait_for("the others", lambda: judged(first, second) == [self.count, bad()], second.run)
        self.assertGreater(first.through("check") + second.through("check"), self.count)
        keys = json.loads(second.get("/api/v1/quality"))["keys"]
        self.assertGreater(len(keys), 0)
        for worker in (first, second):
            self.assertEqual(worker.run.stop(), 0, worker.run.output()[-3000:])

    def check_datasets(self, worker):
        """The catalogue has what the lanes write, and sees what it is like."""
        datasets = lambda: json.loads(worker.get("/api/v1/datasets"))["datasets"]
        flow_runs.wait_for("what was written", lambda: {(each["id"], each["rows"]) for each in datasets()}
                           >= {("share/raw", self.count)}, worker.run)
        self.assertEqual({each["id"] for each in datasets()}, {"share/means", "share/raw"})
        raw = lambda: json.loads(worker.get("/api/v1/datasets/share/raw"))
        self.assertEqual([origin["processor"] for origin in raw()["origins"]], ["in"])
        self.produce()
        flow_runs.wait_for("what its records are like", lambda: {field["name"] for field in raw()["fields"]} == {"n", "k"},
                           worker.run)
        flow_runs.wait_for("the rest", lambda: worker.through("raw") == self.count, worker.run)


if __name__ == "__main__":
    BUILD = flow_runs.build_folder()
    unittest.main(verbosity=2)
