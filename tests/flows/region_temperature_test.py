#!/usr/bin/env python3
"""flows/region-temperature against a stand-in API, Kafka and MariaDB. Usage: region_temperature_test.py BUILD."""

import collections
import http.server
import json
import sqlite3
import threading
import unittest

import flow_runs

BUILD = None
PLACES = {  # id: latitude, longitude, country, region
    "paris": (48.86, 2.35, "FR", "Île-de-France"),
    "lyon": (45.76, 4.84, "FR", "Auvergne-Rhône-Alpes"),
    "clermont": (45.78, 3.08, "FR", "Auvergne-Rhône-Alpes"),
    "london": (51.51, -0.13, "GB", None),
    "atlantic": (46.0, -8.0, "FR", None),
}


class Api:
    """Answers with what the test says; notes the keys it was asked with. `status` 503 is an API that is down."""

    def __init__(self):
        api = self
        self.readings, self.status, self.asked, self.keys = [], 200, 0, set()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                api.asked += 1
                api.keys.add(self.headers.get("X-Api-Key"))
                body = json.dumps(api.readings).encode()
                self.send_response(api.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/readings"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def reading(place, timestamp, temperature):
    lat, lon, country, _ = PLACES[place]
    return {
        "id": place, "timestamp": timestamp, "lat": lat, "lon": lon, "temperature": temperature, "country": country,
    }  # fmt: skip


def means(readings):
    """(region, hour): mean, count, mean three hours before; of the last word on each reading."""
    last = {(r["id"], r["timestamp"]): r for r in readings if PLACES[r["id"]][3] and r["country"] == "FR"}
    groups = collections.defaultdict(list)
    for r in last.values():
        groups[PLACES[r["id"]][3], r["timestamp"][:13] + ":00:00"].append(r["temperature"])
    result = {}
    for (region, hour), values in groups.items():
        before = groups.get((region, hour[:11] + f"{int(hour[11:13]) - 3:02d}:00:00"))
        mean_before = round(sum(before) / len(before), 6) if before else None
        result[region, hour] = (round(sum(values) / len(values), 6), len(values), mean_before)
    return result


FIRST = [
    reading("paris", "2019-02-19 14:02:10", 9.5),
    reading("lyon", "2019-02-19 14:02:11", 11.25),
    reading("clermont", "2019-02-19 14:40:00", 8),
    reading("london", "2019-02-19 14:02:12", 7.5),
    reading("atlantic", "2019-02-19 14:02:13", 12),
]
NO_READINGS = [
    {"id": "paris", "timestamp": "2019-02-30 14:02:10", "lat": 1, "lon": 1, "temperature": 1, "country": "FR"},
    {"id": "paris", "timestamp": "2019-02-19 14:02:10", "lat": 1, "lon": 1, "temperature": "hot", "country": "FR"},
    {"timestamp": "2019-02-19 14:02:10", "lat": 1, "lon": 1, "temperature": 1, "country": "FR"},
    7,
]
LATE = [reading("lyon", "2019-02-19 11:59:59", 5), reading("paris", "2019-02-19 17:00:00", 10)]
CORRECTED = [reading("lyon", "2019-02-19 14:02:11", 21.25), reading("lyon", "2019-02-19 11:59:59", 6)]


class RegionTemperature(unittest.TestCase):
    def setUp(self):
        self.weir = flow_runs.Weir(BUILD)
        self.api = Api()
        self.addCleanup(self.api.stop)

    def found(self, rows):
        return {
            (region, hour): (round(float(mean), 6), int(count), None if before in (None, "NULL") else round(float(before), 6))
            for region, hour, mean, count, before in rows
            if hour.startswith("2019")
        }  # fmt: skip

    def tell(self, readings, run, rows):
        """The API says this from now on; the tables have to say what follows from all it ever said."""
        self.api.readings = readings
        self.told = self.told + [r for r in readings if isinstance(r, dict) and "id" in r and r not in NO_READINGS]
        expected = means(self.told)
        flow_runs.wait_for(f"{expected}", lambda: self.found(rows()) == expected, run)

    told = []
    MEANS = "SELECT region, hour, temperature, readings, temperature_3h_before FROM region_hours"

    def test_in_one_process_with_sqlite(self):
        database = self.weir.folder / "t.db"

        def rows(sql=self.MEANS):
            with sqlite3.connect(database) as connection:
                return connection.execute(sql).fetchall()

        rejects = self.weir.folder / "rejects"
        run = self.weir.start(
            "flows/region-temperature/flow.yaml",
            "data",
            {"api": self.api.url, "api_key": "k", "every": "100ms", "database": database, "rejects": rejects},
        )
        self.tell(FIRST + NO_READINGS, run, rows)
        self.tell(LATE, run, rows)
        self.tell(CORRECTED, run, rows)
        self.assertEqual(self.api.keys, {"k"})
        for reject in NO_READINGS[:3]:
            flow_runs.wait_for("rejects", lambda: reject["timestamp"] in rejects.read_text(), run)
        self.api.status = 503
        flow_runs.wait_for(
            "simulated readings", lambda: rows("SELECT count(*) FROM readings WHERE simulated = 1")[0][0] > 15, run
        )
        self.api.status = 200
        self.tell([reading("paris", "2019-02-19 17:30:00", 12)], run, rows)
        self.assertEqual(run.stop(), 0)

    def test_through_kafka_into_mariadb_over_a_kill(self):
        where = flow_runs.servers(BUILD, "kafka", "mariadb")
        if not where:
            self.skipTest("no Kafka or no MariaDB")

        def rows(sql=self.MEANS):
            return flow_runs.mariadb(where["mariadb"], sql)

        collect = self.weir.start(
            "flows/region-temperature/collect.yaml",
            "collect",
            {
                "api": self.api.url, "api_key": "k", "every": "200ms", "brokers": where["kafka"],
                "rejects": self.weir.folder / "collect-rejects",
            },
        )  # fmt: skip
        parameters = {
            "brokers": where["kafka"], "database": where["mariadb"], "password": "secret",
            "rejects": self.weir.folder / "rejects",
        }  # fmt: skip
        run = self.weir.start("flows/region-temperature/means.yaml", "means", parameters)
        self.tell(FIRST + NO_READINGS, run, rows)
        run.kill()
        self.api.readings = LATE  # collected while nobody computes
        self.told = self.told + LATE
        asked = self.api.asked
        flow_runs.wait_for("two polls", lambda: self.api.asked > asked + 2, collect)
        run = self.weir.start("flows/region-temperature/means.yaml", "means", parameters)
        self.tell(CORRECTED, run, rows)
        self.api.status = 503
        flow_runs.wait_for(
            "simulated readings", lambda: int(rows("SELECT count(*) FROM readings WHERE simulated = 1")[0][0]) > 15, run
        )
        self.assertEqual(collect.stop(), 0)
        self.assertEqual(run.stop(), 0)


class Halves(unittest.TestCase):
    def test_the_two_halves_are_what_the_whole_is(self):
        whole, collect, means_ = (
            (flow_runs.ROOT / f"flows/region-temperature/{name}.yaml").read_text() for name in ("flow", "collect", "means")
        )
        first, second = "  # -- Every ten seconds", "  # -- What is a reading"
        collected = collect[collect.index(first) : collect.index("  readings:   ")].replace("to: readings", "to: sane")
        self.assertEqual(whole[whole.index(first) : whole.index(second)].strip(), collected.strip())
        self.assertEqual(whole[whole.index(second) :], means_[means_.index(second) :])


if __name__ == "__main__":
    BUILD = flow_runs.build_folder()
    unittest.main(verbosity=2)
