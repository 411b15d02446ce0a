#!/usr/bin/env python3
"""The group is told of an offset only once the lineage of all before it is on disk: while a Weir's disk is full its lane
goes on for a while and the group's offset stays, and after a kill -9 there is no message without its lineage. With a real
Kafka.

Usage: lane_lineage_disk_test.py BUILD. Needs root, to mount a small disk.
"""

import json
import re
import unittest

import failures
from failures import flow_runs
from small_disk import Disk

BUILD = None
PORT = None

FLOW = """
flow: share
scale_out: true
processors:
  in: {{type: KafkaSource, brokers: "{brokers}", topic: numbers, group: share, emit: chunk, to: out,
       options: {{session.timeout.ms: "1000", heartbeat.interval.ms: "200"}}}}
  out: {{type: KafkaSink, brokers: "{brokers}", topic: out, key: n, delivery: exactly_once, drop: failure}}
"""
PRODUCER = """
flow: produce
processors:
  numbers: {{type: GenerateFlowFile, rate: 20/s, content: '{{"n": $(seq)}}', to: topic}}
  topic: {{type: KafkaSink, brokers: "{brokers}", topic: numbers, key: n, linger: 0s, drop: failure}}
"""


class LaneLineageDisk(unittest.TestCase):
    def test_no_message_is_done_for_the_group_before_its_lineage_is_on_disk(self):
        broker = "kafka,num.partitions=1,group.min.session.timeout.ms=1000,group.initial.rebalance.delay.ms=0"
        servers = flow_runs.start_servers(BUILD, broker)
        if not servers:
            self.skipTest("a server cannot be had")
        self.addCleanup(servers.stop)
        disk = Disk(self)
        self.weir = flow_runs.Weir(BUILD)
        for name, text in (("share", FLOW), ("produce", PRODUCER)):
            (self.weir.folder / f"{name}.yaml").write_text(text.format(brokers=servers.where["kafka"]))
        load = self.weir.start(str(self.weir.folder / "produce.yaml"), "produce", {})

        life = self.start(disk)
        flow_runs.wait_for("commits", lambda: self.metric("kafka_lane_commits_total") > 1, life)
        disk.fill()
        flow_runs.wait_for("the disk to be full", lambda: "sources pause until there is room" in life.output(), life)
        commits, done = self.metric("kafka_lane_commits_total"), self.done()
        flow_runs.wait_for("the lane to go on all the same", lambda: self.done() >= done + 20, life)
        self.assertLessEqual(self.metric("kafka_lane_commits_total"), commits + 1)  # of what had become durable before
        life.kill()
        disk.empty()

        life = self.start(disk)
        self.assertEqual(load.stop(), 0)
        sent = lambda: failures.numbers_in_topic(self.weir, servers.where["kafka"], "numbers")
        count = len(sent())
        flow_runs.wait_for("all to be done", lambda: self.done() >= count, life)
        flow_runs.wait_for("all lineage", lambda: self.received() and max(self.received()) >= count - 1, life)
        self.assertEqual(sorted(set(range(count)) - self.received()), [], "without lineage")
        self.assertEqual(life.stop(), 0, life.output()[-3000:])
        arrived = failures.numbers_in_topic(self.weir, servers.where["kafka"], "out")
        failures.check_each_once(self, arrived, count)

    def start(self, disk):
        command = self.weir.command(str(self.weir.folder / "share.yaml"), "-", {}, "--listen", f"127.0.0.1:{PORT}")
        command[command.index("--data") + 1] = str(disk.path / "data")
        life = flow_runs.Run(command, str(self.weir.folder / "share.log"))
        flow_runs.wait_for("the lane", lambda: self.done() is not None, life)
        return life

    def metric(self, name):
        found = re.search(rf'^weir_processor_{name}\{{flow="share",processor="in"\}} (\S+)$', failures.get(PORT, "/metrics")[1], re.M)
        return float(found.group(1)) if found else 0

    def done(self):
        """The offset before which the lane has all done; None: it has not begun."""
        lanes = json.loads(failures.get(PORT, "/api/v1/flows/share/lanes")[1])["lanes"]
        return lanes[0]["offset"] if lanes else None

    def received(self):
        """Offsets of messages whose lineage begins with a RECEIVE."""
        answer = json.loads(failures.get(PORT, "/api/v1/provenance/events?processor=share/in&type=RECEIVE&limit=1000")[1])
        self.assertFalse(answer["limited"], "more events than the test looks at")
        offsets = set()
        for event in answer["events"]:
            where = re.search(r"offsets? (\d+)(?: to (\d+))?", event["details"])
            offsets.update(range(int(where[1]), int(where[2] or where[1]) + 1))
        return offsets


if __name__ == "__main__":
    BUILD = flow_runs.build_folder()
    PORT = flow_runs.free_port()
    unittest.main(verbosity=2)
