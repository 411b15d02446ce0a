#!/usr/bin/env python3
"""flows/medallion from end to end. Usage: medallion_test.py BUILD.

What has to come of a file is computed here from the file itself, by other means than the flow's.
"""

import collections
import csv
import datetime
import json
import os
import random
import sqlite3
import time
import unittest

import flow_runs

BUILD = None
FLOW = "flows/medallion/flow.yaml"
DAYS = ["2026-03-01", "2026-03-02"]


def is_day(text):
    try:
        return isinstance(text, str) and datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


class Expected:
    """Silver and sanitation of one file."""

    def __init__(self, customers, day):
        self.customers, self.products, self.transactions = {}, {}, {}
        self.issues = collections.Counter()
        for customer in customers:
            number = customer["customer_id"]
            if not isinstance(number, int):
                self.issues["customer"] += 1
                continue
            if number in self.customers:
                self.issues["customer_id"] += 1
                continue
            for field in ("birth_date", "signup_date"):
                if not is_day(customer[field]):
                    self.issues[field] += 1
                    customer[field] = None
            self.customers[number] = [customer[f] for f in ("name", "email", "country", "birth_date", "signup_date")]
            for product in customer["products"]:
                self.products.setdefault(
                    product["product_id"], [product[f] for f in ("name", "category", "unit_price")]
                )
            for sold in customer["transactions"]:
                if not is_day(sold["date"]):
                    self.issues["date"] += 1
                    continue
                amount = round(sold["quantity"] * sold["unit_price"], 2)
                if abs(sold["amount"] - amount) > 0.005:
                    self.issues["amount"] += 1
                self.transactions[sold["transaction_id"]] = [number, sold["product_id"], sold["date"], amount]


