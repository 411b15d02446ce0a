"""What Weir costs beside its rates: a hop, a recovery, lineage, an idle flow, the main job. Each function takes the Bench
of `run` and returns the Sample of one run; what is measured stands in its details, with the unit in the name."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import sqlite3
import statistics
import subprocess
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]


def chain(path, count, batch, stages, rate=None):
    """A flow whose stages pass everything on: what it costs is hops."""
    lines = ["flow: chain", "processors:"]
    pace = f", rate: {rate}/s" if rate else ""
    lines.append(f"  source: {{type: GenerateFlowFile, content: 'x', count: {count}, batch: {batch}{pace}, to: stage1}}")
    for i in range(1, stages + 1):
        to = f"stage{i + 1}" if i < stages else "end"
        lines.append(f"  stage{i}: {{type: Log, level: debug, sample: 1000000000, to: {to}}}")
    lines.append("  end: {type: Discard}")
    path.write_text("\n".join(lines) + "\n")
    return path


def hop(bench):
    """CPU time of one more hop, per FlowFile, in batches of 1, 100 and 1,000: 42 stages less two, by 40, so that it is
    more than the noise of a start. Those of 1 come 100 us apart: as fast as they can be made, the second stage would
    have many to take at once."""
    details, total, cpu, rss = {}, 0, 0.0, 0.0
    for batch, count, rate in ((1, 30_000, 10_000), (100, 1_000_000, None), (1000, 2_000_000, None)):
        count = count // 10 if bench.quick else count
        spent = {}
        for stages in (2, 42):
            bench.next_run()
            program = bench.run_weir(chain(bench.scratch("chain.yaml"), count, batch, stages, rate))
            spent[stages] = program.cpu
            total, cpu, rss = total + count, cpu + program.cpu, max(rss, program.peak_rss_kib / 1024)
        details[f"batch_{batch}_ns"] = (spent[42] - spent[2]) / 40 / count * 1e9
    return bench.sample(total, 1.0, cpu, rss, **details)


def lineage(bench):
    """What lineage weighs on disk, and how long `weir provenance ancestors` takes over five hops, all of it."""
    count = 100_000 if bench.quick else 1_000_000
    program = bench.run_weir(chain(bench.scratch("chain.yaml"), count, 1000, 4))
    data = bench.scratch("data")
    with sqlite3.connect(data / "weir.db") as database:
        rows, size = database.execute("SELECT count(*), sum(length(packed)) FROM lineage").fetchone()
    times = []
    for i in range(5):
        command = [bench.build / "weir", "provenance", "ancestors", f"chain/stage4/success/end:{count // 6 * (i + 1)}",
                   "--data", data, "--json"]  # fmt: skip
        started = time.monotonic()
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
        times.append((time.monotonic() - started) * 1e3)
        if len(found) < 4:
            raise bench.failure(f"five hops have {len(found)} ancestors")
    sample = program.sample(count)
    sample.details = {
        "chunks_per_million": rows / count * 1e6,
        "bytes_per_million": size / count * 1e6,
        "bytes_per_hop": size / count / 5,
        "ancestry_ms": sorted(times)[2],
    }
    return sample


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port, path):
    """The page, or nothing while it is not there."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.read().decode()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


def recovery(bench):
    """A million FlowFiles are queued, Weir is killed, and starts again: when it is ready, and when all are consumed."""
    count = 100_000 if bench.quick else 1_000_000
    flow = bench.scratch("queue.yaml")
    text = (
        "flow: queue\nprocessors:\n"
        f"  source: {{type: GenerateFlowFile, content: 'x$(seq)', count: {count}, batch: 1000, "
        "to: {success: {to: end, queue: {max_count: 0, max_bytes: 0B}}}}\n"
        "  end: {type: Discard, enabled: false}\n"
    )
    flow.write_text(text)
    port = free_port()
    first = bench.start_weir(flow, listen=f"127.0.0.1:{port}")

    def queued():
        page = get(port, "/api/v1/connections/queue/source/success/end")
        return page is not None and json.loads(page)["queued"] == count

    bench.await_condition(queued, 120, "the queue does not fill", first)
    epoch = json.loads(get(port, "/api/v1/status"))["epochs"]["last"]
    bench.await_condition(
        lambda: json.loads(get(port, "/api/v1/status"))["epochs"]["last"] >= epoch and not_growing(port), 30,
        "the last epoch does not come", first,
    )  # fmt: skip
    first.process.send_signal(signal.SIGKILL)
    bench.await_condition(lambda: not first.running(), 30, "it survives kill -9")
    first.process.stdout.close()
    flow.write_text(text.replace(", enabled: false", ""))
    port = free_port()
    second = bench.start_weir(flow, "--until-idle", listen=f"127.0.0.1:{port}")
    ready = None
    while second.running():
        if ready is None and get(port, "/readyz") == "ok\n":
            ready = time.monotonic() - second.started
        time.sleep(0.001)
    second.wait()
    sample = second.sample(count)
    if ready is not None:  # else it was done before anyone could ask
        sample.details["ready_ms"] = ready * 1e3
    sample.details["all_consumed_ms"] = sample.wall * 1e3
    return sample


