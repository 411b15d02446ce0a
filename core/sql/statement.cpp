#include "sql/statement.h"

#include <algorithm>
#include <stdexcept>

namespace weir::sql {

/// What all of a query's SQLite statements see: the record that the run is at. A scan of it never ends: each step
/// gives the row of whatever record is current, so that one execution serves a batch.
class PreparedQuery::Current : public RowSource {
 public:
  explicit Current(PreparedQuery& query) : q_(query) {}
  virtual ~Current() = default;
  bool rewind() override { return true; }
  bool next() override { return true; }
  const Value& field(std::uint32_t slot) const override { return q_.values_[slot]; }
  bool has(std::uint32_t slot) const override { return q_.values_[slot].raw.size != 0; }
  std::string_view json() const override { return view(q_.row_.json); }
  std::uint64_t number() const override { return q_.generator_ ? q_.number_ : q_.row_.record; }
  bool values_outlive_row() const override { return false; }
  std::int64_t now() const override { return q_.session_ != nullptr ? q_.session_->now() : q_.clock_(); }
  std::optional<std::string_view> attribute(std::string_view name) const override {
    if (q_.item_ == nullptr) return std::nullopt;
    for (std::uint16_t i = 0; i < q_.item_->attribute_count; ++i) {
      if (view(q_.item_->attributes[i].name) == name) return view(q_.item_->attributes[i].value);
    }
    return std::nullopt;
  }

 protected:
  PreparedQuery& q_;
};

/// What a SELECT scans: the good records of the batch, or of one FlowFile. Bad ones are told to the visitor in passing.
class PreparedQuery::Scan final : public Current {
 public:
  using Current::Current;
  /// Before each execution.
  void arm() {
    scans_ = 0;
    moved_ = false;
  }
  /// Whether the execution has come to a record.
  bool moved() const { return moved_; }
  bool rewind() override {
    ++scans_;
    if (q_.generator_) return scans_ == 1;
    if (!q_.per_flowfile_) return scans_ == 1;
    if (scans_ > 1) {
      q_.take_item(q_.handle_, q_.row_.input);
      q_.reader_->open(q_.content());
    }
    return true;
  }
  bool next() override {
    if (q_.generator_) {
      if (q_.stopped_ || q_.number_ + 1 == q_.number_end_ + 1) return false;
      moved_ = true;
      q_.row_.record = static_cast<std::uint32_t>(q_.number_++);
      return true;
    }
    for (;;) {
      if (q_.stopped_) return false;
      if (q_.next_record()) {
        moved_ = true;
        if (!q_.row_.error.size) return true;
        if (scans_ == 1 && !q_.emit_error()) return false;
        continue;
      }
      if (q_.per_flowfile_ || q_.item_index_ == q_.count_) return false;
      q_.take_item(q_.first_ + q_.item_index_, q_.item_index_);
      ++q_.item_index_;
      q_.reader_->open(q_.content());
    }
  }
  std::uint64_t number() const override { return q_.generator_ ? q_.number_ - 1 : q_.row_.record; }
  bool values_outlive_row() const override { return q_.per_flowfile_; }

