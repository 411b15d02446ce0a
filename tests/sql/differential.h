#pragma once
// Random expressions of the native subset over random records: what the native code says has to be what SQLite says.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/sql/run_sql.h"

namespace weir::sql {

/// Takes choices from bytes: a fuzzer's input, or a generator's output.
class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  std::size_t below(std::size_t n) {
    if (at_ >= size_) return 0;
    return data_[at_++] % n;
  }
  bool done() const { return at_ >= size_; }
  template <class T>
  const T& pick(const std::vector<T>& list) {
    return list[below(list.size())];
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
  std::size_t at_ = 0;
};

inline const std::vector<std::string>& differential_fields() {
  static const std::vector<std::string> fields = {"u", "v", "n", "i", "t", "b", "w"};
  return fields;
}

/// u and v undeclared in the undeclared runs; n number, i integer, t text, b boolean, w time where declared.
inline std::shared_ptr<Declaration> differential_declaration() {
  auto d = std::make_shared<Declaration>();
  d->name = "fuzz";
  d->fields = {{"u", FieldType::any, false, "", "", ""},        {"v", FieldType::any, false, "", "", ""},
               {"n", FieldType::number, false, "", "", ""},     {"i", FieldType::integer, false, "", "", ""},
               {"t", FieldType::text, false, "", "", ""},       {"b", FieldType::boolean, false, "", "", ""},
               {"w", FieldType::time, false, "unix_ms", "", ""}};
  return d;
}

inline std::string random_constant(Choices& c) {
  return c.pick<std::string>({"0",
                              "1",
                              "-1",
                              "20",
                              "20.5",
                              "-0.0",
                              "0.1",
                              "1e3",
                              "9223372036854775807",
                              "9223372036854775808",
                              "-9223372036854775808",
                              "9007199254740993",
                              "9007199254740992.0",
                              "1e308",
                              "'20'",
                              "'ok'",
                              "''",
                              "'1e3'",
                              "'2023-11-14T22:13:20.000Z'",
                              "NULL",
                              "TRUE",
                              "FALSE",
                              "' 20'",
                              "'20abc'",
                              "0x10",
                              ".5",
                              "'9223372036854775808'"});
}

inline std::string random_operand(Choices& c) {
  switch (c.below(8)) {
    case 0:
      return random_constant(c);
    case 1:
      return "attr('k')";
    default:
      return c.pick(differential_fields());
  }
}

inline std::string random_condition(Choices& c, int depth) {
  const auto kind = c.below(depth > 4 ? 6 : 10);
  const auto compared = [&] {
    return random_operand(c) + " " + c.pick<std::string>({"=", "==", "<>", "!=", "<", "<=", ">", ">="}) + " " +
           random_operand(c);
  };
  switch (kind) {
    case 0:
      return random_operand(c) + c.pick<std::string>({" IS NULL", " IS NOT NULL", " ISNULL", " NOTNULL"});
    case 1: {
      std::string list;
      for (auto n = c.below(5); n > 0; --n) list += (list.empty() ? "" : ", ") + random_constant(c);
      return c.pick(differential_fields()) + c.pick<std::string>({" IN (", " NOT IN ("}) + list + ")";
    }
    case 2:
      return random_operand(c) + c.pick<std::string>({" BETWEEN ", " NOT BETWEEN "}) + random_constant(c) + " AND " +
             random_constant(c);
    case 3:
      return "has('" + c.pick(differential_fields()) + "')";
    case 4:
    case 5:
      return compared();
    case 6:
      return random_condition(c, depth + 1) + " AND " + random_condition(c, depth + 1);
    case 7:
      return "(" + random_condition(c, depth + 1) + ") OR " + random_condition(c, depth + 1);
    case 8:
      return "NOT (" + random_condition(c, depth + 1) + ")";
    default:
      return c.pick(differential_fields()) + " AND (" + random_condition(c, depth + 1) + ")";
  }
}

inline std::string random_record(Choices& c) {
  static const std::vector<std::string> any = {"0",
                                               "1",
                                               "-1",
                                               "20",
                                               "20.5",
                                               "-0.0",
                                               "0.1",
                                               "1e3",
                                               "9223372036854775807",
                                               "9223372036854775808",
                                               "-9223372036854775809",
                                               "9007199254740993",
                                               "1e308",
                                               "1e-320",
                                               "\"20\"",
                                               "\"ok\"",
                                               "\"\"",
                                               "\"\\u006fk\"",
                                               "null",
                                               "true",
                                               "false",
                                               "[1]",
                                               "{\"a\":1}",
                                               "\"\\u0000\"",
                                               "\"20abc\"",
                                               "\"\\ud83d\\ude00\"",
                                               "1e400",
                                               "tru",
                                               "0.30000000000000004",
                                               "12345678901234567890.5"};
  static const std::vector<std::string> numbers = {
      "0", "1", "-1", "20", "20.5", "-0.0", "1e3", "9007199254740993", "9223372036854775808", "null"};
  static const std::vector<std::string> integers = {
      "0", "1", "-1", "20", "20.0", "9223372036854775807", "9223372036854775808", "null"};
  static const std::vector<std::string> texts = {"\"20\"", "\"ok\"", "\"\"", "\"1e3\"", "null", "\"\\u006fk\""};
  static const std::vector<std::string> times = {"1700000000000", "0", "-1", "1700000000000.5", "null"};
  std::string record;
  for (const auto& field : differential_fields()) {
    if (c.below(6) == 0) continue;
    const auto& pool = field == "n"   ? numbers
                       : field == "i" ? integers
                       : field == "t" ? texts
                       : field == "w" ? times
                                      : any;
    const auto value = field == "b"       ? c.pick<std::string>({"true", "false", "null"})
                       : c.below(20) == 0 ? c.pick(any)
                                          : c.pick(pool);
    record += (record.empty() ? "{\"" : ",\"") + field + "\":" + value;
  }
  return record.empty() ? "{}" : record + "}";
}

/// Runs one expression both ways over some records. Returns what differs; empty: nothing.
inline std::string difference(Choices& c) {
  SqlRun run;
  if (c.below(2) == 0) run.record = differential_declaration();
  const auto sql = random_condition(c, 0);
  // An operator that is not in the subset sends the second column to SQLite, and +(...) leaves the value as it is.
  run.columns = {{sql, abi::As::any}, {"+(" + sql + ")", abi::As::any}};
  std::string content;
  for (auto n = 1 + c.below(6); n > 0; --n) content += random_record(c) + "\n";
  run.session.add(content, {{"k", c.pick<std::string>({"20", "ok", "", "1e3"})}});
  std::vector<Outcome> rows;
  try {
    rows = run.run();
  } catch (const std::runtime_error& error) {
    return sql + ": does not compile: " + error.what();
  }
  for (const auto& row : rows) {
    if (row.error.empty() && row.values[0] != row.values[1]) {
      return sql + (run.record ? " (declared)" : "") + " over " + row.json + ": native " + row.values[0] + ", SQLite " +
             row.values[1];
    }
  }
  return {};
}

}  // namespace weir::sql
