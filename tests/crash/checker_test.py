"""The checker finds what it is there to find: each promise is broken on purpose, and the right complaint comes."""

import gzip
import json
import pathlib
import sqlite3
import tempfile
import unittest

import checker
import load


class WayTest(unittest.TestCase):
    def setUp(self):
        self.problems = checker.Problems()

    def way(self, **options):
        return checker.Way("w", self.problems, lambda seq: (f"k{seq % 2}", seq * 10) if seq < 100 else None, **options)

    def feed(self, way, seqs):
        for seq in seqs:
            way.arrive(seq, f"k{seq % 2}", seq * 10)

    def kinds(self):
        return set(self.problems.kinds)

    def test_what_arrives_once_in_order_and_unchanged_is_right(self):
        way = self.way()
        self.feed(way, range(100))
        way.end(range(100))
        self.assertFalse(self.problems)

    def test_order_counts_within_a_key_only(self):
        way = self.way()
        self.feed(way, [1, 3, 5, 0, 2, 4])
        way.end(range(6))
        self.assertFalse(self.problems)

    def test_a_lost_record_is_found(self):
        way = self.way()
        self.feed(way, [0, 1, 2, 4])
        way.end(range(5))
        self.assertEqual(self.kinds(), {"w: lost"})

    def test_a_record_that_comes_twice_is_found(self):
        way = self.way()
        self.feed(way, [0, 1, 2, 1])
        way.end(range(3))
        self.assertEqual(self.kinds(), {"w: came twice"})

    def test_at_least_once_may_repeat_but_not_lose(self):
        way = self.way(repeats=True)
        self.feed(way, [0, 1, 2, 0, 1, 2, 3])
        way.end(range(4))
        self.assertFalse(self.problems)
        self.assertEqual(way.repeated, 3)
        way.end(range(5))
        self.assertEqual(self.kinds(), {"w: lost"})

    def test_records_of_a_key_that_change_places_are_found(self):
        for repeats in (False, True):
            self.problems = checker.Problems()
            way = self.way(repeats=repeats)
            self.feed(way, [0, 1, 4, 2])
            way.end([0, 1, 2, 4])
            self.assertEqual(self.kinds(), {"w: out of order"})

    def test_a_changed_record_is_found_though_it_repeats(self):
        way = self.way(repeats=True)
        way.arrive(3, "k1", 30)
        way.arrive(3, "k1", 31)
        self.assertEqual(self.kinds(), {"w: changed on its way"})

    def test_a_record_under_another_key_is_found(self):
        self.way().arrive(3, "k0", 30)
        self.assertEqual(self.kinds(), {"w: changed on its way"})

    def test_a_record_that_nobody_handed_over_is_found(self):
        self.way().arrive(100, "k0", 1000)
        self.assertEqual(self.kinds(), {"w: came though it must not"})

    def test_problems_are_counted_beyond_the_examples(self):
        self.way().end(range(100))
        self.assertEqual(self.problems.kinds["w: lost"][0], 100)
        self.assertIn("    … and 95 more", list(self.problems.lines()))


