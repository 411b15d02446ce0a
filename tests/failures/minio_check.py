#!/usr/bin/env python3
"""S3Sink and S3Source on MinIO: what versitygw, the store of the other tests, has not. It encrypts what it stores, with
its own key, one of a key service or the client's, over TLS; it keeps storage classes. And it is killed, as are Weirs
that share the partitions of a topic, while it ends uploads: MinIO loses what it has acknowledged then
(docs/scaling-out.md).

`make minio`, or minio_check.py BUILD. It is no part of the tests: to build MinIO takes some minutes.
"""

import base64
import hashlib
import itertools
import json
import os
import subprocess
import unittest

import failures
from failures import flow_runs

BUILD = None
RECORDS = 100_000
IN_LANES = 300_000
PATIENCE = 120
USER, PASSWORD = "test-access-key", "test-secret/key+with=signs"
CUSTOMER_KEY = base64.b64encode(hashlib.sha256(b"customer").digest()).decode()

SINKS = """
flow: sinks
processors:
  numbers:
    type: GenerateFlowFile
    content: '{{"k": $(seq % 5), "n": $(seq), "pad": "$(hex(randomblob(200)))"}}'
    count: {count}
    to: [{names}]
"""
SINK = """
  {name}: {{type: S3Sink, {store}, bucket: lake, key: {name}/k=$(k)/lines.ndjson.gz, close_idle: 1s, multipart_from: 5MiB,
    part_size: 5MiB, delivery: exactly_once, drop: failure, {options}}}
"""
# Name of the sink, its options, and what the source needs to read what it wrote.
KINDS = [
    ("plain", "storage_class: REDUCED_REDUNDANCY", ""),
    ("own_key", "encryption: s3, checksum: sha256", ""),
    ("key_service", "encryption: kms, kms_key: weir-key", ""),
    ("customers_key", f"customer_key: '{CUSTOMER_KEY}'", f"customer_key: '{CUSTOMER_KEY}'"),
    ("in_parts", "encryption: s3, compression: none, checksum: sha256", ""),
]
SOURCE = """
flow: {name}
processors:
  objects: {{type: S3Source, {store}, bucket: {bucket}, prefix: "{prefix}", match: "*.ndjson*", format: ndjson, {options}
    interval: 1s, to: out, drop: failure}}
  out: {{type: FileSink, path: "{out}", delivery: exactly_once, drop: failure}}
"""
TO_TOPIC = """
flow: to-topic
processors:
  numbers: {{type: GenerateFlowFile, count: {count}, rate: 4000/s, content: '{{"k": $(seq % 9), "n": $(seq)}}', to: topic}}
  topic: {{type: KafkaSink, brokers: "{brokers}", topic: numbers, key: k, drop: failure}}
"""
LANES = """
flow: lanes
scale_out: true
processors:
  in: {{type: KafkaSource, brokers: "{brokers}", topic: numbers, group: lanes, emit: chunk, to: lake,
    options: {{session.timeout.ms: 6000}}}}
  lake: {{type: S3Sink, {store}, bucket: lanes, key: r/k=$(k)/lines.ndjson.gz, customer_key: '{key}', roll_count: 1000,
    roll_age: 2s, progress_prefix: state/, delivery: exactly_once, drop: failure}}
"""


class Minio:
    """On a free port of 127.0.0.1, with TLS, in a folder of its own."""

    def __init__(self, program, folder):
        self.program, self.folder, self.port = program, folder, flow_runs.free_port()
        for bucket in ("lake", "lanes"):
            (folder / "data" / bucket).mkdir(parents=True)
        self.certificate = folder / "certificates/public.crt"
        self.certificate.parent.mkdir()
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
             "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout",
             str(self.certificate.with_name("private.key")), "-out", str(self.certificate)],
            check=True, capture_output=True)
        self.start()

    def start(self):
        key = base64.b64encode(hashlib.sha256(b"service").digest()).decode()
        environment = {**os.environ, "MINIO_ROOT_USER": USER, "MINIO_ROOT_PASSWORD": PASSWORD,
                       "MINIO_KMS_SECRET_KEY": f"weir-key:{key}"}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.program, "server", str(self.folder / "data"), "--certs-dir", str(self.certificate.parent), "--address",
                 f"127.0.0.1:{self.port}", "--console-address", "127.0.0.1:0"], env=environment, stdout=log, stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def objects(self, folder):
        """What it keeps of each."""
        return list((self.folder / "data" / folder).rglob("xl.meta"))

    def store(self):
        """As a flow names it."""
        return (f'endpoint: "https://localhost:{self.port}", tls: {{ca: "{self.certificate}"}}, access_key: "{USER}", '
                f'secret_key: "{PASSWORD}"')