 private:
  int scans_ = 0;
  bool moved_ = false;
};

PreparedQuery::PreparedQuery(const abi::Query& query, std::shared_ptr<const Declaration> record, Clock clock,
                             DatabaseTables* databases)
    : record_(std::move(record)),
      clock_(std::move(clock)),
      per_flowfile_(query.per_flowfile),
      generator_(query.generator) {
  for (std::uint32_t i = 0; i < query.table_count; ++i) {
    const auto& table = query.tables[i];
    auto& source = tables_.emplace_back(TableSource{std::string(view(table.name)), std::string(view(table.format)),
                                                    std::string(view(table.path)), std::string(view(table.table))});
    if (source.format != "database") continue;
    if (databases == nullptr) throw std::runtime_error("tables of databases are not to be had here");
    source.read = databases->open(source.name);
  }
  current_ = std::make_unique<Current>(*this);
  scan_ = std::make_unique<Scan>(*this);
  for (std::uint32_t i = 0; i < query.column_count; ++i) add_column(query.columns[i]);
  for (std::uint32_t i = 0; i < query.set_count; ++i) {
    try {
      set_.push_back(
          {std::string(view(query.set[i].field)), add_part(std::string(view(query.set[i].sql)), abi::As::any)});
    } catch (const SqlProblem& problem) {
      throw SqlProblem{"field '" + std::string(view(query.set[i].field)) + "': " + problem.message, problem.offset};
    }
  }
  for (std::uint32_t i = 0; i < query.remove_count; ++i) remove_.emplace_back(view(query.remove[i]));
  if (query.select.size != 0) {
    if (!set_.empty() || !remove_.empty()) throw SqlProblem{"a select and assignments cannot be combined", 0};
    select_ = std::make_unique<SqliteQuery>(view(query.select), options(QueryShape::select), *this);
  }
  std::vector<std::string> known;
  const bool strict = record_ != nullptr && !record_->extra_allowed;
  if (strict) {
    for (const auto& field : record_->fields) known.push_back(field.name);
  }
  reader_ = std::make_unique<RecordReader>(names_, strict ? &known : nullptr);
  values_.assign(names_.size(), null_value());
  attribute_values_.assign(attributes_.size(), null_value());
  results_.assign(columns_.size(), null_value());
  assigned_.assign(set_.size(), null_value());
  texts_.resize(columns_.size());
}

PreparedQuery::~PreparedQuery() = default;

std::uint32_t PreparedQuery::slot(const std::string& field) {
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (names_[i] == field) return static_cast<std::uint32_t>(i);
  }
  names_.push_back(field);
  fields_.emplace_back(field, record_ == nullptr ? nullptr : record_->find(field));
  wanted_.push_back(0);
  // A table that is read again may bring a field that nobody read before.
  if (reader_ != nullptr) throw std::runtime_error("a reference table no longer has the column '" + field + "'");
  return static_cast<std::uint32_t>(names_.size() - 1);
}

void PreparedQuery::needs_value(std::uint32_t slot) {
  wanted_[slot] = 1;
}

std::uint32_t PreparedQuery::attribute(const std::string& name) {
  const auto found = std::find(attributes_.begin(), attributes_.end(), name);
  const auto index = static_cast<std::uint32_t>(found - attributes_.begin());
  if (found == attributes_.end()) attributes_.push_back(name);
  return index;
}

QueryOptions PreparedQuery::options(QueryShape shape) const {
  QueryOptions options;
  options.record = record_.get();
  options.shape = shape;
  options.per_flowfile = per_flowfile_;
  options.generator = generator_;
  if (shape == QueryShape::select) options.tables = tables_;
  return options;
}

/// The slot of a field that SQLite would read under this name; nothing if there is any doubt.
std::optional<std::uint32_t> PreparedQuery::native_field(const Expression& expression) {
  if (generator_) return std::nullopt;
  if (expression.exact) {
    if (record_ != nullptr && record_->find(expression.text) == nullptr) return std::nullopt;
    return slot(expression.text);
  }
  const Field* declared = nullptr;
  if (record_ != nullptr) {
    for (const auto& field : record_->fields) {
      if (!equal_ignoring_case(field.name, expression.text)) continue;
      if (declared != nullptr) return std::nullopt;
      declared = &field;
    }
    if (declared == nullptr) return std::nullopt;
    return slot(declared->name);
  }
  for (const auto& name : names_) {
    if (name != expression.text && equal_ignoring_case(name, expression.text)) return std::nullopt;
  }
  return slot(expression.text);
}

