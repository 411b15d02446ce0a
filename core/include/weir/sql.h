#pragma once
// SQL over records, for processors: one prepared query serves a whole batch.
//
//   sql_ = weir::Query(context).column("sensor_id").column("timestamp", weir::As::time).prepare();
//   sql_.run(session, batch, [&](const weir::Row& row) { … });

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/context.h"
#include "weir/session.h"

namespace weir {

using abi::As;
using abi::Form;
using abi::Row;
using abi::Value;
using abi::ValueType;

namespace detail {

class Message final : public abi::Report {
 public:
  void message(abi::Text text) override { text_ = view(text); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Throws the exception that a Status stands for.
inline void raise(abi::Status status, const std::string& message) {
  switch (status) {
    case abi::Status::ok:
      return;
    case abi::Status::rejected:
      throw Rejected(message);
    case abi::Status::unavailable:
      throw Unavailable(message);
    case abi::Status::misconfigured:
      throw Misconfigured(message);
    case abi::Status::defect:
      throw std::runtime_error(message);
  }
}

}  // namespace detail

/// A prepared query. Movable; not thread-safe.
class Statement {
 public:
  Statement() = default;
  explicit Statement(abi::Statement* statement) : statement_(statement) {}
  Statement(Statement&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
  Statement& operator=(Statement&& other) noexcept {
    std::swap(statement_, other.statement_);
    return *this;
  }
  ~Statement() {
    if (statement_ != nullptr) statement_->release();
  }
  explicit operator bool() const { return statement_ != nullptr; }

  /// Calls `visit(const Row&)` for each record of the batch, in order. What Row points to is valid in that call.
  /// An exception from `visit` ends the run and is passed on.
  template <class F>
  void run(Session& session, Batch batch, F&& visit) {
    run(session, 0, batch.size(), visit);
  }
  template <class F>
  void run(Session& session, FlowFile file, F&& visit) {
    run(session, file.handle(), 1, visit);
  }
  /// For a generator's query: a row for each seq in [first, first + count).
  template <class F>
  void generate(std::uint64_t first, std::uint64_t count, F&& visit) {
    call(visit, [&](abi::Rows* rows, abi::Report* report) { return statement_->generate(first, count, rows, report); });
  }

 private:
  template <class F>
  void run(Session& session, std::uint32_t first, std::uint32_t count, F& visit) {
    call(visit, [&](abi::Rows* rows, abi::Report* report) {
      return statement_->run(session.raw(), first, count, rows, report);
    });
  }
  template <class F, class G>
  void call(F& visit, G&& work) {
    struct Visitor final : abi::Rows {
      F& visit;
      std::exception_ptr error;
      explicit Visitor(F& f) : visit(f) {}
      bool row(const Row& row) override {
        try {
          visit(row);
          return true;
        } catch (...) {
          error = std::current_exception();
          return false;
        }
      }
    } visitor{visit};
    detail::Message message;
    const auto status = work(&visitor, &message);
    if (visitor.error) std::rethrow_exception(visitor.error);
    detail::raise(status, message.text());
  }

  abi::Statement* statement_ = nullptr;
};

/// Builds a Statement. Each column is an SQL expression over the record, evaluated in the order given.
class Query {
 public:
  explicit Query(Context& context) : context_(context) {}

  /// An expression; a bare field name costs no SQL at all.
  Query& column(std::string sql, As as = As::any) { return add(std::move(sql), false, Encoding::none, as); }
  /// Text with $(SQL) in it.
  Query& templated(std::string text, Encoding encoding = Encoding::none) {
    return add(std::move(text), true, encoding, As::text);
  }
  /// SELECT … FROM record …: Row::output is each result row as a JSON object.
  Query& select(std::string sql) { return select_ = std::move(sql), *this; }
  /// Row::output is the record with this field set; its other bytes stay as they are.
  Query& set(std::string field, std::string sql) {
    set_.emplace_back(std::move(field), std::move(sql));
    return *this;
  }
  Query& remove(std::string field) { return remove_.push_back(std::move(field)), *this; }
  /// A reference table that the SQL can join with: the CSV, JSON or SQLite file at `path`.
  Query& table(std::string name, std::string format, std::string path, std::string table = {}) {
    tables_.push_back({std::move(name), std::move(format), std::move(path), std::move(table)});
    return *this;
  }
  /// One row a FlowFile instead of one a record.
  Query& per_flowfile() { return per_flowfile_ = true, *this; }
  /// Over `seq` instead of records.
  Query& generator() { return generator_ = true, *this; }

