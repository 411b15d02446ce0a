#!/usr/bin/env python3
"""Datasets and their quality, from flow files and from a `weir run`: the exports are held against the public schemas of
ODCS, JSON Schema and OpenLineage, and a small server takes what Weir tells an OpenLineage endpoint.

Usage: catalogue_test.py WEIR
"""

import http.server
import json
import pathlib
import sys
import threading
import time
import unittest
import urllib.error
import urllib.request
import warnings

try:
    import jsonschema
    import yaml
except ImportError as missing:
    print(f"SKIPPED the tests of the catalogue: {missing} (scripts/install test)")
    sys.exit(0)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "flows"))
from running_weir import PATIENCE, WEIR, WeirTest, eventually  # noqa: E402

SCHEMAS = pathlib.Path(__file__).parent / "schemas"
ROOT = pathlib.Path(__file__).parent.parent.parent

FLOW = """\
flow: lake
description: Readings to a table
defaults: {failure: bad}
records:
  reading:
    sensor: {type: text, required: true, description: who}
    time: {type: time, format: unix_ms, required: true}
    value: {type: number, unit: °C}
processors:
  readings: {type: FileSource, path: in.ndjson, record: reading, tail: true, interval: 100ms, to: check}
  check:
    type: QualityCheck
    key: sensor
    time: time
    rules: {value: {range: [0, 100], gap: 10s}}
    to: {pass: table, suspect: table, fail: bad, failure: bad}
  table:
    type: SqlSink
    description: "Good readings: one a row"
    labels: {owner: plant, tags: "raw, ok", sensitive: sensor}
    database: out.db
    table: readings
    columns: {sensor: sensor, at: time, value: value, double: value * 2}
    to: {failure: bad}
  bad: {type: FileSink, path: "bad/$(sensor).ndjson", drop: failure}
"""


def lines(*readings):
    return "".join(json.dumps(dict(zip(("sensor", "time", "value"), r))) + "\n" for r in readings)


START = 1_700_000_000_000
READINGS = lines(("a", START, 20), ("a", START + 1000, 21), ("b", START, 300), ("b", START + 2000, 22),
                 ("<img src=x onerror=alert(1)>", START, 1))


def check_schema(document, name, pointer=""):
    store = {}
    for path in SCHEMAS.glob("*.json"):
        schema = json.loads(path.read_text())
        store[schema.get("$id", path.name)] = schema
    schema = json.loads((SCHEMAS / name).read_text())
    if pointer:
        schema = {"$schema": schema["$schema"], "$ref": schema["$id"] + pointer}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        resolver = jsonschema.RefResolver(schema.get("$id", ""), schema, store=store)
        validator = jsonschema.validators.validator_for(schema)(schema, resolver=resolver)
        errors = [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in validator.iter_errors(document)]
    if errors:
        raise AssertionError("\n".join(errors))


FACETS = {"schema": "SchemaDatasetFacet", "dataQualityMetrics": "DataQualityMetricsDatasetFacet",
          "outputStatistics": "OutputStatisticsOutputDatasetFacet", "ownership": "OwnershipDatasetFacet",
          "documentation": "DocumentationDatasetFacet", "jobType": "JobTypeJobFacet",
          "processing_engine": "ProcessingEngineRunFacet"}


def check_event(event):
    check_schema(event, "OpenLineage.json")
    check_schema(event, "OpenLineage.json", "#/$defs/RunEvent")
    facets = [event["run"]["facets"], event["job"]["facets"]]
    facets += [d["facets"] for d in event["inputs"] + event["outputs"]] + [d["outputFacets"] for d in event["outputs"]]
    for group in facets:
        for name, facet in group.items():
            if group is event["job"]["facets"] and name == "documentation":
                check_schema({name: facet}, "DocumentationJobFacet.json")
            else:
                check_schema({name: facet}, FACETS[name] + ".json")


class Folder(WeirTest):
    def setUp(self):
        super().setUp()
        (self.folder / "lake.yaml").write_text(FLOW)
        (self.folder / "in.ndjson").write_text("")


