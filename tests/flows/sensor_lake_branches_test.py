#!/usr/bin/env python3
"""The branches of flows/sensor-lake: Kafka, S3 and a history in PostgreSQL. Usage: sensor_lake_branches_test.py BUILD."""

import collections
import gzip
import itertools
import json
import os
import pathlib
import unittest

import flow_runs

BUILD = None
COUNT = 2000

READ_BACK = """
flow: read-back
parameters: {brokers: {default: none}, group: {default: none}, out: {default: none}}
processors:
  readings: {type: KafkaSource, brokers: "${brokers}", topic: readings, group: "${group}", to: keyed}
  keyed:
    type: Select
    select: SELECT sensor_id, seq, attr('kafka.key') AS key, attr('kafka.partition') AS partition FROM record
    to: out
    drop: failure
  out: {type: FileSink, path: "${out}", drop: failure}
"""


class Branches(unittest.TestCase):
    def test_kafka_s3_and_postgresql_have_every_reading(self):
        where = flow_runs.servers(BUILD, "mosquitto", "kafka", "s3", "postgresql")
        if not where:
            self.skipTest("a server cannot be had")
        endpoint, bucket, access_key, secret_key, objects = where["s3"].split(" ")
        weir = flow_runs.Weir(BUILD)
        os.environ.update(
            AWS_ACCESS_KEY_ID=access_key,
            AWS_SECRET_ACCESS_KEY=secret_key,
            MQTT_URL=where["mosquitto"],
            KAFKA_BROKERS=where["kafka"],
            S3_ENDPOINT=endpoint,
            S3_BUCKET=bucket,
            LAKE=str(weir.folder / "lake"),
            HISTORY_PASSWORD="secret",
        )
        names = ["flow", "kafka", "s3"]
        flows = [f"flows/sensor-lake/{name}.yaml" for name in names]
        port = flow_runs.free_port()
        parameters = {"archive_every": "1s", "history": where["postgresql"]}
        run = weir.start(flows, "data", parameters, "--listen", f"127.0.0.1:{port}")
        # What is published before they have subscribed is nobody's.
        flow_runs.wait_for("subscriptions", lambda: flow_runs.is_ready(port), run)
        weir.run("flows/sensor-lake/generator.yaml", "generator", {"count": COUNT, "rate": "2000/s", "garbage_count": 0})

        def history():
            return int(flow_runs.postgresql(where["postgresql"], "SELECT count(*) FROM readings")[0][0])

        def archived():
            found = collections.Counter()
            for path in pathlib.Path(objects, "raw/readings").rglob("*.ndjson.gz"):
                with gzip.open(path, "rt") as lines:
                    for line in lines:
                        reading = json.loads(line)
                        self.assertTrue(path.name.startswith(reading["sensor_id"]), path)
                        found[reading["seq"]] += 1
            return found

        # Every 997th is published twice, and the generator's gaps are few: what is on S3 says how many there are.
        total = COUNT + len([seq for seq in range(COUNT) if seq % 997 == 500])
        flow_runs.wait_for("all objects", lambda: sum(archived().values()) == total, run)
        found = archived()
        self.assertEqual(sorted(found), list(range(COUNT)))
        flow_runs.wait_for("the history", lambda: history() > 0.9 * COUNT, run)

        (weir.folder / "read-back.yaml").write_text(READ_BACK)
        out = weir.folder / "read-back.ndjson"
        read_backs = itertools.count()

        def in_kafka():
            out.unlink(missing_ok=True)
            data = f"read-back-{next(read_backs)}"
            weir.run(str(weir.folder / "read-back.yaml"), data, {"brokers": where["kafka"], "group": data, "out": out})
            return [json.loads(line) for line in out.read_text().splitlines()]

        flow_runs.wait_for("all messages", lambda: len(in_kafka()) >= total, run)
        messages = in_kafka()
        self.assertEqual(len(messages), total)
        self.assertEqual(run.stop(), 0)
        partitions = collections.defaultdict(set)
        order = collections.defaultdict(list)
        for message in messages:
            self.assertEqual(message["key"], message["sensor_id"])
            partitions[message["sensor_id"]].add(message["partition"])
            order[message["sensor_id"]].append(message["seq"])
        self.assertEqual({len(p) for p in partitions.values()}, {1})
        self.assertTrue(all(seqs == sorted(seqs) for seqs in order.values()))
        quality = flow_runs.postgresql(where["postgresql"], "SELECT quality, count(*) FROM readings GROUP BY 1 ORDER BY 1")
        self.assertEqual([row[0] for row in quality], ["1", "3"])


if __name__ == "__main__":
    BUILD = flow_runs.build_folder()
    unittest.main(verbosity=2)
