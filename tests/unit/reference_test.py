#!/usr/bin/env python3
"""What is said about processor types, checked against the types that were built.

Usage: reference_test.py WEIR ROOT. WEIR is the program, with its plugins beside it.

- docs/reference is what `weir processors --markdown` writes.
- The schema is valid JSON Schema 2020-12, takes the flows of this repository, and refuses slips.
- Every default and every example of a spec is accepted by `weir validate`.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

WEIR = ROOT = None


def weir(*arguments, **options):
    return subprocess.run([WEIR, *map(str, arguments)], capture_output=True, text=True, timeout=60, **options)


def specs():
    return json.loads(weir("processors", "--json").stdout)


class Reference(unittest.TestCase):
    def test_the_pages_are_current(self):
        with tempfile.TemporaryDirectory() as folder:
            result = weir("processors", "--markdown", folder)
            self.assertEqual(result.returncode, 0, result.stderr)
            fresh = {page.name: page.read_text() for page in pathlib.Path(folder).glob("*.md")}
        kept = {page.name: page.read_text() for page in (ROOT / "docs/reference").glob("*.md")}
        stale = sorted(name for name in fresh.keys() | kept.keys() if fresh.get(name) != kept.get(name))
        self.assertEqual(stale, [], "run: build/weir processors --markdown docs/reference")

    def test_every_property_relationship_and_attribute_is_explained(self):
        def unexplained(properties, where):
            for one in properties:
                if not one["help"]:
                    yield f"{where}.{one['name']}"
                yield from unexplained(one.get("fields", []), f"{where}.{one['name']}")

        for spec in specs():
            named = spec["relationships"] + spec["reads"] + spec["writes"]
            missing = [*unexplained(spec["properties"], spec["type"]), *unexplained(named, spec["type"])]
            self.assertEqual(missing, [])
            self.assertTrue(spec["summary"].endswith("."), spec["type"])


class OwnMetrics(unittest.TestCase):
    """docs/metrics.md lists what processors measure themselves; WEIR_UPDATE_DOCS=1 brings it up to date."""

    MADE = re.compile(r'\b(counter|gauge)\(\s*((?:"[^"]*"\s*)+),\s*((?:"[^"]*"\s*)+)\)')
    HEAD = "| metric of a processor | type | plugin | what it says |\n|---|---|---|---|\n"

    def table(self):
        rows = set()
        for path in (ROOT / "plugins").rglob("*"):
            if path.suffix not in (".cpp", ".h") or path.stem.endswith("_test"):
                continue
            for kind, *texts in self.MADE.findall(path.read_text()):
                name, text = ("".join(re.findall(r'"([^"]*)"', part)) for part in texts)
                name = f"weir_processor_{name}" + ("_total" if kind == "counter" else "")
                rows.add(f"| `{name}` | {kind} | {path.relative_to(ROOT / 'plugins').parts[0]} | {text} |\n")
        return self.HEAD + "".join(sorted(rows))

    def test_each_is_on_the_page(self):
        page = ROOT / "docs/metrics.md"
        text = page.read_text()
        begin = text.index(self.HEAD)
        end = text.index("\n\n", begin) + 1
        if os.environ.get("WEIR_UPDATE_DOCS"):
            page.write_text(text[:begin] + self.table() + text[end:])
        else:
            self.assertEqual(text[begin:end], self.table(), "WEIR_UPDATE_DOCS=1 brings the page up to date")


class Examples(unittest.TestCase):
    """Each is the only processor, or the only one beside a source, of a flow of its own."""

    SOURCE = "  feed: {type: GenerateFlowFile, to: it}\n"

    def problems(self, spec, body):
        drops = [relationship["name"] for relationship in spec["relationships"]]
        if spec["relationships_from"]:
            drops += self.routes(spec, body)
        text = "flow: example\nprocessors:\n" + ("" if spec["source"] else self.SOURCE) + "  it:\n"
        text += "".join(f"    {line}\n" for line in body.splitlines())
        if drops:
            text += f"    drop: [{', '.join(drops)}]\n"
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "flow.yaml"
            path.write_text(text)
            # What examples refer to as a reference table.
            (pathlib.Path(folder) / "sensors.csv").write_text("id,room,unit,location\ns-1,hall,C,north\n")
            (pathlib.Path(folder) / "sensors.json").write_text('[{"id": "s-1", "room": "hall"}]\n')
            secrets = {name: "known-to-nobody" for name in re.findall(r"\$\{secret:(\w+)\}", text)}
            result = weir("validate", path, cwd=folder, env={**os.environ, **secrets})
        return "" if result.returncode == 0 else result.stderr + text

    def routes(self, spec, body):
        """The keys of the map whose keys are relationships, in an example's own indentation."""
        lines = body.splitlines()
        start = next((i for i, line in enumerate(lines) if line.startswith(spec["relationships_from"] + ":")), len(lines))
        names = []
        for line in lines[start + 1 :]:
            if not line.startswith("  "):
                break
            if not line.startswith("   "):
                names.append(line.split(":")[0].strip())
        return names

    def test_every_example_is_accepted(self):
        self.assertTrue(specs(), "no plugin was found beside the program")
        wrong = [self.problems(spec, spec["example"]) for spec in specs() if spec["example"]]
        self.assertEqual([text for text in wrong if text], [])

    def test_every_type_with_required_properties_has_an_example(self):
        bare = [s["type"] for s in specs() if not s["example"] and any(p["required"] for p in s["properties"])]
        self.assertEqual(bare, [])

    def test_every_default_is_a_value_of_its_property(self):
        wrong = []
        for spec in specs():
            for one in spec["properties"]:
                if "default" not in one or any(line.startswith(one["name"] + ":") for line in spec["example"].splitlines()):
                    continue
                body = (spec["example"] or f"type: {spec['type']}\n") + f"{one['name']}: {json.dumps(one['default'])}\n"
                said = self.problems(spec, body)
                if f"'{one['name']}'" in said:
                    wrong.append(f"{spec['type']}.{one['name']}: {said}")
        self.assertEqual(wrong, [])


