#!/usr/bin/env python3
"""Plants secrets wherever a flow can have them, makes everything that uses them fail, and looks for them everywhere: the
log, every page of the API, metrics, the data directory, what commands print, and core files.

Usage: secrets_test.py WEIR
"""

import http.client
import json
import os
import re
import resource
import signal
import subprocess
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from running_weir import PATIENCE, WEIR, WeirTest, eventually


# Nothing listens at port 1: each of these has something to complain about, with its secret at hand.
FLOW = """\
flow: planted
parameters:
  broker: {default: "mqtt://127.0.0.1:1"}
  far: {default: "${env:FAR:-http://127.0.0.1:1}"}
processors:
  ticks: {type: GenerateFlowFile, rate: 20/s, content: '{"n": $(seq)}', to: [web, basic, bucket, table, topic, path, echoed, sent]}
  messages: {type: MqttSource, url: "${broker}", topic: t, user: weir, password: "${secret:MQTT_SECRET}", to: end}
  web:
    type: HttpSink
    url: http://127.0.0.1:1/x
    headers: {X-Api-Key: "${secret:HEADER_SECRET}"}
    auth: {bearer: "${secret:BEARER_SECRET}"}
    drop: failure
  basic:
    type: HttpSink
    url: "http://127.0.0.1:1/y?key=${secret:QUERY_SECRET}"
    auth: {user: weir, password: "${secret:BASIC_SECRET}"}
    drop: failure
  bucket:
    type: S3Sink
    endpoint: http://127.0.0.1:1
    bucket: b
    key: "$(n)"
    access_key: "${secret:ACCESS_SECRET}"
    secret_key: "${secret:S3_SECRET}"
    drop: failure
  table: {type: SqlSink, database: "postgresql://weir@127.0.0.1:1/d", table: t, password: "${secret:SQL_SECRET}", drop: failure}
  topic: {type: MqttSink, url: "mqtt://127.0.0.1:1", topic: t, user: weir, password: "${secret:SINK_SECRET}", drop: failure}
  path: {type: FileSink, path: "no/such/../../../../../proc/${secret:PATH_SECRET}/x", drop: failure}
  echoed:
    type: HttpSink
    url: "${far}/refuse?key=${secret:ECHOED_SECRET}"
    headers: {X-Api-Key: "${secret:ECHOED_HEADER_SECRET}"}
    to: {failure: dead}
  sent: {type: HttpSink, url: "${far}/take?key=${secret:SENT_SECRET}", drop: failure}
  dead: {type: Discard, enabled: false}
  end: {type: Discard}
"""
NAMES = sorted(set(re.findall(r"secret:(\w+)", FLOW)))
SECRETS = {name: f"planted-{i}-{os.urandom(8).hex()}" for i, name in enumerate(NAMES)}
ENVIRONMENT = {**os.environ, **SECRETS}
PLAIN = """\
flow: plain
processors:
  ticks: {type: GenerateFlowFile, rate: 20/s, content: x, to: end}
  end: {type: Discard}
"""


class Echo(BaseHTTPRequestHandler):
    """A far side that repeats what it was told when it refuses that."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b"" if self.path.startswith("/take") else f"no such key: {self.path} {self.headers['X-Api-Key']}".encode()
        self.send_response(400 if body else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_POST

    def log_message(self, *_):
        pass


class SecretsTest(WeirTest):
    def setUp(self):
        super().setUp()
        far = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
        self.addCleanup(far.server_close)
        self.addCleanup(far.shutdown)
        threading.Thread(target=far.serve_forever, daemon=True).start()
        self.far = f"http://127.0.0.1:{far.server_port}"
        (self.folder / "planted.yaml").write_text(FLOW)
        (self.folder / "plain.yaml").write_text(PLAIN)

    def run_flow(self, flow):
        self.start("--log-level", "debug", flow=flow, environment={**SECRETS, "FAR": self.far} if flow == "planted.yaml" else None,
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2))

    def ask(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            if answer.headers.get_content_type() == "text/event-stream":
                return "".join(answer.fp.readline().decode(errors="replace") for _ in range(20))
            return answer.read().decode(errors="replace")
        finally:
            connection.close()

    def clean(self, text, where):
        text = text if isinstance(text, bytes) else text.encode()
        for name, secret in SECRETS.items():
            self.assertFalse(secret.encode() in text, f"{name} shows in {where}")

    def test_they_show_nowhere(self):
        self.run_flow("planted.yaml")

        def complained():
            flow = json.loads(self.ask("/api/v1/flows/planted"))
            quiet = [p["name"] for p in flow["processors"] if p["name"] in ("web", "basic", "bucket", "table", "topic",
                                                                           "messages") and not p.get("message")]
            return not quiet

        eventually(complained, "everything has failed: " + self.log()[-3000:])
        pages = ["/", "/metrics", "/readyz", "/api/v1/status", "/api/v1/flows", "/api/v1/flows/planted",
                 "/api/v1/bulletins", "/api/v1/events", "/api/v1/history", "/api/v1/audit", "/api/v1/openapi.json",
                 "/api/v1/flows/planted/dead-letters", "/api/v1/provenance/events?limit=1000"]
        failed = "/api/v1/flows/planted/dead-letters"
        eventually(lambda: "answers 400" in self.ask(failed), "what was refused waits with its reason")
        self.assertIn("no such key: /refuse?key=*** ***", self.ask(failed))
        eventually(lambda: "SEND" in self.ask("/api/v1/provenance/events?processor=planted/sent&limit=10"), "it was sent")
        flow = json.loads(self.ask("/api/v1/flows/planted"))
        for processor in flow["processors"]:
            pages.append(f"/api/v1/flows/planted/processors/{processor['name']}")
            pages.append(f"/api/v1/flows/planted/processors/{processor['name']}/state")
        for connection in flow["connections"]:
            pages += [f"/api/v1/connections/{connection['id']}", f"/api/v1/connections/{connection['id']}/flowfiles"]
        for page in pages:
            self.clean(self.ask(page), page)
        self.assertIn("***", self.ask("/api/v1/flows/planted/processors/web"))
        url = f"http://127.0.0.1:{self.port}"
        for arguments in (["status", "--url", url], ["status", "--json", "--url", url], ["audit", "--url", url],
                          ["validate", "planted.yaml"]):
            said = subprocess.run([WEIR, *arguments], capture_output=True, cwd=self.folder, timeout=PATIENCE, check=False,
                                  env=ENVIRONMENT)
            self.clean(said.stdout + said.stderr, " ".join(arguments))
        self.stop()
        self.clean(self.log(), "the log")
        for path in (self.folder / "data").rglob("*"):
            if path.is_file():
                self.clean(path.read_bytes(), str(path))
            self.clean(str(path), "a name of a file")

    def test_a_process_that_holds_secrets_leaves_no_core_file(self):
        for flow, expected in (("plain.yaml", True), ("planted.yaml", False)):
            self.run_flow(flow)
            self.process.send_signal(signal.SIGABRT)
            _, status = os.waitpid(self.process.pid, 0)
            self.process.returncode = -os.WTERMSIG(status)
            if expected and not os.WCOREDUMP(status):
                print("SKIPPED: this machine writes no core files at all", flush=True)
                return
            self.assertEqual(os.WCOREDUMP(status), expected, flow)
            for core in self.folder.glob("core*"):
                self.clean(core.read_bytes(), core.name)
                core.unlink()


if __name__ == "__main__":
    unittest.main()
