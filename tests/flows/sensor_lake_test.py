#!/usr/bin/env python3
"""The main job as `make run` starts it: a real mosquitto, the generator, the flow. Usage: sensor_lake_test.py BUILD.

What the generator publishes follows from `seq` alone (generator.yaml says how), so that this test knows without asking
Weir which readings there are, and which of them are faulty. The time is simulated: 50 ms from reading to reading.
"""

import collections
import datetime
import glob
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = None
SENSORS = json.loads((ROOT / "flows/sensor-lake/sensors.json").read_text())
STEP = 50  # simulated milliseconds
PATIENCE = 90  # seconds; a bound, not a wait


# -- What generator.yaml publishes -------------------------------------------------------------------------------------


class Published:
    def __init__(self, count, garbage, begin):
        self.readings = {}  # seq -> (sensor's place in the list, its own count, time)
        for seq in range(count):
            nr, k = seq % len(SENSORS), seq // len(SENSORS)
            if nr in (5, 13) and 400 <= k % 1000 <= 499:
                continue  # gap
            late = 240_000 if nr == 7 and k % 300 == 200 else 60_000 if k % 150 == 140 else 0
            self.readings[seq] = (nr, k, begin + seq * STEP - late)
        self.twice = {seq for seq in self.readings if seq % 997 == 500}
        self.error_codes = self.where(lambda nr, k: nr in (1, 9) and k % 500 == 311)
        self.late = self.where(lambda nr, k: k % 150 == 140 or (nr == 7 and k % 300 == 200))
        self.too_late = self.where(lambda nr, k: nr == 7 and k % 300 == 200)
        # With the 30 s that it takes to be sure that a sensor is stuck.
        self.stuck = self.where(lambda nr, k: nr in (3, 11) and 300 <= k % 1500 <= 899)
        self.surely_stuck = self.where(lambda nr, k: nr in (3, 11) and 332 <= k % 1500 <= 899)
        self.spikes = self.where(lambda nr, k: k % 200 == 77) - self.stuck  # what is stuck does not spike
        self.after_gap = self.where(lambda nr, k: nr in (5, 13) and k % 1000 == 500)
        kinds = collections.Counter(n % 8 for n in range(garbage))
        self.reasons = collections.Counter(
            {
                "cut off": kinds[0],
                "not JSON": kinds[1],
                "'sensor_id' is required": kinds[2],
                "'value' is text, not a number": kinds[3],
                "before 2000": kinds[4] + kinds[7],
                "no sensor of this name": kinds[5],
                "'timestamp' is no time": kinds[6],
                "closed too long ago": len(self.too_late),
            }
        )

    def where(self, fault):
        return {seq for seq, (nr, k, _) in self.readings.items() if fault(nr, k)}

    def limits(self, seq):
        return SENSORS[self.readings[seq][0]]["limits"]

    def beyond(self, values):
        """Readings that the sensor cannot have measured."""
        return {s for s, v in values.items() if not self.limits(s)["min"] <= v <= self.limits(s)["max"]}


def unix_ms(text):
    return round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


# -- A run of the script -----------------------------------------------------------------------------------------------


