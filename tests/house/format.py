#!/usr/bin/env python3
"""Checks that all C++ is formatted as .clang-format says; `make format` mends it. Usage: format.py ROOT."""

import shutil
import subprocess
import sys

import tree

FORMATTER = "clang-format-19"


def main(root):
    if not shutil.which(FORMATTER):
        print(f"SKIPPED {FORMATTER} is not installed (scripts/install format): the formatting was not checked")
        return 0
    files = [str(path) for path in tree.files(root) if tree.is_cpp(path)]
    if not files:
        return 0
    result = subprocess.run([FORMATTER, "--dry-run", "-Werror", "--ferror-limit=1", *files], cwd=root)
    if result.returncode:
        print("Not formatted as .clang-format says. To mend it: make format")
    return result.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
