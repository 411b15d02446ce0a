"""Records between the systems that Weir stands between, each the real server on this machine, so that both share its
cores. Each function takes the Bench of `run` and returns the Sample of one run; at-least-once and exactly-once stand side by
side in its details."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request

SERVERS = pathlib.Path(__file__).resolve().parents[1] / "servers"
DELIVERIES = {"at_least_once": "", "exactly_once": "once_"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """A server in a folder of its own, gone when the `with` is left."""

    def __init__(self, bench, name, user=None):
        self.bench, self.name, self.user = bench, name, user
        self.port = free_port()

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"bench-{self.name}-", dir="/tmp"))
        if self.user:
            shutil.chown(self.folder, self.user)
        self.log = self.folder / "log"
        self.prepare()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([str(part) for part in self.command()], stdout=log, stderr=log,
                                            start_new_session=True, user=self.user)  # fmt: skip
        self.bench.await_condition(self.serves, 60, f"{self.name} does not start: {self.log}")
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def prepare(self):
        pass

    def run(self, *command):
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, user=self.user,
                       cwd=self.folder, timeout=120)  # fmt: skip

    def serves(self):
        return listens(self.port)


class Kafka(Server):
    """Apache Kafka's broker, one node; a topic is made by being named, with four partitions."""

    def __init__(self, bench):
        super().__init__(bench, "kafka")
        if shutil.which("java") is None:
            raise bench.failure("SKIPPED: Kafka's broker needs Java (scripts/install test)")

    @property
    def brokers(self):
        return f"127.0.0.1:{self.port}"

    def command(self):
        # As large as a broker usually is, not as small as the tests have it.
        os.environ["KAFKA_JAVA_OPTIONS"] = "-Xms512m -Xmx1g"
        return [SERVERS / "kafka/broker", self.folder / "data", self.port, free_port(), "auto.create.topics.enable=true",
                "num.partitions=4", "num.network.threads=3", "num.io.threads=4", "log.segment.bytes=268435456"]  # fmt: skip

    def serves(self):
        return b"Kafka Server started" in self.log.read_bytes()


class S3(Server):
    def __init__(self, bench):
        super().__init__(bench, "s3")
        prepared = subprocess.run([SERVERS / "versitygw/prepare"], capture_output=True, text=True)
        if prepared.returncode != 0:
            raise bench.failure(f"SKIPPED: {prepared.stderr.strip().splitlines()[-1]}")
        self.program = prepared.stdout.strip()

    def prepare(self):
        (self.folder / "buckets/lake").mkdir(parents=True)
        (self.folder / "metadata").mkdir()

    def command(self):
        return [self.program, "--port", f"127.0.0.1:{self.port}", "--access", "bench", "--secret", "benchsecret",
                "--region", "us-east-1", "--quiet", "--keep-alive", "posix", "--sidecar", self.folder / "metadata",
                self.folder / "buckets"]  # fmt: skip

    def lines(self):
        files = sorted((self.folder / "buckets/lake").glob("*.zst"))
        unpacked = subprocess.run(["zstd", "-dcq", *map(str, files)], stdout=subprocess.PIPE, check=True, timeout=120).stdout
        return unpacked.count(b"\n")


class Postgresql(Server):
    """Durable, as it is set up by default."""

    def __init__(self, bench):
        super().__init__(bench, "postgresql", "postgres" if os.getuid() == 0 else None)
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
        if not found:
            raise bench.failure("SKIPPED: PostgreSQL is not installed (scripts/install test)")
        self.programs = found[-1]

    @property
    def url(self):
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def prepare(self):
        self.run(self.programs / "initdb", "-D", self.folder / "data", "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8",
                 "--locale=C")  # fmt: skip

    def command(self):
        return [self.programs / "postgres", "-D", self.folder / "data", "-p", self.port, "-c", "listen_addresses=127.0.0.1",
                "-c", "unix_socket_directories=", "-c", "shared_buffers=256MB"]  # fmt: skip

    def rows(self):
        counted = subprocess.run([self.programs / "psql", self.url, "-Atc", "SELECT count(*) FROM readings"],
                                 capture_output=True, text=True, check=True, timeout=60)  # fmt: skip
        return int(counted.stdout)