class FromFiles(Folder):
    def test_a_flow_file_alone_says_what_it_writes(self):
        said = self.weir("datasets", "lake.yaml")
        for text in ("lake/table", "Good readings: one a row", "plant", "out.db", "lake/bad", "in.ndjson", "°C",
                     "sqlite3 -readonly out.db 'SELECT * FROM readings LIMIT 10'",
                     """duckdb -c "SELECT * FROM read_json_auto('bad/*.ndjson') LIMIT 10\""""):
            self.assertIn(text, said)
        listed = [json.loads(line) for line in self.weir("datasets", "lake.yaml", "--json").splitlines()]
        self.assertEqual([d["id"] for d in listed], ["lake/table", "lake/bad"])
        self.assertIn("no dataset", self.weir("datasets", "lake.yaml", "lake/nothing", status=2))

    def test_a_data_contract_is_one_of_the_standard(self):
        contract = yaml.safe_load(self.weir("datasets", "lake.yaml", "table", "--format", "odcs"))
        check_schema(contract, "odcs-v3.0.2.json")
        self.assertEqual(contract["team"], [{"username": "plant", "role": "owner"}])
        self.assertEqual(contract["tags"], ["raw", "ok"])
        fields = {p["name"]: p for p in contract["schema"][0]["properties"]}
        self.assertEqual(list(fields), ["sensor", "at", "value", "double"])
        self.assertEqual(fields["sensor"]["classification"], "sensitive")
        self.assertEqual(fields["value"]["customProperties"], [{"property": "unit", "value": "°C"}])
        self.assertEqual(fields["at"]["logicalType"], "date")

    def test_the_contracts_of_all_ready_flows_are_of_the_standard(self):
        flows = [str(f) for f in sorted((ROOT / "flows").glob("*/*.yaml")) if not f.name.endswith(".tests.yaml")]
        contracts = list(yaml.safe_load_all(self.weir("datasets", *flows, "--format", "odcs", folder=ROOT)))
        self.assertGreater(len(contracts), 30)
        for contract in contracts:
            check_schema(contract, "odcs-v3.0.2.json")

    def test_a_json_schema_is_one_and_takes_the_records(self):
        schema = json.loads(self.weir("datasets", "lake.yaml", "table", "--format", "json-schema"))
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        self.assertTrue(validator.is_valid({"sensor": "a", "at": START, "value": 1.5, "double": 3}))
        self.assertFalse(validator.is_valid({"sensor": 7, "at": START}))
        self.assertFalse(validator.is_valid({"at": START, "value": 1}))
        self.assertEqual(schema["properties"]["value"]["x-unit"], "°C")

    def test_lineage_is_openlineages(self):
        event = json.loads(self.weir("datasets", "lake.yaml", "--format", "openlineage"))
        check_event(event)
        self.assertEqual([d["name"] for d in event["inputs"]], ["in.ndjson"])
        self.assertEqual([d["name"] for d in event["outputs"]], ["readings", "bad"])


