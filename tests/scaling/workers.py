"""What the tests of flows that scale out share: a Weir that runs the flow `share`, on a machine of its own."""

import json
import pathlib
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "flows"))

import flow_runs  # noqa: E402  (found through the line above)


class Worker:
    """Runs `share.yaml` of the folder."""

    def __init__(self, weir, name):
        self.port = flow_runs.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data = weir.folder / name
        self.run = weir.start(str(weir.folder / "share.yaml"), name, {}, "--listen", f"127.0.0.1:{self.port}")

    def open(self, path, **query):
        query = "?" + urllib.parse.urlencode(query) if query else ""
        return urllib.request.urlopen(self.url + path + query, timeout=flow_runs.PATIENCE)

    def get(self, path, **query):
        with self.open(path, **query) as answer:
            return answer.read().decode()

    def post(self, path, body):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=flow_runs.PATIENCE) as answer:
            return answer.read().decode()

    def metric(self, name, processor):
        """0 if it is not there."""
        found = re.search(rf'^{name}\{{flow="share",processor="{processor}"\}} (\S+)$', self.get("/metrics"), re.M)
        return float(found.group(1)) if found else 0

    def lanes(self):
        return self.metric("weir_processor_kafka_lanes", "in")

    def list_lanes(self):
        return json.loads(self.get("/api/v1/flows/share/lanes"))["lanes"]


def refused(test, status, ask, *question, **query):
    """What the API says as it refuses."""
    with test.assertRaises(urllib.error.HTTPError) as error:
        ask(*question, **query)
    test.assertEqual(error.exception.code, status)
    return json.loads(error.exception.read())["error"]
