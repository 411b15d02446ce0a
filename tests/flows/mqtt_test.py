#!/usr/bin/env python3
"""What MQTT's own tests cannot show from inside: wills, sessions that are kept or not, WebSockets, and every property of
MQTT 5, with a `weir run` that is stopped and killed. Usage: mqtt_test.py WEIR.
"""

import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
import urllib.request

from running_weir import PATIENCE, WeirTest, eventually

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "crash"))
from processes import find_mosquitto  # noqa: E402

FLOW = """\
flow: m
processors:
  three:
    type: MqttSource
    url: mqtt://127.0.0.1:{port}
    topic: three/#
    will: {{topic: gone/three, payload: was three, qos: 1, retain: true}}
    to: show
  five:
    type: MqttSource
    url: ws://127.0.0.1:{websockets}
    version: 5
    topics: [five/+/+, five/deep/#]
    session_expiry: 1h
    will: {{topic: gone/five, payload: was five}}
    to: show
  forgetful:
    type: MqttSource
    url: mqtt://127.0.0.1:{port}
    topic: three/#
    session: clean
    client_id: forgetful
    to: clean
  feed: {{type: GenerateFlowFile, count: 1, content: hello, to: sink}}
  sink:
    type: MqttSink
    url: mqtt://127.0.0.1:{port}
    topic: sent
    retain: true
    will: {{topic: gone/sink, payload: was sink}}
    drop: failure
  show: {{type: Log, to: out}}
  out: {{type: FileSink, path: out.txt, drop: failure}}
  clean: {{type: FileSink, path: clean.txt, drop: failure}}
"""


def free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class SlowBroker:
    """Passes on what one client and the broker say to each other, the broker's answers a while later."""

    def __init__(self, broker, delay):
        self.asked = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, args=(broker, delay), daemon=True).start()

    def serve(self, broker, delay):
        client, _ = self.listener.accept()
        server = socket.create_connection(("127.0.0.1", broker))
        threading.Thread(target=self.answer, args=(server, client, delay), daemon=True).start()
        while data := client.recv(4096):
            server.sendall(data)
            self.asked.set()
        server.close()

    @staticmethod
    def answer(server, client, delay):
        try:
            while data := server.recv(4096):
                time.sleep(delay)
                client.sendall(data)
        except OSError:
            pass  # one of them has gone

    def close(self):
        self.listener.close()