def both(bench, once):
    """`once(delivery)` measures one delivery; a Sample of at-least-once, with the other beside it."""
    samples = {}
    for delivery in DELIVERIES:
        bench.next_run()
        samples[delivery] = once(delivery)
    result = samples["at_least_once"]
    for delivery, prefix in DELIVERIES.items():
        sample = samples[delivery]
        result.details[f"{prefix}records_per_s"] = sample.rate
        result.details[f"{prefix}cpu_s_per_million"] = sample.cpu / sample.count * 1e6
        result.details[f"{prefix}peak_mib"] = sample.peak_rss_mib
    return result


def lines_of(bench):
    """A fifth of W1's lines: a broker on the same two cores is the slower part."""
    count = bench.lines // 5
    path = bench.folder / "connector-readings.ndjson"
    if not path.exists():
        bench.floor("bench_data", count, path)
    return path, count


def fill(bench, kafka):
    path, count = lines_of(bench)
    bench.run_weir("connect-file-kafka.yaml", data="fill", input=path, brokers=kafka.brokers)
    return count


def file_kafka(bench):
    path, count = lines_of(bench)

    def once(delivery):
        with Kafka(bench) as kafka:
            weir = bench.run_weir("connect-file-kafka.yaml", input=path, brokers=kafka.brokers, delivery=delivery)
        return weir.sample(count)

    return both(bench, once)


def kafka_s3(bench):
    def once(delivery):
        with Kafka(bench) as kafka, S3(bench) as store:
            count = fill(bench, kafka)
            weir = bench.run_weir("connect-kafka-s3.yaml", brokers=kafka.brokers, delivery=delivery,
                                  endpoint=f"http://127.0.0.1:{store.port}")  # fmt: skip
            check(bench, store.lines(), count, "lines in the objects")
        return weir.sample(count)

    return both(bench, once)


def kafka_postgresql(bench):
    def once(delivery):
        with Kafka(bench) as kafka, Postgresql(bench) as database:
            count = fill(bench, kafka)
            weir = bench.run_weir("connect-kafka-postgresql.yaml", brokers=kafka.brokers, delivery=delivery,
                                  database=database.url)  # fmt: skip
            check(bench, database.rows(), count, "rows in the table")
        return weir.sample(count)

    return both(bench, once)


def mqtt_kafka(bench):
    count = bench.messages // 4

    def once(delivery):
        listen = free_port()
        with Kafka(bench) as kafka, bench.broker(bench.scratch("").resolve()) as mqtt:
            weir = bench.start_weir("connect-mqtt-kafka.yaml", broker=f"mqtt://127.0.0.1:{mqtt.port}", brokers=kafka.brokers,
                                    delivery=delivery, listen=f"127.0.0.1:{listen}")  # fmt: skip
            mqtt.await_subscriber(weir)
            started = time.monotonic()
            blast = bench.start_blast(mqtt, "--count", count)
            bench.await_condition(lambda: not blast.running(), 600, "the publisher is stuck", weir)
            blast.wait()
            bench.await_condition(lambda: confirmed(listen) >= count, 120, "Kafka does not confirm all messages", weir)
            wall = time.monotonic() - started
            weir.stop()
        return bench.sample(count, wall, weir.cpu, weir.peak_rss_kib / 1024)

    return both(bench, once)


def confirmed(port):
    """What the brokers have said they have."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        found = re.search(rb"^weir_processor_kafka_messages_total\{[^}]*\} (\S+)$", answer.read(), re.M)
    return float(found[1]) if found else 0


def check(bench, found, count, what):
    if found != count:
        raise bench.failure(f"there are {found} {what}, not {count}")
