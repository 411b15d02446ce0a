"""Compares what arrived with what was handed over. Shares no code with Weir, and knows nothing of how it works."""

import datetime
import gzip
import json
import math
import pathlib
import re
import shutil
import sqlite3
import tempfile

MOST_REPORTED = 5  # problems of one kind; the rest are counted


class Problems:
    """What is wrong, by kind."""

    def __init__(self):
        self.kinds = {}

    def add(self, kind, what):
        count, examples = self.kinds.get(kind, (0, []))
        if count < MOST_REPORTED:
            examples.append(what)
        self.kinds[kind] = (count + 1, examples)

    def __bool__(self):
        return bool(self.kinds)

    def lines(self):
        for kind, (count, examples) in self.kinds.items():
            yield f"{kind}: {count}"
            yield from (f"    {example}" for example in examples)
            if count > len(examples):
                yield f"    … and {count - len(examples)} more"


class Way:
    """One way from a source to a sink, record by record.

    `expected(seq)` is the pair (key, content) that record `seq` has to have here, or None if it must not come. Per key
    records come in the order of seq. With `repeats` (at least once) a record may come again, unchanged: what counts for
    order is when it came first.
    """

    def __init__(self, name, problems, expected, repeats=False):
        self.name = name
        self.problems = problems
        self.expected = expected
        self.repeats = repeats
        self.arrived = set()
        self.order = []  # as they arrived
        self.latest = {}
        self.repeated = 0

    def arrive(self, seq, key, content):
        wanted = self.expected(seq)
        if wanted is None:
            return self.problems.add(f"{self.name}: came though it must not", f"{seq}: {content!r}")
        if wanted != (key, content):
            self.problems.add(f"{self.name}: changed on its way", f"{seq}: {(key, content)!r} is not {wanted!r}")
        if seq in self.arrived:
            self.repeated += 1
            if not self.repeats:
                self.problems.add(f"{self.name}: came twice", str(seq))
            return None
        self.arrived.add(seq)
        self.order.append(seq)
        if self.latest.get(key, -1) > seq:
            self.problems.add(f"{self.name}: out of order", f"{seq} of {key} came after {self.latest[key]}")
        self.latest[key] = max(seq, self.latest.get(key, -1))
        return None

    def end(self, handed_over):
        """`handed_over`: all seqs that have to be here by now, if expected() wants them."""
        for seq in handed_over:
            if seq not in self.arrived and self.expected(seq) is not None:
                self.problems.add(f"{self.name}: lost", str(seq))


class Lines:
    """The lines that a FileSink wrote: NAME, or NAME-000001, NAME-000002, … of files that roll.

    Files that have their name are complete, never change again and have no gap in their numbers: they are read once.
    """

    def __init__(self, path, rolls, problems):
        self.folder, self.stem, self.suffix = path.parent, path.name.split(".")[0], "".join(path.suffixes)
        self.path = path
        self.rolls = rolls
        self.problems = problems
        self.read = {}  # number -> (size, time of change), of files read

    def new(self):
        """Yields the lines that are in place and have not been read. Of one that grows: all, call it once."""
        if not self.rolls:
            if self.path.exists():
                yield from self._lines(self.path)
            return
        found = {}
        for path in self.folder.glob(f"{self.stem}-*{self.suffix}"):
            if match := re.fullmatch(rf"{re.escape(self.stem)}-(\d+){re.escape(self.suffix)}", path.name):
                found[int(match[1])] = path
        for number, (size, changed) in self.read.items():
            if number not in found or (found[number].stat().st_size, found[number].stat().st_mtime_ns) != (
                size,
                changed,
            ):
                self.problems.add("a complete file changed", f"{self.stem} {number}")
        for number in sorted(found.keys() - self.read.keys()):
            status = found[number].stat()
            self.read[number] = (status.st_size, status.st_mtime_ns)
            yield from self._lines(found[number])

    def end(self):
        """All is complete: no file is left under its temporary name, none is missing."""
        if self.rolls and sorted(self.read) != list(range(1, len(self.read) + 1)):
            self.problems.add("files are missing", f"of {self.stem} there are {sorted(self.read)[:20]}")
        if self.folder.exists():
            for part in self.folder.glob(f".{self.stem}*.part"):
                self.problems.add("a file was never completed", part.name)

    def _lines(self, path):
        try:
            with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
                content = file.read()
        except (OSError, EOFError) as error:
            return self.problems.add("a file cannot be read", f"{path.name}: {error}")
        if content and not content.endswith(b"\n"):
            self.problems.add("a file ends within a line", f"{path.name}: {content[-60:]!r}")
        yield from content.split(b"\n")[:-1]
        return None


