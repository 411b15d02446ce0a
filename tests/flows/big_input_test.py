#!/usr/bin/env python3
"""What is larger than memory should hold passes through, whole and in pieces. Usage: big_input_test.py WEIR.

WEIR_BIG_FILE says how large the file is, in MiB (512): with 4096 it takes minutes, and 13 GB under TMPDIR.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "crash"))
from processes import Broker, find_mosquitto  # noqa: E402

WEIR = pathlib.Path(sys.argv.pop(1)).resolve()
SIZE = int(os.environ.get("WEIR_BIG_FILE", "512"))  # MiB
PATIENCE = 120 + SIZE / 2  # seconds; a bound, not a wait
MIB = 1 << 20


class BigInput(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weir-big-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_flow(self, processors, until=None):
        """Runs a flow to its end, or until a file is there. Returns the most memory it had, in MiB."""
        flow = self.folder / "flow.yaml"
        flow.write_text(f"flow: big\nprocessors:\n{processors}")
        log = self.folder / "weir.log"
        with open(log, "wb") as output:
            started = time.monotonic()
            command = [WEIR, "run", flow, "--data", self.folder / "data", "--listen", "none"]
            if until is None:
                command.append("--until-idle")
            process = subprocess.Popen(command, stderr=output, cwd=self.folder)
            try:
                while True:
                    pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                    if pid:
                        process.returncode = os.waitstatus_to_exitcode(status)
                        break
                    if until is not None and until.exists():
                        process.send_signal(signal.SIGTERM)
                        until = None
                    if time.monotonic() - started > PATIENCE:
                        self.fail(f"not done after {PATIENCE} s\n" + log.read_text()[-3000:])
                    time.sleep(0.05)
            finally:
                if process.returncode is None:
                    process.kill()
                    process.wait()
        self.assertEqual(process.returncode, 0, log.read_text()[-3000:])
        memory = usage.ru_maxrss / 1024
        print(f"{self.id().split('.')[-1]}: {time.monotonic() - started:.1f} s, at most {memory:.0f} MiB resident",
              flush=True)
        return memory

    def assert_same(self, one, other):
        found = subprocess.run(["cmp", one, other], capture_output=True, text=True, check=False)
        self.assertEqual(found.returncode, 0, found.stdout + found.stderr)


class BigFileTest(BigInput):
    def setUp(self):
        super().setUp()
        needed = 3.2 * SIZE * MIB  # the file, what is queued of it, and the copy
        if shutil.disk_usage(self.folder).free < needed:
            print(f"SKIPPED {needed / 2**30:.1f} GiB are needed under {self.folder.parent}")
            self.skipTest("disk space")
        self.file = self.folder / "big.txt"
        line = b"0123456789abcdef" * 64
        block = bytearray((line[:1023] + b"\n") * 1024)
        with open(self.file, "wb") as out:  # every MiB is another, so that none can stand for one that is missing
            for number in range(SIZE):
                block[:16] = b"%016d" % number
                out.write(block)

    def test_a_big_file_passes_through_whole(self):
        memory = self.run_flow("""\
  read: {type: FileSource, path: big.txt, format: whole, to: write, drop: failure}
  write: {type: FileSink, path: out/copy.txt, mode: file_each, separator: none, drop: failure}
""")
        self.assert_same(self.file, self.folder / "out/copy.txt")
        self.assertLess(memory, 200)

    def test_a_big_file_is_split_into_lines(self):
        memory = self.run_flow("""\
  read: {type: FileSource, path: big.txt, format: lines, emit: each, to: write, drop: failure}
  write: {type: FileSink, path: out/lines.txt, drop: failure}
""")
        self.assert_same(self.file, self.folder / "out/lines.txt")
        self.assertLess(memory, 400)


@unittest.skipIf(find_mosquitto() is None, "mosquitto is not installed")
class BigMessageTest(BigInput):
    def test_the_largest_message_that_mqtt_has_arrives_byte_for_byte(self):
        broker = Broker(self.folder)
        self.addCleanup(broker.stop)
        topic = "big/one"
        size = 268_435_455 - 2 - len(topic) - 2  # of the packet: the topic's length and the topic, the packet's number
        message = self.folder / "message"
        with open(message, "wb") as out:
            for number in range(size // MIB):
                out.write(b"%016d" % number + os.urandom(1024) * 1023 + b"\0" * 1008)
            out.write(os.urandom(size % MIB))
        self.assertEqual(message.stat().st_size, size)
        subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-q", "1", "-r", "-t", topic, "-f", message],
                       check=True, timeout=PATIENCE)
        memory = self.run_flow(f"""\
  receive: {{type: MqttSource, url: "{broker.url}", topic: "big/#", qos: 1, to: write}}
  write: {{type: FileSink, path: out/message, mode: file_each, separator: none, drop: failure}}
""", until=self.folder / "out/message")
        self.assert_same(message, self.folder / "out/message")
        self.assertLess(memory, 1200)


if __name__ == "__main__":
    if find_mosquitto() is None:
        print("SKIPPED mosquitto is not installed (scripts/install test)")
    unittest.main(verbosity=2)