std::size_t PreparedQuery::add_part(std::string sql, abi::As as) {
  Part part;
  part.as = as;
  const auto expression = [&] {
    // What rewrite_expression refuses is refused here too.
    rewrite_expression(sql, "record");
    return parse_expression(sql);
  }();
  part.boolean = expression.boolean();
  if (expression.kind == Expression::Kind::field) {
    if (const auto found = native_field(expression)) {
      part.from = Part::From::field;
      part.index = *found;
      if (as != abi::As::time) needs_value(*found);
      part.boolean = fields_[*found].type() == FieldType::boolean;
    }
  } else if (expression.kind == Expression::Kind::attribute) {
    part.from = Part::From::attribute;
    part.index = attribute(expression.text);
  } else if (part.boolean && !generator_) {
    PredicateScope scope;
    scope.field = [this](const Expression& field) -> std::optional<std::pair<std::uint32_t, FieldType>> {
      const auto found = native_field(field);
      if (!found) return std::nullopt;
      needs_value(*found);
      return std::pair{*found, fields_[*found].type()};
    };
    scope.attribute = [this](const std::string& name) { return attribute(name); };
    scope.constant = evaluate_literal;
    // Two spellings of one field in one expression are for SQLite to refuse.
    part.predicate = Predicate::compile(expression, scope);
    if (part.predicate) part.from = Part::From::predicate;
  }
  if (part.from == Part::From::sqlite) {
    part.query = std::make_unique<SqliteQuery>(sql, options(QueryShape::expression), *this);
    part.query->attach(current_.get());
    part.boolean = part.query->results()[0].boolean;
  }
  part.sql = std::move(sql);
  parts_.push_back(std::move(part));
  return parts_.size() - 1;
}

void PreparedQuery::add_column(const abi::Column& column) {
  OutColumn added;
  if (!column.is_template) {
    added.part = add_part(std::string(view(column.sql)), column.as);
  } else {
    added.text.emplace();
    added.text->encoding = column.encoding;
    for (const auto& piece : parse_template(view(column.sql))) {
      if (!piece.is_sql) {
        added.text->pieces.push_back({piece.text, std::nullopt});
        continue;
      }
      try {
        added.text->pieces.push_back({{}, add_part(piece.text, abi::As::text)});
      } catch (const SqlProblem& problem) {
        throw SqlProblem{problem.message, piece.offset + problem.offset};
      }
    }
  }
  columns_.push_back(std::move(added));
}

abi::Status PreparedQuery::guarded(abi::Report* report, const std::function<void()>& work) {
  try {
    work();
    reset_queries();
    return abi::Status::ok;
  } catch (const SqlProblem& problem) {
    reset_queries();
    report->message(to_text(problem.message));
    return abi::Status::misconfigured;
  } catch (const std::bad_alloc&) {
    reset_queries();
    report->message(to_text("out of memory"));
    return abi::Status::unavailable;
  } catch (const std::exception& error) {
    reset_queries();
    // Nothing but a reference table fails here, and may be whole again at the next attempt.
    report->message(to_text(error.what()));
    return abi::Status::unavailable;
  }
}

void PreparedQuery::reset_queries() {
  for (auto& part : parts_) {
    if (part.query != nullptr) part.query->reset();
  }
  if (select_ != nullptr) select_->reset();
  session_ = nullptr;
  item_ = nullptr;
}

void PreparedQuery::begin(abi::Session* session, abi::Rows* rows) {
  session_ = session;
  rows_ = rows;
  item_ = nullptr;
  item_index_ = 0;
  stopped_ = false;
  columns_done_ = false;
  row_ = {};
  if (!tables_.empty() && select_ != nullptr) select_->refresh();
}

abi::Status PreparedQuery::run(abi::Session* session, std::uint32_t first, std::uint32_t count, abi::Rows* rows,
                               abi::Report* report) {
  return guarded(report, [&] {
    begin(session, rows);
    first_ = first;
    count_ = count;
    if (generator_) throw std::runtime_error("a generator's query has no input to run over");
    if (select_ != nullptr) {
      run_select(false);
    } else if (per_flowfile_) {
      run_flowfiles();
    } else {
      run_records();
    }
  });
}

