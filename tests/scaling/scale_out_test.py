#!/usr/bin/env python3
"""Which flows can scale out, as `weir validate` tells their authors. Usage: scale_out_test.py WEIR."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

WEIR = sys.argv.pop(1)
PATIENCE = 60  # seconds; a bound, not a wait

SOURCE = "  in: {type: KafkaSource, brokers: k, topic: t, emit: chunk, to: TO}\n"
MEAN = "{type: WindowMean, key: k, time: t, value: v, window: 1m, to: TO, drop: [late, failure]}\n"
OBJECTS = "{type: S3Sink, bucket: b, region: r, key: $(k)/x.gz, access_key: a, secret_key: s, MORE drop: failure}\n"
CHECK = "{type: QualityCheck, key: k, rules: {v: {RULES}}, to: {pass: y, suspect: y, fail: y}, drop: failure}\n"
TABLE = "{type: SqlSink, database: x.db, table: y, delivery: exactly_once, drop: failure}\n"


class ScaleOutTest(unittest.TestCase):
    def judge(self, processors, head="scale_out: true\n", command=("validate",)):
        with tempfile.TemporaryDirectory() as folder:
            flow = pathlib.Path(folder) / "flow.yaml"
            flow.write_text("flow: f\n" + head + "processors:\n" + processors)
            return subprocess.run([WEIR, command[0], str(flow), *command[1:]], capture_output=True, text=True,
                                  timeout=PATIENCE, check=False, cwd=folder)

    def refused(self, processors, why, head="scale_out: true\n"):
        result = self.judge(processors, head)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn(why, " ".join(result.stderr.split()))

    def test_windows_between_kafka_and_exactly_once_can(self):
        result = self.judge(SOURCE.replace("TO", "mean") + "  mean: " + MEAN.replace("TO", "y") + "  y: " + TABLE)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn("at least once", result.stderr)

    def test_a_sink_that_delivers_at_least_once_is_said_to(self):
        result = self.judge(SOURCE.replace("TO", "y") + "  y: {type: KafkaSink, brokers: k, topic: y, drop: failure}\n")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("'y' delivers at least once", " ".join(result.stderr.split()))

    def test_objects_of_an_s3_sink_can(self):
        exactly_once = OBJECTS.replace("MORE", "delivery: exactly_once,")
        result = self.judge(SOURCE.replace("TO", "[mean, y]") + "  mean: " + MEAN.replace("TO", "y") + "  y: " +
                            exactly_once)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn("at least once", result.stderr)
        result = self.judge(SOURCE.replace("TO", "y") + "  y: " + OBJECTS.replace("MORE", ""))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("'y' delivers at least once", " ".join(result.stderr.split()))

    def test_a_source_without_partitions_cannot(self):
        self.refused("  in: {type: MqttSource, url: mqtt://m, topic: t, to: y}\n  y: " + TABLE,
                     "'in': a flow that scales out shares the partitions of a Kafka topic; MQTT has none")
        self.refused("  in: {type: GenerateFlowFile, rate: 1/s, to: y}\n  y: " + TABLE,
                     "'in': a flow that scales out shares the partitions of a Kafka topic, and GenerateFlowFile")

    def test_two_sources_cannot(self):
        self.refused(SOURCE.replace("TO", "y") + SOURCE.replace("TO", "y").replace("  in:", "  also:") + "  y: " + TABLE,
                     "'also': a flow that scales out has one source, and 'in' is one")

    def test_what_keeps_something_that_is_no_window_cannot(self):
        self.refused(SOURCE.replace("TO", "once") + "  once: {type: Deduplicate, key: k, to: y, "
                     "drop: [duplicate, failure]}\n  y: " + TABLE, "'once': Deduplicate keeps")

    def test_checks_that_look_at_one_reading_can(self):
        for source, head in ((SOURCE, "scale_out: true\n"),
                             ("  in: {type: MqttSource, url: mqtt://m, topic: $share/g/t, to: TO}\n", "")):
            result = self.judge(source.replace("TO", "check") + "  check: " +
                                CHECK.replace("RULES", "not_null: true, range: [0, 1], unique: false") + "  y: " + TABLE, head)
            self.assertEqual(result.returncode, 0, result.stderr)

    def test_checks_that_need_the_values_before_cannot(self):
        for rule in ("rate_of_change: 5/s", "spike: {fail: 8}", "flat_line: 10m", "flat_line_fail: 1h", "gap: 30s",
                     "unique: true"):
            with self.subTest(rule):
                self.refused(SOURCE.replace("TO", "check") + "  check: " +
                             CHECK.replace("RULES", "range: [0, 1], " + rule) + "  y: " + TABLE,
                             f"'check': {rule.split(':')[0]} of v needs the values before. They stay behind")

    def test_a_window_without_key_cannot(self):
        self.refused(SOURCE.replace("TO", "mean") + "  mean: " + MEAN.replace("TO", "y").replace(" key: k,", "") +
                     "  y: " + TABLE, "'mean': without a key, each partition would give a result of its own")

    def test_windows_of_windows_cannot(self):
        self.refused(SOURCE.replace("TO", "mean") + "  mean: " + MEAN.replace("TO", "again") +
                     "  again: " + MEAN.replace("TO", "y") + "  y: " + TABLE,
                     "'again' is behind the windows of 'mean'")

    def test_windows_of_failures_cannot(self):
        self.refused(SOURCE.replace("TO", "y") + "  y: " + TABLE.replace("drop: failure", "to: {failure: mean}") +
                     "  mean: " + MEAN.replace("TO", "z") + "  z: " + TABLE,
                     "'mean' is behind the failures of 'y': where a partition moves, what it had taken in is not")

    def test_sinks_that_fail_to_each_other_cannot(self):
        self.refused(SOURCE.replace("TO", "y") + "  y: " + TABLE.replace("drop: failure", "to: {failure: z}") +
                     "  z: " + TABLE.replace("drop: failure", "to: {failure: y}"), "'y' and 'z' fail to each other")

    def test_a_sink_that_keeps_on_its_machine_how_far_it_is_cannot(self):
        sink = SOURCE.replace("TO", "y") + "  y: {type: FileSink, path: y, drop: failure}\n"
        self.refused(sink, "'y': FileSink keeps on its own machine how far it is")
        self.refused(sink, "S3Sink, SqlSink or KafkaSink with `delivery: exactly_once`: what a machine's disk has is "
                     "gone with the machine")

    def test_state_by_key_behind_a_shared_subscription_is_an_error_that_says_why(self):
        self.refused("  in: {type: MqttSource, url: mqtt://m, topic: $share/g/t, to: mean}\n  mean: " +
                     MEAN.replace("TO", "y") + "  y: " + TABLE,
                     "'mean': WindowMean keeps something of each key, and 'in' has a shared subscription", head="")
        result = self.judge("  in: {type: MqttSource, url: mqtt://m, topic: $share/g/t, to: y}\n  y: " + TABLE, head="")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_it_has_no_end(self):
        result = self.judge(SOURCE.replace("TO", "y") + "  y: " + TABLE,
                            command=("run", "--until-idle", "--listen", "none"))
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn("it has no end, so --until-idle cannot run it", result.stderr)


if __name__ == "__main__":
    unittest.main()