class Endpoint(http.server.ThreadingHTTPServer):
    """Takes OpenLineage events; `status` is what it answers, after `delay` seconds."""

    def __init__(self, test, status=201):
        self.events, self.headers, self.status, self.delay = [], [], status, 0
        self.ended = threading.Event()
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/"
        threading.Thread(target=self.serve_forever, daemon=True).start()
        for end in (self.server_close, self.shutdown, self.ended.set):  # the last of them first
            test.addCleanup(end)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.headers.append(dict(self.headers))
            self.server.ended.wait(self.server.delay)
            if self.server.status < 300:
                self.server.events.append(json.loads(body))
            self.send_response(self.server.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass


class Running(Folder):
    def run_flow(self, *arguments, **environment):
        self.start(*arguments, flow="lake.yaml", environment=environment)

    def put(self, text):
        with (self.folder / "in.ndjson").open("a") as file:
            file.write(text)

    def written(self, rows):
        return eventually(lambda: (d := self.get("/datasets/lake/table"))["rows"] >= rows and d["last_write"] and d)

    def test_what_is_written_is_counted_looked_at_and_judged_over_a_restart(self):
        self.run_flow()
        # What passes before somebody looks is not sampled: readings come until it is.
        def sampled():
            self.put(READINGS)
            found = self.get("/datasets/lake/table")
            return found.get("sample") and found
        dataset = eventually(sampled)
        self.assertEqual(dataset["owner"], "plant")
        fields = {f["name"]: f for f in dataset["fields"]}
        self.assertEqual(fields["double"]["seen"]["present"], 1)
        self.assertEqual(fields["value"]["unit"], "°C")
        self.assertTrue(all(row["sensor"] == "***" for row in dataset["sample"]), dataset["sample"])
        self.assertTrue(all(row["double"] == 2 * row["value"] for row in dataset["sample"]), dataset["sample"])
        self.assertEqual([o["name"] for o in dataset["origins"]], ["in.ndjson"])
        eventually(lambda: self.get("/datasets/lake/table")["last_write"])
        quality = self.get("/quality")
        self.assertEqual(quality["keys"][0]["key"], "b")
        self.assertEqual(quality["keys"][0]["rules"][0], {"field": "value", "rule": "range",
                                                          "flagged": quality["keys"][0]["fail"]})
        self.assertEqual(self.get("/datasets/lake/table")["quality"]["good"], 1)
        self.assertEqual(eventually(lambda: self.get("/datasets/lake/bad")["quality"])["good"], 0)
        rows = self.get("/datasets/lake/table")["rows"]
        contract = urllib.request.urlopen(self.url + "/api/v1/datasets/lake/table/export?format=odcs", timeout=PATIENCE)
        self.assertIn("attachment", contract.headers["Content-Disposition"])
        check_schema(yaml.safe_load(contract.read()), "odcs-v3.0.2.json")
        check_event(self.get("/datasets/lake/table/export?format=openlineage"))
        self.assertIn("lake/table", self.weir("datasets", "--url", self.url))
        self.assertIn("plant", self.weir("datasets", "table", "--url", self.url))
        check_schema(yaml.safe_load(self.weir("datasets", "table", "--format", "odcs", "--url", self.url)),
                     "odcs-v3.0.2.json")
        self.assertIn("there is no dataset", self.weir("datasets", "nothing", "--url", self.url, status=2))
        self.stop()
        self.run_flow()
        again = self.get("/datasets/lake/table")
        self.assertGreaterEqual(again["rows"], rows)
        self.assertGreater(again["looked_at"], 0)
        self.assertGreater(again["quality"]["n"], 0)
        self.assertEqual(self.get("/quality")["keys"][0]["key"], "b")

    def test_what_is_not_there_is_refused_with_a_reason(self):
        self.run_flow()
        for target, status in (("/datasets/lake/readings", 404), ("/datasets/no/table", 404),
                               ("/datasets/lake/table/export?format=xml", 400), ("/quality/lake/table", 404),
                               ("/datasets?who=me", 400)):
            with self.assertRaises(urllib.error.HTTPError) as refused:
                self.get(target)
            self.assertEqual(refused.exception.code, status, target)
            self.assertIn("error", json.loads(refused.exception.read()))

    def test_an_openlineage_endpoint_is_told_how_it_goes(self):
        endpoint = Endpoint(self)
        url = endpoint.url + "api/v1/lineage"
        self.put(READINGS)
        self.run_flow("--openlineage", url, OPENLINEAGE_INTERVAL="1", OPENLINEAGE_API_KEY="k", OPENLINEAGE_NAMESPACE="plant")
        eventually(lambda: [e for e in endpoint.events if e["eventType"] == "RUNNING"
                            and e["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] >= 4])
        self.stop()
        types = [e["eventType"] for e in endpoint.events]
        self.assertEqual((types[0], types[-1]), ("START", "COMPLETE"))
        self.assertEqual(len({e["run"]["runId"] for e in endpoint.events}), 1)
        for event in endpoint.events:
            check_event(event)
        last = endpoint.events[-1]
        self.assertEqual((last["job"]["namespace"], last["job"]["name"]), ("plant", "lake"))
        self.assertEqual([f["name"] for f in last["outputs"][0]["facets"]["schema"]["fields"]],
                         ["sensor", "at", "value", "double"])
        self.assertEqual(last["outputs"][0]["facets"]["dataQualityMetrics"]["weir_shareGood"], 1)
        self.assertEqual(endpoint.headers[0]["Authorization"], "Bearer k")

    def test_an_endpoint_that_does_not_answer_costs_the_data_nothing_and_gets_the_events_later(self):
        endpoint = Endpoint(self, status=503)
        self.put(READINGS)
        self.run_flow(OPENLINEAGE_INTERVAL="1", OPENLINEAGE_URL=endpoint.url)
        self.written(4)
        eventually(lambda: len(endpoint.headers) >= 2)
        endpoint.status = 200
        eventually(lambda: [e for e in endpoint.events if e["eventType"] == "START"])

    def test_an_endpoint_that_is_slow_holds_no_end_up(self):
        endpoint = Endpoint(self, status=503)
        self.put(READINGS)
        self.run_flow(OPENLINEAGE_INTERVAL="1", OPENLINEAGE_URL=endpoint.url)
        eventually(lambda: len(endpoint.headers) >= 3)  # so that some events wait
        endpoint.status, endpoint.delay = 200, 1.7
        before = len(endpoint.headers)
        self.stop()
        self.assertLessEqual(len(endpoint.headers) - before, 2)

    def test_a_name_that_no_dns_answers_for_holds_no_end_up(self):
        self.put(READINGS)
        self.run_flow(OPENLINEAGE_INTERVAL="1", OPENLINEAGE_URL="http://lineage.hangs.example/",
                      LD_PRELOAD=str(pathlib.Path(WEIR).parent / "tests/hanging_names.so"))
        self.written(4)
        eventually(lambda: "the address of lineage.hangs.example is not known yet" in self.log())
        begun = time.monotonic()
        self.stop()
        self.assertLess(time.monotonic() - begun, 6)

    def test_an_endpoint_that_cannot_be_one_is_refused_at_once(self):
        for url in ("ftp://here/", "nonsense", "http:///x", "https://", "https://me@here/"):
            self.assertIn("OpenLineage", self.weir("run", "lake.yaml", "--listen", "127.0.0.1:0", "--openlineage", url,
                                                   status=2))


if __name__ == "__main__":
    unittest.main()