def not_growing(port):
    before = json.loads(get(port, "/api/v1/status"))["epochs"]["last"]
    time.sleep(0.5)
    return json.loads(get(port, "/api/v1/status"))["epochs"]["last"] == before


def cpu_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(process):
    return int(re.search(r"VmHWM:\s*(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())[1]) / 1024


def start_lake(bench, broker):
    os.environ.update(MQTT_URL=f"mqtt://127.0.0.1:{broker.port}", LAKE=str(bench.scratch("lake")))
    os.environ["SENSOR_LIST"] = str(ROOT / "flows/sensor-lake/sensors.json")
    weir = bench.start_weir(ROOT / "flows/sensor-lake/flow.yaml")
    broker.await_subscriber(weir)
    return weir


def idle(bench):
    """The main job with nothing to do."""
    seconds = 3 if bench.quick else 10
    with bench.broker(bench.scratch("").resolve()) as broker:
        weir = start_lake(bench, broker)
        time.sleep(1)  # started, subscribed, the sensor list read
        before = cpu_seconds(weir.process)
        time.sleep(seconds)
        spent = cpu_seconds(weir.process) - before
        weir.stop()
    return bench.sample(1, 1.0, spent, weir.peak_rss_kib / 1024, cpu_percent=spent / seconds * 100,
                        peak_mib=weir.peak_rss_kib / 1024)  # fmt: skip


def main_job(bench):
    """flows/sensor-lake at 1,000 messages a second from its own generator, through a real broker."""
    seconds = 5 if bench.quick else 20
    with bench.broker(bench.scratch("").resolve()) as broker:
        weir = start_lake(bench, broker)
        generator = bench.start_weir(ROOT / "flows/sensor-lake/generator.yaml", data="generator", rate="1000/s",
                                     garbage="10/s")  # fmt: skip
        time.sleep(2)
        before, peak = cpu_seconds(weir.process), 0.0
        for _ in range(seconds):
            time.sleep(1)
            peak = max(peak, peak_mib(weir.process))
        spent = cpu_seconds(weir.process) - before
        generator.stop()
        weir.stop()
    with sqlite3.connect(bench.scratch("lake") / "history.db") as database:
        rows = database.execute("SELECT count(*) FROM readings").fetchone()[0]
    if rows < 900 * seconds:
        raise bench.failure(f"the history has {rows} readings of {seconds} s at 1,000/s")
    return bench.sample(rows, seconds + 2, spent, peak, cpu_percent=spent / seconds * 100, peak_mib=peak)


@contextlib.contextmanager
def on_cores(cores):
    """Programs that are started within run on these only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


# What 50 browsers ask beside the live events: half of them have a processor's panel open, half a queue's, which are read
# again every 3 s, as ui/src/views does.
BROWSERS = 50
FLOW, PROCESSOR, QUEUE = "w3-stages", "humid", "w3-stages/warm/matched/humid"
BROWSER_PAGES = [f"/api/v1/flows/{FLOW}/processors/{PROCESSOR}", f"/api/v1/connections/{QUEUE}/flowfiles?limit=20"]
# What programs ask: mostly how things stand, and every twentieth time each of the dear ones.
API_PAGES = [
    *["/api/v1/status"] * 4,
    *["/api/v1/flows"] * 3,
    *[f"/api/v1/flows/{FLOW}"] * 4,
    *[f"/api/v1/flows/{FLOW}/processors/{PROCESSOR}"] * 2,
    *[f"/api/v1/connections/{QUEUE}"] * 2,
    "/api/v1/bulletins?limit=100",
    "/metrics",
    f"/api/v1/connections/{QUEUE}/flowfiles?limit=20",
    f"/api/v1/history?flow={FLOW}",
    f"/api/v1/provenance/events?processor={FLOW}/{PROCESSOR}&limit=50",
]


LARGE = 200  # processors


def large_flow(path):
    """A flow with so many processors that all do something each second; returns its file."""
    hops = [f"  hop{i}: {{type: UpdateAttributes, set: {{hop: '{i}'}}, to: hop{i + 1}, drop: failure}}" for i in range(1, LARGE - 1)]
    path.write_text("\n".join(["flow: large", "processors:",
                               "  hop0: {type: GenerateFlowFile, content: x, schedule: {every: 500ms}, to: hop1}", *hops,
                               f"  hop{LARGE - 1}: {{type: Discard}}", ""]))  # fmt: skip
    return path


def in_large(pages):
    """The same questions, every second one to the large flow."""
    mine = [page.replace(QUEUE, "large/hop99/success/hop100").replace(f"{FLOW}/{PROCESSOR}", "large/hop99")
            .replace(f"{FLOW}/processors/{PROCESSOR}", "large/processors/hop99").replace(FLOW, "large") for page in pages]  # fmt: skip
    return [page for pair in zip(pages, mine) for page in pair]


def start_watchers(bench, port, large, watching):
    """Where they do not watch they are as busy with that."""
    command = [bench.build / "bench" / "watchers", "--port", port, "--streams", BROWSERS if watching else 0]
    if watching:
        browsers, programs = (in_large(pages) if large else pages for pages in (BROWSER_PAGES, API_PAGES))
        command += ["--ask", f"{BROWSERS / 3:.2f}:{','.join(browsers)}", "--ask", f"200:{','.join(programs)}"]
    watchers = bench.program(command, bench.scratch("watchers.log"))
    if watchers.process.stdout.readline() != b"watching\n":
        watchers.wait()
        raise bench.failure("the watchers watch nothing")
    return watchers


def watched_large(bench):
    """As watched(), and beside the flow runs one of 200 processors, which is looked at as much."""
    return watched(bench, large=True)


def watched(bench, large=False):
    """A flow at full speed, and what 50 browsers and 200 API requests a second take from it. Weir has all cores but one
    and uses them up, and the clients have that one: so what they cost themselves is not counted, and what they cost Weir
    is. Seconds with and without them take turns in one process."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise bench.failure("it takes a core for the clients, and one for Weir")
    turns, seconds = (2, 2) if bench.quick else (10, 4)
    port = free_port()
    with on_cores(cores[:-1]):
        beside = [large_flow(bench.scratch("large.yaml"))] if large else []
        weir = bench.start_weir("w3-stages.yaml", *beside, listen=f"127.0.0.1:{port}", count=10**12)
    with on_cores(cores[-1:]):
        bench.await_condition(lambda: get(port, "/readyz") == "ok\n", 30, "it is not ready", weir)
        quiet, busy, reports = [], [], []
        for turn in range(2 * turns):
            watching = turn % 4 in (1, 2)  # so that what changes with time falls on both alike
            watchers = start_watchers(bench, port, large, watching)
            time.sleep(0.5)
            (busy if watching else quiet).append(passed_in(port, weir, seconds))
            report = json.loads(watchers.stop())
            if watching:
                reports.append(report)
        weir.stop()
    for report in reports:
        if report["refused"] or report["answered"] < 0.98 * report["asked"] or report["events"] < BROWSERS:
            raise bench.failure(f"the clients were not served: {report}")
    median = statistics.median
    rates = [[count / wall for count, wall, _ in each] for each in (quiet, busy)]
    costs = [[cpu / count * 1e6 for count, _, cpu in each] for each in (quiet, busy)]
    count, wall, cpu = (sum(values) for values in zip(*quiet, *busy))
    return bench.sample(
        count, wall, cpu, weir.peak_rss_kib / 1024,
        alone_per_s=median(rates[0]),
        watched_per_s=median(rates[1]),
        lost_percent=median(1 - b / a for a, b in zip(*rates)) * 100,
        alone_cpu_s_per_million=median(costs[0]),
        watched_cpu_s_per_million=median(costs[1]),
        more_cpu_percent=median(b / a - 1 for a, b in zip(*costs)) * 100,
        answers_per_s=median(report["answered"] / report["wall_s"] for report in reports),
        events_per_s=median(report["events"] / report["wall_s"] for report in reports),
        answer_p50_ms=median(report["p50_ms"] for report in reports),
        answer_p99_ms=median(report["p99_ms"] for report in reports),
    )  # fmt: skip


def passed_in(port, weir, seconds):
    """FlowFiles that reached the end of the flow in about so many seconds, those seconds, and Weir's CPU time."""

    def now():
        page = get(port, f"/api/v1/connections/{FLOW}/healthy/matched/end")
        return json.loads(page)["next"], time.monotonic(), cpu_seconds(weir.process)

    before = now()
    time.sleep(seconds)
    return tuple(b - a for a, b in zip(before, now()))
