#!/usr/bin/env python3
"""A store of objects that takes requests and does not answer, while partitions move and while a Weir is told to end:
lanes that are given up wait for no answer, so nothing is left behind, and when the store answers again each record is in
one object. With a real Kafka, and a real store behind a proxy.

Usage: lane_store_hangs_test.py BUILD.
"""

import gzip
import json
import pathlib
import socket
import threading
import time
import unittest

import failures
from failures import flow_runs

BUILD = None
NUMBERS = 20_000
PARTITIONS = 4
ENDS_WITHIN = 15  # seconds; a request that hangs is given up after 30, and tried three times

FLOW = """
flow: lane
scale_out: true
processors:
  in: {{type: KafkaSource, brokers: "{brokers}", topic: numbers, group: lane, emit: chunk, to: out,
       options: {{session.timeout.ms: "6000", heartbeat.interval.ms: "500"}}}}
  out: {{type: S3Sink, endpoint: "http://127.0.0.1:{port}", bucket: {bucket}, access_key: "{access}",
        secret_key: "{secret}", key: lane/lines.ndjson.gz, roll_count: 100, close_idle: 1s, delivery: exactly_once,
        drop: failure}}
"""
PRODUCER = """
flow: to-topic
processors:
  numbers: {{type: GenerateFlowFile, count: {count}, rate: 1000/s, content: '{{"n": $(seq)}}', to: topic}}
  topic: {{type: KafkaSink, brokers: "{brokers}", topic: numbers, key: n, drop: failure}}
"""


class Holding:
    """Passes everything on, until it is held: then nothing passes, and nobody is told."""

    def __init__(self, host, port):
        self._server = (host, int(port))
        self.passes = threading.Event()
        self.passes.set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            client = self._listener.accept()[0]
            try:
                server = socket.create_connection(self._server)
            except OSError:  # the store has ended
                client.close()
                continue
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source, target):
        try:
            while received := source.recv(1 << 16):
                self.passes.wait()
                target.sendall(received)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class LaneStoreHangs(unittest.TestCase):
    def test_lanes_that_are_given_up_wait_for_no_answer(self):
        servers = flow_runs.start_servers(
            BUILD, f"kafka,num.partitions={PARTITIONS},group.initial.rebalance.delay.ms=0", "s3"
        )
        if not servers:
            self.skipTest("a server cannot be had")
        self.addCleanup(servers.stop)
        endpoint, bucket, access, secret, objects = servers.where["s3"].split(" ")
        self.objects = pathlib.Path(objects)
        store = Holding(*endpoint.removeprefix("http://").split(":"))
        where = dict(brokers=servers.where["kafka"], port=store.port, bucket=bucket, access=access, secret=secret)
        self.weir = flow_runs.Weir(BUILD)
        for name, text in (("lane", FLOW), ("load", PRODUCER)):
            (self.weir.folder / f"{name}.yaml").write_text(text.format(**where, count=NUMBERS))
        load = self.weir.start(str(self.weir.folder / "load.yaml"), "load", {})
        one = self.start("one", 8131)
        flow_runs.wait_for("objects", lambda: len(self.stored()) > 500, one)
        store.passes.clear()
        self.wait_until_it_hangs(one)

        two = self.start("two", 8132)  # to which half of the lanes go
        flow_runs.wait_for("lanes that move", lambda: self.lanes(8132) == self.lanes(8131) == PARTITIONS // 2, two)
        began = time.monotonic()
        self.assertEqual(one.stop(), 0, one.output()[-3000:])
        self.assertLess(time.monotonic() - began, ENDS_WITHIN)
        flow_runs.wait_for("the other's lanes", lambda: self.lanes(8132) == PARTITIONS, two)

        store.passes.set()
        flow_runs.wait_for("all numbers", lambda: len(self.stored()) >= NUMBERS, two, 120)
        self.assertEqual(two.stop(), 0, two.output()[-3000:])
        self.assertEqual(load.stop(), 0)
        failures.check_each_once(self, self.stored(), NUMBERS)
        for run in (one, two):
            self.assertNotIn("does not return", run.output())

    def start(self, name, port):
        return self.weir.start(str(self.weir.folder / "lane.yaml"), name, {}, "--listen", f"127.0.0.1:{port}")

    def lanes(self, port):
        try:
            return len(json.loads(failures.get(port, "/api/v1/flows/lane/lanes")[1])["lanes"])
        except OSError:
            return None

    def wait_until_it_hangs(self, run):
        """Each lane has something that it cannot upload, so its offset stays."""
        offsets = lambda: [lane["offset"] for lane in json.loads(failures.get(8131, "/api/v1/flows/lane/lanes")[1])["lanes"]]
        failures.until_no_more_comes(offsets, run, still=2)

    def stored(self):
        """Of the objects that are whole: the store may be writing others."""
        numbers = []
        for path in self.objects.rglob("*.gz"):
            if path.is_file():
                with gzip.open(path, "rt") as lines:
                    numbers += [json.loads(line)["n"] for line in lines]
        return numbers


if __name__ == "__main__":
    BUILD = flow_runs.build_folder()
    unittest.main(verbosity=2)
