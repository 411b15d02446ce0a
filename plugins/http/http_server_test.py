#!/usr/bin/env python3
"""The http plugin in the real program, against real clients and servers. Usage: http_server_test.py BUILD.

Weir is killed with SIGKILL while data passes; what HTTP promised has to be there all the same.
"""

import contextlib
import http.client
import http.server
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = None
KILLS = 3


def wait_for(met, seconds, complaint):
    deadline = time.monotonic() + seconds
    while not (result := met()):
        if time.monotonic() > deadline:
            raise AssertionError(complaint)
        time.sleep(0.005)
    return result


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Weir:
    """One life of `weir run`."""

    def __init__(self, folder, flow, *arguments, **parameters):
        self.log = folder / "weir.log"
        command = [BUILD / "weir", "run", flow, "--data", folder / "data", "--listen", "127.0.0.1:0", *arguments]
        for name, value in parameters.items():
            command += ["--param", f"{name}={value}"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log, cwd=folder)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(timeout=30)

    def wait(self, seconds=60):
        return self.process.wait(timeout=seconds)


@contextlib.contextmanager
def serve(answer):
    """A server on a free port; `answer(handler, body)` answers each request."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            answer(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

        do_POST = do_PUT = do_GET

        def reply(self, status, body=b"", **headers):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):
            pass  # a client that was killed is part of the test

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-http-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.weir = None
        self.addCleanup(lambda: self.weir and self.weir.kill())

    def run_weir(self, flow, *arguments, **parameters):
        self.weir = Weir(self.folder, flow, *arguments, **parameters)
        return self.weir

    def said(self):
        return (self.folder / "weir.log").read_text(errors="replace")[-4000:]


class Examples(Case):
    def test_they_are_valid(self):
        for path in sorted((ROOT / "examples/http").glob("*.yaml")):
            with self.subTest(path=path.name):
                result = subprocess.run([BUILD / "weir", "validate", path], capture_output=True, text=True, timeout=30)
                self.assertEqual(result.returncode, 0, result.stderr)


class Listen(Case):
    FLOW = ROOT / "examples/http/listen.yaml"

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.output = self.folder / "out" / "readings.ndjson"

    def start(self, *arguments, **parameters):
        self.run_weir(self.FLOW, *arguments, listen=f"127.0.0.1:{self.port}", output=self.output, **parameters)

    def connection(self):
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", self.port))

    def lines(self):
        return self.output.read_text().splitlines() if self.output.exists() else []

    def test_what_curl_sends_is_there_when_it_is_answered(self):
        if not shutil.which("curl"):
            print("SKIPPED: curl is not installed (scripts/install test)")
            return
        self.start()
        body = self.folder / "body"
        body.write_text('{"n": 1}')
        url = f"http://127.0.0.1:{self.port}/readings"
        command = ["curl", "-sS", "--retry", "50", "--retry-connrefused", "--retry-delay", "0", "--fail-with-body", "-o", "-"]
        command += ["-w", "%{http_code}", "--data-binary", f"@{body}", url]
        result = subprocess.run(command, capture_output=True, text=True, timeout=30)
        self.assertEqual((result.returncode, result.stdout), (0, "200"), result.stderr + self.said())
        self.weir.kill()
        self.start("--until-idle", idle="500ms")
        self.assertEqual(self.weir.wait(), 0, self.said())
        self.assertEqual(self.lines(), ['{"n": 1}'])

    def test_what_was_answered_200_survives_kills(self):
        stop = threading.Event()
        answered, refused = [], []

        def client(number):
            count = 0
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            while not stop.is_set():
                text = f"{number}-{count}"
                try:
                    connection.request("POST", "/readings", json.dumps({"id": text, "pad": "x" * 200}))
                    response = connection.getresponse()
                    response.read()
                    (answered if response.status == 200 else refused).append(text)
                except (OSError, http.client.HTTPException):
                    connection.close()  # and opened again with the next request
                    time.sleep(0.01)
                count += 1
            connection.close()

        clients = [threading.Thread(target=client, args=(number,)) for number in range(8)]
        self.start()
        for thread in clients:
            thread.start()
        try:
            for _ in range(KILLS):
                before = len(answered)
                wait_for(lambda: len(answered) > before + 100, 30, "nothing is answered: " + self.said())
                self.weir.kill()
                self.start()
            before = len(answered)
            wait_for(lambda: len(answered) > before + 100, 30, "nothing is answered: " + self.said())
        finally:
            stop.set()
            for thread in clients:
                thread.join()
        self.assertEqual(self.weir.stop(), 0, self.said())
        self.start("--until-idle", idle="500ms")
        self.assertEqual(self.weir.wait(), 0, self.said())
        arrived = {json.loads(line)["id"] for line in self.lines()}
        self.assertEqual(sorted(set(answered) - arrived), [], f"{len(answered)} were answered 200")

    def test_it_stops_within_seconds_whatever_clients_do(self):
        self.start()
        idle = wait_for(self.connection, 20, self.said())
        with idle:
            idle.send(b"POST /readings HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
            begin = time.monotonic()
            self.assertEqual(self.weir.stop(), 0, self.said())
            self.assertLess(time.monotonic() - begin, 8)


class Poll(Case):
    FLOW = ROOT / "examples/http/poll.yaml"

    def test_each_record_once_over_kills(self):
        most = 2500
        asked = []

        def answer(handler, _):
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(handler.path).query)
            since = int(query.get("since", ["0"])[0])
            asked.append(since)
            items = [{"id": n} for n in range(since + 1, min(since + 10, most) + 1)]
            last = items[-1]["id"] if items else since
            handler.reply(200, json.dumps({"items": items, "next": str(last) if last else None}).encode())

        output = self.folder / "out" / "readings.ndjson"
        with serve(answer) as url:
            for _ in range(KILLS):
                self.run_weir(self.FLOW, url=url + "/readings", output=output)
                seen = len(asked)
                wait_for(lambda: len(asked) > seen + 50, 30, "nothing is asked: " + self.said())
                self.weir.kill()
            self.run_weir(self.FLOW, "--until-idle", url=url + "/readings", output=output)
            self.assertEqual(self.weir.wait(), 0, self.said())
        ids = [json.loads(line)["id"] for line in output.read_text().splitlines()]
        self.assertEqual(ids, list(range(1, most + 1)))


class Send(Case):
    FLOW = ROOT / "examples/http/send.yaml"

    def test_each_record_once_over_kills_and_a_server_in_trouble(self):
        most = 4000
        (self.folder / "in").mkdir()
        (self.folder / "in/readings.ndjson").write_text("".join(f'{{"id": {n}}}\n' for n in range(most)))
        lock = threading.Lock()
        taken = {}  # by key
        confused = []  # keys of two different things
        asked = [0]

        def answer(handler, body):
            with lock:
                asked[0] += 1
                number = asked[0]
                if number % 7 == 0:
                    return handler.reply(503, b"in trouble", Retry_After="0")
                known = taken.setdefault(handler.headers["Idempotency-Key"], body)
            if known != body:
                confused.append(handler.headers["Idempotency-Key"])
            if number % 11 == 0:
                handler.close_connection = True  # it has it, and does not say so
                return None
            return handler.reply(200)

        with serve(answer) as url:
            parameters = {"input": self.folder / "in/*.ndjson", "url": url + "/readings"}
            for _ in range(KILLS):
                self.run_weir(self.FLOW, **parameters)
                seen = asked[0]
                wait_for(lambda: asked[0] > seen + 15, 30, "nothing is sent: " + self.said())
                self.weir.kill()
            self.run_weir(self.FLOW, "--until-idle", **parameters)
            self.assertEqual(self.weir.wait(90), 0, self.said())
        self.assertEqual(confused, [])
        ids = [record["id"] for body in taken.values() for record in json.loads(body)]
        self.assertEqual(sorted(ids), list(range(most)))


class Enrich(Case):
    FLOW = ROOT / "examples/http/enrich.yaml"

    def test_each_record_once_in_order_over_kills_and_a_server_in_trouble(self):
        most = 2000
        (self.folder / "in").mkdir()
        (self.folder / "in/readings.ndjson").write_text("".join(f'{{"station": {n}}}\n' for n in range(most)))
        asked = [0]

        def answer(handler, _):
            asked[0] += 1
            if asked[0] % 50 == 0:
                return handler.reply(503, b"in trouble")
            station = handler.path.rsplit("=", 1)[1]
            return handler.reply(200, json.dumps({"main": {"temp": int(station) + 0.5}}).encode())

        output = self.folder / "out" / "enriched.ndjson"
        with serve(answer) as url:
            parameters = {"input": self.folder / "in/*.ndjson", "url": url, "output": output}
            for _ in range(KILLS):
                self.run_weir(self.FLOW, **parameters)
                seen = asked[0]
                wait_for(lambda: asked[0] > seen + 300, 30, "nothing is asked: " + self.said())
                self.weir.kill()
            self.run_weir(self.FLOW, "--until-idle", **parameters)
            self.assertEqual(self.weir.wait(), 0, self.said())
        records = [json.loads(line) for line in output.read_text().splitlines()]
        wanted = [{"station": n, "weather": {"temperature": n + 0.5}} for n in range(most)]
        self.assertEqual(records, wanted)


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
