#!/usr/bin/env python3
"""The network between Weir and all it speaks to goes away under load, for a minute (WEIR_CUT_SECONDS): once so that nobody
is told, once because the link is down. When it is back everything goes on, nothing is lost, and nothing is twice where
exactly once is promised.

Usage: network_cut_test.py BUILD. Needs root, for network namespaces (network.py).
"""

import collections
import gzip
import json
import os
import pathlib
import subprocess
import time
import unittest

import failures
import network
from failures import flow_runs

BUILD = None
SECONDS = int(os.environ.get("WEIR_CUT_SECONDS", "60"))
BACK_WITHIN = 45  # seconds, from the mended network to everything flowing again
UPLOADS_WITHIN = 10  # to the next object
PORT = 8099
ROLL = 100  # records in an object; the last ones wait in the spool for more

FLOW = """
flow: cut
processors:
{read}
  kafka-once: {{type: KafkaSink, brokers: "{kafka}", topic: once, key: k, delivery: exactly_once, drop: failure}}
  kafka-least: {{type: KafkaSink, brokers: "{kafka}", topic: least, key: k, drop: failure}}
  sql: {{type: SqlSink, url: "{postgresql}", password: secret, table: once, timeout: 4s, delivery: exactly_once, drop: failure}}
  store: {{type: S3Sink, endpoint: "{endpoint}", bucket: {bucket}, access_key: "{access}", secret_key: "{secret}",
           key: cut/lines.ndjson.gz, roll_count: {roll}, timeout: 3s, connect_timeout: 1s, delivery: exactly_once, drop: failure}}
  mqtt: {{type: MqttSink, url: "{mosquitto}", topic: out, qos: 1, drop: failure}}
  from-kafka: {{type: KafkaSource, brokers: "{kafka}", topic: in, to: kafka-lines,
               options: {{topic.metadata.refresh.interval.ms: '500'}}}}
  kafka-lines: {{type: FileSink, path: "{out}/kafka.ndjson", delivery: exactly_once, drop: failure}}
  from-mqtt: {{type: MqttSource, url: "{mosquitto}", topic: in, qos: 1, to: mqtt-lines}}
  mqtt-lines: {{type: FileSink, path: "{out}/mqtt.ndjson", delivery: exactly_once, drop: failure}}
"""
# What each has delivered. Those with a bound of their own, set above, notice at once; the system notices within 20 s
# that a machine acknowledges nothing.
SINKS = {"kafka-once": "kafka_commits", "kafka-least": "kafka_messages", "sql": "sql_commits",
         "store": "s3_objects_written", "mqtt": None}
SOURCES = ["from-kafka", "from-mqtt"]
QUICK = ["kafka-once", "sql", "store"]
NOTICED_WITHIN = 40  # seconds

# On the other machine: what the sources read, and what the MqttSink published.
FAR = """
flow: far
processors:
  numbers: {{type: GenerateFlowFile, rate: 200/s, content: '{{"n": $(seq)}}', to: [kafka, mqtt]}}
  kafka: {{type: KafkaSink, brokers: "{kafka}", topic: in, delivery: exactly_once, drop: failure}}
  mqtt: {{type: MqttSink, url: "{mosquitto}", topic: in, qos: 1, drop: failure}}
  published: {{type: MqttSource, url: "{mosquitto}", topic: out, qos: 1, to: lines}}
  lines: {{type: FileSink, path: "{out}/published.ndjson", drop: failure}}
"""


def processors():
    return {each["name"]: each for each in json.loads(failures.get(PORT, "/api/v1/flows/cut")[1])["processors"]}


