#!/usr/bin/env python3
"""A Weir whose lane has a processor that does not return from a call ends when it is told to, within bounds and saying
which; the next one loses nothing. With a real Kafka.

Usage: lane_hang_test.py BUILD. The processor that hangs is the tests' own (tests/flows/plugins/hang.cpp).
"""

import pathlib
import time
import unittest

import failures
from failures import flow_runs

BUILD = None
NUMBERS = 500
LANES = 3
ENDS_WITHIN = 28  # seconds: service managers kill after 30

FLOW = """
flow: hung
scale_out: true
processors:
  in: {{type: KafkaSource, brokers: "{brokers}", topic: hung-in, group: hung,
       options: {{session.timeout.ms: "6000", heartbeat.interval.ms: "500"}}, to: hang}}
  hang: {{type: Hang, file: "{stuck}", in: step, to: out}}
  out: {{type: KafkaSink, brokers: "{brokers}", topic: hung-out, key: n, delivery: exactly_once, drop: failure}}
"""
PRODUCER = """
flow: produce
processors:
  numbers: {{type: GenerateFlowFile, count: {count}, content: '{{"n": $(seq)}}', to: topic}}
  topic: {{type: KafkaSink, brokers: "{brokers}", topic: hung-in, key: n, drop: failure}}
"""


class LaneHang(unittest.TestCase):
    def test_a_weir_ends_with_a_lane_that_hangs(self):
        servers = flow_runs.start_servers(BUILD, f"kafka,num.partitions={LANES},group.initial.rebalance.delay.ms=0")
        if not servers:
            self.skipTest("a server cannot be had")
        self.addCleanup(servers.stop)
        brokers = servers.where["kafka"]
        weir = flow_runs.Weir(BUILD)
        stuck = weir.folder / "stuck"
        for name, text in (("hung", FLOW), ("produce", PRODUCER)):
            (weir.folder / f"{name}.yaml").write_text(text.format(brokers=brokers, stuck=stuck, count=NUMBERS))
        weir.run(str(weir.folder / "produce.yaml"), "produce", {})
        hung = (str(weir.folder / "hung.yaml"), "hung", {}, "--plugins", str(pathlib.Path(BUILD) / "tests/hang"))
        stuck.touch()
        life = weir.start(*hung)
        flow_runs.wait_for("that all hang", lambda: life.output().count("hangs in step") >= LANES, life)
        began = time.monotonic()
        self.assertEqual(life.stop(), 1, life.output()[-3000:])
        self.assertLess(time.monotonic() - began, ENDS_WITHIN)
        for lane in range(LANES):
            self.assertIn(f"lane hung-in/{lane}: hung/hang does not return", life.output())
        self.assertIn("ends without a lane, not having returned from a call", life.output())
        stuck.unlink()
        life = weir.start(*hung)

        def arrived():
            return failures.numbers_in_topic(weir, brokers, "hung-out")

        flow_runs.wait_for("all numbers", lambda: len(arrived()) >= NUMBERS, life)
        self.assertEqual(life.stop(), 0, life.output()[-3000:])
        self.assertEqual(sorted(arrived()), list(range(NUMBERS)))


if __name__ == "__main__":
    BUILD = flow_runs.build_folder()
    unittest.main(verbosity=2)