abi::Status PreparedQuery::generate(std::uint64_t first, std::uint64_t count, abi::Rows* rows, abi::Report* report) {
  return guarded(report, [&] {
    if (!generator_) throw std::runtime_error("this query is over records, not a generator's");
    begin(nullptr, rows);
    number_ = first;
    number_end_ = first + count;
    row_.form = abi::Form::object;
    if (select_ != nullptr) return run_select(true);
    for (; number_ != number_end_ && !stopped_; ++number_) {
      row_.record = static_cast<std::uint32_t>(number_ - first);
      arena_.reset();
      columns_done_ = false;
      if (evaluate_columns()) {
        emit();
      } else {
        emit_error();
      }
    }
  });
}

void PreparedQuery::take_item(std::uint32_t handle, std::uint32_t input) {
  handle_ = handle;
  item_ = handle < session_->input_count() ? session_->inputs() + handle : session_->item(handle);
  row_.input = input;
  for (std::size_t i = 0; i < attributes_.size(); ++i) {
    const auto value = current_->attribute(attributes_[i]);
    attribute_values_[i] = value ? text_value(*value) : null_value();
  }
}

std::string_view PreparedQuery::content() {
  return (item_->flags & abi::kExternal) == 0 ? std::string_view(item_->data, item_->size)
                                              : view(session_->content(handle_));
}

/// To the next record of the item; if it is bad, or a field is, row_.error says so. False: there is none.
bool PreparedQuery::next_record() {
  if (item_ == nullptr || !reader_->next()) return false;
  row_.record = reader_->index();
  row_.form = reader_->form();
  row_.json = to_text(reader_->json());
  row_.error = {};
  columns_done_ = false;
  if (reader_->bad()) {
    row_.error = to_text(reader_->error());
    return true;
  }
  arena_.reset();
  if (!read_fields()) row_.error = to_text(error_);
  return true;
}

bool PreparedQuery::read_fields() {
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    const auto raw = reader_->raw(i);
    if (wanted_[i] == 0) {
      values_[i].raw = to_text(raw);
    } else if (!fields_[i].read(raw, arena_, values_[i], error_)) {
      return false;
    }
  }
  return true;
}

bool PreparedQuery::evaluate(Part& part, Value& value) {
  switch (part.from) {
    case Part::From::field:
      if (part.as == abi::As::time) {
        return fields_[part.index].read_time(view(values_[part.index].raw), arena_, value, error_);
      }
      value = values_[part.index];
      if (part.as == abi::As::any) return true;
      if (part.as == abi::As::number && value.type == ValueType::real) return true;
      break;
    case Part::From::attribute:
      value = attribute_values_[part.index];
      break;
    case Part::From::predicate: {
      const auto truth = part.predicate->evaluate(values_.data(), attribute_values_.data());
      if (truth != Truth::unknown) {
        static const Value kNull = null_value(), kNo = integer_value(0), kYes = integer_value(1);
        value = truth == Truth::yes ? kYes : truth == Truth::no ? kNo : kNull;  // copied whole: no store is waited for
        break;
      }
      if (part.query == nullptr) {
        part.query = std::make_unique<SqliteQuery>(part.sql, options(QueryShape::expression), *this);
        part.query->attach(current_.get());
      }
      [[fallthrough]];
    }
    case Part::From::sqlite:
      if (part.query->step() != SQLITE_ROW) {
        error_ = part.query->error();
        part.query->reset();
        return false;
      }
      if (part.query->blob(0)) {
        error_ = "the result is a blob: records hold text, numbers and JSON";
        return false;
      }
      value = part.query->value(0);
      break;
  }
  if (part.boolean && value.type == ValueType::integer && value.raw.size == 0) {
    value.raw = to_text(value.integer != 0 ? "true" : "false");
  }
  return convert(part.as, arena_, value, error_);
}