def numbers(path):
    """Of whole lines: the file is written to."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line)["n"] for line in text[: text.rfind("\n") + 1].splitlines()]


class NetworkCut(unittest.TestCase):
    def setUp(self):
        self.wire = network.Wire()
        servers = flow_runs.start_servers(
            BUILD, "kafka", "postgresql", "s3", "mosquitto",
            prefix=self.wire.far, environment={"WEIR_SERVER_ADDRESS": network.FAR},
        )
        if not servers:
            self.skipTest("a server cannot be had")
        self.addCleanup(servers.stop)
        self.where = dict(servers.where)
        endpoint, bucket, access, secret, objects = self.where["s3"].split(" ")
        self.objects = pathlib.Path(objects)
        self.where.update(endpoint=endpoint, bucket=bucket, access=access, secret=secret)

    def test_everything_goes_on_when_the_network_is_back(self):
        weir = flow_runs.Weir(BUILD)
        out = weir.folder / "out"
        self.published = out / "published.ndjson"
        load = failures.Load(weir.folder / "input", records=20)
        self.addCleanup(load.stop)
        read = failures.source(load.folder).replace("to: store", f"to: [{', '.join(SINKS)}]")
        for name, text in (("cut", FLOW), ("far", FAR)):
            (weir.folder / f"{name}.yaml").write_text(text.format(**self.where, read=read, out=out, roll=ROLL))
        command = weir.command(str(weir.folder / "far.yaml"), "far", {}, "--listen", f"127.0.0.1:{PORT}")
        far = flow_runs.Run([*self.wire.far, *command], str(weir.folder / "far.log"))
        run = weir.start(str(weir.folder / "cut.yaml"), "data", {}, "--listen", f"127.0.0.1:{PORT}")
        flow_runs.wait_for("everything to be ready", lambda: failures.get(PORT, "/readyz")[0] == 200, run)
        for how in ("silent", "down"):
            self.flow_for_a_while()
            self.cut(how, run)
        self.flow_for_a_while()
        count = load.stop()
        flow_runs.wait_for("what was queued", lambda: self.queued() == 0, run)
        # What is under way to a broker's subscriber or to a file is there within moments.
        # What was published before the subscriber was there was nobody's.
        published = lambda: set(numbers(self.published))
        flow_runs.wait_for("what was published", lambda: published() == set(range(min(published()), count)), run)
        # Complete objects are uploaded beside the flow.
        objects = lambda: sum(path.is_file() for path in self.objects.rglob("*.gz"))
        flow_runs.wait_for("the objects", lambda: objects() == count // ROLL, run)
        # The generator sends no more; what it sent arrives.
        subprocess.run([*self.wire.far, BUILD / "weir", "stop", "far/numbers", "--url", f"http://127.0.0.1:{PORT}"],
                       check=True, stdout=subprocess.DEVNULL)
        last = lambda name: max(numbers(out / f"{name}.ndjson"))
        flow_runs.wait_for("what was sent", lambda: last("kafka") == last("mqtt"), run)
        sent = failures.numbers_in_topic(weir, self.where["kafka"], "in")
        flow_runs.wait_for("what was sent", lambda: last("kafka") == last("mqtt") == len(sent) - 1, run)
        self.assertEqual(far.stop(), 0, far.output()[-3000:])
        self.assertEqual(run.stop(), 0, run.output()[-3000:])
        self.check_everything(weir, out, count, len(sent), run.output())

    def flow_for_a_while(self):
        before = self.delivered()
        flow_runs.wait_for("load on everything", lambda: self.behind(before, 3) == [])

    def delivered(self):
        """By processor, how much has come through it."""
        counts = {}
        metrics = failures.get(PORT, "/metrics")[1].splitlines()
        for name, metric in SINKS.items():
            if not metric:  # what a subscriber on the other machine has
                counts[name] = len(numbers(self.published))
                continue
            of_it = [line for line in metrics if line.startswith(f"weir_processor_{metric}") and f'processor="{name}"' in line]
            counts[name] = float(of_it[0].rpartition(" ")[2])
        now = processors()
        counts.update({name: now[name]["out"]["success"]["flowfiles"] for name in SOURCES})
        return counts

    def behind(self, before, least=1):
        return [name for name, count in self.delivered().items() if count < before[name] + least]

    def queued(self):
        return sum(each["queued"] for each in json.loads(failures.get(PORT, "/api/v1/flows/cut")[1])["connections"])

    def cut(self, how, run):
        began = time.monotonic()
        passed = lambda: time.monotonic() - began
        self.wire.cut(how)
        noticed = {}
        while passed() < SECONDS:
            status, problem = failures.get(PORT, "/readyz")
            for name in [*SINKS, *SOURCES]:
                if f"cut/{name}:" in problem and name not in noticed:
                    self.assertEqual(status, 503)
                    noticed[name] = round(passed())
            time.sleep(0.1)
        print(f"{how}: not ready after so many seconds: {noticed}", flush=True)
        self.assertEqual([name for name in QUICK if name not in noticed], [])
        if SECONDS > NOTICED_WITHIN:
            self.assertEqual([name for name in [*SINKS, *SOURCES] if noticed.get(name, SECONDS) > NOTICED_WITHIN], [])
        self.wire.mend()
        began = time.monotonic()
        before = self.delivered()
        back = {}
        while len(back) < len(before):
            behind = self.behind(before)
            back.update({name: round(passed(), 1) for name in before if name not in behind and name not in back})
            self.assertLess(passed(), BACK_WITHIN, f"{behind} {run.output()[-3000:]}")
            time.sleep(0.1)
        self.assertLess(back["store"], UPLOADS_WITHIN)
        flow_runs.wait_for("all to be ready", lambda: failures.get(PORT, "/readyz")[0] == 200, run, BACK_WITHIN)
        print(f"{how}: everything flows again {max(back.values())} s after the network was back: {back}; "
              f"/readyz after {passed():.1f} s", flush=True)

    def check_everything(self, weir, out, count, sent, log):
        in_topic = lambda topic: failures.numbers_in_topic(weir, self.where["kafka"], topic)
        failures.check_each_once(self, in_topic("once"), count)
        failures.check_each_once(self, set(in_topic("least")), count)
        rows = flow_runs.postgresql(self.where["postgresql"], "SELECT n FROM once")
        failures.check_each_once(self, [int(row[0]) for row in rows], count)
        lines = [line for path in self.objects.rglob("*.gz") if path.is_file() for line in gzip.open(path, "rt")]
        failures.check_each_once(self, [json.loads(line)["n"] for line in lines], count // ROLL * ROLL)
        failures.check_each_once(self, numbers(out / "kafka.ndjson"), sent)
        received = set(numbers(out / "mqtt.ndjson"))  # from when it had subscribed; a broker may send again
        self.assertEqual(received, set(range(min(received), sent)))
        warnings = collections.Counter(line.split(" ")[2] for line in log.splitlines() if " warning " in line)
        print("warnings:", dict(warnings), flush=True)
        self.assertLessEqual(max(warnings.values()), 12, log)


if __name__ == "__main__":
    problem = network.enter()
    BUILD = flow_runs.build_folder()
    if problem:
        print("SKIPPED:", problem, flush=True)
        raise SystemExit(0)
    unittest.main(verbosity=2)
