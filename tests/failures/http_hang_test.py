#!/usr/bin/env python3
"""HTTP APIs that hang: one takes the request and never answers, one stops behind the header of its answer, one sends its
answer a byte at a time, one its header. HttpSource, HttpSink and HttpLookup say so, keep nobody else waiting, lose and
repeat nothing, go on when the API does, and keep no Weir from stopping.

Usage: http_hang_test.py BUILD.
"""

import collections
import json
import socket
import threading
import time
import unittest
import urllib.parse

import failures
from failures import flow_runs

BUILD = None
PORT = None
HANGS = 3  # seconds, in each way
MODES = ("silent", "header", "trickle", "trickled header")
STOPS_WITHIN = 10  # seconds, though a request may take longer

FLOW = """
flow: hang
parameters:
  timeout: {{default: 500ms}}
processors:
  poll: {{type: HttpSource, url: "{api}/poll", schedule: {{every: 50ms}}, timeout: "${{timeout}}", items: /items,
         paging: {{by: cursor, cursor: /next, parameter: since, keep: true}}, to: polled}}
  polled: {{type: FileSink, path: "{out}/polled.ndjson", delivery: exactly_once, drop: failure}}
{read}
  send: {{type: HttpSink, url: "{api}/send", send: records, batch: 20, timeout: "${{timeout}}", delivery: exactly_once,
         drop: failure}}
  look: {{type: HttpLookup, url: "{api}/look?n=$(n)", into: found, in_flight: 4, timeout: "${{timeout}}", to: looked,
         drop: failure}}
  looked: {{type: FileSink, path: "{out}/looked.ndjson", delivery: exactly_once, drop: failure}}
  ticks: {{type: GenerateFlowFile, rate: 50/s, content: "{{}}", to: ticked}}
  ticked: {{type: FileSink, path: "{out}/ticks.ndjson", drop: failure}}
"""
PROCESSORS = ("poll", "send", "look")


class Api:
    """Answers well, or hangs as `mode` says."""

    def __init__(self):
        self.mode = None
        self.hung = collections.Counter()
        self.taken = {}  # by idempotency key
        self.confused = []  # keys of two different things
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, client):
        with client:
            try:
                stream = client.makefile("rb")
                while request := self._read(stream):
                    mode = self.mode
                    if mode:
                        self.hung[request[0].split("/")[1].split("?")[0], mode] += 1
                        return self._hang(client, mode)
                    body = self._answer(*request)
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            except OSError:
                pass  # it has hung up

    @staticmethod
    def _read(stream):
        """Path, headers and body."""
        line = stream.readline().split()
        if len(line) < 3:
            return None
        headers = {}
        while (header := stream.readline().strip()):
            name, _, value = header.decode().partition(":")
            headers[name.lower()] = value.strip()
        return line[1].decode(), headers, stream.read(int(headers.get("content-length", 0)))

    def _hang(self, client, mode):
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
        if mode in ("header", "trickle"):
            client.sendall(head)
        slowly = {"trickle": b" " * 1000, "trickled header": head}.get(mode, b"")
        client.settimeout(0.1)
        while True:  # until the other side hangs up
            if slowly:
                client.sendall(slowly[:1])
                slowly = slowly[1:]
            try:
                if not client.recv(1):
                    return
            except TimeoutError:
                pass

    def _answer(self, path, headers, body):
        url = urllib.parse.urlsplit(path)
        query = urllib.parse.parse_qs(url.query)
        if url.path == "/send":
            with self._lock:
                if self.taken.setdefault(headers["idempotency-key"], body) != body:
                    self.confused.append(headers["idempotency-key"])
            return b""
        if url.path == "/look":
            return json.dumps({"twice": 2 * int(query["n"][0])}).encode()
        since = int(query.get("since", ["0"])[0])
        upto = int(20 * (time.monotonic() - self._began))  # there are so many now
        items = [{"id": n} for n in range(since, upto)]
        return json.dumps({"items": items, "next": str(upto) if items else None}).encode()

    def sent(self):
        with self._lock:
            return [record["n"] for body in self.taken.values() for record in json.loads(body)]


