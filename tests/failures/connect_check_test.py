#!/usr/bin/env python3
"""`weir validate --connect` for what is reached without logging in anywhere: files, addresses to listen on, lookups.

Usage: connect_check_test.py BUILD. (Those that log in are checked by the conformance suite.)
"""

import http.server
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest

from failures import flow_runs

BUILD = None


class Answer(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_):
        pass


class Checks(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-connect-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.folder.chmod(0o755)

    def check(self, processor, user=None):
        """Exit status and what it says, of a flow with this processor alone."""
        is_source = "Source" in processor or "Listen" in processor
        source = "" if is_source else "  numbers: {type: GenerateFlowFile, count: 1, to: it}\n"
        lookup = "Lookup" in processor
        ends = "to: end, " if is_source or lookup else ""
        flow = self.folder / "flow.yaml"
        flow.write_text(
            f"flow: check\ndefaults: {{failure: end}}\nprocessors:\n{source}  it: {{{processor}, {ends}queue: {{}}}}\n"
            "  end: {type: Discard}\n".replace(", queue: {}", "")
        )
        result = subprocess.run([BUILD / "weir", "validate", "--connect", flow], capture_output=True, text=True,
                                timeout=60, user=user)
        return result.returncode, result.stdout + result.stderr

    def assert_reached(self, processor, text):
        status, said = self.check(processor)
        self.assertEqual(status, 0, said)
        self.assertIn(text, said)

    def assert_not_reached(self, processor, text, user=None):
        status, said = self.check(processor, user)
        self.assertEqual(status, 2, said)
        self.assertIn(text, said)

    def test_files_are_there_and_may_be_read_and_written(self):
        (self.folder / "in").mkdir()
        (self.folder / "in/a.ndjson").write_text("{}\n")
        for path in ("in", "in/a.ndjson", "in/*.ndjson"):
            self.assert_reached(f'type: FileSource, path: "{self.folder}/{path}"', "reaches")
        self.assert_not_reached(f'type: FileSource, path: "{self.folder}/none.ndjson"', "does not exist")
        self.assert_not_reached(f'type: FileSource, path: "{self.folder}/none/*.ndjson"', "does not exist")
        self.assert_reached(f'type: FileSink, path: "{self.folder}/out.ndjson"', "out.ndjson")
        new = f"{self.folder}/new/kind=$(attr('k'))/out.ndjson"
        self.assert_reached(f'type: FileSink, path: "{new}"', "will be made")
        self.assertFalse((self.folder / "new").exists(), "a check leaves nothing behind")
        self.assert_not_reached(f'type: FileSink, path: "{self.folder}/in"', "is a directory")
        self.assert_not_reached(f'type: FileSink, path: "{self.folder}/in/a.ndjson/out"', "is no directory")

    def test_files_of_somebody_else_are_refused(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become somebody else")
        (self.folder / "in").mkdir(mode=0o700)
        for processor in ("FileSource", "FileSink"):
            self.assert_not_reached(f'type: {processor}, path: "{self.folder}/in/x"', "", "nobody")
        self.assert_not_reached(f'type: FileSource, path: "{self.folder}/in"', "cannot be read", "nobody")

    def test_an_address_to_listen_on_is_free(self):
        port = flow_runs.free_port()
        self.assert_reached(f'type: HttpListen, listen: "127.0.0.1:{port}"', "free")
        with socket.create_server(("127.0.0.1", port)):
            self.assert_not_reached(f'type: HttpListen, listen: "127.0.0.1:{port}"', "somebody listens")
        self.assert_not_reached('type: HttpListen, listen: "192.0.2.77:8088", allow_anonymous_network: true',
                                "cannot listen")

    def test_a_lookup_reaches_its_api(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        processor = f'type: HttpLookup, url: "http://127.0.0.1:{server.server_address[1]}/units/$(seq)"'
        for server.status in (200, 404, 405):
            self.assert_reached(processor, str(server.status))
        server.status = 401
        self.assert_not_reached(processor, "check auth")
        server.status = 503
        self.assert_not_reached(processor, "503")
        self.assert_not_reached(f'type: HttpLookup, url: "http://127.0.0.1:{flow_runs.free_port()}/$(seq)"', "onnect")

    def test_what_a_database_does_not_answer_is_said_on_one_line(self):
        url = f"postgresql://weir@127.0.0.1:{flow_runs.free_port()}/lake"
        status, said = self.check(f'type: SqlSink, url: "{url}", table: t, columns: {{a: "1"}}')
        self.assertEqual(status, 2, said)
        self.assertRegex(said, r"error: 'it' cannot reach .*: Connection refused Is the server running")


if __name__ == "__main__":
    BUILD = flow_runs.build_folder()
    unittest.main(verbosity=2)