  /// Throws Misconfigured with SQLite's message and the place in the SQL.
  Statement prepare() {
    std::vector<abi::Column> columns;
    for (const auto& c : columns_) columns.push_back({to_text(c.sql), c.is_template, c.encoding, c.as});
    std::vector<abi::Assignment> set;
    for (const auto& [field, sql] : set_) set.push_back({to_text(field), to_text(sql)});
    std::vector<abi::Text> remove;
    for (const auto& field : remove_) remove.push_back(to_text(field));
    abi::Query query{};
    query.columns = columns.data();
    query.column_count = static_cast<std::uint32_t>(columns.size());
    query.select = to_text(select_);
    query.set = set.data();
    query.set_count = static_cast<std::uint32_t>(set.size());
    query.remove = remove.data();
    query.remove_count = static_cast<std::uint32_t>(remove.size());
    query.per_flowfile = per_flowfile_;
    query.generator = generator_;
    std::vector<abi::Table> tables;
    for (const auto& t : tables_) tables.push_back({to_text(t[0]), to_text(t[1]), to_text(t[2]), to_text(t[3])});
    query.tables = tables.data();
    query.table_count = static_cast<std::uint32_t>(tables.size());
    auto* sql = static_cast<abi::Sql*>(context_.raw()->interface(abi::kSqlInterface));
    if (sql == nullptr) throw Misconfigured("this Weir offers no SQL over records (interface weir.sql.1)");
    abi::Statement* statement = nullptr;
    detail::Message message;
    detail::raise(sql->prepare(&query, &statement, &message), message.text());
    return Statement(statement);
  }

 private:
  struct OwnedColumn {
    std::string sql;
    bool is_template;
    Encoding encoding;
    As as;
  };
  Query& add(std::string sql, bool is_template, Encoding encoding, As as) {
    columns_.push_back({std::move(sql), is_template, encoding, as});
    return *this;
  }

  Context context_;
  std::vector<OwnedColumn> columns_;
  std::string select_;
  std::vector<std::pair<std::string, std::string>> set_;
  std::vector<std::string> remove_;
  std::vector<std::array<std::string, 4>> tables_;
  bool per_flowfile_ = false;
  bool generator_ = false;
};

/// Collects records into the content of one created FlowFile, in the form that the input had.
class RecordWriter {
 public:
  RecordWriter(Session& session, FlowFile file, Form form) : session_(session), file_(file), form_(form) {}
  void write(std::string_view json) {
    char* to = session_.append(file_, json.size() + 1);
    if (form_ == Form::array) {
      *to++ = count_ == 0 ? '[' : ',';
      std::memcpy(to, json.data(), json.size());
    } else {
      std::memcpy(to, json.data(), json.size());
      to[json.size()] = '\n';
    }
    ++count_;
  }
  /// How large the content is once they, and nothing else, are written and finish() was called.
  static std::uint64_t size(const std::vector<std::string_view>& records, Form form) {
    std::uint64_t size = 0;
    for (const auto record : records) size += record.size() + 1;
    if (form == Form::array) return records.empty() ? 2 : size + 1;
    return form == Form::object && records.size() == 1 ? size - 1 : size;
  }
  /// Writes them all into one piece of room, which is large enough for them and no larger.
  void write(const std::vector<std::string_view>& records) {
    if (records.empty()) return;
    const auto size = RecordWriter::size(records, Form::lines);
    char* to = session_.append(file_, size);
    for (const auto record : records) {
      if (form_ == Form::array) *to++ = count_ == 0 ? '[' : ',';
      std::memcpy(to, record.data(), record.size());
      to += record.size();
      if (form_ != Form::array) *to++ = '\n';
      ++count_;
    }
  }
  /// Ends the content and says how many records it has. An object stays one object without a line's end.
  void finish() {
    if (form_ == Form::array) session_.append(file_, count_ == 0 ? "[]" : "]");
    if (form_ == Form::object && count_ == 1) session_.shrink(file_, file_.size() - 1);
    session_.records(file_, count_);
  }
  std::uint32_t count() const { return count_; }
  FlowFile file() const { return file_; }

 private:
  Session& session_;
  FlowFile file_;
  Form form_;
  std::uint32_t count_ = 0;
};

}  // namespace weir
