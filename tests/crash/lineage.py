"""Holds `weir provenance` against what the kill test knows of its own data: where each FlowFile must have come from.

In the flow of the kill test sequences say what they are: reading number n is FlowFile n of every connection that leaves
the source of readings, and line n of an exactly-once sink with one input is FlowFile n of that input.
"""

import itertools
import json
import subprocess

import checker
import load
from processes import Failure

EVERYTHING = 1_000_000_000
SAMPLES = 12  # of each kind of question, at the end
READINGS = "crash/readings/success/"


def ask(build, data, *question):
    """Yields the events or steps that `weir provenance` answers, as dictionaries."""
    command = [str(part) for part in (build / "weir", "provenance", *question, "--data", data, "--json")]
    command += ["--limit", str(EVERYTHING)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            answer = json.loads(line)
            if "found" not in answer:
                yield answer
            elif answer["limited"] or answer["removed_by_retention"]:
                raise Failure(f"{' '.join(command)}: not all of it: {line}")
        error = process.stderr.read()
    if process.returncode != 0:
        raise Failure(f"{' '.join(command)}: {error}")


def sequences(steps, side, connection):
    """All sequences of one connection in an answer; `side` is inputs or outputs."""
    found = set()
    for step in steps:
        if step.get({"inputs": "in_connection", "outputs": "out_connection"}[side]) == connection:
            for first, count in step[side]:
                found.update(range(first, first + count))
    return found


class Lineage:
    def __init__(self, build, data, arrivals, problems):
        self.build = build
        self.data = data
        self.arrivals = arrivals
        self.problems = problems
        self.asked = 0

    def ancestors(self, place):
        self.asked += 1
        return list(ask(self.build, self.data, "ancestors", place))

    def expect(self, what, found, expected):
        if found != expected:
            text = lambda numbers: f"{len(numbers)} ({', '.join(map(str, sorted(numbers)[:5]))}…)"
            self.problems.add("lineage", f"{what}: found {text(found)}, expected {text(expected)}")

    def check_latest(self):
        """After a kill: what an exactly-once sink has written came from a durable epoch, and so did its lineage."""
        order = self.arrivals.ways["mild"].order
        if order:
            self.check_line("mild", len(order) - 1)

    def check_line(self, sink, line):
        """A line of `hot` or `mild` is one reading, through the filter and the route."""
        place = f"crash/divide/{sink}/{sink}:{line}"
        found = sequences(self.ancestors(place), "inputs", READINGS + "warm")
        self.expect(f"ancestors of {place}", found, {self.arrivals.ways[sink].order[line]})

    def check_all(self, means, draw):
        """At the end: nothing is without origin or end, and samples have exactly the relatives that they must have."""
        readings, documents = self.arrivals.feeder.readings, self.arrivals.feeder.documents
        item_counts = [len(load.items_of(document)) for document in range(documents)]
        first_item = [0, *itertools.accumulate(item_counts)]
        hot, mild = (self.arrivals.ways[name].order for name in ("hot", "mild"))
        messages = sum(self.arrivals.message_counts["messages"].values())
        self.check_connections(
            {
                **{READINGS + to: readings for to in ("warm", "mean", "copy", "copy_sql")},
                "crash/warm/matched/divide": len(hot) + len(mild),
                "crash/divide/hot/hot": len(hot),
                "crash/divide/mild/mild": len(mild),
                "crash/mean/success/means": len(means),
                "crash/documents/success/take_apart": documents,
                "crash/take_apart/split/put_together": first_item[-1],
                "crash/take_apart/split/collect": first_item[-1],
                "crash/put_together/success/whole": documents,
                "crash/messages/success/messages_file": messages,
                "crash/messages/success/messages_sql": messages,
            }
        )
        pick = lambda size: draw.sample(range(size), min(SAMPLES, size))
        for sink, order in (("hot", hot), ("mild", mild)):
            for line in pick(len(order)):
                self.check_line(sink, line)
        for line in pick(len(means)):
            place = f"crash/mean/success/means:{line}"
            found = sequences(self.ancestors(place), "inputs", READINGS + "mean")
            self.expect(f"ancestors of {place}", found, self.readings_of(means[line]))
        for document in pick(documents):
            place = f"crash/put_together/success/whole:{document}"
            steps = self.ancestors(place)
            items = set(range(first_item[document], first_item[document + 1]))
            found = sequences(steps, "inputs", "crash/take_apart/split/put_together")
            self.expect(f"parents of {place}", found, items)
            found = sequences(steps, "inputs", "crash/documents/success/take_apart")
            self.expect(f"ancestors of {place}", found, {document})
        for seq in pick(readings):
            self.check_descendants(seq, {"hot": hot, "mild": mild})
        return f"lineage: {self.asked} questions asked"

    def check_connections(self, counts):
        for connection, count in counts.items():
            made, taken = [], []
            for event in ask(self.build, self.data, "events", "--connection", connection):
                if event.get("out_connection") == connection:
                    made.append(event["outputs"])
                if event.get("in_connection") == connection:
                    taken.append(event["inputs"])
            self.asked += 1
            checker.check_tiling(f"lineage: origins in {connection}", made, count, self.problems)
            checker.check_tiling(f"lineage: ends in {connection}", merged(taken), count, self.problems)

    def check_descendants(self, seq, orders):
        self.asked += 1
        steps = list(ask(self.build, self.data, "descendants", f"{READINGS}warm:{seq}"))
        cents = load.Reading(seq).cents
        for sink, order in orders.items():
            belongs = cents >= load.HOT * 100 if sink == "hot" else load.WARM * 100 <= cents < load.HOT * 100
            # Records of different keys may change places, so that the order is searched, not bisected.
            expected = {order.index(seq)} if belongs else set()
            connection = f"crash/divide/{sink}/{sink}"
            self.expect(f"descendants of {seq} in {connection}", sequences(steps, "outputs", connection), expected)
            sent = [step for step in steps if step["type"] == "SEND"]
            self.expect(f"{seq} sent by {sink}", sequences(sent, "inputs", connection), expected)

    def readings_of(self, mean):
        """The readings of a mean, by its key and window."""
        start = checker.unix_ms(mean["window_start"])
        end = checker.unix_ms(mean["window_end"])
        number = lambda time_ms: max(0, -((load.FIRST_TIME_MS - time_ms) // load.STEP_MS))  # rounded up
        last = min(number(end), self.arrivals.feeder.readings)
        return {seq for seq in range(number(start), last) if load.Reading(seq).key == mean["key"]}


def merged(intervals):
    """Intervals of (first, count) that may overlap, as ones that do not."""
    result = []
    for first, count in sorted(intervals):
        if result and first < sum(result[-1]):
            result[-1] = (result[-1][0], max(sum(result[-1]), first + count) - result[-1][0])
        else:
            result.append((first, count))
    return result
