"""What the failure tests share beside tests/flows/flow_runs.py: load that goes on whatever dies, and what arrived."""

import collections
import json
import pathlib
import sys
import threading
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "flows"))

import flow_runs  # noqa: E402  (found through the line above)

READ_TOPIC = """
flow: read-back
processors:
  messages: {{type: KafkaSource, brokers: "{brokers}", topic: "{topic}", group: "{group}", to: out}}
  out: {{type: FileSink, path: "{out}", drop: failure}}
"""


def get(port, path):
    """Status and text of what a Weir answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def not_ready(port):
    """Why a Weir is not ready, a line for each processor; empty if it is."""
    status, text = get(port, "/readyz")
    return "" if status == 200 else text


def until_no_more_comes(count, run, still=1):
    """Until the number of what came has stayed the same for so many seconds."""
    seen, since = None, time.monotonic()

    def stays():
        nonlocal seen, since
        if seen != (now := count()):
            seen, since = now, time.monotonic()
        return time.monotonic() - since >= still

    flow_runs.wait_for("no more to come", stays, run)


class Load:
    """Files of numbered records in a folder that a FileSource reads, until it is told to stop."""

    def __init__(self, folder, records=100, pause=0.05, pad=60):
        self.folder, self.records, self.pause, self.pad = pathlib.Path(folder), records, pause, pad
        self.folder.mkdir()
        self.written = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self):
        """How many there are."""
        self._stop.set()
        self._thread.join()
        return self.written

    def _run(self):
        while not self._stop.wait(self.pause):
            numbers = range(self.written, self.written + self.records)
            lines = (json.dumps({"k": f"k{n % 10}", "n": n, "pad": "x" * self.pad}) + "\n" for n in numbers)
            part = self.folder / f"{self.written:09}.part"
            part.write_text("".join(lines))
            part.rename(part.with_suffix(".ndjson"))
            self.written += self.records


def source(folder):
    """The beginning of a flow that reads the load."""
    return f"""
  read:
    type: FileSource
    path: {folder}/*.ndjson
    format: ndjson
    chunk_size: 8KiB
    interval: 50ms
    to: store
    drop: failure
"""


def check_each_once(test, numbers, count):
    """Nothing lost, nothing twice."""
    found = collections.Counter(numbers)
    missing = [n for n in range(count) if n not in found]
    twice = [n for n, times in found.items() if times > 1]
    test.assertEqual((len(missing), missing[:10]), (0, []), "lost")
    test.assertEqual((len(twice), twice[:10]), (0, []), "twice")


def numbers_in_topic(weir, brokers, topic):
    """Of all committed messages."""
    name = f"read-back-{len(list(weir.folder.glob('read-back-*.yaml')))}"
    out = weir.folder / f"{name}.ndjson"
    flow = weir.folder / f"{name}.yaml"
    flow.write_text(READ_TOPIC.format(brokers=brokers, topic=topic, group=name, out=out))
    weir.run(str(flow), name, {})
    return [json.loads(line)["n"] for line in out.read_text().splitlines()] if out.exists() else []
