#!/usr/bin/env python3
"""flows/transport-lake, embedded and against Kafka, PostgreSQL, S3 and a stand-in weather API.

Usage: transport_lake_test.py BUILD.
"""

import collections
import gzip
import http.server
import json
import os
import pathlib
import sqlite3
import threading
import unittest
import urllib.parse

import flow_runs

BUILD = None
UNITS, LOCATIONS, HOURS = 24, 2304, 51  # a day of locations, two days of performance and what closes the second
TYPES = ["plane", "ship", "truck", "train"]


class Weather:
    """Answers by place; every seventh request fails."""

    def __init__(self):
        weather = self
        self.asked = 0

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                weather.asked += 1
                query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
                lat, lon = float(query["lat"][0]), float(query["lon"][0])
                body = json.dumps({"main": {"temp": weather.at(lat, lon)}, "wind": {"speed": 5}}).encode()
                self.send_response(503 if weather.asked % 7 == 0 else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/weather"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @staticmethod
    def at(lat, lon):
        return round(lat - lon / 2, 2)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def half(x):
    """To the nearest half degree, halves away from zero as SQLite rounds."""
    doubled = x * 2
    return (int(doubled + 0.5) if doubled >= 0 else -int(-doubled + 0.5)) / 2


class TransportLake(unittest.TestCase):
    def setUp(self):
        self.weir = flow_runs.Weir(BUILD)
        self.folder = self.weir.folder
        self.runs = 0

    def generate(self, **parameters):
        self.runs += 1
        self.weir.run(
            "flows/transport-lake/generator.yaml",
            f"generator-{self.runs}",
            {
                "incoming": self.folder / "incoming",
                "units": UNITS,
                "locations": LOCATIONS,
                "performances": UNITS * HOURS,
                **self.fleet,
                **parameters,
            },
        )

    # -- What is in the lake, and in the tables

    def lake(self, kind):
        """Every record, with the partition it is in."""
        for path in sorted((self.lake_folder / kind).rglob("*.ndjson.gz")):
            if path.name.startswith("."):
                continue
            partition = dict(part.split("=") for part in path.relative_to(self.lake_folder).parts if "=" in part)
            with gzip.open(path, "rt") as lines:
                for line in lines:
                    yield partition, json.loads(line)

    def check_locations(self, with_weather):
        found = collections.Counter()
        known = 0
        for partition, record in self.lake("locations"):
            found[record["unit_id"], record["timestamp"]] += 1
            self.assertEqual(partition["way"], record["way"])
            self.assertEqual(f"{partition['date']}T{partition['hour']}", record["timestamp"][:13])
            if record["weather"] is not None:
                self.assertEqual(
                    record["weather"], {"temperature": Weather.at(half(record["lat"]), half(record["lon"])), "wind": 5}
                )
                known += 1
        self.assertEqual(len(found), LOCATIONS)
        self.assertEqual(set(found.values()), {1})
        self.assertEqual(known > LOCATIONS / 2, with_weather)

    def check_performance(self, days):
        values = collections.defaultdict(list)
        seen = collections.Counter()
        for partition, record in self.lake("performance"):
            seen[record["id"]] += 1
            unit = int(record["unit_id"][2:])
            self.assertEqual((partition["unit_type"], record["unit_type"]), (TYPES[unit % 4],) * 2)
            values[record["measured_at"][:10], record["unit_type"]].append(record["fuel"])
        self.assertEqual(seen, {i + 1: 1 for i in range(UNITS * HOURS)})
        rows = {
            (day, kind): (int(count), float(mean), float(p90))
            for day, kind, count, mean, p90 in self.query("SELECT day, unit_type, count, mean, p90 FROM performance_days")
            if day in days
        }
        self.assertEqual(len(rows), 4 * len(days))
        for key, (count, mean, p90) in rows.items():
            fuel = sorted(values[key])
            self.assertEqual(count, len(fuel), key)
            self.assertAlmostEqual(mean, sum(fuel) / len(fuel), 9)
            exact = fuel[int(0.9 * (len(fuel) - 1))]
            self.assertLessEqual(abs(p90 - exact), 0.0101 * exact, key)

    def history(self):
        return [
            tuple(value or None for value in row)
            for row in self.query("SELECT unit_id, home, valid_from, valid_to FROM unit_history ORDER BY 1, 3")
        ]

    def expected_history(self, changed):
        first, second = "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"
        rows = []
        for unit in range(UNITS):
            moved = changed and unit % 6 == 0
            rows.append((f"u-{unit:02}", "Paris", first, second if moved else None))
            if moved:
                rows.append((f"u-{unit:02}", "Lyon", second, None))
        return rows

    # -- What is promised

    def test_embedded_with_nothing_else(self):
        self.lake_folder = self.folder / "lake"
        self.fleet = {"fleet": self.folder / "fleet.db"}
        dashboards = self.folder / "dashboards.db"

        def query(sql):
            with sqlite3.connect(dashboards) as connection:
                return connection.execute(sql).fetchall()

        self.query = query
        self.generate()
        parameters = {
            "incoming": self.folder / "incoming",
            "lake": self.lake_folder,
            "dashboards": dashboards,
            "weather": "http://127.0.0.1:1/nobody",
            **self.fleet,
        }
        self.weir.run("flows/transport-lake/flow.yaml", "data", parameters)
        self.check_locations(with_weather=False)
        self.check_performance(["2026-03-01", "2026-03-02"])
        self.assertEqual(self.history(), self.expected_history(changed=False))
        self.generate(changed=1)
        with sqlite3.connect(self.folder / "fleet.db") as connection:
            connection.execute("DELETE FROM units WHERE unit_id = 'u-05'")
        self.weir.run("flows/transport-lake/flow.yaml", "data", parameters)
        history = self.history()
        gone = [row for row in history if row[0] == "u-05"]
        self.assertIsNotNone(gone[0][3])
        self.assertEqual(
            [row for row in history if row[0] != "u-05"],
            [row for row in self.expected_history(changed=True) if row[0] != "u-05"],
        )
        with sqlite3.connect(self.folder / "fleet.db") as connection:
            connection.execute("DELETE FROM units")  # as if its owner made the table anew, and it was seen empty
        self.weir.run("flows/transport-lake/flow.yaml", "data", parameters)
        self.assertTrue(all(row[3] for row in self.history()))
        self.generate(changed=1)
        self.weir.run("flows/transport-lake/flow.yaml", "data", parameters)
        self.assertEqual(self.history(), self.expected_history(changed=True))
        changes = collections.Counter(partition["change"] for partition, _ in self.lake("units"))
        self.assertEqual(changes, {"insert": UNITS + UNITS, "update": UNITS / 6, "delete": UNITS})

    def test_from_kafka_and_postgresql_to_s3_over_a_kill(self):
        where = flow_runs.servers(BUILD, "kafka", "postgresql", "s3")
        if not where:
            self.skipTest("no Kafka, PostgreSQL or S3")
        endpoint, bucket, access_key, secret_key, folder = where["s3"].split(" ")
        os.environ.update(AWS_ACCESS_KEY_ID=access_key, AWS_SECRET_ACCESS_KEY=secret_key)
        self.lake_folder = pathlib.Path(folder)
        self.fleet = {"fleet": where["postgresql"], "fleet_password": "secret"}
        self.query = lambda sql: flow_runs.postgresql(where["postgresql"], sql)
        weather = Weather()
        self.addCleanup(weather.stop)
        self.generate()
        parameters = {
            "brokers": where["kafka"], "endpoint": endpoint, "bucket": bucket, "roll_age": "1s", "member": "test",
            "weather": weather.url, "every": "500ms", "units_every": "500ms", "dashboards": where["postgresql"],
            "dashboards_password": "secret", **self.fleet,
        }  # fmt: skip
        run = self.weir.start("flows/transport-lake/kafka-s3.yaml", "data", parameters)
        self.weir.run(
            "flows/transport-lake/publish.yaml",
            "publish",
            {"incoming": self.folder / "incoming", "brokers": where["kafka"]},
        )
        flow_runs.wait_for("the first objects", lambda: any(self.lake("locations")), run)
        run.kill()
        run = self.weir.start("flows/transport-lake/kafka-s3.yaml", "data", parameters)
        flow_runs.wait_for("all locations", lambda: sum(1 for _ in self.lake("locations")) >= LOCATIONS, run)
        flow_runs.wait_for("all performance", lambda: sum(1 for _ in self.lake("performance")) >= UNITS * HOURS, run)
        self.check_locations(with_weather=True)
        self.assertLess(weather.asked, LOCATIONS)
        flow_runs.wait_for("both days", lambda: self.query("SELECT count(*) FROM performance_days")[0] == ["8"], run)
        self.check_performance(["2026-03-01", "2026-03-02"])
        flow_runs.wait_for("the units", lambda: self.history() == self.expected_history(changed=False), run)
        self.generate(changed=1)
        flow_runs.wait_for("changed units", lambda: self.history() == self.expected_history(changed=True), run)
        self.assertEqual(run.stop(), 0)


class Halves(unittest.TestCase):
    def test_the_flow_with_servers_does_what_the_embedded_one_does(self):
        texts = [(flow_runs.ROOT / f"flows/transport-lake/{name}.yaml").read_text() for name in ("flow", "kafka-s3")]
        middles = [text[text.index("  # -- Locations, with") : text.index("  # -- The lake.")] for text in texts]
        self.assertEqual(*middles)


if __name__ == "__main__":
    BUILD = flow_runs.build_folder()
    unittest.main(verbosity=2)
