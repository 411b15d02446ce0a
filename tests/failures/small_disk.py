"""A disk that a test fills to its last byte. Needs root, to mount it."""

import os
import pathlib
import subprocess
import tempfile
import threading


class Disk:
    """A small one of its own, mounted for the test."""

    SIZE = 110  # MiB; Weir keeps 64 in reserve

    def __init__(self, test):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="weir-disk-"))
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.SIZE}m", "tmpfs", str(self.path)],
                                 capture_output=True, text=True)
        if mounted.returncode != 0:
            self.path.rmdir()
            print("SKIPPED: no disk can be mounted:", mounted.stderr.strip(), flush=True)
            test.skipTest("no disk can be mounted")
        test.addCleanup(self._unmount)
        self._stop = threading.Event()
        self._thread = None

    def _unmount(self):
        self.empty()
        subprocess.run(["umount", "--lazy", str(self.path)])
        self.path.rmdir()

    def fill(self):
        """And keeps it so: what Weir gives back is taken too."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._fill, daemon=True)
        self._thread.start()

    def _fill(self):
        with open(self.path / "ballast", "ab", buffering=0) as ballast:
            while not self._stop.is_set():
                for size in (1 << 20, 1 << 12, 1):
                    try:
                        while ballast.write(b"x" * size) == size:
                            pass
                    except OSError:
                        pass
                self._stop.wait(0.02)

    def free(self):
        return os.statvfs(self.path).f_bavail

    def empty(self):
        if self._thread:
            self._stop.set()
            self._thread.join()
            self._thread = None
        (self.path / "ballast").unlink(missing_ok=True)