class OnMinio(unittest.TestCase):
    def setUp(self):
        prepared = subprocess.run([flow_runs.ROOT / "tests/servers/minio/prepare"], stdout=subprocess.PIPE, text=True)
        if prepared.returncode != 0:
            self.skipTest("MinIO cannot be had")
        self.weir = flow_runs.Weir(BUILD)
        self.minio = Minio(prepared.stdout.strip(), self.weir.folder)
        self.addCleanup(self.minio.kill)

    def flow(self, name, text):
        path = self.weir.folder / f"{name}.yaml"
        path.write_text(text)
        return str(path)

    def read(self, name, bucket, prefix, options, expected):
        """What S3Source finds, once it has found as much as it should: the numbers."""
        out = self.weir.folder / f"{name}.ndjson"
        text = SOURCE.format(name=name, store=self.minio.store(), bucket=bucket, prefix=prefix, out=out,
                             options=options and options + ",")
        run = self.weir.start(self.flow(name, text), name, {})
        lines = lambda: out.read_text().splitlines() if out.exists() else []
        flow_runs.wait_for(f"{name}: what is still missing", lambda: len(lines()) >= expected, run, PATIENCE)
        self.assertEqual(run.stop(), 0, run.output())
        return [json.loads(line)["n"] for line in lines()]

    def test_what_the_store_encrypts_is_read_again(self):
        names = ", ".join(name for name, _, _ in KINDS)
        sinks = [SINK.format(name=name, store=self.minio.store(), options=options) for name, options, _ in KINDS]
        flow = self.flow("sinks", SINKS.format(count=RECORDS, names=names) + "".join(sinks))
        self.weir.run(flow, "sinks", {})
        for name, _, options in KINDS:
            with self.subTest(name):
                failures.check_each_once(self, self.read(name, "lake", name + "/", options, RECORDS), RECORDS)
        self.assert_refused_without_the_key()
        self.assert_encrypted()

    def assert_refused_without_the_key(self):
        text = SOURCE.format(name="no-key", store=self.minio.store(), bucket="lake", prefix="customers_key/", options="",
                             out=self.weir.folder / "none.ndjson")
        run = self.weir.start(self.flow("no-key", text), "no-key", {})
        flow_runs.wait_for("the refusal", lambda: "Server Side Encryption" in run.output(), run)
        run.stop()
        self.assertFalse((self.weir.folder / "none.ndjson").exists())

    def assert_encrypted(self):
        """What MinIO wrote beside each object says how it is encrypted; in parts, too."""
        marks = {"own_key": b"Server-Side-Encryption-S3", "key_service": b"Server-Side-Encryption-Kms",
                 "customers_key": b"Server-Side-Encryption-Iv", "in_parts": b"Server-Side-Encryption-S3"}
        for name, mark in marks.items():
            beside = list((self.minio.folder / "data/lake" / name).rglob("xl.meta"))
            self.assertTrue(beside, name)
            for path in beside:
                self.assertIn(mark, path.read_bytes(), name)
        self.assertTrue(list((self.minio.folder / "data/lake/in_parts").rglob("part.2")))

    def test_lanes_of_weirs_and_a_store_that_are_killed(self):
        kafka = flow_runs.start_servers(BUILD, "kafka,num.partitions=3")
        if not kafka:
            self.skipTest("the broker cannot be had")
        self.addCleanup(kafka.stop)
        brokers = kafka.where["kafka"]
        load = self.weir.start(self.flow("load", TO_TOPIC.format(brokers=brokers, count=IN_LANES)), "load", {},
                               "--until-idle")
        lanes = self.flow("lanes", LANES.format(brokers=brokers, store=self.minio.store(), key=CUSTOMER_KEY))
        weirs = [self.weir.start(lanes, f"weir-at-first-{n}", {}) for n in range(2)]
        dead, stores_killed = [], 0
        for turn in itertools.count():
            before = self.minio.objects("lanes/r")
            flow_runs.wait_for("one more object", lambda: load.process.poll() is not None
                               or len(self.minio.objects("lanes/r")) > len(before), weirs[-1], PATIENCE)
            if load.process.poll() is not None:
                break
            # Other uploads are being ended now: the store loses some of them, whether it dies or who asked for it.
            if turn % 3 == 0:
                weirs[0].kill()
            if turn % 3 != 0 or turn % 6 == 0:
                self.minio.kill()
                self.minio.start()
                stores_killed += 1
            if turn % 3 == 0:
                dead.append(weirs.pop(0))
                weirs.append(self.weir.start(lanes, f"weir-{turn}", {}))
        self.assertGreater(stores_killed, 10)
        self.assertGreater(len(dead), 5)
        self.assertEqual(load.process.returncode, 0, load.output())
        try:
            numbers = self.read("lanes-read", "lanes", "r/", f"customer_key: '{CUSTOMER_KEY}'", IN_LANES)
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *(run.output()[-3000:] for run in weirs)])) from error
        failures.check_each_once(self, numbers, IN_LANES)
        for run in weirs:
            self.assertEqual(run.stop(), 0, run.output())
        again = sum(run.output().count("the object is sent again") for run in dead + weirs)
        print(f"MinIO was killed {stores_killed} times, Weirs {len(dead)}; it was said {again} times that lost objects "
              "are sent again", flush=True)
        self.assertEqual(self.copies(), [])

    def copies(self):
        """That are left in the bucket once everything is in it and nobody was killed since."""
        return [str(path) for path in self.minio.objects("lanes/state") if ".copies" in str(path)]


if __name__ == "__main__":
    BUILD = flow_runs.build_folder()
    unittest.main(verbosity=2)