class Rows:
    """New rows of a table that only ever grows, read in the order in which they were written."""

    def __init__(self, table):
        self.table = table
        self.last = 0

    def new(self, connection):
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (self.table,)).fetchone():
            return
        query = f"SELECT rowid AS rowid_, * FROM {self.table} WHERE rowid > ? ORDER BY 1"
        cursor = connection.execute(query, (self.last,))
        names = [column[0] for column in cursor.description]
        for row in cursor:
            self.last = row[0]
            yield dict(zip(names, row))


class DatabaseCopy:
    """A database as a crash left it, copied with its write-ahead log: looking at it must not change it."""

    def __init__(self, path):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-crash-copy-"))
        for suffix in ("", "-wal", "-journal"):
            source = path.with_name(path.name + suffix)
            if source.exists():
                shutil.copyfile(source, self.folder / source.name)
        self.connection = sqlite3.connect(self.folder / path.name)

    def __enter__(self):
        return self.connection

    def __exit__(self, *_):
        self.connection.close()
        shutil.rmtree(self.folder)


def check_integrity(connection, name, problems):
    try:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check(10)")]
    except sqlite3.DatabaseError as error:
        found = [str(error)]
    if found != ["ok"]:
        problems.add(f"{name}: integrity_check", "; ".join(found))


def check_means(lines, readings, window_ms, problems):
    """Each key and window that has readings has one mean, and it is right."""
    expected = {}
    for reading in readings:
        expected.setdefault((reading.key, reading.time_ms // window_ms * window_ms), []).append(reading.value)
    seen = set()
    latest = {}
    for line in lines:
        mean = json.loads(line)
        start = unix_ms(mean["window_start"])
        place = (mean["key"], start)
        where = f"{mean['key']} {mean['window_start']}"
        if place not in expected:
            problems.add("means: of nothing", where)
            continue
        if place in seen:
            problems.add("means: came twice", where)
        seen.add(place)
        if latest.get(mean["key"], 0) > start:
            problems.add("means: out of order", where)
        latest[mean["key"]] = start
        values = expected[place]
        right = math.fsum(values) / len(values)
        close = math.isclose(mean["mean"], right, rel_tol=1e-12)
        if not close or mean["count"] != len(values) or mean["revision"] != 0:
            problems.add("means: wrong", f"{line.decode()}, not {right} of {len(values)}")
        if unix_ms(mean["window_end"]) - start != window_ms:
            problems.add("means: wrong", f"{where} ends at {mean['window_end']}")
    for key, start in expected.keys() - seen:
        problems.add("means: lost", f"{key} {start}")
    return len(seen)


def json_values(path, problems):
    """The JSON values that stand one behind the other in a file, whatever white space is in and between them."""
    if not path.exists():
        return
    decoder = json.JSONDecoder()
    text = path.read_text()
    at = 0
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError as error:
            problems.add("a file is no sequence of JSON values", f"{path.name}: {error}")
            return
        yield value
        while text[at : at + 1].isspace():
            at += 1


def check_whole(arrays, items_of, documents, problems):
    """Each document that was taken apart is put together again: all items, in their order, once, by document."""
    number = -1
    for number, items in enumerate(arrays):
        if number >= documents:
            problems.add("merged documents: too many", f"{items[0]!r:.80}")
        elif items != items_of(number):
            found = [(item["document"], item["item"]) for item in items]
            problems.add("merged documents: wrong or out of order", f"place {number} holds {found}")
    if number + 1 < documents:
        problems.add("merged documents: lost", f"{documents - number - 1} of {documents}")
    return number + 1


def check_collected(arrays, items_of, documents, most, problems):
    """At least once: every item of every document, in bins that are not overfull."""
    missing = {(document, item): True for document in range(documents) for item in range(len(items_of(document)))}
    total = len(missing)
    for items in arrays:
        if not 0 < len(items) <= most:
            problems.add("collected items: a bin of the wrong size", str(len(items)))
        for item in items:
            place = (item["document"], item["item"])
            if item["document"] >= documents or items_of(item["document"])[item["item"]] != item:
                problems.add("collected items: changed on its way", str(place))
            missing.pop(place, None)
    for place in missing:
        problems.add("collected items: lost", str(place))
    return total - len(missing)


def check_tiling(name, intervals, end, problems):
    """`intervals` of (first, count) cover [0, end) with no gap and no overlap."""
    at = 0
    for first, count in sorted(intervals):
        if first > at:
            problems.add(f"{name}: gap", f"[{at}, {first})")
        elif first < at:
            problems.add(f"{name}: overlap", f"[{first}, {at})")
        at = max(at, first + count)
    if at != end:
        problems.add(f"{name}: ends", f"at {at}, not at {end}")


def read_acknowledged(text):
    """The numbers in mqtt_blast's file of acknowledged ranges."""
    numbers = set()
    for line in text.splitlines():
        first, last = map(int, line.split())
        numbers.update(range(first, last + 1))
    return numbers


def unix_ms(text):
    return round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)