class Imports:
    """What holds wherever the tables are."""

    def setUp(self):
        self.weir = flow_runs.Weir(BUILD)
        self.folder = self.weir.folder
        self.incoming, self.lake = self.folder / "incoming", self.folder / "lake"
        self.database = str(self.folder / "tables.db")
        self.generated = 0

    def generate(self, day, customers=1000, faults=1):
        self.generated += 1
        self.weir.run(
            "flows/medallion/generator.yaml",
            f"generator-{self.generated}",
            {"incoming": self.incoming, "date": day, "customers": customers, "faults": faults},
        )

    def parameters(self):
        return {
            "incoming": self.incoming,
            "lake": self.lake,
            "database": self.database,
            "min_age": "0s",
            "close_idle": "300ms",
            **self.more,
        }

    more = {}

    def imports(self, name="data"):
        self.weir.run(FLOW, name, self.parameters())
        self.weir.run(
            "flows/medallion/gold.yaml",
            f"gold-{time.monotonic_ns()}",
            {"lake": self.lake, "database": self.database, **self.more},
        )

    # -- What there is

    def query(self, sql):
        with sqlite3.connect(self.database) as connection:
            return connection.execute(sql).fetchall()

    def csv(self, layer, table, day=None):
        path = self.lake / layer / (f"{table}/import_date={day}/customers.csv" if day else f"{table}.csv")
        with open(path, newline="") as file:
            return list(csv.DictReader(file))

    def files(self):
        """Every CSV file's bytes, but for sanitation's: it says when the file was written."""
        return {
            str(path.relative_to(self.lake)): path.read_bytes()
            for path in self.lake.rglob("*.csv")
            if "sanitation" not in str(path)
        }

    def tables(self):
        """All rows but for what says which version they are from."""
        columns = {
            "bronze_customers": "import_date, line, customer_id, name",
            "silver_customers": "import_date, customer_id, name, email, country, birth_date, signup_date",
            "silver_products": "import_date, product_id, name, category, unit_price",
            "silver_transactions": "import_date, transaction_id, customer_id, date, quantity, amount",
            "silver_denormalized": "import_date, transaction_id, customer_name, product_name, amount",
            "sanitation": "import_date, issue, entity, id, line, field, error, used, record",
            "dim_customer": "customer_id, name, country, birth_date",
            "dim_product": "product_id, name, category, unit_price",
            "dim_date": "date, year, month, day",
            "fact_transaction": "transaction_id, customer_id, product_id, date, amount, import_date",
        }
        return {
            table: sorted(map(str, self.query(f"SELECT {names} FROM {table}"))) for table, names in columns.items()
        }

    def check(self, days):
        """Files and tables against what each day's file has in it."""
        facts = {}
        for day in days:
            customers = json.loads((self.incoming / day / "customers.json").read_text())
            expected = Expected(json.loads(json.dumps(customers)), day)
            self.assertEqual(len(self.csv("bronze", "customers", day)), len(customers))
            self.assertEqual(
                len(self.csv("bronze", "transactions", day)), sum(len(c["transactions"]) for c in customers)
            )
            found = {
                int(row["customer_id"]): [row[f] or None for f in ("name", "email", "country", "birth_date", "signup_date")]
                for row in self.csv("silver", "customers", day)
            }
            self.assertEqual(found, expected.customers)
            found = {
                row["product_id"]: [row["name"], row["category"], float(row["unit_price"])]
                for row in self.csv("silver", "products", day)
            }
            self.assertEqual(found, expected.products)
            found = {
                int(row["transaction_id"]): [
                    int(row["customer_id"]), row["product_id"], row["date"], float(row["amount"]),
                ]
                for row in self.csv("silver", "transactions", day)
            }
            self.assertEqual(found, expected.transactions)
            facts.update(found)
            joined = self.csv("silver", "denormalized", day)
            self.assertEqual(
                {
                    (int(r["transaction_id"]), r["customer_name"], r["product_name"], r["category"]) for r in joined
                },
                {
                    (t, expected.customers[v[0]][0], *expected.products[v[1]][:2])
                    for t, v in expected.transactions.items()
                },
            )
            sanitation = self.csv("silver", "sanitation", day)
            self.assertEqual([row["field"] for row in sanitation if row["entity"] == "import"], [""])
            self.assertEqual(collections.Counter(r["field"] for r in sanitation if r["field"]), expected.issues)
            for row in sanitation:
                if row["field"] == "customer":  # a broken customer is here, whole
                    line = customers[int(row["line"]) - 1]
                    self.assertEqual(json.loads(row["record"]), line)
            rows = self.query(
                f"SELECT transaction_id, customer_id, product_id, date, amount FROM silver_transactions "
                f"WHERE import_date = '{day}'"
            )
            self.assertEqual(self.typed(rows), expected.transactions)
            rows = self.query(f"SELECT field, count(*) FROM sanitation WHERE import_date = '{day}' GROUP BY field")
            self.assertEqual({f: int(n) for f, n in rows if f}, dict(expected.issues))
            last = expected
        rows = self.query("SELECT transaction_id, customer_id, product_id, date, amount FROM fact_transaction")
        self.assertEqual(self.typed(rows), facts)
        found = {
            int(r["transaction_id"]): [int(r["customer_id"]), r["product_id"], r["date"], float(r["amount"])]
            for r in self.csv("gold", "fact_transaction")
        }
        self.assertEqual(found, facts)
        found = {
            int(row["customer_id"]): [row[f] or None for f in ("name", "email", "country", "birth_date", "signup_date")]
            for row in self.csv("gold", "dim_customer")
        }
        self.assertEqual({c: found[c] for c in last.customers}, last.customers)
        self.assertFalse((self.lake / "lost").exists())

    @staticmethod
    def typed(rows):
        return {int(t): [int(c), p, d, float(a)] for t, c, p, d, a in rows}

    # -- What is promised

    def test_a_day_imported_again_changes_nothing_and_a_corrected_file_corrects(self):
        for day in DAYS:
            self.generate(day)
        self.imports()
        self.check(DAYS)
        files, tables = self.files(), self.tables()

        os.utime(self.incoming / DAYS[0] / "customers.json")  # it came again
        self.imports()
        self.check(DAYS)
        self.assertEqual(self.files(), files)
        self.assertEqual(self.tables(), tables)

        self.imports("another data directory")  # all of it anew, with nothing known of before
        self.assertEqual(self.files(), files)
        self.assertEqual(self.tables(), tables)

        self.generate(DAYS[0], customers=900, faults=0)  # corrected: nothing is wrong, and 100 customers were too many
        self.imports()
        self.check(DAYS)
        self.assertEqual(
            [row["entity"] for row in self.csv("silver", "sanitation", DAYS[0])], ["import"], "no faults are left"
        )
        self.check_dimensions()

    def test_a_correction_also_takes_away_all_of_a_kind(self):
        for day in DAYS:
            self.generate(day, customers=100)
        self.imports()
        path = self.incoming / DAYS[0] / "customers.json"
        customers = [c for c in json.loads(path.read_text()) if isinstance(c["customer_id"], int)]
        for customer in customers:
            customer["products"] = customer["transactions"] = []
        self.correct(path, customers)  # customers without a product, and nobody bought anything
        self.check(DAYS)
        self.assertEqual(self.csv("silver", "products", DAYS[0]), [])
        for customer in customers:
            customer["customer_id"] = "broken"
        self.correct(path, customers)  # and none of them is a customer
        self.check(DAYS)
        for table in ("customers", "products", "transactions", "denormalized"):
            self.assertEqual(self.csv("silver", table, DAYS[0]), [], table)
            rows = self.query(f"SELECT import_date FROM silver_{table} WHERE import_date = '{DAYS[0]}'")
            self.assertEqual(rows, [], table)

    def test_text_that_no_table_can_hold_is_in_sanitation_and_not_lost(self):
        path = self.incoming / DAYS[0] / "customers.json"
        path.parent.mkdir(parents=True)
        sound = {"customer_id": 3, "name": "Ann", "products": [], "transactions": []}
        named = {**sound, "customer_id": 1, "name": "A\0nn"}
        has_product = {**sound, "customer_id": 2, "products": [{"product_id": "p\0", "name": "Saw", "unit_price": 1}]}
        path.write_text(json.dumps([named, has_product, sound]))
        (path.parent / "broken.json").write_bytes(b'[{"customer_id": \0]')
        self.imports()
        self.assertFalse((self.lake / "lost").exists())
        self.assertEqual([row["customer_id"] for row in self.csv("bronze", "customers", DAYS[0])], ["3"])
        self.assertEqual([int(c) for (c,) in self.query("SELECT customer_id FROM silver_customers")], [3])
        rows = self.query("SELECT id, field, record FROM sanitation WHERE entity = 'customer' ORDER BY id")
        self.assertEqual([(i, field) for i, field, _ in rows], [("1", "name"), ("2", "products")])
        for customer, (_, _, record) in zip((named, has_product), rows):
            self.assertEqual({k: v for k, v in json.loads(record).items() if v is not None}, customer)
        ((record,),) = self.query("SELECT record FROM sanitation WHERE entity = 'file'")
        self.assertIn("\\u0000", record)

    def correct(self, path, customers):
        path.write_text("[" + ",\n".join(map(json.dumps, customers)) + "]\n")
        self.imports()

    def check_dimensions(self):
        # The later day's word on a customer stands, though the earlier one's file came later.
        later = Expected(json.loads((self.incoming / DAYS[1] / "customers.json").read_text()), DAYS[1]).customers
        for customer, imported in self.query("SELECT customer_id, imported FROM dim_customer"):
            self.assertEqual(imported[:10], DAYS[1] if int(customer) in later else DAYS[0], customer)


