#!/usr/bin/env python3
"""S3Sink and S3Source on a store that answers 500 and 503, closes connections in the middle of requests and answers,
does what was asked and says that it failed, and says 200 with an error or with nonsense behind it.

Usage: s3_faults_test.py BUILD. A real server behind a proxy (faulty_store.py).
"""

import gzip
import json
import pathlib
import unittest

import failures
import faulty_store
from failures import flow_runs

BUILD = None
LINES = 20_000
BLOBS = 1_800  # of 60 KB: objects that are uploaded in parts
PATIENCE = 120

STORE = 'endpoint: "http://127.0.0.1:{port}", bucket: {bucket}, access_key: "{access}", secret_key: "{secret}"'

SINKS = """
flow: to-s3
processors:
  lines: {{type: FileSource, path: "{input}/lines/*.ndjson", format: ndjson, chunk_size: 8KiB, to: small, drop: failure}}
  blobs: {{type: FileSource, path: "{input}/blobs/*.ndjson", format: ndjson, to: large, drop: failure}}
  small: {{type: S3Sink, {store}, key: small/kind=$(k)/lines.ndjson.gz, roll_count: 100, uploads: 1,
           delivery: exactly_once, drop: failure}}
  large: {{type: S3Sink, {store}, key: large/blobs.ndjson, roll_size: 6MiB, multipart_from: 5MiB, part_size: 5MiB,
           uploads: 1, delivery: exactly_once, drop: failure}}
"""

SOURCE = """
flow: from-s3
processors:
  objects: {{type: S3Source, {store}, prefix: small/, format: ndjson, chunk_size: 4KiB, piece_size: 64KiB,
             interval: 100ms, to: out, drop: failure}}
  out: {{type: FileSink, path: "{out}", delivery: exactly_once, drop: failure}}
"""

TO_TOPIC = """
flow: to-topic
processors:
  numbers: {{type: GenerateFlowFile, count: {count}, rate: 2000/s, content: '{{"k": $(seq % 5), "n": $(seq)}}', to: topic}}
  topic: {{type: KafkaSink, brokers: "{brokers}", topic: numbers, drop: failure}}
"""

LANE = """
flow: lane
scale_out: true
processors:
  in: {{type: KafkaSource, brokers: "{brokers}", topic: numbers, group: lane, emit: chunk, chunk_size: 4KiB, to: out}}
  out: {{type: S3Sink, {store}, key: lane/kind=$(k)/lines.ndjson.gz, roll_count: 50, close_idle: 1s, uploads: 1,
         delivery: exactly_once, drop: failure}}
"""


class Faults(unittest.TestCase):
    def setUp(self):
        servers = flow_runs.start_servers(BUILD, "s3")
        if not servers:
            self.skipTest("the server cannot be had")
        self.addCleanup(servers.stop)
        self.endpoint, self.bucket, self.access, self.secret, folder = servers.where["s3"].split(" ")
        self.objects = pathlib.Path(folder)
        self.weir = flow_runs.Weir(BUILD)

    def store(self, kinds):
        """The proxy, and how a flow names it."""
        host, port = self.endpoint.removeprefix("http://").split(":")
        proxy = faulty_store.FaultyStore(host, port, kinds)
        return proxy, STORE.format(port=proxy.port, bucket=self.bucket, access=self.access, secret=self.secret)

    def write(self, folder, count, pad):
        folder.mkdir(parents=True)
        per_file = max(1, count // 20)
        for first in range(0, count, per_file):
            lines = (json.dumps({"k": n % 5, "n": n, "pad": "x" * pad}) + "\n" for n in range(first, first + per_file))
            (folder / f"{first:09}.ndjson").write_text("".join(lines))

    def stored(self, prefix):
        paths = [path for path in (self.objects / prefix).rglob("*.ndjson*") if path.is_file()]
        opened = (gzip.open(path, "rt") if path.suffix == ".gz" else open(path) for path in paths)
        return [json.loads(line)["n"] for lines in opened for line in lines]

    def flow(self, text):
        path = self.weir.folder / "flow.yaml"
        path.write_text(text)
        return str(path)

    def play(self, proxy, flow, arrived, until_idle=True):
        run = self.weir.start(flow, "data", {})

        def all_played():
            if "stopped" in run.output():
                raise RuntimeError("a processor has given up")
            left = proxy.left()
            if left:
                raise AssertionError(f"not played yet: {left}")
            return True

        flow_runs.wait_for("every fault", all_played, run, PATIENCE)
        flow_runs.wait_for("what is still missing", arrived, run, PATIENCE)
        self.assertEqual(run.stop(), 0, run.output()[-3000:])
        log = run.output()
        if until_idle:
            self.weir.run(flow, "data", {})
        print(f"{sum(proxy.counts.values())} faults of {len(proxy.counts)} kinds; {len(log.splitlines())} lines of log", flush=True)

    def test_what_a_sink_writes_is_there_once(self):
        self.write(self.weir.folder / "input/lines", LINES, 20)
        self.write(self.weir.folder / "input/blobs", BLOBS, 60_000)
        proxy, store = self.store(["put", "begin", "part", "complete", "head"])
        flow = self.flow(SINKS.format(input=self.weir.folder / "input", store=store))
        self.play(proxy, flow, lambda: len(self.stored("small")) >= LINES and len(self.stored("large")) >= BLOBS)
        failures.check_each_once(self, self.stored("small"), LINES)
        failures.check_each_once(self, self.stored("large"), BLOBS)

    def test_what_a_lane_writes_is_there_once(self):
        kafka = flow_runs.start_servers(BUILD, "kafka,num.partitions=1")
        if not kafka:
            self.skipTest("the broker cannot be had")
        self.addCleanup(kafka.stop)
        brokers = kafka.where["kafka"]
        topic = self.weir.folder / "topic.yaml"
        topic.write_text(TO_TOPIC.format(brokers=brokers, count=LINES))
        load = self.weir.start(str(topic), "load", {})
        self.addCleanup(load.kill)
        proxy, store = self.store(["put", "complete"])  # what makes objects count, and what shows them
        flow = self.flow(LANE.format(brokers=brokers, store=store))
        self.play(proxy, flow, lambda: len(self.stored("lane")) >= LINES, until_idle=False)
        failures.check_each_once(self, self.stored("lane"), LINES)

    def test_what_a_source_reads_comes_once(self):
        self.write(self.weir.folder / "input/lines", LINES, 20)
        (self.weir.folder / "input/blobs").mkdir()
        proxy, store = self.store([])
        self.weir.run(self.flow(SINKS.format(input=self.weir.folder / "input", store=store)), "before", {})
        proxy, store = self.store(["list", "get"])
        out = self.weir.folder / "out.ndjson"
        read = lambda: [json.loads(line)["n"] for line in out.read_text().splitlines()]
        self.play(proxy, self.flow(SOURCE.format(store=store, out=out)), lambda: len(read()) >= LINES)
        failures.check_each_once(self, read(), LINES)


if __name__ == "__main__":
    BUILD = flow_runs.build_folder()
    unittest.main(verbosity=2)
