// What the expression engine costs a record, through abi::Statement as processors use it: CPU time of one thread, over
// 1 MiB of readings such as the other workloads have. Prints a line of JSON a case.
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "sql/engine.h"
#include "tests/bench/measure.h"
#include "tests/sql/fake_session.h"

namespace {

using weir::abi::As;
using weir::abi::Column;
using weir::abi::Encoding;
using weir::abi::Query;
using weir::sql::Declaration;
using weir::sql::FakeSession;
using weir::sql::Field;
using weir::sql::FieldType;

weir::abi::Text text(std::string_view s) {
  return {s.data(), s.size()};
}

struct Count final : weir::abi::Rows {
  std::uint64_t records = 0;
  std::uint64_t kept = 0;
  std::uint64_t errors = 0;
  bool row(const weir::abi::Row& row) override {
    ++records;
    if (row.error.size != 0) {
      ++errors;
    } else if (row.values != nullptr && row.output.size == 0) {
      kept += row.values[0].integer == 1 ? 1 : 0;
    }
    return true;
  }
};

struct Fail final : weir::abi::Report {
  void message(weir::abi::Text text) override { throw std::runtime_error(std::string(text.data, text.size)); }
};

std::string reading(int i) {
  char line[200];
  std::snprintf(
      line, sizeof line,
      R"({"sensor_id":"s-%04d","ts":%lld,"temperature":%.2f,"humidity":%.1f,"status":"%s","lat":45.%02d,"lon":0.06})",
      i % 1000, 1700000000000LL + i, 10 + (i * 7919 % 2500) / 100.0, 30 + (i * 31 % 400) / 10.0,
      i % 9 == 0 ? "warn" : "ok", i % 100);
  return line;
}

void measure(const char* name, Query query, const std::vector<std::string>& contents,
             std::shared_ptr<const Declaration> record) {
  Fail fail;
  const auto sql = weir::sql::make_sql(record, [] { return std::int64_t{1'700'000'000'000'000'000}; });
  weir::abi::Statement* statement = nullptr;
  sql->prepare(&query, &statement, &fail);
  FakeSession session;
  for (const auto& content : contents) session.add(content);
  Count count;
  const auto run = [&] { statement->run(&session, 0, static_cast<std::uint32_t>(contents.size()), &count, &fail); };
  run();
  count = {};
  const weir::bench::Measurement measurement;
  while (measurement.cpu_seconds() < 1) run();
  const auto cpu = measurement.cpu_seconds();
  std::printf(
      R"({"name":"sql_%s","count":%llu,"kept":%llu,"errors":%llu,"cpu_s":%.4f,"ns_per_record":%.1f,"rate":%.0f})"
      "\n",
      name, static_cast<unsigned long long>(count.records), static_cast<unsigned long long>(count.kept),
      static_cast<unsigned long long>(count.errors), cpu, 1e9 * cpu / static_cast<double>(count.records),
      static_cast<double>(count.records) / cpu);
  statement->release();
}

}  // namespace

int main() {
  std::string chunk;
  std::vector<std::string> singles;
  for (int i = 0; chunk.size() < 1024 * 1024; ++i) {
    chunk += reading(i) + "\n";
    if (i < 1000) singles.push_back(reading(i));
  }
  const std::vector<std::string> chunks = {chunk};
  auto declared = std::make_shared<Declaration>();
  declared->name = "reading";
  declared->fields = {{"sensor_id", FieldType::text, true, "", "", ""},
                      {"ts", FieldType::time, false, "unix_ms", "", ""},
                      {"temperature", FieldType::number, false, "", "", ""},
                      {"humidity", FieldType::number, false, "", "", ""},
                      {"status", FieldType::text, false, "", "", ""}};
  const auto one = [](Column& column, std::string_view sql) {
    column = {text(sql), false, Encoding::none, As::any};
    Query query{};
    query.columns = &column;
    query.column_count = 1;
    return query;
  };
  Column column;
  measure("filter", one(column, "temperature > 20"), chunks, nullptr);
  measure("filter_declared", one(column, "temperature > 20"), chunks, declared);
  measure("filter_two", one(column, "temperature > 20 AND status = 'ok'"), chunks, nullptr);
  measure("filter_single_records", one(column, "temperature > 20"), singles, nullptr);
  measure("filter_sqlite", one(column, "temperature + 0 > 20"), chunks, nullptr);
  measure("filter_sqlite_two", one(column, "temperature + 0 > 20 AND status = 'ok'"), chunks, nullptr);
  const Column three[] = {{text("sensor_id"), false, Encoding::none, As::text},
                          {text("ts"), false, Encoding::none, As::time},
                          {text("temperature"), false, Encoding::none, As::number}};
  Query columns{};
  columns.columns = three;
  columns.column_count = 3;
  measure("three_columns", columns, chunks, nullptr);
  measure("three_columns_declared", columns, chunks, declared);
  Query select{};
  select.select = text("SELECT sensor_id, ts, temperature * 1.8 + 32 AS fahrenheit FROM record WHERE temperature > 20");
  measure("select", select, chunks, declared);
  Query update{};
  const weir::abi::Assignment set[] = {{text("temperature"), text("temperature * 1.8 + 32")}};
  update.set = set;
  update.set_count = 1;
  measure("update", update, chunks, declared);
  return 0;
}