class Hang(unittest.TestCase):
    def setUp(self):
        self.api = Api()
        self.weir = flow_runs.Weir(BUILD)
        self.out = self.weir.folder / "out"
        self.load = failures.Load(self.weir.folder / "input", records=5)
        self.addCleanup(self.load.stop)
        read = failures.source(self.load.folder).replace("to: store", "to: [send, look]")
        (self.weir.folder / "flow.yaml").write_text(FLOW.format(api=self.api.url, out=self.out, read=read))

    def start(self, **parameters):
        run = self.weir.start(str(self.weir.folder / "flow.yaml"), "data", parameters, "--listen", f"127.0.0.1:{PORT}")
        flow_runs.wait_for("that it listens", lambda: failures.not_ready(PORT) is not None, run)
        return run

    def lines(self, name):
        path = self.out / f"{name}.ndjson"
        text = path.read_text() if path.exists() else ""
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def through(self):
        return {"poll": len(self.lines("polled")), "send": len(self.api.sent()), "look": len(self.lines("looked"))}

    def await_all(self, run, least=5):
        before = self.through()
        began = time.monotonic()
        flow_runs.wait_for("that all goes on", lambda: all(n >= before[name] + least for name, n in self.through().items()), run)
        return time.monotonic() - began

    def hang(self, mode, run):
        self.api.mode = mode
        began, ticks = time.monotonic(), len(self.lines("ticks"))
        said = {}
        while time.monotonic() < began + HANGS:
            for line in failures.not_ready(PORT).splitlines():
                name = line.partition(":")[0].rpartition("/")[2]
                said.setdefault(name, line)
            time.sleep(0.05)
        passed = len(self.lines("ticks")) - ticks
        self.api.mode = None
        for name in PROCESSORS:
            self.assertGreater(self.api.hung[name, mode], 0, f"{name} asked nothing")
            self.assertIn("timed out: ", said.get(name, ""), f"{name}: {said}")
            self.assertIn(f"{self.api.url}/{name}", said[name])
        self.assertGreater(passed, 50 * HANGS / 3, "others wait for who hangs")
        print(f"{mode}: {sum(self.api.hung.values())} requests hung so far, {passed} FlowFiles passed beside them; all goes "
              f"on after {self.await_all(run):.1f} s", flush=True)

    def test_what_hangs_holds_up_nobody_and_loses_nothing(self):
        run = self.start()
        self.await_all(run)
        for mode in MODES:
            self.hang(mode, run)
        flow_runs.wait_for("that it is ready", lambda: failures.not_ready(PORT) == "", run)
        self.assertEqual(run.stop(), 0, run.output()[-3000:])
        for mode in MODES:  # a request may take as long as it likes
            run = self.start(timeout="60s")
            self.await_all(run, 1)
            self.api.mode, before = mode, self.api.hung.copy()
            flow_runs.wait_for("that all hang", lambda: all(self.api.hung[name, mode] > before[name, mode] for name in PROCESSORS), run)
            began = time.monotonic()
            self.assertEqual(run.stop(), 0, run.output()[-3000:])
            took = time.monotonic() - began
            print(f"{mode}: stopped within {took:.1f} s", flush=True)
            self.assertLess(took, STOPS_WITHIN)
            self.api.mode = None
        run = self.start()
        count = self.load.stop()
        flow_runs.wait_for("all", lambda: len(self.api.sent()) >= count and len(self.lines("looked")) >= count, run)
        self.assertEqual(run.stop(), 0, run.output()[-3000:])
        self.assertEqual(self.api.confused, [])
        failures.check_each_once(self, self.api.sent(), count)
        looked = self.lines("looked")
        failures.check_each_once(self, [record["n"] for record in looked], count)
        self.assertEqual([r for r in looked if r["found"] != {"twice": 2 * r["n"]}], [])
        polled = [record["id"] for record in self.lines("polled")]
        self.assertEqual(polled, list(range(len(polled))))
        warnings = collections.Counter(line.split(" ")[2] for line in run.output().splitlines() if " warning " in line)
        print("warnings:", dict(warnings), flush=True)
        self.assertLessEqual(max(warnings.values()), 8 * len(MODES))


if __name__ == "__main__":
    BUILD = flow_runs.build_folder()
    PORT = flow_runs.free_port()
    unittest.main(verbosity=2)
