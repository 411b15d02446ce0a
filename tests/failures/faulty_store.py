"""A proxy before a real S3 server, that breaks each kind of request in each way that a store is known to break.

`FaultyStore(host, port)` serves at `.port`. The signature covers the Host header, which is passed on as it came.
`.left()` says what has not been broken yet; `.counts` how often each fault was played.
"""

import collections
import http.client
import http.server
import threading
import time
import urllib.parse

ERROR = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{}</Code><Message>a test</Message></Error>'

# Before the store has seen the request: "500", "503", "cut request" (in the middle of it), "error in 200".
# After it was done: "500 after", "no answer", "cut answer" (in the middle of it), "broken xml" and "empty" (with status
# 200, and nothing that says how long it should have been), "page" (of somebody between, with status 200).
FAULTS = {
    "put": ["500", "503", "cut request", "500 after", "no answer"],
    "begin": ["500", "503", "500 after", "no answer", "cut answer", "broken xml"],
    "part": ["500", "503", "cut request", "500 after", "no answer"],
    "complete": ["500", "503", "error in 200", "500 after", "no answer", "cut answer", "broken xml", "empty"],
    "list": ["500", "503", "error in 200", "no answer", "cut answer", "broken xml", "empty", "page"],
    "get": ["500", "503", "no answer", "cut answer"],
    "head": ["500", "no answer"],
}
# Once, which the same request may try again, and has to get through then; and so often that whoever sent it has to give
# up and come back. Not every fault of an upload's parts, since pauses grow until the whole object is there.
OFTEN = 3
GIVES_UP = {"503", "cut request", "no answer", "cut answer"}
SLOW = 5  # seconds: an answer of the store that takes longer is told


def steps(fault):
    return [fault, None] + ([fault] * OFTEN if fault in GIVES_UP else [])


def kind_of(method, path):
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query, keep_blank_values=True)
    if method == "PUT":
        return "part" if "partNumber" in query else "put"
    if method == "POST":
        return "begin" if "uploads" in query else "complete"
    if method == "GET":
        return "list" if "list-type" in query else "get"
    return method.lower()


class FaultyStore:
    def __init__(self, host, port, kinds):
        self.server = (host, int(port))
        self.counts = collections.Counter()
        self._lock = threading.Lock()
        self._plan = {
            kind: [step for fault in FAULTS[kind] for step in steps(fault)] for kind in kinds
        }
        store = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle(self):
                try:
                    super().handle()
                except OSError:
                    pass

            def do_any(self):
                store.handle(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_any

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def left(self):
        with self._lock:
            return {kind: plan for kind, plan in self._plan.items() if any(plan)}

    def next_fault(self, kind):
        with self._lock:
            plan = self._plan.get(kind)
            fault = plan.pop(0) if plan else None
            if fault:
                self.counts[kind, fault] += 1
            return fault

    def handle(self, request):
        kind = kind_of(request.command, request.path)
        fault = self.next_fault(kind)
        size = int(request.headers.get("Content-Length", 0))
        if fault == "cut request":
            request.rfile.read(size // 2)
            request.close_connection = True
            return
        body = request.rfile.read(size)
        if fault in ("500", "503"):
            code = "InternalError" if fault == "500" else "SlowDown"
            return self.answer(request, int(fault), [], ERROR.format(code).encode())
        if fault == "error in 200":
            return self.answer(request, 200, [], ERROR.format("InternalError").encode())
        status, headers, content = self.forward(request, body)
        if fault == "500 after":
            return self.answer(request, 500, [], ERROR.format("InternalError").encode())
        if fault == "no answer":
            request.close_connection = True
            return
        if fault in ("broken xml", "empty", "page"):
            request.close_connection = True
            request.send_response(200)
            request.send_header("Connection", "close")
            request.end_headers()
            page = b"<html><body>come back later</body></html>"
            request.wfile.write({"broken xml": content[: len(content) // 2], "empty": b" ", "page": page}[fault])
            return
        self.answer(request, status, headers, content, cut=fault == "cut answer")

    def forward(self, request, body):
        began = time.monotonic()
        connection = http.client.HTTPConnection(*self.server, timeout=30)
        try:
            connection.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                if name.lower() != "connection":
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        except OSError as error:
            print(f"the store fails: {error}", flush=True)
            return 502, [], b""
        finally:
            if time.monotonic() - began > SLOW:
                print(f"{request.command} {request.path} took {time.monotonic() - began:.1f} s", flush=True)
            connection.close()

    @staticmethod
    def answer(request, status, headers, content, cut=False):
        request.send_response(status)
        # That of an answer to HEAD says what a GET would bring.
        length = dict((n.lower(), v) for n, v in headers).get("content-length") if request.command == "HEAD" else None
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                request.send_header(name, value)
        request.send_header("Content-Length", length or len(content))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            request.close_connection = True
