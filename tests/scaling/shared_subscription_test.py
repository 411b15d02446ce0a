#!/usr/bin/env python3
"""Several Weirs on one shared subscription of MQTT: workers are killed and added under load, and between them they have
every message that the broker has acknowledged to its publisher. Usage: shared_subscription_test.py BUILD.
"""

import json
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "crash"))
from processes import Broker, Publisher, find_mosquitto, wait_for  # noqa: E402

BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
WORKERS = 3
KILLS = 8
PATIENCE = 120  # seconds; a bound, not a wait

FLOW = """
flow: share
processors:
  readings:
    type: MqttSource
    url: {url}
    topic: $share/lake/crash/+/readings
    version: "5"
    to: lake
  lake: {{type: FileSink, path: out.ndjson, drop: failure}}
"""


class Worker:
    def __init__(self, folder, number, broker):
        self.folder = folder / f"worker-{number}"
        self.folder.mkdir()
        (self.folder / "flow.yaml").write_text(FLOW.format(url=broker.url))
        self.process = None

    def start(self):
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([BUILD / "weir", "run", "flow.yaml", "--listen", "none"], cwd=self.folder,
                                            stdout=log, stderr=log)  # fmt: skip

    def end(self, how):
        self.process.send_signal(how)
        self.process.wait(PATIENCE)

    def numbers(self):
        """Of the messages in its file, whose last line may be cut off."""
        file = self.folder / "out.ndjson"
        lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
        return [json.loads(line)["seq"] for line in lines]


class SharedSubscriptionTest(unittest.TestCase):
    def test_nothing_is_lost_while_workers_are_killed_and_added(self):
        seed = random.randrange(2**32)
        moments = random.Random(seed)
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        broker = Broker(folder)
        self.addCleanup(broker.stop)
        workers = [Worker(folder, number, broker) for number in range(WORKERS)]
        for worker in workers:
            self.addCleanup(lambda worker=worker: worker.process and (worker.process.kill(), worker.process.wait()))
        for worker in workers[:-1]:
            worker.start()
        broker.await_subscribers(WORKERS - 1)
        publisher = Publisher(BUILD, folder, broker, rate=2000)
        self.addCleanup(publisher.kill)
        wait_for(lambda: all(worker.numbers() for worker in workers[:-1]), PATIENCE, "not every worker has its share")
        workers[-1].start()
        for _ in range(KILLS):
            time.sleep(moments.uniform(0, 0.6))
            killed = moments.choice(workers)
            killed.end(signal.SIGKILL)
            time.sleep(moments.uniform(0, 0.3))
            killed.start()
        wait_for(workers[-1].numbers, PATIENCE, "the worker that was added has no share")
        acknowledged = set()
        for line in publisher.stop().splitlines():
            first, last = map(int, line.split())
            acknowledged.update(range(first, last + 1))
        self.assertGreater(len(acknowledged), 1000)

        def missing():
            return acknowledged.difference(*(worker.numbers() for worker in workers))

        try:
            wait_for(lambda: not missing(), PATIENCE, "")
        except Exception:
            logs = "".join((worker.folder / "log").read_text() for worker in workers)
            self.fail(f"seed {seed}: {len(missing())} of {len(acknowledged)} are lost, as {sorted(missing())[:5]}\n{logs}")
        for worker in workers:
            worker.end(signal.SIGTERM)
            self.assertEqual(worker.process.returncode, 0, (worker.folder / "log").read_text())
        shares = [len(worker.numbers()) for worker in workers]
        print(f"{len(acknowledged)} messages, {KILLS} kills; the workers have {shares}: "
              f"{sum(shares) - len(acknowledged)} came twice")


if __name__ == "__main__":
    if find_mosquitto() is None:
        print("SKIPPED: mosquitto is not installed (scripts/install test)")
        sys.exit(0)
    unittest.main()