class OnSqlite(Imports, unittest.TestCase):
    def test_a_file_that_breaks_off_is_imported_up_to_there_and_the_rest_is_in_sanitation(self):
        self.generate(DAYS[0], customers=100, faults=0)
        path = self.incoming / DAYS[0] / "customers.json"
        lines = path.read_text().splitlines(True)
        path.write_text("".join(lines[:50]) + '{"customer_id": 50, ]}\n' + "".join(lines[50:]))
        self.imports()
        self.assertEqual(len(self.csv("silver", "customers", DAYS[0])), 49)
        broken = [row for row in self.csv("silver", "sanitation", DAYS[0]) if row["entity"] == "file"]
        self.assertEqual(len(broken), 1, broken)
        self.assertIn('{"customer_id": 50, ]}', broken[0]["record"])
        self.assertIn('"customer_id":100', broken[0]["record"])

    def test_killed_at_any_moment_and_started_again_it_comes_to_the_same(self):
        for day in DAYS:
            self.generate(day, customers=4000)
        chance = random.Random(7)
        for _ in range(8):
            run = self.weir.start(FLOW, "data", self.parameters())
            time.sleep(chance.uniform(0.05, 1.2))  # the moment is what is random, nothing is waited for
            run.kill()
        self.imports()
        self.check(DAYS)
        left = [p for p in self.lake.rglob(".*.part")]
        self.assertEqual(left, [])


class OnPostgresql(Imports, unittest.TestCase):
    """The tables in PostgreSQL, by parameters alone."""

    @classmethod
    def setUpClass(cls):
        cls.where = flow_runs.servers(BUILD, "postgresql")
        if not cls.where:
            raise unittest.SkipTest("no PostgreSQL")

    def setUp(self):
        super().setUp()
        self.database = self.where["postgresql"]
        self.more = {"password": "secret"}
        for (table,) in self.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            self.query(f"DROP TABLE {table}")

    def query(self, sql):
        return [tuple(row) for row in flow_runs.postgresql(self.where["postgresql"], sql)]


if __name__ == "__main__":
    BUILD = flow_runs.build_folder()
    unittest.main(verbosity=2)