class Run:
    """flows/sensor-lake/run, as a terminal would start it."""

    def __init__(self, data, *generator, rate="5000/s"):
        command = [ROOT / "flows/sensor-lake/run", "--data", data, "--build", BUILD, "--rate", rate]
        command += ["--archive-every", "1s", "--", *generator]
        self.process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines = []
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True)
        self.reader.start()

    def output(self):
        return "".join(self.lines)

    def url(self):
        found = re.search(r"http://127\.0\.0\.1:\d+", self.output())
        return found and found.group()

    def children(self):
        """Process id -> command line."""
        found = {}
        for stat in glob.glob("/proc/[0-9]*/stat"):
            try:
                fields = pathlib.Path(stat).read_text().rpartition(")")[2].split()
                words = pathlib.Path(stat).with_name("cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if int(fields[1]) == self.process.pid:
                found[int(stat.split("/")[2])] = b" ".join(words).decode()
        return found

    def kill_flow(self):
        for pid, command in self.children().items():
            if "flow.yaml" in command:
                os.kill(pid, signal.SIGKILL)

    def stop(self, how=signal.SIGINT):
        """Returns (exit status, seconds it took, children that outlived it)."""
        children = self.children()
        since = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            status = self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.reader.join(10)
        orphans = [command for pid, command in children.items() if os.path.exists(f"/proc/{pid}") and "sleep" not in command]
        return status, time.monotonic() - since, orphans


class Lake:
    """What the flow wrote."""

    def __init__(self, data):
        self.folder = pathlib.Path(data, "lake")

    def query(self, sql):
        try:
            database = sqlite3.connect(f"file:{self.folder}/history.db?mode=ro", uri=True, timeout=10)
            try:
                return database.execute(sql).fetchall()
            finally:
                database.close()
        except sqlite3.OperationalError:
            return []  # no such file or table yet

    def count(self, table):
        return (self.query(f"SELECT count(*) FROM {table}") or [(0,)])[0][0]

    def unfinished(self):
        return glob.glob(f"{self.folder}/raw/readings/**/.*.part", recursive=True)

    def raw(self):
        """The archived readings, as gzip says, file by file."""
        for name in sorted(glob.glob(f"{self.folder}/raw/readings/date=*/hour=*/*.ndjson.gz")):
            text = subprocess.run(["zcat", name], stdout=subprocess.PIPE, check=True, text=True).stdout
            for line in text.splitlines():
                yield pathlib.Path(name), json.loads(line)

    def rejects(self):
        lines = []
        for name in glob.glob(f"{self.folder}/dead-letter/date=*/rejects.ndjson"):
            lines += pathlib.Path(name).read_text().splitlines()
        return [json.loads(line) for line in lines]


class SensorLake(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        self.data = tempfile.mkdtemp(prefix="weir-sensor-lake-")
        self.lake = Lake(self.data)
        self.run_ = None

    def tearDown(self):
        if self.run_ is not None and self.run_.process.poll() is None:
            self.run_.stop(signal.SIGTERM)
        outcome = self._outcome.result
        if any(test is self for test, _ in outcome.failures + outcome.errors):
            print(self.run_.output()[-3000:])
        shutil.rmtree(self.data, ignore_errors=True)

    def start(self, count, garbage, begin):
        parameters = {"count": count, "garbage_count": garbage, "begin": begin, "step": STEP, "garbage": "50/s"}
        options = [word for name, value in parameters.items() for word in ("--param", f"{name}={value}")]
        self.run_ = Run(self.data, "--until-idle", *options)

    def assert_same(self, found, expected):
        """Of two large mappings, names what differs (assertEqual would compare their texts for minutes)."""
        different = [
            (key, found.get(key), expected.get(key))
            for key in found.keys() | expected.keys()
            if found.get(key) != expected.get(key)
        ]
        self.assertEqual((len(different), sorted(different, key=str)[:5]), (0, []))

    def wait(self, what, condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                self.fail(f"waited {PATIENCE} s in vain for: {what}\n" + self.run_.output()[-3000:])
            if self.run_.process.poll() is not None:
                self.fail(f"ended while waiting for: {what}\n" + self.run_.output()[-3000:])
            time.sleep(0.1)

    def get(self, page):
        with urllib.request.urlopen(self.run_.url() + page, timeout=10) as response:
            return response.status, response.read().decode()

    def wait_for_all(self, published):
        """Every reading is in the history or among the rejects, and those that are late are in both."""
        every = len(published.readings) + sum(published.reasons.values())
        self.wait("all readings and rejects", lambda: self.lake.count("readings") + len(self.lake.rejects()) >= every)
        self.wait("complete raw files", lambda: not self.lake.unfinished())

    # -- What each output has to hold

    def check_raw(self, published):
        """Every plausible reading is there, in its partition, with its bytes. Returns values by seq, copies by seq."""
        values, copies = {}, collections.Counter()
        for name, reading in self.lake.raw():
            self.assertEqual(list(reading), ["sensor_id", "timestamp", "seq", "value"])
            at = time.gmtime(reading["timestamp"] / 1000)
            place = time.strftime("date=%Y-%m-%d/hour=%H", at)
            self.assertEqual(f"{name.parts[-3]}/{name.parts[-2]}", place)
            self.assertTrue(name.name.startswith(reading["sensor_id"]), name)
            if reading["timestamp"] == published.readings.get(reading["seq"], (0, 0, 0))[2]:
                values[reading["seq"]] = reading["value"]
                copies[reading["seq"]] += 1
        self.assertEqual(values.keys() ^ published.readings.keys(), set())
        return values, copies

    def check_history(self, published, values):
        rows = {}
        for seq, sensor, at, value, quality, reasons in self.lake.query(
            "SELECT seq, sensor_id, timestamp, value, quality, reasons FROM readings"
        ):
            self.assertNotIn(seq, rows)
            rows[seq] = (sensor, unix_ms(at), value, quality, reasons or "")
        beyond = published.beyond(values)
        expected = {
            seq: (SENSORS[nr]["id"], at, values[seq])
            for seq, (nr, _, at) in published.readings.items()
            if seq not in beyond
        }
        self.assert_same({seq: row[:3] for seq, row in rows.items()}, expected)

        # Faults that were planted have their flag and reason, and nothing else has one.
        for name, planted in {
            "flat_line": published.surely_stuck - published.late,
            "spike": published.spikes,
            "gap": published.after_gap,
        }.items():
            flagged = {seq for seq, row in rows.items() if row[3] == 3 and name in row[4]}
            self.assertEqual((planted & rows.keys()) - flagged, set(), name)
            self.assertTrue(planted & rows.keys(), name)
        faulty = published.spikes | published.stuck | published.after_gap | published.late
        self.assertEqual({row[3:] for seq, row in rows.items() if seq not in faulty}, {(1, "")})
        listed = self.lake.query("SELECT id, kind, unit, lat, high FROM sensors ORDER BY id")
        named = [(s["id"], s["kind"], s["unit"], s["location"]["lat"], s["limits"]["high"]) for s in SENSORS]
        self.assertEqual(listed, sorted(named))

    def check_means(self, published, values):
        """Recomputed from the raw archive; of windows that are certainly closed, all have to be there."""
        groups = collections.defaultdict(list)
        beyond = published.beyond(values)
        for seq, (nr, _, at) in published.readings.items():
            if seq not in beyond and seq not in published.too_late:
                groups[SENSORS[nr]["id"], at // 60_000 * 60_000].append(values[seq])
        closed = max(at for _, _, at in published.readings.values()) - 5_000
        found = {}
        for sensor, start, mean, count in self.lake.query(
            "SELECT sensor_id, window_start, mean, count FROM means"
        ):
            found[sensor, unix_ms(start)] = (count, mean)
        expected = {key: group for key, group in groups.items() if key[1] + 60_000 <= closed}
        self.assertEqual(found.keys() ^ expected.keys(), set())
        for key, group in expected.items():
            self.assertEqual(found[key][0], len(group), key)
            self.assertAlmostEqual(found[key][1], sum(group) / len(group), 9, key)

    def check_rejects(self, published, values):
        beyond = published.beyond(values)
        self.assertLessEqual(published.error_codes, beyond)
        self.assertLessEqual(beyond, published.error_codes | published.spikes)
        expected = published.reasons + collections.Counter({"what the sensor can measure": len(beyond)})
        rejects = self.lake.rejects()
        reasons = collections.Counter()
        for reject in rejects:
            known = [reason for reason in expected if reason in (reject["reason"] or "")]
            self.assertEqual(len(known), 1, reject)
            reasons[known[0]] += 1
            self.assertTrue(reject["refused_by"] and reject["kind"] and "content" in reject, reject)
            self.assertRegex(reject["topic"], r"^sensors/[a-z]-\d\d/readings$")
        self.assertEqual(reasons, expected)
        self.assertIn("ERR 42: sensor not responding", {reject["content"] for reject in rejects})

    def test_each_output_holds_what_was_published(self):
        begin = (int(time.time()) // 60 - 10) * 60_000
        published = Published(count=11_000, garbage=32, begin=begin)
        self.start(11_000, 32, begin)
        self.wait_for_all(published)
        self.assertEqual(self.get("/healthz"), (200, "ok\n"))
        status, metrics = self.get("/metrics")
        self.assertEqual(status, 200)
        sent = len(published.readings) + len(published.twice) + 32
        found = re.findall(r'^weir_\w*\{[^}]*processor="readings"[^}]*\} (\d+)', metrics, re.M)
        self.assertIn(str(sent), found, [line for line in metrics.splitlines() if '"readings"' in line])

        status, seconds, orphans = self.run_.stop(signal.SIGINT)
        self.assertEqual((status, orphans), (0, []), self.run_.output()[-2000:])
        self.assertLess(seconds, 10)

        values, copies = self.check_raw(published)
        self.assertEqual({seq for seq, n in copies.items() if n > 1}, published.twice)
        self.check_history(published, values)
        self.check_means(published, values)
        self.check_rejects(published, values)
        archived = glob.glob(f"{self.lake.folder}/raw/sensors/*.json")
        self.assertEqual([json.loads(pathlib.Path(name).read_text()) for name in archived], [SENSORS])

    def test_killed_and_stopped_midway_it_continues_and_nothing_is_lost(self):
        begin = (int(time.time()) // 60 - 12) * 60_000
        count, garbage = 12_000, 16
        published = Published(count, garbage, begin)
        self.start(count, garbage, begin)
        self.wait("the first rows", lambda: self.lake.count("readings") > 1_000)
        self.run_.kill_flow()
        self.assertEqual(self.run_.process.wait(40), 1)
        self.assertIn("the flow ended", self.run_.output())

        kept = self.lake.count("readings")
        self.start(count, garbage, begin)
        self.wait("more rows", lambda: self.lake.count("readings") > kept)
        status, _, orphans = self.run_.stop(signal.SIGTERM)
        self.assertEqual((status, orphans), (0, []), self.run_.output()[-2000:])

        self.start(count, garbage, begin)
        self.wait_for_all(published)
        self.assertEqual(self.run_.stop()[0], 0)
        values, copies = self.check_raw(published)
        self.assertLessEqual(published.twice, {seq for seq, n in copies.items() if n > 1})
        self.check_history(published, values)
        self.check_means(published, values)

    def test_the_queries_that_it_prints_work_before_there_is_a_mean(self):
        self.start(40, 1, int(time.time()) * 1000)
        self.wait("the first readings", lambda: self.lake.count("readings") > 0)
        queries = re.findall(r"^ *sqlite3 -box \S+ \"(.*)\"$", self.run_.output(), re.M)
        self.assertEqual(len(queries), 2, self.run_.output())
        database = sqlite3.connect(f"file:{self.lake.folder}/history.db?mode=ro", uri=True, timeout=10)
        self.addCleanup(database.close)
        self.assertGreater(len(database.execute(queries[0]).fetchall()), 0)
        self.assertEqual(database.execute(queries[1]).fetchall(), [])

    def test_a_second_run_on_the_same_folder_is_refused_and_says_so(self):
        self.start(10, 0, 0)
        self.wait("the flow", lambda: self.run_.url() and "in " in self.run_.output())
        second = subprocess.run(
            [ROOT / "flows/sensor-lake/run", "--data", self.data, "--build", BUILD],
            capture_output=True, text=True, timeout=60,
        )
        self.assertEqual(second.returncode, 1)
        self.assertIn("another run uses", second.stderr)


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
    if shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin") is None:
        print("SKIPPED mosquitto is not installed: scripts/install run")
        sys.exit(0)
    unittest.main(verbosity=2)
