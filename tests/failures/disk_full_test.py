#!/usr/bin/env python3
"""The disk of a Weir's data directory is full, to the last byte, while data comes by HTTP, by MQTT and from files, and
goes to S3: what was answered 200 and what the broker was told to forget is there, all else waits, an operator reads why,
and when there is room it all goes on by itself. Once the Weir is killed in that state too.

Usage: disk_full_test.py BUILD. Needs root, to mount a small disk.
"""

import collections
import http.client
import itertools
import json
import pathlib
import threading
import time
import unittest

import failures
from failures import flow_runs
from small_disk import Disk

BUILD = None
PORT = LISTEN = None
FULL = 6  # seconds
ROLL = 40  # records in an object: a whole number of the load's files, which have 20

FLOW = """
flow: full
processors:
  listen: {{type: HttpListen, listen: "127.0.0.1:{port}", max_wait: 500ms, to: listened}}
  listened: {{type: FileSink, path: "{out}/listened.ndjson", delivery: exactly_once, drop: failure}}
  mqtt: {{type: MqttSource, url: "{mosquitto}", topic: in, qos: 1, client_id: full, to: received}}
  received: {{type: FileSink, path: "{out}/received.ndjson", delivery: exactly_once, drop: failure}}
{read}
  store: {{type: S3Sink, endpoint: "{endpoint}", bucket: {bucket}, access_key: "{access}", secret_key: "{secret}",
           key: full/lines.ndjson, roll_count: {roll}, delivery: exactly_once, drop: failure}}
"""
PUBLISHER = """
flow: publish
processors:
  numbers: {{type: GenerateFlowFile, rate: 250/s, content: '{{"n": $(seq), "pad": "{pad}"}}', to: broker}}
  broker: {{type: MqttSink, url: "{mosquitto}", topic: in, qos: 1, drop: failure}}
"""


class Posters:
    """Clients that post numbers, each once, one after the other. One whose request the disk keeps from its end waits for
    long: others come all the time."""

    EVERY = 0.5  # seconds

    def __init__(self):
        self.answers = []  # number, status, when it was asked
        self._numbers = itertools.count()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stop.wait(self.EVERY):
            threading.Thread(target=self._post, daemon=True).start()

    def _post(self):
        connection = http.client.HTTPConnection("127.0.0.1", LISTEN, timeout=90)
        for number in itertools.islice(self._numbers, 50):
            asked = time.monotonic()
            try:
                connection.request("POST", "/", json.dumps({"n": number}))
                answer = connection.getresponse()
                answer.read()
                status = answer.status
            except (OSError, http.client.HTTPException):
                connection.close()
                status = None
            self.answers.append((number, status, asked))
        connection.close()

    def stop(self):
        self._stop.set()
        self._thread.join()

    def statuses(self, since=0, until=float("inf")):
        """Of what was asked then."""
        return collections.Counter(status for _, status, asked in list(self.answers) if since <= asked < until)


