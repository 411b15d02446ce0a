"""A relay between a client and a real server, that knows the protocol's commits and can cut just before one is
delivered or just before its answer is.

`relay = Relay(protocol)`; `relay.serve(host, port)` says where the server is; clients connect to `relay.port`.
`relay.cut_at("request" or "answer", action)` arms it for a commit to come: the action runs (it kills somebody), then the
connection is cut. `relay.fired` is set after that. `relay.commits` counts answers that got through.
"""

import socket
import struct
import threading


class Postgresql:
    """COMMIT is a query of its own, and the client waits for its answer."""

    commit = b"Q\0\0\0\x0bCOMMIT\0"

    def __init__(self):
        self.waiting = False

    def requests(self, data):
        """The messages of what the client sent, each with whether it is a commit; and what is no whole one yet."""
        return [(data, data == self.commit)], b""

    def sent(self, message):
        """A commit was passed on; the next answer is its."""
        self.waiting = True

    def answers(self, data):
        """The same for what the server sent: with whether it answers that commit."""
        is_answer, self.waiting = self.waiting, False
        return [(data, is_answer)], b""


class Mariadb(Postgresql):
    commit = b"\x07\0\0\0\x03COMMIT"


class Kafka:
    """Frames with a length; the answer to a request has its number. EndTxn commits, or aborts."""

    END_TXN = 26

    def __init__(self):
        self.number = None

    @staticmethod
    def _frames(data):
        frames = []
        while len(data) >= 4:
            size = 4 + struct.unpack_from(">i", data)[0]
            if len(data) < size:
                break
            frames.append(data[:size])
            data = data[size:]
        return frames, data

    def requests(self, data):
        frames, rest = self._frames(data)
        return [(frame, self._commits(frame)) for frame in frames], rest

    def _commits(self, frame):
        kind, version = struct.unpack_from(">hh", frame, 4)
        # The last field says whether it commits; from version 3 on, an empty list of tags follows it.
        return kind == self.END_TXN and frame[-1 if version < 3 else -2] == 1

    def sent(self, message):
        self.number = message[8:12]

    def answers(self, data):
        frames, rest = self._frames(data)
        return [(frame, self.number is not None and frame[4:8] == self.number) for frame in frames], rest


class Relay:
    def __init__(self, protocol):
        self.protocol = protocol
        self.server = None
        self.fired = threading.Event()
        self.commits = 0
        self._armed = None
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def serve(self, host, port):
        self.server = (host, int(port))

    def cut_at(self, point, action, skip=1):
        """At the commit after the next `skip`: the first ones after a start are of the start itself."""
        with self._lock:
            self.fired.clear()
            self._armed = [point, action, skip]

    def _take(self, point):
        """The action, if this is where to cut."""
        with self._lock:
            if self._armed is None or self._armed[0] != point:
                return None
            if self._armed[2] > 0:
                self._armed[2] -= 1
                return None
            action, self._armed = self._armed[1], None
            return action

    def _accept(self):
        while True:
            client = self._listener.accept()[0]
            try:
                server = socket.create_connection(self.server, timeout=5)
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            protocol = self.protocol()
            threading.Thread(target=self._relay, args=(client, server, protocol), daemon=True).start()

    def _relay(self, client, server, protocol):
        with client, server:
            answers = threading.Thread(target=self._answers, args=(client, server, protocol), daemon=True)
            answers.start()
            self._requests(client, server, protocol)
            answers.join()

    def _requests(self, client, server, protocol):
        def deliver(message, commits):
            action = self._take("request") if commits else None
            if action:
                return action
            if commits:
                protocol.sent(message)
            server.sendall(message)
            return None

        self._pump(client, server, protocol.requests, deliver)

    def _answers(self, client, server, protocol):
        def deliver(message, is_answer):
            action = self._take("answer") if is_answer else None
            if action:
                return action
            client.sendall(message)
            self.commits += is_answer
            return None

        self._pump(server, client, protocol.answers, deliver)

    def _pump(self, source, target, split, deliver):
        data = b""
        action = None
        try:
            while action is None and (received := source.recv(1 << 16)):
                messages, data = split(data + received)
                for message, special in messages:
                    action = deliver(message, special)
                    if action:
                        break
        except OSError:
            pass
        if action:
            action()
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        if action:
            self.fired.set()
