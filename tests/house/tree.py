"""The files of the project: what git knows and what could be added to it."""

import subprocess
from pathlib import Path


def files(root):
    """Relative paths, sorted; without what is ignored or deleted."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={Path(root).resolve()}", "-C", str(root), "ls-files", "-z", "--cached", "--others",
         "--exclude-standard"],
        check=True, capture_output=True).stdout
    names = {Path(name.decode()) for name in listed.split(b"\0") if name}
    return sorted(name for name in names if (Path(root) / name).is_file())


def is_cpp(path):
    return path.suffix in (".h", ".hpp", ".cpp", ".cc", ".inl")