class FileTest(unittest.TestCase):
    def setUp(self):
        self.problems = checker.Problems()
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = pathlib.Path(self.temporary.name)

    def lines(self):
        return checker.Lines(self.folder / "a.ndjson", True, self.problems)

    def write(self, number, content):
        (self.folder / f"a-{number:06d}.ndjson").write_bytes(content)

    def test_complete_files_are_read_once_in_the_order_of_their_numbers(self):
        lines = self.lines()
        self.write(2, b"c\n")
        self.write(1, b"a\nb\n")
        self.assertEqual(list(lines.new()), [b"a", b"b", b"c"])
        self.write(3, b"d\n")
        self.assertEqual(list(lines.new()), [b"d"])
        lines.end()
        self.assertFalse(self.problems)

    def test_a_complete_file_that_changes_or_goes_is_found(self):
        lines = self.lines()
        self.write(1, b"a\n")
        list(lines.new())
        self.write(1, b"ab\n")
        list(lines.new())
        self.assertEqual(set(self.problems.kinds), {"a complete file changed"})

    def test_a_half_line_and_a_broken_file_are_found(self):
        self.write(1, b"a\nb")
        list(self.lines().new())
        (self.folder / "z-000001.ndjson.gz").write_bytes(gzip.compress(b"a\n" * 1000)[:-9])
        list(checker.Lines(self.folder / "z.ndjson.gz", True, self.problems).new())
        self.assertEqual(set(self.problems.kinds), {"a file ends within a line", "a file cannot be read"})

    def test_missing_numbers_and_files_left_incomplete_are_found_at_the_end(self):
        lines = self.lines()
        self.write(2, b"a\n")
        (self.folder / ".a-000003.ndjson.part").write_bytes(b"")
        list(lines.new())
        lines.end()
        self.assertEqual(set(self.problems.kinds), {"files are missing", "a file was never completed"})


    def test_json_values_are_read_whatever_is_between_them_and_garbage_is_found(self):
        path = self.folder / "values"
        path.write_text('[1,\n 2]\n{"a":\t"\\n"}\n\n')
        self.assertEqual(list(checker.json_values(path, self.problems)), [[1, 2], {"a": "\n"}])
        self.assertFalse(self.problems)
        path.write_text("[1]\n[2")
        self.assertEqual(list(checker.json_values(path, self.problems)), [[1]])
        self.assertEqual(set(self.problems.kinds), {"a file is no sequence of JSON values"})


class DatabaseTest(unittest.TestCase):
    def setUp(self):
        self.problems = checker.Problems()
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.path = pathlib.Path(self.temporary.name) / "a.db"

    def test_new_rows_are_read_from_a_copy_with_its_log_and_the_original_stays_as_it_is(self):
        connection = sqlite3.connect(self.path)
        self.addCleanup(connection.close)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (seq INTEGER)")
        connection.execute("INSERT INTO t VALUES (7)")
        connection.commit()
        files = {path.name: path.read_bytes() for path in self.path.parent.iterdir() if not path.name.endswith("-shm")}
        rows = checker.Rows("t")
        with checker.DatabaseCopy(self.path) as copy:
            self.assertEqual([row["seq"] for row in rows.new(copy)], [7])
            self.assertEqual(list(rows.new(copy)), [])
            checker.check_integrity(copy, "a", self.problems)
        self.assertFalse(self.problems)
        for name, content in files.items():
            self.assertEqual((self.path.parent / name).read_bytes(), content)

    def test_a_damaged_database_is_found(self):
        connection = sqlite3.connect(self.path)
        connection.execute("CREATE TABLE t (a)")
        connection.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 200)
        connection.commit()
        connection.close()
        content = bytearray(self.path.read_bytes())
        content[3 * 4096 : 4 * 4096] = b"\x55" * 4096
        self.path.write_bytes(content)
        with checker.DatabaseCopy(self.path) as copy:
            checker.check_integrity(copy, "a", self.problems)
        self.assertEqual(set(self.problems.kinds), {"a: integrity_check"})