@unittest.skipIf(find_mosquitto() is None, "mosquitto is not installed")
class MqttTest(WeirTest):
    def setUp(self):
        super().setUp()
        self.broker, websockets = free_ports(2)
        (self.folder / "mosquitto.conf").write_text(
            f"allow_anonymous true\nmax_queued_messages 0\nlog_dest stderr\nlistener {self.broker} 127.0.0.1\n"
            f"listener {websockets} 127.0.0.1\nprotocol websockets\n")
        with open(self.folder / "mosquitto.log", "wb") as log:
            broker = subprocess.Popen([find_mosquitto(), "-c", self.folder / "mosquitto.conf"], stderr=log)
        self.addCleanup(broker.wait)
        self.addCleanup(broker.kill)
        eventually(lambda: socket.create_connection(("127.0.0.1", self.broker)).close() or True, "the broker")
        with open(self.folder / "wills", "wb") as wills:
            watcher = subprocess.Popen(
                ["mosquitto_sub", "-p", str(self.broker), "-t", "gone/#", "-t", "watched", "-F", "%t %p retain %r"],
                stdout=wills)
        self.addCleanup(watcher.wait)
        self.addCleanup(watcher.kill)
        eventually(lambda: self.publish("watched", "from now on") or "watched" in self.wills(), "the watcher")
        (self.folder / "op.yaml").write_text(FLOW.format(port=self.broker, websockets=websockets))

    def wills(self):
        return (self.folder / "wills").read_text()

    def publish(self, topic, content, *more):
        subprocess.run(["mosquitto_pub", "-p", str(self.broker), "-q", "1", "-t", topic, "-m", content, *more],
                       check=True, timeout=PATIENCE)

    def retained(self, topic):
        return subprocess.run(["mosquitto_sub", "-p", str(self.broker), "-t", topic, "-C", "1", "-W", "2"],
                              capture_output=True, text=True, check=False, timeout=PATIENCE).stdout

    def lines(self, name):
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def run_flow(self):
        self.start()
        eventually(lambda: urllib.request.urlopen(self.url + "/readyz", timeout=PATIENCE).status == 200, "all ready")

    def test_the_broker_tells_of_a_client_that_was_killed_and_not_of_one_that_was_stopped(self):
        self.run_flow()
        eventually(lambda: self.retained("sent") == "hello\n", "what the sink publishes, kept by the broker")
        self.stop()
        self.publish("watched", "stopped")
        eventually(lambda: "stopped" in self.wills(), "the watcher")
        self.assertNotIn("gone/", self.wills())
        self.run_flow()
        self.stop(signal.SIGKILL)
        for client in ("three", "five", "sink"):
            eventually(lambda: f"gone/{client} was {client} retain 0\n" in self.wills(), f"the will of {client}")
        self.assertEqual(self.retained("gone/three"), "was three\n")
        self.assertEqual(self.retained("gone/five"), "")

    def test_one_that_is_stopped_while_it_connects_says_goodbye_too(self):
        slow = SlowBroker(self.broker, 0.2)
        self.addCleanup(slow.close)
        (self.folder / "op.yaml").write_text(f"""\
flow: m
processors:
  in: {{type: MqttSource, url: "mqtt://127.0.0.1:{slow.port}", topic: t, will: {{topic: gone/in, payload: x}}, drop: success}}
""")
        self.start()
        self.assertTrue(slow.asked.wait(PATIENCE))
        self.stop()
        self.publish("watched", "stopped")
        eventually(lambda: "stopped" in self.wills(), "the watcher")
        self.assertNotIn("gone/", self.wills())

    def test_properties_become_attributes_over_websockets_too(self):
        self.run_flow()
        begin = time.time()
        self.publish("five/a/b", "all of them", "-V", "5", *[
            word for name, *value in (
                ("payload-format-indicator", "1"), ("message-expiry-interval", "100"), ("content-type", "text/x"),
                ("response-topic", "answer/here"), ("correlation-data", "xyz"), ("user-property", "site", "north")) for word in ("-D", "publish", name, *value)])
        self.publish("five/deep/er/and/deeper", "deep")
        self.publish("five/one-level", "nobody asked for it")
        self.publish("five/a/c", "last")
        eventually(lambda: self.lines("out.txt") == ["all of them", "deep", "last"], "three messages")
        logged = next(line for line in self.log().splitlines() if "all of them" in line)
        for attribute in ("payload_format='text'", "content_type='text/x'", "response_topic='answer/here'",
                          "correlation_data='78797a'", "user.site='north'", "topic.2='a'", "topic='five/a/b'"):
            self.assertIn("mqtt." + attribute, logged)
        expiry = int(logged.split("mqtt.expiry='")[1].split("'")[0])
        self.assertLessEqual(expiry, 100)
        self.assertGreaterEqual(expiry, 100 - (time.time() - begin) - 1)

    def test_a_persistent_session_has_what_came_meanwhile_and_a_clean_one_has_not(self):
        self.run_flow()
        self.publish("three/1", "before")
        self.publish("five/a/b", "before, five")
        eventually(lambda: len(self.lines("out.txt")) == 2 and self.lines("clean.txt") == ["before"], "both")
        self.stop(signal.SIGKILL)
        self.publish("three/2", "meanwhile")
        self.publish("five/a/b", "meanwhile, five")
        self.run_flow()
        self.publish("three/3", "after")
        eventually(lambda: "after" in self.lines("out.txt") and "meanwhile, five" in self.lines("out.txt") and
                   self.lines("clean.txt")[-1] == "after", "what came later")
        self.assertEqual(sorted(set(self.lines("out.txt"))),
                         ["after", "before", "before, five", "meanwhile", "meanwhile, five"])
        self.assertNotIn("meanwhile", self.lines("clean.txt"))


if __name__ == "__main__":
    if find_mosquitto() is None:
        print("SKIPPED mosquitto is not installed (scripts/install test)")
    unittest.main(verbosity=2)
