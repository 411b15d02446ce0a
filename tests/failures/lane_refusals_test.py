#!/usr/bin/env python3
"""What a sink refuses in a lane is not lost when the Weir that runs it dies for good, with its disk: between the sink's
commit and the moment at which the record would be at the failure sink, or after that one's own commit.

Usage: lane_refusals_test.py BUILD. Real servers, behind relays that know when a commit passes (relay.py).
"""

import json
import pathlib
import time
import unittest

import failures
import relay
from failures import flow_runs

BUILD = None
NUMBERS = 1000  # in each life
SECRET = "secret"

# Numbers that 7 divides go to `dead` at once; those that 10 divides are refused by `kept`, and go there by way of its
# failures.
FLOW = """
flow: {name}
scale_out: true
processors:
  in: {{type: KafkaSource, brokers: "{brokers}", topic: {name}-in, group: {name}, emit: chunk, chunk_size: 4KiB,
       options: {{session.timeout.ms: "3000", heartbeat.interval.ms: "200"}}, to: split}}
  split: {{type: Filter, where: "n % 7 <> 0", to: {{matched: kept, unmatched: dead}}, drop: failure}}
  kept: {kept}
  dead: {dead}
"""
SQL = ('{{type: SqlSink, url: "postgresql://weir@127.0.0.1:{sql}/lake", password: secret, table: {name}_{sink}, '
       'create: false, columns: {{n: n}}, delivery: exactly_once, {failure}}}')
KAFKA = ('{{type: KafkaSink, brokers: "{brokers}", topic: {name}-{sink}, key: "{key}", delivery: exactly_once, '
         '{failure}}}')
S3 = ('{{type: S3Sink, {store}, key: "{name}-{sink}/$({path})/lines.ndjson", close_idle: 1s, delivery: exactly_once, '
      '{failure}}}')
PRODUCER = """
flow: produce
processors:
  numbers: {{type: GenerateFlowFile, count: {count}, content: '{{"n": $(seq + {first})}}', to: topic}}
  topic: {{type: KafkaSink, brokers: "{brokers}", topic: {name}-in, drop: failure}}
"""


