#!/usr/bin/env python3
"""Checks what must not be committed: paths of the machine it was written on, trailing whitespace, tabs in C++.

Usage: text.py ROOT. Prints one line for each violation; exit status 1 if there is one.

Paths of this machine are those of home directories and of the checkout and the folder that holds it. A checkout in one
of the places that the project itself talks about (/tmp, /opt, /var, ...) is not looked for.
"""

import re
import sys
from pathlib import Path

import tree

SHARED_PLACES = ("/app", "/builds", "/data", "/etc", "/home", "/mnt", "/opt", "/root", "/src", "/srv", "/tmp", "/usr", "/var")
HOME = r"/home/[a-z][\w.-]*/|/Users/[A-Z]?[\w.-]+/|[A-Z]:\\Users\\"
SOURCES = {".py", ".cmake", ".yml", ".yaml", ".sh", ".ts", ".tsx", ".css", ".html", ".conf", ".toml"}


def machine_paths(root):
    """A pattern for paths of this machine."""
    root = Path(root).resolve()
    patterns = [HOME]
    for path in (root, root.parent):
        if len(path.parts) > 1 and "/" + path.parts[1] not in SHARED_PLACES:
            patterns.append(re.escape(str(path)) + r"(?=/|\b)")
    return re.compile(r"(?<![\w.~$}-])(?:" + "|".join(patterns) + ")")


def is_source(path):
    """Files whose whitespace is ours to choose; test data may need what it has, and Markdown breaks lines with blanks."""
    if path.parts[0] == "tests" and path.suffix in (".yaml", ".yml"):
        return False
    return tree.is_cpp(path) or path.suffix in SOURCES or path.suffix == "" or path.name == "CMakeLists.txt"


def violations_in(path, text, machine):
    for number, line in enumerate(text.split("\n"), 1):
        found = machine.search(line)
        if found:
            yield f"{path}:{number}: names a path of this machine: {found.group()}"
        if is_source(path) and line != line.rstrip():
            yield f"{path}:{number}: trailing whitespace"
        if tree.is_cpp(path) and "\t" in line:
            yield f"{path}:{number}: a tab (write \\t inside literals)"


def check(root):
    machine = machine_paths(root)
    violations = []
    for path in tree.files(root):
        data = (Path(root) / path).read_bytes()
        if b"\0" not in data[:8192]:
            violations += violations_in(path, data.decode("utf-8", errors="replace"), machine)
    return violations


if __name__ == "__main__":
    problems = check(sys.argv[1])
    print("\n".join(problems) or "Nothing in the tree that should not be.")
    sys.exit(1 if problems else 0)
