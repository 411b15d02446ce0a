#!/usr/bin/env python3
"""Tries the API of a `weir run` of its own as its OpenAPI document describes it, with values that are right and values
that are not, and holds what every answer must keep: a status and a body that the document has, never a 5xx, never
nothing.

Usage: openapi_test.py WEIR [SEED]. The seed of a failure is printed; OPENAPI_TRIES in the environment is how often each
operation is tried (40, unless said).
"""

import http.client
import json
import os
import random
import re
import string
import sys
import unittest
import urllib.parse

from running_weir import PATIENCE, WEIR, WeirTest

SEED = int(sys.argv.pop(1)) if len(sys.argv) > 1 and sys.argv[1].isdigit() else random.randrange(1 << 32)
TRIES = int(os.environ.get("OPENAPI_TRIES", "40"))

FLOW = """\
flow: op
defaults: {failure: dead}
processors:
  make: {type: GenerateFlowFile, rate: 50/s, content: '{"n": $(seq)}', to: pick}
  pick: {type: Filter, where: "n % 2 = 0", to: {matched: keep}, drop: unmatched}
  keep: {type: FileSink, path: out.ndjson, drop: failure}
  dead: {type: FileSink, path: dead.ndjson, drop: failure}
"""
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def complaint(schema, value, document, where="the body"):
    """What of a schema a value breaks; nothing if it keeps it. As much of JSON Schema as the document uses."""
    if "$ref" in schema:
        target = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return complaint(target, value, document, where)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds

    def is_a(kind):
        if kind in ("integer", "number"):
            return isinstance(value, (int,) if kind == "integer" else (int, float)) and not isinstance(value, bool)
        return isinstance(value, TYPES[kind])

    if kinds and not any(is_a(kind) for kind in kinds):
        return f"{where} is {type(value).__name__}, not {kinds}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{where} is {value!r}, none of {schema['enum']}"
    if isinstance(value, dict):
        for name in schema.get("required", []):
            if name not in value:
                return f"{where} lacks {name}"
        for name, inner in schema.get("properties", {}).items():
            if name in value and (found := complaint(inner, value[name], document, f"{where}.{name}")):
                return found
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        for i, each in enumerate(value):
            if found := complaint(schema["items"], each, document, f"{where}[{i}]"):
                return found
    return None


class Values:
    """What to ask with."""

    KNOWN = {"flow": ["op"], "processor": ["make", "pick", "keep", "dead"], "from": ["make", "pick"],
             "relationship": ["success", "matched", "failure"], "to": ["pick", "keep", "dead"], "sequence": ["0", "1", "50"]}
    QUERY = {"flow": ["op"], "processor": ["op/keep"], "connection": ["op/make/success/pick"], "type": ["DROP", "CREATE"],
             "flowfile": ["op/make/success/pick:1", "op/make/success/pick:9"], "direction": ["both", "ancestors"],
             "from": ["2026-01-01", "2026-01-01T00:00:00Z"], "to": ["2030-01-01"], "attribute": ["sensor"],
             "value": ["1"], "transit": ["out"], "who": ["alice"]}

    def __init__(self, chance):
        self.chance = chance

    def text(self):
        chance = self.chance
        return chance.choice([
            "", ".", "..", "../../etc/passwd", "%00", "\0", "\r\nX: y", "<script>", "'; DROP TABLE entries; --", "\u202e",
            "äöü€😀", "\udcff", "a" * chance.choice([10, 300, 4000]), "-1", "0", "1e9", "18446744073709551616",
            "NaN", "null", "true", "op", "op/", "//", "{flow}", ":", "op/make/success/pick:", "9999-99-99",
            "".join(chance.choice(string.printable) for _ in range(chance.randrange(1, 20)))])

    def integer(self):
        return self.chance.choice(["0", "1", "2", "17", "1000", "-1", "4294967296", "18446744073709551615",
                                   "99999999999999999999999", "1.5", "0x10", "", " 1", "1 "])

    def path(self, name):
        known = self.KNOWN.get(name)
        return self.chance.choice(known) if known and self.chance.random() < 0.75 else self.text()

    def query(self, parameter):
        name = parameter["name"]
        kind = parameter.get("schema", {}).get("type")
        if self.chance.random() < 0.6:
            return str(self.chance.choice([0, 1, 5, 100])) if kind == "integer" else self.chance.choice(
                self.QUERY.get(name, ["1"]))
        return self.integer() if kind == "integer" else self.text()

    def json(self, depth=0):
        chance = self.chance
        kind = chance.randrange(7 if depth < 3 else 5)
        if kind == 0:
            return chance.choice([None, True, False])
        if kind == 1:
            return chance.choice([0, 1, -1, 5, 1000, 1 << 31, 1 << 63, 1 << 64, 10**30, 1.5, -0.0, 1e308])
        if kind in (2, 3, 4):
            return self.text().replace("\udcff", "\ufffd")
        if kind == 5:
            return [self.json(depth + 1) for _ in range(chance.randrange(4))]
        return self.object(depth + 1)

    def object(self, depth=0):
        names = ["flowfiles", "limit", "token", "flowfile", "", "x", "flow", "confirm", "text", "name"]
        return {self.chance.choice(names): self.json(depth) for _ in range(self.chance.randrange(4))}

    def body(self):
        """The body, and its content type."""
        chance = self.chance
        kind = chance.randrange(10)
        if kind < 4:
            return json.dumps(self.object()), "application/json"
        if kind == 4:
            return json.dumps(chance.choice([{}, {"flowfiles": 3}, {"limit": 1},
                                             {"flowfile": "op/make/success/pick:1"}])), "application/json; charset=utf-8"
        if kind == 5:
            return json.dumps(self.json()), "application/json"
        if kind == 6:
            return chance.choice(["{", "[" * 5000, '{"a":1,}', "\xff", "nul", '"', "{}{}", ""]), "application/json"
        if kind == 7:
            return "{}", chance.choice(["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"])
        if kind == 8:
            return "x" * chance.choice([70_000, 100]), "application/json"
        return "{}", "application/json"


