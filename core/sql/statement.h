#pragma once
// A prepared query: what abi::Statement does.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sql/engine.h"
#include "sql/output.h"
#include "sql/predicate.h"
#include "sql/records.h"
#include "sql/sqlite_query.h"
#include "sql/template.h"
#include "sql/value.h"

namespace weir::sql {

class PreparedQuery final : public abi::Statement, public Slots {
 public:
  /// Throws SqlProblem or std::exception, both with the message for the author; Unavailable, while a database's table
  /// is not there. `databases`: see make_sql().
  PreparedQuery(const abi::Query& query, std::shared_ptr<const Declaration> record, Clock clock,
                DatabaseTables* databases = nullptr);
  ~PreparedQuery();

  abi::Status run(abi::Session* session, std::uint32_t first, std::uint32_t count, abi::Rows* rows,
                  abi::Report* report) override;
  abi::Status generate(std::uint64_t first, std::uint64_t count, abi::Rows* rows, abi::Report* report) override;
  void release() override { delete this; }

 private:
  /// One expression: a bare field, a predicate of our own, an attribute, or SQLite's.
  struct Part {
    enum class From { field, predicate, attribute, sqlite };
    From from = From::sqlite;
    abi::As as = abi::As::any;
    bool boolean = false;
    std::uint32_t index = 0;  ///< slot or attribute
    std::string sql;
    std::optional<Predicate> predicate;
    std::unique_ptr<SqliteQuery> query;  ///< of a predicate: made when it is first needed
  };
  struct Piece {
    std::string text;
    std::optional<std::size_t> part;
  };
  struct Template {
    std::vector<Piece> pieces;
    abi::Encoding encoding;
  };
  /// A column of the query: a part, or a template of several.
  struct OutColumn {
    std::size_t part = 0;
    std::optional<Template> text;
  };
  struct Assigned {
    std::string field;
    std::size_t part = 0;
  };
  class Current;
  class Scan;

  std::uint32_t slot(const std::string& field) override;
  void needs_value(std::uint32_t slot) override;
  std::uint32_t attribute(const std::string& name);
  std::optional<std::uint32_t> native_field(const Expression& expression);
  std::size_t add_part(std::string sql, abi::As as);
  void add_column(const abi::Column& column);
  QueryOptions options(QueryShape shape) const;

  abi::Status guarded(abi::Report* report, const std::function<void()>& work);
  void begin(abi::Session* session, abi::Rows* rows);
  void take_item(std::uint32_t handle, std::uint32_t input);
  std::string_view content();
  bool next_record();
  bool read_fields();
  bool evaluate(Part& part, Value& value);
  bool evaluate_columns();
  void run_records();
  void run_flowfiles();
  void run_select(bool generating);
  bool make_output();
  bool write_selected();
  bool emit();
  bool emit_error();
  void reset_queries();

  std::shared_ptr<const Declaration> record_;
  Clock clock_;
  bool per_flowfile_ = false;
  bool generator_ = false;
  std::vector<TableSource> tables_;
  std::vector<std::string> names_;   ///< a slot each
  std::vector<FieldReader> fields_;  ///< a slot each
  std::vector<char> wanted_;         ///< a slot each: its value is read, not only its token
  std::vector<std::string> attributes_;
  std::vector<Part> parts_;
  std::vector<OutColumn> columns_;
  std::vector<Assigned> set_;
  std::vector<std::string> remove_;
  std::unique_ptr<SqliteQuery> select_;
  std::unique_ptr<RecordReader> reader_;
  std::unique_ptr<Current> current_;
  std::unique_ptr<Scan> scan_;

  // The run under way.
  abi::Session* session_ = nullptr;
  abi::Rows* rows_ = nullptr;
  std::uint32_t first_ = 0;
  std::uint32_t count_ = 0;
  std::uint32_t item_index_ = 0;  ///< of those given: the next one
  const abi::Item* item_ = nullptr;
  std::uint32_t handle_ = 0;
  bool stopped_ = false;
  bool columns_done_ = false;
  std::uint64_t number_ = 0;
  std::uint64_t number_end_ = 0;
  abi::Row row_{};
  std::vector<Value> values_;  ///< a slot each
  std::vector<Value> attribute_values_;
  std::vector<Value> results_;  ///< a column each
  std::vector<Value> assigned_;
  Arena arena_;
  std::string error_;
  std::string output_;
  std::vector<std::string> texts_;  ///< of templates, a column each
};

}  // namespace weir::sql
