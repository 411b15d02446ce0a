#pragma once
// Runs one query over given contents and keeps what it says, for tests.

#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sql/engine.h"
#include "tests/sql/fake_session.h"

namespace weir::sql {

/// What became of one record.
struct Outcome {
  std::uint32_t input = 0;
  std::uint32_t record = 0;
  abi::Form form = abi::Form::object;
  std::string json;
  std::vector<std::string> values;  ///< a column each: null, or type and text: i:1 r:0.5 t:text j:{}
  std::vector<std::string> raws;
  std::string output;
  std::string error;
};

class SqlRun {
 public:
  std::shared_ptr<const Declaration> record;
  bool per_flowfile = false;
  bool generator = false;
  std::vector<std::pair<std::string, abi::As>> columns;
  std::vector<std::pair<std::string, abi::Encoding>> templates;
  std::string select;
  std::vector<std::pair<std::string, std::string>> set;
  std::vector<std::string> remove;
  std::vector<std::array<std::string, 4>> tables;
  std::shared_ptr<DatabaseTables> databases;
  FakeSession session;

  /// Throws std::runtime_error with the message of a query that does not compile.
  void prepare() {
    std::vector<abi::Column> cs;
    for (const auto& [sql, as] : columns) cs.push_back({text(sql), false, abi::Encoding::none, as});
    for (const auto& [sql, encoding] : templates) cs.push_back({text(sql), true, encoding, abi::As::text});
    std::vector<abi::Assignment> assignments;
    for (const auto& [field, sql] : set) assignments.push_back({text(field), text(sql)});
    std::vector<abi::Text> removed;
    for (const auto& field : remove) removed.push_back(text(field));
    std::vector<abi::Table> ts;
    for (const auto& t : tables) ts.push_back({text(t[0]), text(t[1]), text(t[2]), text(t[3])});
    const abi::Query query{cs.data(),
                           static_cast<std::uint32_t>(cs.size()),
                           text(select),
                           assignments.data(),
                           static_cast<std::uint32_t>(assignments.size()),
                           removed.data(),
                           static_cast<std::uint32_t>(removed.size()),
                           per_flowfile,
                           generator,
                           ts.data(),
                           static_cast<std::uint32_t>(ts.size())};
    column_count_ = cs.size();
    Message message;
    abi::Statement* statement = nullptr;
    const auto sql = make_sql(record, [this] { return session.time; }, databases);
    if (sql->prepare(&query, &statement, &message) != abi::Status::ok) throw std::runtime_error(message.text);
    statement_ = {statement, [](abi::Statement* s) { s->release(); }};
  }

  std::vector<Outcome> run(std::size_t most = SIZE_MAX) {
    return collect(most, [&](abi::Rows* rows, abi::Report* report) {
      return statement_->run(&session, 0, session.input_count(), rows, report);
    });
  }
  std::vector<Outcome> generate(std::uint64_t first, std::uint64_t count) {
    return collect(SIZE_MAX, [&](abi::Rows* rows, abi::Report* report) {
      return statement_->generate(first, count, rows, report);
    });
  }

  static std::string show(const abi::Value& value) {
    const std::string as_text(value.text.data == nullptr ? "" : value.text.data, value.text.size);
    switch (value.type) {
      case abi::ValueType::null:
        return "null";
      case abi::ValueType::integer:
        return "i:" + std::to_string(value.integer);
      case abi::ValueType::real: {
        char buffer[40];
        std::snprintf(buffer, sizeof buffer, "r:%.17g", value.real);
        return buffer;
      }
      case abi::ValueType::text:
        return "t:" + as_text;
      case abi::ValueType::json:
        return "j:" + as_text;
    }
    return "?";
  }

 private:
  struct Message final : abi::Report {
    std::string text;
    void message(abi::Text t) override { text.assign(t.data, t.size); }
  };
  struct Collect final : abi::Rows {
    std::vector<Outcome> rows;
    std::size_t columns = 0;
    std::size_t most = SIZE_MAX;
    bool row(const abi::Row& row) override {
      const auto string = [](abi::Text t) { return std::string(t.data == nullptr ? "" : t.data, t.size); };
      Outcome o{row.input, row.record, row.form, string(row.json), {}, {}, string(row.output), string(row.error)};
      for (std::size_t i = 0; i < columns && o.error.empty(); ++i) {
        o.values.push_back(show(row.values[i]));
        o.raws.push_back(string(row.values[i].raw));
      }
      rows.push_back(std::move(o));
      return rows.size() < most;
    }
  };
  static abi::Text text(const std::string& s) { return {s.data(), s.size()}; }

  template <class F>
  std::vector<Outcome> collect(std::size_t most, F&& work) {
    if (!statement_) prepare();
    Collect rows;
    rows.columns = column_count_;
    rows.most = most;
    Message message;
    if (work(&rows, &message) != abi::Status::ok) throw std::runtime_error(message.text);
    return std::move(rows.rows);
  }

  std::size_t column_count_ = 0;
  std::shared_ptr<abi::Statement> statement_;
};

/// The one column `sql` over `content`: each record's value, or "error: …".
inline std::vector<std::string> evaluate(const std::string& sql, std::string_view content,
                                         std::shared_ptr<const Declaration> record = nullptr,
                                         abi::As as = abi::As::any) {
  SqlRun run;
  run.record = std::move(record);
  run.columns = {{sql, as}};
  run.session.add(content, {{"mqtt.topic", "sensors/7/readings"}});
  std::vector<std::string> values;
  for (const auto& row : run.run()) values.push_back(row.error.empty() ? row.values.at(0) : "error: " + row.error);
  return values;
}

/// The outputs of a SELECT over `content`, or "error: …".
inline std::vector<std::string> selected(const std::string& sql, std::string_view content,
                                         std::shared_ptr<const Declaration> record = nullptr,
                                         bool per_flowfile = false) {
  SqlRun run;
  run.record = std::move(record);
  run.select = sql;
  run.per_flowfile = per_flowfile;
  run.session.add(content);
  std::vector<std::string> outputs;
  for (const auto& row : run.run()) outputs.push_back(row.error.empty() ? row.output : "error: " + row.error);
  return outputs;
}

/// Why a query does not compile; empty if it does.
template <class F>
std::string refusal(F&& work) {
  try {
    work();
    return {};
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

}  // namespace weir::sql