def encoded(text):
    return urllib.parse.quote(text.encode("utf-8", "surrogateescape"), safe="")


class OpenApiTest(WeirTest):
    def setUp(self):
        super().setUp()
        (self.folder / "op.yaml").write_text(FLOW)
        self.start()
        status, _, body = self.ask("GET", "/api/v1/openapi.json")
        self.assertEqual(status, 200)
        self.document = json.loads(body)
        self.values = Values(random.Random(SEED))

    def ask(self, method, target, body=None, content_type=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            if content_type:
                connection.putheader("Content-Type", content_type)
            if body is not None:
                body = body.encode("utf-8", "surrogateescape")
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders()
            if body:
                try:
                    connection.send(body)
                except ConnectionError:
                    pass  # it may have answered already
            answer = connection.getresponse()
            stream = answer.headers.get_content_type() == "text/event-stream"
            return answer.status, answer.headers, answer.fp.readline() if stream else answer.read()
        finally:
            connection.close()

    def operations(self):
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                yield path, method.upper(), operation

    def check(self, method, target, operation, sent):
        said = f"{method} {target} {sent!r:.300} (seed {SEED})"
        try:
            status, headers, body = self.ask(method, target, *sent)
        except Exception as error:
            raise AssertionError(f"{said}: {type(error).__name__}: {error}\n{self.log()[-2000:]}")
        said += f" -> {status} {body[:300]!r}"
        self.assertLess(status, 500, said)
        documented = operation["responses"].get(str(status)) or operation["responses"].get("default")
        self.assertIsNotNone(documented, said)
        kind = headers.get_content_type()
        if not target.startswith("/api/v1/") or kind == "text/plain":  # the server itself, before any page
            self.assertIn(status, (400, 413, 414, 431), said)
            return
        self.assertIn(kind, documented["content"], said)
        if kind == "application/json":
            value = json.loads(body)
            self.assertIsNone(complaint(documented["content"][kind]["schema"], value, self.document), said)
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff", said)

    def try_operation(self, path, method, operation):
        values = self.values
        target = re.sub(r"\{(\w+)\}", lambda m: encoded(values.path(m.group(1))), path)
        asked = []
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "query" and values.chance.random() < 0.5:
                asked.append(f"{parameter['name']}={encoded(values.query(parameter))}")
        if values.chance.random() < 0.1:
            asked.append(encoded(values.text()) + "=" + encoded(values.text()))
        if asked:
            target += "?" + "&".join(asked)
        self.check(method, target, operation, values.body() if method == "POST" else ())

    def test_the_document_is_whole(self):
        self.assertTrue(self.document["openapi"].startswith("3.1"))
        seen = set()
        for path, method, operation in self.operations():
            declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            self.assertEqual(declared, set(re.findall(r"\{(\w+)\}", path)), path)
            self.assertTrue(operation["summary"], path)
            self.assertEqual("requestBody" in operation, method == "POST", path)
            names = [p["name"] for p in operation.get("parameters", [])]
            self.assertTrue(all(p.get("description") for p in operation.get("parameters", []) if p["in"] == "query"), path)
            self.assertEqual(len(names), len(set((p["name"], p["in"]) for p in operation.get("parameters", []))), path)
            seen.add((path, method))
        self.assertGreater(len(seen), 20)

    def test_every_operation_answers_whatever_it_is_asked(self):
        print(f"seed {SEED}", flush=True)
        operations = list(self.operations())
        for _ in range(TRIES):
            self.values.chance.shuffle(operations)
            for path, method, operation in operations:
                self.try_operation(path, method, operation)
        self.assertIsNone(self.process.poll(), (self.folder / "log").read_text()[-2000:])
        self.assertEqual(self.ask("GET", "/healthz")[0], 200)

    def test_a_method_that_a_page_does_not_take_is_said(self):
        for path, methods in self.document["paths"].items():
            target = re.sub(r"\{\w+\}", "x", path)
            for method in ("PUT", "DELETE", "PATCH", "POST", "GET"):
                if method.lower() in methods:
                    continue
                status, headers, _ = self.ask(method, target, "{}" if method != "GET" else None, "application/json")
                self.assertEqual(status, 405, f"{method} {target}")
                self.assertEqual(set(re.findall(r"\w+", headers["Allow"])) - {"HEAD"},
                                 {each.upper() for each in methods}, f"{method} {target}")


if __name__ == "__main__":
    unittest.main()