class Refusals(unittest.TestCase):
    def setUp(self):
        self.kafka, self.sql = relay.Relay(relay.Kafka), relay.Relay(relay.Postgresql)
        broker = (f"kafka,advertised.listeners=PLAINTEXT://127.0.0.1:{self.kafka.port},num.partitions=1,"
                  "group.min.session.timeout.ms=1000,group.initial.rebalance.delay.ms=0")
        servers = flow_runs.start_servers(BUILD, broker, "postgresql", "s3")
        if not servers:
            self.skipTest("a server cannot be had")
        self.addCleanup(servers.stop)
        self.database = servers.where["postgresql"]
        for name, proxy in (("kafka", self.kafka), ("postgresql", self.sql)):
            proxy.serve(*servers.where[name].rpartition("@")[2].partition("/")[0].rsplit(":", 1))
        self.brokers = f"127.0.0.1:{self.kafka.port}"
        endpoint, bucket, access, secret, folder = servers.where["s3"].split(" ")
        self.store = f'endpoint: "{endpoint}", bucket: {bucket}, access_key: "{access}", secret_key: "{secret}"'
        self.objects = pathlib.Path(folder)
        self.weir = flow_runs.Weir(BUILD)
        self.lives = self.count = 0

    def rows(self, table):
        return [int(row[0]) for row in flow_runs.postgresql(self.database, f"SELECT n FROM {table}", SECRET)]

    def topic(self, name):
        return failures.numbers_in_topic(self.weir, self.brokers, name)

    def bucket(self, name):
        paths = (path for path in (self.objects / name).rglob("*.ndjson") if path.is_file())
        return [json.loads(line)["n"] for path in paths for line in path.read_text().splitlines()]

    def produce(self, name):
        flow = self.weir.folder / f"produce-{self.count}.yaml"
        flow.write_text(PRODUCER.format(brokers=self.brokers, name=name, count=NUMBERS, first=self.count))
        self.weir.run(str(flow), flow.stem, {})
        self.count += NUMBERS

    def start(self):
        """A Weir on a machine of its own."""
        self.lives += 1
        return self.weir.start(str(self.flow), f"machine-{self.lives}", {})

    def play(self, name, kept, dead, commits):
        """`commits`: the proxies of the sinks that are killed at one of theirs, in turn."""
        values = dict(brokers=self.brokers, sql=self.sql.port, store=self.store, name=name)
        refuse = dict(key="NULLIF(n % 10, 0)", path="NULLIF(n % 10, 0)")
        sinks = {
            "kept": kept.format(**values, **refuse, sink="kept", failure="to: {failure: dead}"),
            "dead": dead.format(**values, key="n", path="n % 3", sink="dead", failure="drop: failure"),
        }
        self.flow = self.weir.folder / f"{name}.yaml"
        self.flow.write_text(FLOW.format(**values, **sinks))
        for sink in ("kept", "dead"):
            check = "CHECK (n % 10 <> 0)" if sink == "kept" else ""
            flow_runs.postgresql(self.database, f"CREATE TABLE {name}_{sink} (n bigint {check})", SECRET)
        for proxy in commits:
            self.produce(name)
            life = self.start()
            began = time.monotonic()
            proxy.cut_at("answer", life.kill)  # it has committed; the commit before is that of its claim
            self.assertTrue(proxy.fired.wait(60), life.output()[-3000:])
            print(f"{name}: killed {time.monotonic() - began:.1f} s after its start", flush=True)
        self.produce(name)
        return self.start()

    def check(self, life, table, kept, dead):
        """`table`: which of the two sinks has the last of it, by which its end is seen."""
        numbers = range(self.count)
        refused = [n for n in numbers if n % 10 == 0 and n % 7 != 0]
        passed_by = [n for n in numbers if n % 7 == 0]
        good = [n for n in numbers if n % 7 != 0 and n % 10 != 0]
        last = set(good if table == "kept" else refused + passed_by)
        arrived = kept if table == "kept" else dead
        flow_runs.wait_for("the rows", lambda: last.issubset(arrived()), life)
        self.assertEqual(life.stop(), 0, life.output()[-3000:])
        self.assertEqual(sorted(kept()), good)
        found = dead()
        self.assertEqual(sorted(n for n in found if n % 7 == 0), passed_by, "exactly once, but for refusals")
        lost = sorted(set(refused).difference(found))
        self.assertEqual((len(lost), lost[:10]), (0, []), "refused, and not there")
        self.assertEqual({n for n in found if n % 7 != 0 and n % 10 != 0}, set(), "there, and not refused")
        print(f"{len(refused)} refused, {len(found) - len(set(found))} of them twice", flush=True)

    def test_of_a_table_at_a_topic(self):
        life = self.play("sql", SQL, KAFKA, (self.sql, self.kafka))
        self.check(life, "kept", lambda: self.rows("sql_kept"), lambda: self.topic("sql-dead"))

    def test_of_a_topic_at_a_table(self):
        life = self.play("kafka", KAFKA, SQL, (self.sql, self.kafka))
        self.check(life, "dead", lambda: self.topic("kafka-kept"), lambda: self.rows("kafka_dead"))

    def test_of_a_table_in_a_bucket(self):
        life = self.play("bucket", SQL, S3, (self.sql, self.sql))
        self.check(life, "dead", lambda: self.rows("bucket_kept"), lambda: self.bucket("bucket-dead"))

    def test_of_a_bucket_at_a_table(self):
        life = self.play("object", S3, SQL, (self.sql, self.sql))
        self.check(life, "kept", lambda: self.bucket("object-kept"), lambda: self.rows("object_dead"))


if __name__ == "__main__":
    BUILD = flow_runs.build_folder()
    unittest.main(verbosity=2)