class ResultsTest(unittest.TestCase):
    def setUp(self):
        self.problems = checker.Problems()
        self.readings = [load.Reading(seq) for seq in range(1000)]

    def kinds(self):
        return set(self.problems.kinds)

    def means(self):
        """As WindowMean writes them, computed apart from the checker."""
        groups = {}
        for r in self.readings:
            groups.setdefault((r.time_ms // 10_000, r.key), []).append(r.value)
        for (window, key), values in sorted(groups.items()):
            yield {
                "key": key,
                "window_start": checker.datetime.datetime.utcfromtimestamp(window * 10).isoformat() + "Z",
                "window_end": checker.datetime.datetime.utcfromtimestamp(window * 10 + 10).isoformat() + "Z",
                "mean": sum(values) / len(values),
                "count": len(values),
                "revision": 0,
            }

    def check_means(self, means):
        checker.check_means([json.dumps(m).encode() for m in means], self.readings, 10_000, self.problems)

    def test_right_means_are_right(self):
        self.check_means(self.means())
        self.assertFalse(self.problems)

    def test_wrong_lost_repeated_and_reordered_means_are_found(self):
        for break_them, complaint in (
            (lambda m: m.pop(5), "means: lost"),
            (lambda m: m.append(m[-1]), "means: came twice"),
            (lambda m: m[3].update(mean=m[3]["mean"] + 1e-6), "means: wrong"),
            (lambda m: m[3].update(count=m[3]["count"] + 1), "means: wrong"),
            (lambda m: m[3].update(revision=1), "means: wrong"),
            (lambda m: m[3].update(window_end=m[3]["window_start"]), "means: wrong"),
            (lambda m: m.append(dict(m[0], key="nobody")), "means: of nothing"),
            (lambda m: m.reverse(), "means: out of order"),
        ):
            self.problems = checker.Problems()
            means = list(self.means())
            break_them(means)
            self.check_means(means)
            self.assertEqual(self.kinds(), {complaint})

    def check_whole(self, documents):
        checker.check_whole(documents, load.items_of, 30, self.problems)

    def test_documents_put_together_again_are_right_or_found(self):
        documents = [load.items_of(n) for n in range(30)]
        self.check_whole(documents)
        self.assertFalse(self.problems)
        for broken, complaint in (
            (documents[:-1], "merged documents: lost"),
            (documents + [documents[0]], "merged documents: too many"),
            (documents[:3] + [documents[4], documents[3]] + documents[5:], "merged documents: wrong or out of order"),
            ([d[:-1] if n == 3 else d for n, d in enumerate(documents)], "merged documents: wrong or out of order"),
            ([d[::-1] if n == 3 else d for n, d in enumerate(documents)], "merged documents: wrong or out of order"),
        ):
            self.problems = checker.Problems()
            self.check_whole(broken)
            self.assertEqual(self.kinds(), {complaint})

    def test_collected_items_may_repeat_but_not_be_lost_or_changed_or_too_many_together(self):
        items = [item for n in range(10) for item in load.items_of(n)]
        bins = [items[i : i + 20] for i in range(0, len(items), 20)]
        check = lambda bins: checker.check_collected(
            bins, load.items_of, 10, 20, self.problems
        )
        check(bins + bins[:2])
        self.assertFalse(self.problems)
        check(bins[:-1])
        self.assertEqual(self.kinds(), {"collected items: lost"})
        self.problems = checker.Problems()
        check(bins + [items[:21]])
        self.assertEqual(self.kinds(), {"collected items: a bin of the wrong size"})
        self.problems = checker.Problems()
        check(bins + [[dict(items[0], filler="y")]])
        self.assertEqual(self.kinds(), {"collected items: changed on its way"})

    def test_intervals_that_do_not_tile_are_found(self):
        checker.check_tiling("t", [(5, 5), (0, 5)], 10, self.problems)
        self.assertFalse(self.problems)
        for intervals, complaint in (
            ([(0, 5), (6, 4)], {"t: gap"}),
            ([(0, 5), (4, 6)], {"t: overlap"}),
            ([(0, 5)], {"t: ends"}),
            ([(0, 11)], {"t: ends"}),
        ):
            self.problems = checker.Problems()
            checker.check_tiling("t", intervals, 10, self.problems)
            self.assertEqual(self.kinds(), complaint)

    def test_acknowledged_ranges_include_both_ends(self):
        self.assertEqual(checker.read_acknowledged("0 2\n5 5\n"), {0, 1, 2, 5})


class LoadTest(unittest.TestCase):
    def test_a_reading_is_always_the_same_and_a_line_of_json(self):
        for seq in range(1000):
            reading = load.Reading(seq)
            record = json.loads(reading.line())
            self.assertEqual((record["seq"], record["key"], record["value"]), (seq, reading.key, reading.value))
        self.assertNotEqual(load.Reading(1).key, load.Reading(2).key)


if __name__ == "__main__":
    unittest.main()
