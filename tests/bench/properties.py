"""What Weir costs beside its rates: a hop, a recovery, lineage, an idle flow, the main job. Each function takes the Bench
of `run` and returns the Sample of one run; what is measured stands in its details, with the unit in the name."""

import json
import os
import pathlib
import re
import signal
import socket
import sqlite3
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
    """CPU time of one more hop, per FlowFile, in batches of 1, 100 and 1,000: ten stages less two, by eight. Those of 1
    come 100 us apart: as fast as they can be made, the second stage would have many to take at once."""
    details, total, cpu, rss = {}, 0, 0.0, 0.0
    for batch, count, rate in ((1, 20_000, 10_000), (100, 1_000_000, None), (1000, 2_000_000, None)):
        count = count // 10 if bench.quick else count
        spent = {}
        for stages in (2, 10):
            bench.next_run()
            program = bench.run_weir(chain(bench.scratch("chain.yaml"), count, batch, stages, rate))
            spent[stages] = program.cpu
            total, cpu, rss = total + count, cpu + program.cpu, max(rss, program.peak_rss_kib / 1024)
        details[f"batch_{batch}_ns"] = max(0.0, spent[10] - spent[2]) / 8 / count * 1e9
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
