#!/usr/bin/env python3
"""Exactly once, cut at every point of a transaction: before the commit is delivered, after it and before its answer, and
between the answer and Weir's own epoch. The server is killed there, or Weir, or only the connection between them.

Usage: transaction_cut_test.py BUILD. Real servers, behind a relay that knows when a commit passes (relay.py).
"""

import os
import time
import unittest

import failures
import relay
from failures import flow_runs

BUILD = None
SECRET = "secret"

SINKS = {
    "kafka": """
  store: {{type: KafkaSink, brokers: "127.0.0.1:{port}", topic: once, key: k, delivery: exactly_once, drop: failure}}
""",
    "postgresql": """
  store: {{type: SqlSink, url: "postgresql://weir@127.0.0.1:{port}/lake", password: secret, table: once,
           delivery: exactly_once, drop: failure}}
""",
    "mariadb": """
  store: {{type: SqlSink, url: "mariadb://weir@127.0.0.1:{port}/lake", password: secret, table: once,
           delivery: exactly_once, drop: failure}}
""",
}


class Cuts(unittest.TestCase):
    def begin(self, kind, protocol):
        self.relay = relay.Relay(protocol)
        name = kind
        if kind == "kafka":  # clients go where the broker says that it is
            name += f",advertised.listeners=PLAINTEXT://127.0.0.1:{self.relay.port}"
        self.servers = flow_runs.start_servers(BUILD, name)
        if not self.servers:
            self.skipTest("the server cannot be had")
        self.addCleanup(self.servers.stop)
        self.where = self.servers.where[kind]
        host, port = self.where.rpartition("@")[2].partition("/")[0].rsplit(":", 1)
        self.relay.serve(host, port)
        self.weir = flow_runs.Weir(BUILD)
        self.load = failures.Load(self.weir.folder / "input", records=40)
        self.addCleanup(self.load.stop)
        self.flow = self.weir.folder / "flow.yaml"
        self.flow.write_text(
            "flow: cut\nprocessors:\n" + failures.source(self.load.folder) + SINKS[kind].format(port=self.relay.port)
        )
        self.life = None
        self.lives = 0

    def start_weir(self, failpoint=None):
        os.environ.pop("WEIR_FAILPOINT", None)
        if failpoint:
            os.environ["WEIR_FAILPOINT"] = failpoint
        self.lives += 1
        self.life = self.weir.start(str(self.flow), "data", {})
        os.environ.pop("WEIR_FAILPOINT", None)

    def await_commits(self, count):
        before = self.relay.commits
        flow_runs.wait_for("commits", lambda: self.relay.commits >= before + count, self.life)

    def cut(self, kind, point, victim):
        kills = {"the connection": lambda: None, "the server": lambda: self.servers.kill(kind), "Weir": self.life.kill}
        began = time.monotonic()
        self.relay.cut_at(point, kills[victim])
        self.assertTrue(self.relay.fired.wait(60), self.life.output()[-3000:])
        if victim == "the server":
            self.servers.start(kind)
        elif victim == "Weir":
            self.start_weir()
        back = time.monotonic()
        self.await_commits(2)
        print(f"{kind}: {victim} cut at the commit's {point}: back after {back - began:.1f} s, commits go on after "
              f"{time.monotonic() - back:.1f} s", flush=True)

    def cut_everywhere(self, kind):
        self.start_weir()
        self.await_commits(1)
        for point in ("request", "answer"):
            for victim in ("the connection", "the server", "Weir"):
                with self.subTest(point, victim=victim):
                    self.cut(kind, point, victim)
        # The sink has committed by the time an epoch is written.
        for step in ("before_content:4", "before_commit:5"):
            with self.subTest("between commit and epoch", victim="Weir", step=step):
                self.life.kill()
                self.start_weir(step)
                self.life.process.wait(60)
                self.assertEqual(self.life.process.returncode, -9, self.life.output()[-3000:])
        self.start_weir()
        self.await_commits(2)
        count = self.load.stop()
        self.assertEqual(self.life.stop(), 0, self.life.output()[-3000:])
        self.weir.run(str(self.flow), "data", {})
        print(f"{kind}: {count} records, {self.relay.commits} commits in {self.lives} lives", flush=True)
        return count

    def test_kafka(self):
        self.begin("kafka", relay.Kafka)
        count = self.cut_everywhere("kafka")
        failures.check_each_once(self, failures.numbers_in_topic(self.weir, self.where, "once"), count)

    def test_postgresql(self):
        self.begin("postgresql", relay.Postgresql)
        count = self.cut_everywhere("postgresql")
        rows = flow_runs.postgresql(self.where, "SELECT n FROM once", SECRET)
        failures.check_each_once(self, [int(row[0]) for row in rows], count)

    def test_mariadb(self):
        self.begin("mariadb", relay.Mariadb)
        count = self.cut_everywhere("mariadb")
        rows = flow_runs.mariadb(self.where, "SELECT n FROM once", SECRET)
        failures.check_each_once(self, [int(row[0]) for row in rows], count)


if __name__ == "__main__":
    BUILD = flow_runs.build_folder()
    unittest.main(verbosity=2)