class DiskFull(unittest.TestCase):
    def setUp(self):
        self.disk = Disk(self)
        servers = flow_runs.start_servers(BUILD, "s3", "mosquitto")
        if not servers:
            self.skipTest("a server cannot be had")
        self.addCleanup(servers.stop)
        endpoint, bucket, access, secret, objects = servers.where["s3"].split(" ")
        self.objects = pathlib.Path(objects)
        self.weir = flow_runs.Weir(BUILD)
        self.out = self.weir.folder / "out"
        self.load = failures.Load(self.weir.folder / "input", records=20)
        self.addCleanup(self.load.stop)
        values = dict(port=LISTEN, out=self.out, mosquitto=servers.where["mosquitto"], endpoint=endpoint, bucket=bucket,
                      access=access, secret=secret, read=failures.source(self.load.folder), roll=ROLL, pad="x" * 4000)
        for name, text in (("full", FLOW), ("publish", PUBLISHER)):
            (self.weir.folder / f"{name}.yaml").write_text(text.format(**values))

    def start(self):
        command = self.weir.command(str(self.weir.folder / "full.yaml"), "-", {}, "--listen", f"127.0.0.1:{PORT}")
        command[command.index("--data") + 1] = str(self.disk.path / "data")
        return flow_runs.Run(command, str(self.weir.folder / "full.log"))

    def numbers(self, name):
        path = self.out / f"{name}.ndjson"
        text = path.read_text() if path.exists() else ""
        return [json.loads(line)["n"] for line in text[: text.rfind("\n") + 1].splitlines()]

    def stored(self):
        return [json.loads(line)["n"] for path in (self.objects / "full").rglob("*.ndjson") for line in path.open()]

    def through(self):
        return {"HTTP": len(self.numbers("listened")), "MQTT": len(self.numbers("received")), "S3": len(self.stored())}

    def await_all(self, run):
        began, before = time.monotonic(), self.through()
        flow_runs.wait_for("that all goes on", lambda: all(n >= before[name] + 2 * ROLL for name, n in self.through().items()), run)
        return time.monotonic() - began

    def full(self, run):
        """The disk is full for a while."""
        self.disk.fill()
        flow_runs.wait_for("that it is said", lambda: "the disk is full" in failures.not_ready(PORT), run)
        began = time.monotonic()
        said = set()
        while time.monotonic() < began + FULL:
            said.update(failures.not_ready(PORT).splitlines())
            time.sleep(0.1)
        statuses = self.posters.statuses(began)
        print(f"full: {self.disk.free()} bytes are free; /readyz: {sorted(said)}; HTTP: {dict(statuses)}", flush=True)
        self.assertEqual(set(statuses) - {429, 503, 507}, set(), "answered for what cannot be kept")
        self.assertGreater(statuses.total(), FULL)

    def test_what_was_taken_is_there_and_all_goes_on_when_there_is_room(self):
        run = self.start()
        flow_runs.wait_for("that it is ready", lambda: failures.not_ready(PORT) == "", run)
        self.posters = Posters()
        self.addCleanup(self.posters.stop)
        publisher = self.weir.start(str(self.weir.folder / "publish.yaml"), "publisher", {})
        self.await_all(run)
        for killed in (False, True):
            self.full(run)
            if killed:
                run.kill()
                run = self.start()
                flow_runs.wait_for("that it says so after its start too", lambda: "the disk is full" in failures.not_ready(PORT), run)
            self.disk.empty()
            print(f"all goes on {self.await_all(run):.1f} s after there was room", flush=True)
            flow_runs.wait_for("that it is ready", lambda: failures.not_ready(PORT) == "", run)
        self.posters.stop()
        self.assertEqual(publisher.stop(), 0, publisher.output()[-3000:])
        count = self.load.stop()
        flow_runs.wait_for("what was stored", lambda: len(self.stored()) >= count // ROLL * ROLL, run)
        taken = {number for number, status, _ in self.posters.answers if status == 200}
        flow_runs.wait_for("what was answered 200", lambda: taken.difference(self.numbers("listened")) == set(), run)
        failures.until_no_more_comes(lambda: len(self.numbers("received")), run)
        self.assertEqual(run.stop(), 0, run.output()[-3000:])
        print("HTTP:", dict(self.posters.statuses()), flush=True)
        received = set(self.numbers("received"))
        self.assertEqual(received, set(range(min(received), max(received) + 1)), "lost between broker and flow")
        failures.check_each_once(self, self.stored(), count // ROLL * ROLL)
        log = run.output()
        self.assertIn("sources pause until there is room; nothing is lost", log)
        self.assertIn("the disk has room again: work goes on", log)
        self.assertIn("no room on the disk for the inbox", log)


if __name__ == "__main__":
    BUILD = flow_runs.build_folder()
    PORT, LISTEN = flow_runs.free_port(), flow_runs.free_port()
    unittest.main(verbosity=2)