class Schema(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.schema = json.loads(weir("schema").stdout)
        try:
            import jsonschema
            import yaml
        except ImportError as error:
            cls.validator = None
            print(f"SKIPPED the schema's own validity and its judgement of flows: {error}", file=sys.stderr)
        else:
            jsonschema.Draft202012Validator.check_schema(cls.schema)
            cls.validator = jsonschema.Draft202012Validator(cls.schema)
            cls.yaml = yaml

    def test_it_is_of_2020_12_and_every_reference_leads_somewhere(self):
        self.assertEqual(self.schema["$schema"], "https://json-schema.org/draft/2020-12/schema")

        def references(node):
            if isinstance(node, dict):
                if "$ref" in node:
                    yield node["$ref"]
                for child in node.values():
                    yield from references(child)
            elif isinstance(node, list):
                for child in node:
                    yield from references(child)

        for reference in set(references(self.schema)):
            target = self.schema
            for step in reference.removeprefix("#/").split("/"):
                self.assertIn(step, target, reference)
                target = target[step]

    def test_it_knows_every_type(self):
        types = {choice.get("const") for choice in self.schema["$defs"]["processor"]["properties"]["type"]["anyOf"]}
        self.assertEqual(types, {spec["type"] for spec in specs()})

    def errors(self, text):
        return [error.message for error in self.validator.iter_errors(self.yaml.safe_load(text))]

    def test_it_takes_the_flows_of_this_repository(self):
        if self.validator is None:
            self.skipTest("no jsonschema")
        for path in [*(ROOT / "flows").rglob("*.yaml"), *(ROOT / "tests").rglob("flows/**/*.yaml")]:
            text = path.read_text()
            # Flows that are wrong on purpose are none to take.
            if weir("validate", path, cwd=path.parent).returncode == 0:
                with self.subTest(path=path.relative_to(ROOT)):
                    self.assertEqual(self.errors(text), [])

    def test_it_refuses_slips(self):
        if self.validator is None:
            self.skipTest("no jsonschema")
        good = "flow: f\nprocessors:\n  in: {type: GenerateFlowFile, to: out, queue: {max_bytes: 1MiB}}\n  out: {type: Discard}\n"
        self.assertEqual(self.errors(good), [])
        for right, wrong in [
            ("type: Discard", "type: Discrd"),
            ("max_bytes: 1MiB", "max_bytes: 1 MB"),
            ("to: out", "tw: out"),
            ("flow: f", "flaw: f"),
            ("type: Discard", "type: Discard, to: {succes: in}"),
        ]:
            with self.subTest(wrong=wrong):
                self.assertNotEqual(self.errors(good.replace(right, wrong)), [])


if __name__ == "__main__":
    WEIR, ROOT = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    unittest.main(argv=sys.argv[:1], verbosity=2)
