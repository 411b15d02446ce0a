"""What the kill test hands over: readings and documents that are pure functions of their number, so that the checker
can say of anything that arrives whether it is right, and of anything handed over whether it is missing."""

import json
import os
import threading
import time

KEYS = 40
FIRST_TIME_MS = 1_700_000_000_000
STEP_MS = 25
WARM = 20
HOT = 60


def mix(number):
    """A well-mixed 64-bit hash (splitmix64)."""
    number = (number + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return number ^ (number >> 31)


class Reading:
    """Reading `seq`: key, event time, value, and its line, whose digits nobody may touch (20.50 stays 20.50)."""

    __slots__ = ("seq", "key", "time_ms", "cents")

    def __init__(self, seq):
        bits = mix(seq)
        self.seq = seq
        self.key = f"k-{bits % KEYS:02d}"
        self.time_ms = FIRST_TIME_MS + seq * STEP_MS
        self.cents = (bits >> 20) % 9000

    @property
    def value(self):
        return float(f"{self.cents // 100}.{self.cents % 100:02d}")

    def line(self):
        return (
            f'{{"seq":{self.seq},"key":"{self.key}","timestamp":{self.time_ms},'
            f'"value":{self.cents // 100}.{self.cents % 100:02d},"note":"\\u00b0 °"}}'
        ).encode()


def items_of(document):
    """The items of document number `document`: one to 23 of them, some with much in them."""
    count = 1 + mix(document ^ 0x5EED) % 23
    filler = "x" * (mix(document) % 200 if document % 50 else 100_000)
    return [{"document": document, "item": item, "filler": filler} for item in range(count)]


class Feeder:
    """Hands over files at a rate, each whole, in the order of their names; a thread of its own."""

    READINGS_A_FILE = 200
    LONGEST_QUEUE = 400  # files that wait in the folder: then it pauses, or a slow machine drowns

    def __init__(self, folder, readings_a_second, documents_a_second):
        self.readings_folder = folder / "readings"
        self.documents_folder = folder / "documents"
        self.aside = folder / "aside"  # on the same file system: a rename is atomic
        for path in (self.readings_folder, self.documents_folder, self.aside, folder / "done"):
            path.mkdir(parents=True)
        self.pause = {
            self._readings: self.READINGS_A_FILE / readings_a_second,
            self._document: 1 / documents_a_second,
        }
        self.readings = 0  # handed over
        self.documents = 0
        self.error = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        self._stop.set()
        self._thread.join()
        if self.error:
            raise self.error

    def _run(self):
        due = {work: time.monotonic() for work in self.pause}
        try:
            while not self._stop.wait(max(0.0, min(due.values()) - time.monotonic())):
                work = min(due, key=due.get)
                work()
                due[work] = max(due[work] + self.pause[work], time.monotonic() - 1)
        except OSError as error:
            self.error = error

    def _readings(self):
        if len(os.listdir(self.readings_folder)) >= self.LONGEST_QUEUE:
            return
        first = self.readings
        lines = [Reading(seq).line() for seq in range(first, first + self.READINGS_A_FILE)]
        self._hand_over(self.readings_folder / f"readings-{first:012d}.ndjson", b"\n".join(lines) + b"\n")
        self.readings += self.READINGS_A_FILE

    def _document(self):
        if len(os.listdir(self.documents_folder)) >= self.LONGEST_QUEUE:
            return
        text = json.dumps({"id": self.documents, "items": items_of(self.documents)}, indent=1)
        self._hand_over(self.documents_folder / f"document-{self.documents:012d}.json", text.encode())
        self.documents += 1

    def _hand_over(self, path, content):
        aside = self.aside / path.name
        aside.write_bytes(content)
        aside.rename(path)