bool PreparedQuery::evaluate_columns() {
  if (columns_done_) return true;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    auto& column = columns_[i];
    if (!column.text) {
      if (!evaluate(parts_[column.part], results_[i])) return false;
      continue;
    }
    auto& text = texts_[i];
    text.clear();
    for (const auto& piece : column.text->pieces) {
      if (!piece.part) {
        text += piece.text;
        continue;
      }
      auto& part = parts_[*piece.part];
      Value value{};
      if (!evaluate(part, value)) return false;
      if (value.type == ValueType::null) {
        error_ = "$(" + part.sql + ") is NULL";
        return false;
      }
      if (const auto* problem = append_encoded(text, view(value.text), column.text->encoding)) {
        error_ = "$(" + part.sql + ") " + problem + ": '" + excerpt(view(value.text)) + "'";
        return false;
      }
    }
    results_[i] = text_value(text);
  }
  columns_done_ = true;
  return true;
}

bool PreparedQuery::emit() {
  row_.values = results_.data();
  row_.error = {};
  if (!rows_->row(row_)) stopped_ = true;
  return !stopped_;
}

bool PreparedQuery::emit_error() {
  row_.values = results_.data();
  row_.output = {};
  if (row_.error.size == 0)
    row_.error = to_text(error_.empty() ? std::string_view("failed") : std::string_view(error_));
  if (!rows_->row(row_)) stopped_ = true;
  row_.error = {};
  return !stopped_;
}

void PreparedQuery::run_records() {
  for (; item_index_ < count_ && !stopped_; ++item_index_) {
    take_item(first_ + item_index_, item_index_);
    reader_->open(content());
    while (!stopped_ && next_record()) {
      if (row_.error.size == 0 && evaluate_columns() && make_output()) {
        emit();
      } else {
        emit_error();
      }
    }
  }
}

/// One row a FlowFile: fields are those of its first record.
void PreparedQuery::run_flowfiles() {
  for (; item_index_ < count_ && !stopped_; ++item_index_) {
    take_item(first_ + item_index_, item_index_);
    row_.record = 0;
    row_.form = abi::Form::object;
    row_.json = {};
    row_.error = {};
    columns_done_ = false;
    arena_.reset();
    std::fill(values_.begin(), values_.end(), null_value());
    const bool empty = item_->size == 0;
    if (!empty && (!names_.empty() || !set_.empty() || !remove_.empty())) {
      reader_->open(content());
      next_record();
    }
    if (row_.error.size == 0 && evaluate_columns() && make_output()) {
      emit();
    } else {
      emit_error();
    }
  }
}

/// Runs the SELECT over the batch, or over each FlowFile. An error ends an execution; the next one goes on behind the
/// record that failed.
void PreparedQuery::run_select(bool generating) {
  select_->attach(scan_.get());
  const auto execute = [&](bool fails_whole) {
    for (;;) {
      scan_->arm();
      int result = SQLITE_ROW;
      while (!stopped_ && (result = select_->step()) == SQLITE_ROW) {
        if (write_selected() && evaluate_columns()) {
          emit();
        } else {
          emit_error();
        }
      }
      const bool failed = !stopped_ && result != SQLITE_DONE;
      if (failed) error_ = select_->error();
      select_->reset();
      if (!failed) return;
      // It fails as a whole, and would fail so again: no record is to blame.
      if (!scan_->moved()) throw SqlProblem{std::string(error_), 0};
      if (fails_whole) {
        row_.record = 0;
        row_.json = to_text(content());
      }
      row_.error = {};
      emit_error();
      if (fails_whole) return;
    }
  };
  if (generating || !per_flowfile_) return execute(false);
  for (; item_index_ < count_ && !stopped_; ++item_index_) {
    take_item(first_ + item_index_, item_index_);
    reader_->open(content());
    execute(true);
  }
}

}  // namespace weir::sql
