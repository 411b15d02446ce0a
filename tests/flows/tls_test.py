#!/usr/bin/env python3
"""TLS of a `weir run` of its own: with an authority made for the test, from Python's ssl, and from Weir's own verbs.

Usage: tls_test.py WEIR
"""

import http.client
import http.server
import json
import os
import pathlib
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

from running_weir import PATIENCE, WEIR, WeirTest, eventually


FLOW = """\
flow: op
processors:
  make: {type: GenerateFlowFile, rate: 20/s, content: '{"n": $(seq)}', to: keep}
  keep: {type: FileSink, path: out.ndjson, drop: failure}
"""


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=PATIENCE)


EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


class Authority:
    """Makes certificates, once for all tests."""

    def __init__(self, folder):
        self.folder = folder
        openssl(folder, "req", "-x509", *EC, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=Test CA")
        self.serial = 100
        self.make("server")
        self.make("renewed")
        self.make("ends", days=3)
        self.make("over", days=0)
        self.make("named", names="DNS:weir.example")
        openssl(folder, "pkey", "-in", "server.key", "-aes-128-cbc", "-passout", "pass:x", "-out", "encrypted.key")
        (folder / "nothing.pem").write_text("nothing\n")

    def make(self, name, days=20, names="DNS:localhost,IP:127.0.0.1"):
        self.serial += 1
        (self.folder / "extensions").write_text(f"subjectAltName={names}\n")
        openssl(self.folder, "req", *EC, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(self.folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-out",
                f"{name}.pem", "-days", str(days), "-set_serial", str(self.serial), "-extfile", "extensions")
        os.chmod(self.folder / f"{name}.key", 0o600)

    def path(self, name):
        return str(self.folder / name)


class TlsTest(WeirTest):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.authority = Authority(pathlib.Path(folder.name))

    def setUp(self):
        super().setUp()
        (self.folder / "op.yaml").write_text(FLOW)

    def start(self, *arguments, **more):
        super().start(*arguments, **more)
        self.url = f"{self.url.partition(':')[0]}://localhost:{self.port}"  # the certificate's name

    def start_with(self, name="server", **more):
        self.start("--tls-cert", self.authority.path(name + ".pem"), "--tls-key", self.authority.path(name + ".key"),
                   **more)

    def context(self):
        return ssl.create_default_context(cafile=self.authority.path("ca.pem"))

    def ask(self, method="GET", path="/healthz", body=None, headers=None, context=None):
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=PATIENCE,
                                                 context=context or self.context())
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def peer(self):
        """The name in the certificate that it shows."""
        with socket.create_connection(("localhost", self.port), PATIENCE) as plain:
            with self.context().wrap_socket(plain, server_hostname="localhost") as secure:
                return dict(pair[0] for pair in secure.getpeercert()["subject"])["commonName"]

    def test_verbs_and_clients_speak_https_and_believe_only_whom_they_are_told_to(self):
        self.start_with()
        self.assertTrue(self.url.startswith("https://"))
        status, headers, body = self.ask()
        self.assertEqual((status, body), (200, b"ok\n"))
        self.assertNotIn("Strict-Transport-Security", headers)  # it would hold for all of localhost
        authority = self.authority.path("ca.pem")
        self.assertIn("op", self.weir("status", "--url", self.url, "--ca", authority))
        self.assertEqual(len(self.weir("tap", "op/make/success/keep", "--limit", "2", "--rate", "50", "--url", self.url,
                                       "--ca", authority).splitlines()), 2)
        self.assertIn("--ca FILE", self.weir("status", "--url", self.url, status=1))
        self.assertIn("cannot read --ca", self.weir("status", "--url", self.url, "--ca", "none.pem", status=1))
        self.assertIn("no certificate", self.weir("status", "--url", self.url, "--ca",
                                                  self.authority.path("nothing.pem"), status=1))

    def test_a_certificate_of_another_name_is_not_believed(self):
        self.start_with("named")
        said = self.weir("status", "--url", self.url, "--ca", self.authority.path("ca.pem"), status=1)
        self.assertIn("mismatch", said)

    def test_only_1_2_and_later_with_forward_secrecy(self):
        self.start_with()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.context()
            context.minimum_version = context.maximum_version = version
            self.assertEqual(self.ask(context=context)[0], 200)
        old = self.context()
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        without_secrecy = self.context()
        without_secrecy.maximum_version = ssl.TLSVersion.TLSv1_2
        without_secrecy.set_ciphers("AES128-SHA:AES256-GCM-SHA384")
        for context in (old, without_secrecy):
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                self.ask(context=context)

    def test_a_cookie_goes_over_tls_only(self):
        token = self.weir("token", "add", "oscar", "--role", "operator").split()[0]
        self.start_with()
        status, headers, _ = self.ask("POST", "/api/v1/session", json.dumps({"token": token}),
                                      {"Content-Type": "application/json"})
        self.assertEqual(status, 200)
        self.assertIn("; Secure", headers["Set-Cookie"])
        status, _, _ = self.ask("POST", "/api/v1/flows/op/stop", "{}", {
            "Content-Type": "application/json", "Authorization": "Bearer " + token,
            "Origin": f"http://localhost:{self.port}"})  # the same host, in the clear: somebody in between
        self.assertEqual(status, 403)

    def test_beyond_this_machine_browsers_are_told_to_stay_with_tls(self):
        self.weir("token", "add", "oscar")
        self.start_with(listen="0.0.0.0:0")
        self.assertIn("max-age=", self.ask()[1]["Strict-Transport-Security"])
        self.assertNotIn("in the clear", self.log())
        self.stop()
        self.start(listen="0.0.0.0:0")
        self.assertIn("tokens and data pass this network in the clear", self.log())

    def test_a_renewed_certificate_is_used_without_a_restart(self):
        certificate, key = self.folder / "cert.pem", self.folder / "key.pem"

        def put(name):
            for part, path in ((".pem", certificate), (".key", key)):
                new = path.with_suffix(".new")
                new.write_bytes(pathlib.Path(self.authority.path(name + part)).read_bytes())
                os.chmod(new, 0o600)
                os.replace(new, path)

        put("server")
        self.start("--tls-cert", str(certificate), "--tls-key", str(key))
        self.assertEqual(self.peer(), "server")
        # Only one of the two, and then nonsense: what was read before stays.
        certificate.write_bytes(pathlib.Path(self.authority.path("renewed.pem")).read_bytes())
        eventually(lambda: self.peer() == "server" and "the one before stays" in self.log(), "it keeps the old one")
        certificate.write_text("nothing")
        eventually(lambda: self.peer() == "server" and "no certificate in PEM" in self.log(), "it keeps the old one")
        put("renewed")
        eventually(lambda: self.peer() == "renewed", "it shows the new certificate")
        self.assertIn("a new TLS certificate is used", self.log())

    def test_an_end_that_comes_soon_or_has_come_is_said(self):
        self.start_with("ends")
        eventually(lambda: "ends on" in self.log() and "in 2 days" in self.log(), "it warns")
        self.stop()
        self.start_with("over")
        eventually(lambda: "has ended on" in self.log(), "it warns")

    def test_what_cannot_be_used_is_refused_with_what_to_do(self):
        path = self.authority.path
        for arguments, expected in (
                (["--tls-cert", "none.pem", "--tls-key", path("server.key")], "cannot read --tls-cert none.pem: No such"),
                (["--tls-cert", path("server.pem"), "--tls-key", "none.key"], "cannot read --tls-key none.key: No such"),
                (["--tls-cert", str(self.folder), "--tls-key", path("server.key")], "it is no file"),
                (["--tls-cert", path("nothing.pem"), "--tls-key", path("server.key")], "no certificate in PEM"),
                (["--tls-cert", path("server.pem"), "--tls-key", path("nothing.pem")], "no private key in PEM"),
                (["--tls-cert", path("server.pem"), "--tls-key", path("renewed.key")], "is not the key of"),
                (["--tls-cert", path("server.pem"), "--tls-key", path("encrypted.key")], "is encrypted"),
                (["--tls-cert", path("server.pem")], "--tls-key")):
            with self.subTest(expected):
                result = subprocess.run([WEIR, "run", "op.yaml", "--listen", "127.0.0.1:0", "--for", "1s", *arguments],
                                        cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
                self.assertNotEqual(result.returncode, 0)
                self.assertIn(expected, result.stderr)
        os.chmod(path("server.key"), 0o644)
        try:
            self.start_with()
            self.assertIn("chmod o-r", self.log())
        finally:
            os.chmod(path("server.key"), 0o600)

    def test_plain_http_is_told_so(self):
        self.start_with()
        with socket.create_connection(("localhost", self.port), PATIENCE) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            said = b""
            while part := plain.recv(65536):
                said += part
        self.assertIn(b"400 Bad Request", said)
        self.assertTrue(said.endswith(b"this port speaks TLS: use https://.\n"))
        self.assertIn("does it speak plain http?",
                      self.weir("status", "--url", f"https://localhost:{self.silent_port()}", status=1))

    def silent_port(self):
        """Of somebody who answers garbage."""
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        self.addCleanup(listener.close)

        def answer():
            with listener.accept()[0] as client:
                client.recv(1024)
                client.sendall(b"SSH-2.0-nothing\r\n")
                client.recv(1024)

        threading.Thread(target=answer, daemon=True).start()
        return listener.getsockname()[1]

    def test_who_does_not_shake_hands_holds_nobody_up(self):
        self.start_with()
        hello = bytes.fromhex("160301006c0100006803")  # a handshake that has begun
        clients = [socket.create_connection(("localhost", self.port), PATIENCE) for _ in range(40)]
        try:
            for i, client in enumerate(clients):
                if i % 2:
                    client.sendall(hello)
            self.assertEqual(self.ask()[0], 200)
            for client in clients:  # it hangs up on all of them, after ten seconds
                client.settimeout(PATIENCE)
                self.assertEqual(client.recv(1), b"")
        finally:
            for client in clients:
                client.close()

    def endpoint(self, certificate):
        """Where OpenLineage's events go, over TLS: its URL, and what has come."""
        events = []

        class Endpoint(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                events.append((body["eventType"], self.headers["Authorization"]))
                self.send_response(201)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # who does not believe it hangs up
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authority.path(f"{certificate}.pem"), self.authority.path(f"{certificate}.key"))
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"https://127.0.0.1:{server.server_port}/api/v1/lineage", events

    def test_openlineage_goes_over_tls_to_whom_it_believes_only(self):
        ca = self.authority.path("ca.pem")
        url, events = self.endpoint("server")
        super().start(environment={"OPENLINEAGE_URL": url, "OPENLINEAGE_CA": ca, "OPENLINEAGE_API_KEY": "k",
                                   "OPENLINEAGE_INTERVAL": "1"})
        eventually(lambda: {("START", "Bearer k"), ("RUNNING", "Bearer k")} <= set(events))
        self.stop()
        self.assertEqual(events[-1], ("COMPLETE", "Bearer k"))
        self.assertNotIn("OpenLineage", self.log())
        stranger, nothing = self.endpoint("named")
        for where, authorities, why in ((url, "", "certificate"), (stranger, ca, "name|match")):
            del events[:]
            super().start(environment={"OPENLINEAGE_URL": where, "OPENLINEAGE_CA": authorities, "OPENLINEAGE_API_KEY": "k"})
            eventually(lambda: "OpenLineage: " in self.log())
            self.assertRegex(self.log(), f"no TLS: .*({why}).*events wait")
            self.stop()
            self.assertEqual(events + nothing, [])
        for where, authorities, status, why in ((url, "none.pem", 1, "none.pem"),
                                                ("https://me:hunter2@h/x", ca, 2, "OPENLINEAGE_API_KEY")):
            said = subprocess.run([WEIR, "run", "op.yaml", "--listen", "127.0.0.1:0"], cwd=self.folder, timeout=PATIENCE,
                                  env={**os.environ, "OPENLINEAGE_URL": where, "OPENLINEAGE_CA": authorities}, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            self.assertEqual(said.returncode, status, said.stdout)
            self.assertIn(why, said.stdout)
            self.assertNotIn("hunter2", said.stdout)

    def test_many_at_once_are_bounded_and_pass(self):
        self.start_with()
        clients = []
        try:
            for _ in range(300):
                clients.append(socket.create_connection(("localhost", self.port), PATIENCE))
            hung_up = 0
            for client in clients[256:]:
                client.settimeout(PATIENCE)
                hung_up += client.recv(1) == b""
            self.assertEqual(hung_up, 300 - 256)
        finally:
            for client in clients:
                client.close()

        def served():
            try:
                return self.ask()[0] == 200
            except OSError:
                return False

        eventually(served, "it serves again")

    def test_events_come_through_and_large_answers_are_whole(self):
        self.start_with()
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=PATIENCE, context=self.context())
        connection.request("GET", "/api/v1/events")
        answer = connection.getresponse()
        events = [answer.fp.readline() for _ in range(30)]
        self.assertTrue(any(line.startswith(b"event: snapshot") for line in events), events)
        connection.close()
        _, _, body = self.ask(path="/api/v1/openapi.json")
        self.assertIn("paths", json.loads(body))

    def test_openssl_is_loaded_only_for_tls(self):
        self.start()
        maps = pathlib.Path(f"/proc/{self.process.pid}/maps")
        self.assertNotRegex(maps.read_text(), r"libssl|libcrypto|weir-tls")
        self.stop()
        self.start(environment={"WEIR_TLS_CERT": self.authority.path("server.pem"),
                                "WEIR_TLS_KEY": self.authority.path("server.key")})
        self.assertRegex(pathlib.Path(f"/proc/{self.process.pid}/maps").read_text(), r"weir-tls")
        self.assertEqual(self.ask()[0], 200)


if __name__ == "__main__":
    unittest.main()
