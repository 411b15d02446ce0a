#!/usr/bin/env python3
"""Checks that includes point inward (the layout is in CONTRIBUTING.md).

Usage: includes.py ROOT. Prints one line for each include that breaks a rule; exit status 1 if there is one.

Every C++ file under core/, plugins/ and tests/ belongs to a unit: the SDK (core/include/weir), a module of the core, a
plugin, or the tests. An include is resolved as the compiler would: beside the file, then in the project's include
folders. What is not found in the tree is a library's.
"""

import os
import re
import sys
from pathlib import Path

# Module of the core -> what it may include. A new module gets its place here.
MODULES = {
    "sdk": set(),
    "store": {"sdk"},
    "sql": {"sdk"},
    "plugin": {"sdk"},
    "plugin_types": {"sdk", "plugin"},
    "flow": {"sdk", "sql", "plugin"},
    "engine": {"sdk", "store", "sql", "flow", "plugin"},
    "testkit": {"sdk", "store", "sql", "flow", "plugin", "engine"},
    "conformance": {"sdk"},
    "tls": set(),
    "catalogue": {"sdk", "sql", "flow", "plugin"},
    "api": {"sdk", "store", "sql", "flow", "plugin", "engine", "tls", "catalogue"},
    "flowtest": {"sdk", "store", "sql", "flow", "plugin", "engine"},
    "cli": {"sdk", "store", "sql", "flow", "plugin", "engine", "catalogue", "api", "flowtest", "tls"},
}

STANDARD_HEADERS = set(
    """
    algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono cinttypes climits
    clocale cmath codecvt compare complex concepts condition_variable coroutine csetjmp csignal cstdarg cstddef cstdint
    cstdio cstdlib cstring ctime cuchar cwchar cwctype deque exception execution filesystem format forward_list fstream
    functional future initializer_list iomanip ios iosfwd iostream istream iterator latch limits list locale map memory
    memory_resource mutex new numbers numeric optional ostream queue random ranges ratio regex scoped_allocator
    semaphore set shared_mutex source_location span sstream stack stdexcept stop_token streambuf string string_view
    strstream syncstream system_error thread tuple type_traits typeindex typeinfo unordered_map unordered_set utility
    valarray variant vector version
    """.split()
)

SUFFIXES = {".h", ".hpp", ".cpp", ".cc", ".inl"}
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*([<\"])([^>\"\n]+)[>\"]", re.MULTILINE)


def without_comments(text):
    """The text with comments blanked and its lines kept; a string that holds // or /* does no harm to #include lines
    unless it opens a comment that never closes."""
    return COMMENT.sub(lambda match: "\n" * match.group().count("\n"), text)


def unit_of(path):
    """The unit of a file, given relative to the root: "sdk", a module's name, "plugins/NAME", "tests", or None."""
    parts = path.parts
    if parts[:3] == ("core", "include", "weir"):
        return "sdk"
    if parts[0] in ("core", "plugins") and len(parts) > 2:
        return parts[1] if parts[0] == "core" else f"plugins/{parts[1]}"
    return "tests" if parts[0] == "tests" else None


def is_test(path):
    return path.stem.endswith("_test")


def resolve(root, includer, quoted, name):
    """The included file relative to the root, or None when the tree has no such file."""
    folders = ["core", "core/include", ""]
    if quoted:
        folders.insert(0, includer.parent)
    for folder in folders:
        candidate = Path(os.path.normpath(Path(folder) / name))
        if ".." not in candidate.parts and not candidate.is_absolute() and (root / candidate).is_file():
            return candidate
    return None


def includes_of(root, path):
    """(line, name as written, resolved path or None) of every include in a file."""
    text = without_comments((root / path).read_text(encoding="utf-8", errors="replace"))
    for match in INCLUDE.finditer(text):
        name = match.group(2).strip()
        line = text.count("\n", 0, match.start()) + 1
        yield line, name, resolve(root, path, match.group(1) == '"', name)


def included_unit(name, target):
    """The unit that an include names: by the file it finds, else by the core's folder names; None for libraries."""
    if target is not None:
        return unit_of(target)
    first = name.split("/")[0]
    if "/" in name and first == "weir":
        return "sdk"
    return first if "/" in name and first in MODULES else None


def objection(path, name, target):
    """Why this file may not include that, or None."""
    unit, other = unit_of(path), included_unit(name, target)
    if unit == "tests" or unit is None:
        return None
    if unit not in MODULES and not unit.startswith("plugins/"):
        return f"core/{unit} is no module that the rules know: give it a place in {Path(__file__).name}"
    if unit == "sdk":
        if other != "sdk" and (other is not None or name not in STANDARD_HEADERS):
            return "the SDK includes only standard headers and weir/*.h"
        return None
    testkit = other == "testkit" or name in ("weir/testkit.h", "weir/conformance.h")
    if testkit and unit not in ("testkit", "conformance") and not is_test(path):
        return "only *_test.cpp files include the test kit"
    if other is None or other == unit or testkit or (other == "tests" and is_test(path)):
        return None
    if unit.startswith("plugins/"):
        if other in ("sdk", "plugins/common"):
            return None
        return "a plugin sees only weir/*.h, plugins/common, its own folder and libraries"
    if other not in MODULES[unit]:
        return f"core/{unit} may include only: {', '.join(sorted(MODULES[unit]))}"
    return None


def cycles(graph):
    """One cycle, as a list of files that begins and ends with the same, for each edge that closes one."""
    found, done, path, on_path = [], set(), [], set()

    def visit(node):
        path.append(node)
        on_path.add(node)
        for target in graph.get(node, []):
            if target in on_path:
                found.append(path[path.index(target):] + [target])
            elif target not in done:
                visit(target)
        on_path.discard(path.pop())
        done.add(node)

    for node in sorted(graph):
        if node not in done:
            visit(node)
    return found


def check(root):
    """All violations in the tree, as text that begins with file:line."""
    root = Path(root)
    files = sorted(
        path.relative_to(root)
        for folder in ("core", "plugins", "tests")
        for path in (root / folder).rglob("*")
        if path.suffix in SUFFIXES and path.is_file()
    )
    violations, graph = [], {}
    for path in files:
        for line, name, target in includes_of(root, path):
            if target is not None:
                graph.setdefault(path, []).append(target)
            reason = objection(path, name, target)
            if reason:
                violations.append(f"{path}:{line}: includes {name}: {reason}")
    for cycle in cycles(graph):
        violations.append(f"{cycle[0]}:1: includes itself: {' -> '.join(map(str, cycle))}")
    return violations


if __name__ == "__main__":
    problems = check(sys.argv[1])
    print("\n".join(problems) or "Includes point inward.")
    sys.exit(1 if problems else 0)
