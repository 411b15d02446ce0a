#include "sql/sqlite_query.h"

#include <algorithm>
#include <cstring>

#include "sql/table_writer.h"

namespace weir::sql {

namespace {

constexpr unsigned kJsonSubtype = 74;                // 'J', SQLite's own mark of JSON text
constexpr int kStepsAtOnce = 10'000;                 // of SQLite's machine, between two looks at the clock
constexpr std::uint64_t kStepsPerRow = 100'000'000;  // about a second or two

/// What SQLite converts before it compares with the field. BLOB is none; without a type, the word HIDDEN would count as
/// one, and a numeric one at that.
const char* affinity_of(const Field* field) {
  if (field == nullptr) return "BLOB";
  switch (field->type) {
    case FieldType::number:
      return "REAL";
    case FieldType::integer:
    case FieldType::boolean:
      return "INTEGER";
    case FieldType::text:
    case FieldType::time:
      return "TEXT";
    default:
      return "BLOB";
  }
}

}  // namespace

struct SqliteQuery::Table {
  sqlite3_vtab base;
  SqliteQuery* query;

  static int connect(sqlite3* db, void* data, int /*count*/, const char* const* /*arguments*/, sqlite3_vtab** table,
                     char** /*error*/) {
    auto* query = static_cast<SqliteQuery*>(data);
    std::string sql = "CREATE TABLE x(";
    for (const auto& column : query->columns_) {
      if (sql.back() != '(') sql += ',';
      sql += quoted_name(column.name) + " " + column.affinity + (query->options_.generator ? "" : " HIDDEN");
    }
    if (query->columns_.empty()) sql += "\"record:none\" HIDDEN";
    const int result = sqlite3_declare_vtab(db, (sql + ")").c_str());
    if (result != SQLITE_OK) return result;
    *table = &(new Table{{}, query})->base;
    return SQLITE_OK;
  }
  static int disconnect(sqlite3_vtab* table) {
    delete reinterpret_cast<Table*>(table);
    return SQLITE_OK;
  }
  static int best_index(sqlite3_vtab* /*table*/, sqlite3_index_info* info) {
    // So dear that every plan has it outermost: a row of the result comes from one record.
    info->estimatedCost = 1e25;
    info->estimatedRows = 1'000'000;
    info->idxStr = const_cast<char*>(kRecordScan);  // shown in the plan, never written to
    info->needToFreeIdxStr = 0;
    return SQLITE_OK;
  }
  static int open(sqlite3_vtab* table, sqlite3_vtab_cursor** cursor);
  static int close(sqlite3_vtab_cursor* cursor);
  static int filter(sqlite3_vtab_cursor* cursor, int number, const char* text, int count, sqlite3_value** values);
  static int next(sqlite3_vtab_cursor* cursor);
  static int eof(sqlite3_vtab_cursor* cursor);
  static int column(sqlite3_vtab_cursor* cursor, sqlite3_context* context, int index);
  static int rowid(sqlite3_vtab_cursor* cursor, sqlite3_int64* id);

  static const sqlite3_module* module() {
    static const sqlite3_module module = [] {
      sqlite3_module m{};
      m.xCreate = connect;
      m.xConnect = connect;
      m.xBestIndex = best_index;
      m.xDisconnect = disconnect;
      m.xDestroy = disconnect;
      m.xOpen = open;
      m.xClose = close;
      m.xFilter = filter;
      m.xNext = next;
      m.xEof = eof;
      m.xColumn = column;
      m.xRowid = rowid;
      return m;
    }();
    return &module;
  }
};

struct SqliteQuery::Cursor {
  sqlite3_vtab_cursor base;
  SqliteQuery* query;
  bool ended;
};

int SqliteQuery::Table::open(sqlite3_vtab* table, sqlite3_vtab_cursor** cursor) {
  auto* query = reinterpret_cast<Table*>(table)->query;
  if (query->scanning_) {
    query->scan_error_ = std::string("a statement reads ") + query->record_name_ + " only once";
    return SQLITE_ERROR;
  }
  query->scanning_ = true;
  *cursor = &(new Cursor{{}, query, true})->base;
  return SQLITE_OK;
}
int SqliteQuery::Table::close(sqlite3_vtab_cursor* cursor) {
  auto* own = reinterpret_cast<Cursor*>(cursor);
  own->query->scanning_ = false;
  delete own;
  return SQLITE_OK;
}
int SqliteQuery::Table::filter(sqlite3_vtab_cursor* cursor, int, const char*, int, sqlite3_value**) {
  auto* own = reinterpret_cast<Cursor*>(cursor);
  if (own->query->source_ == nullptr) return own->ended = true, SQLITE_OK;
  if (!own->query->source_->rewind()) {
    own->query->scan_error_ = own->query->record_name_ + " has to come first in FROM";
    return SQLITE_ERROR;
  }
  return next(cursor);
}
int SqliteQuery::Table::next(sqlite3_vtab_cursor* cursor) {
  auto* own = reinterpret_cast<Cursor*>(cursor);
  own->query->steps_ = 0;
  own->ended = !own->query->source_->next();
  return SQLITE_OK;
}
int SqliteQuery::Table::eof(sqlite3_vtab_cursor* cursor) {
  return reinterpret_cast<Cursor*>(cursor)->ended ? 1 : 0;
}
int SqliteQuery::Table::rowid(sqlite3_vtab_cursor* cursor, sqlite3_int64* id) {
  const auto* source = reinterpret_cast<Cursor*>(cursor)->query->source_;
  *id = static_cast<sqlite3_int64>(source->number());
  return SQLITE_OK;
}
int SqliteQuery::Table::column(sqlite3_vtab_cursor* cursor, sqlite3_context* context, int index) {
  const auto* query = reinterpret_cast<Cursor*>(cursor)->query;
  if (static_cast<std::size_t>(index) >= query->columns_.size()) return SQLITE_OK;
  const auto& column = query->columns_[static_cast<std::size_t>(index)];
  const auto* source = query->source_;
  const auto give = [&](std::string_view text) {
    sqlite3_result_text64(context, text.data() == nullptr ? "" : text.data(), text.size(),
                          source->values_outlive_row() ? SQLITE_TRANSIENT : SQLITE_STATIC, SQLITE_UTF8);
  };
  switch (column.kind) {
    case Column::Kind::number:
      sqlite3_result_int64(context, static_cast<sqlite3_int64>(source->number()));
      break;
    case Column::Kind::has:
      sqlite3_result_int(context, source->has(column.slot) ? 1 : 0);
      break;
    case Column::Kind::whole:
      give(source->json());
      break;
    case Column::Kind::field: {
      const auto& value = source->field(column.slot);
      switch (value.type) {
        case ValueType::null:
          break;
        case ValueType::integer:
          sqlite3_result_int64(context, value.integer);
          break;
        case ValueType::real:
          sqlite3_result_double(context, value.real);
          break;
        case ValueType::text:
          give(view(value.text));
          break;
        case ValueType::json:
          give(view(value.text));
          sqlite3_result_subtype(context, kJsonSubtype);
          break;
      }
    }
  }
  return SQLITE_OK;
}

SqliteQuery::SqliteQuery(std::string_view sql, QueryOptions options, Slots& slots)
    : original_(sql), options_(std::move(options)), slots_(slots) {
  record_name_ = options_.generator ? "seq" : "record";
  if (options_.shape == QueryShape::select) {
    rewritten_ = rewrite_select(sql, options_.per_flowfile || options_.generator);
  } else {
    rewritten_ = rewrite_expression(sql, record_name_);
  }
  add_named_columns();
  open();
  compile();
}

SqliteQuery::~SqliteQuery() {
  statement_.reset();
  db_.reset();
}

void SqliteQuery::open() {
  statement_.reset();
  db_.reset();
  closed_ = false;
  sqlite3* db = nullptr;
  const int opened =
      sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, clock_vfs());
  db_.reset(db);
  if (opened != SQLITE_OK) throw std::bad_alloc();
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  register_functions(db, &surroundings_);
  sqlite3_create_module_v2(db, "weir_record", Table::module(), this, nullptr);
  sqlite3_set_authorizer(db, authorize, this);
  sqlite3_progress_handler(db, kStepsAtOnce, progress, this);
  for (const auto* table : {"json_each", "json_tree"}) {
    // Connected now, before the authorizer is closed, which would refuse their declaration.
    const bool named = std::any_of(rewritten_.tokens.begin(), rewritten_.tokens.end(),
                                   [&](const SqlToken& t) { return t.keyword(table); });
    if (named) sqlite3_exec(db, (std::string("SELECT 1 FROM ") + table + "('[]')").c_str(), nullptr, nullptr, nullptr);
  }
  opened_.resize(options_.tables.size());
  for (std::size_t i = 0; i < options_.tables.size(); ++i) open_table(i);
}

void SqliteQuery::open_table(std::size_t number) {
  const auto& table = options_.tables[number];
  auto& opened = opened_[number];
  if (equal_ignoring_case(table.name, "record") || table.name.find(':') != std::string::npos) {
    throw std::runtime_error("a reference table cannot be called '" + table.name + "'");
  }
  if (table.format != "database") {
    if (table.format.empty() || table.path.empty())
      throw std::runtime_error("reference table '" + table.name +
                               "' is neither of a file (format and path) nor of a database");
    opened.file = file_state(table.path);
    return load_table(db_.get(), table);
  }
  if (table.read != nullptr) {
    opened.snapshot = table.read->current();
    return opened.snapshot->attach(db_.get(), "weir:table_" + std::to_string(number));
  }
  auto columns = table.columns;
  if (columns.empty()) {
    columns = opened.guessed;
    columns.emplace_back(kUnknownColumns);
  }
  TableWriter(db_.get(), table.name, "reference table '" + table.name + "'").create(columns);
}

int SqliteQuery::authorize(void* self, int action, const char* a, const char* b, const char* /*c*/, const char* /*d*/) {
  auto* query = static_cast<SqliteQuery*>(self);
  if (!query->closed_) return SQLITE_OK;
  const std::string_view first = a == nullptr ? "" : a;
  const std::string_view second = b == nullptr ? "" : b;
  const auto refuse = [query](std::string message) {
    query->refused_ = std::move(message);
    return SQLITE_DENY;
  };
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
      return SQLITE_OK;
    case SQLITE_READ: {
      if (first == query->record_name_) {
        for (auto& column : query->columns_) {
          if (equal_ignoring_case(column.name, second)) column.used = true;
        }
        return SQLITE_OK;
      }
      if (first == "json_each" || first == "json_tree") return SQLITE_OK;
      for (const auto& table : query->options_.tables) {
        if (equal_ignoring_case(table.name, first)) return SQLITE_OK;
      }
      if (first.starts_with("sqlite_") || first.starts_with("pragma_") || first == "dbstat") {
        return refuse("no such table: " + std::string(first));
      }
      return SQLITE_OK;  // a subquery or a common table expression: there are no other tables
    }
    case SQLITE_FUNCTION: {
      if (!query->options_.generator &&
          (equal_ignoring_case(second, "random") || equal_ignoring_case(second, "randomblob"))) {
        return refuse(std::string(second) +
                      "() is for generators only: elsewhere a result has to be the same when it is computed again");
      }
      for (auto name : {"load_extension", "fts3_tokenizer", "zeroblob", "sqlite_log", "sqlite_compileoption_get",
                        "sqlite_compileoption_used"}) {
        if (equal_ignoring_case(second, name)) return refuse(std::string(second) + "() is not allowed here");
      }
      return SQLITE_OK;
    }
    default:
      return refuse("only a SELECT over the record is allowed: no PRAGMA, no ATTACH, no change of data");
  }
}

int SqliteQuery::progress(void* self) {
  auto* query = static_cast<SqliteQuery*>(self);
  query->steps_ += kStepsAtOnce;
  return query->steps_ > kStepsPerRow ? 1 : 0;
}

const SqliteQuery::Column* SqliteQuery::column(std::string_view name) const {
  for (const auto& c : columns_) {
    if (equal_ignoring_case(c.name, name)) return &c;
  }
  return nullptr;
}

/// The columns that are known before SQLite is asked.
void SqliteQuery::add_named_columns() {
  if (options_.generator) {
    if (!rewritten_.columns.empty()) throw SqlProblem{"a generator has no record: only seq can be read", 0};
    columns_.push_back({"seq", Column::Kind::number, "INTEGER", 0, false, nullptr});
    return;
  }
  if (options_.record != nullptr) {
    for (const auto& field : options_.record->fields) {
      if (column(field.name) == nullptr)
        columns_.push_back({field.name, Column::Kind::field, affinity_of(&field), 0, false, &field});
    }
  }
  for (const auto& name : rewritten_.columns) {
    Column added{name, Column::Kind::whole, "BLOB", 0, false, nullptr};
    if (name != kWholeRecord) {
      const bool field = name.starts_with(kFieldPrefix);
      added.kind = field ? Column::Kind::field : Column::Kind::has;
      const auto plain = plain_name(name);
      if (options_.record != nullptr) added.declared = options_.record->find(plain);
      if (options_.record != nullptr && added.declared == nullptr && field) {
        refuse("no field '" + plain + "' is declared in record '" + options_.record->name + "'", -1);
      }
      if (field) added.affinity = affinity_of(added.declared);
      added.slot = slots_.slot(plain);
    }
    columns_.push_back(added);
  }
  if (options_.record != nullptr) return;
  for (const auto& token : rewritten_.tokens) {
    // SQLite would take these for the row's number.
    for (auto name : {"rowid", "oid", "_rowid_"}) {
      if (token.keyword(name) && column(token.text) == nullptr) {
        columns_.push_back({token.text, Column::Kind::field, "BLOB", slots_.slot(token.text), false, nullptr});
      }
    }
  }
}

void SqliteQuery::declare_columns() {
  closed_ = false;
  sqlite3_exec(db_.get(), ("DROP TABLE IF EXISTS main." + record_name_).c_str(), nullptr, nullptr, nullptr);
  char* message = nullptr;
  if (sqlite3_exec(db_.get(), ("CREATE VIRTUAL TABLE main." + record_name_ + " USING weir_record").c_str(), nullptr,
                   nullptr, &message) != SQLITE_OK) {
    const std::string text = message == nullptr ? "cannot declare the record's columns" : message;
    sqlite3_free(message);
    refuse(text, -1);
  }
  for (auto& c : columns_) c.used = false;
  closed_ = true;
}

void SqliteQuery::compile() {
  for (;;) {
    declare_columns();
    refused_.clear();
    sqlite3_stmt* statement = nullptr;
    const char* tail = nullptr;
    const int result =
        sqlite3_prepare_v3(db_.get(), rewritten_.sql.c_str(), static_cast<int>(rewritten_.sql.size()) + 1,
                           SQLITE_PREPARE_PERSISTENT, &statement, &tail);
    statement_.reset(statement);
    if (result == SQLITE_OK) break;
    const std::string message = sqlite3_errmsg(db_.get());
    const int offset = sqlite3_error_offset(db_.get());
    if (!refused_.empty()) refuse(refused_, offset);
    if (!message.starts_with("no such column: ") || !add_missing_column(message, offset)) refuse(message, offset);
  }
  if (statement_ == nullptr) refuse("there is no SQL here", -1);
  if (!reads_record_as_it_may()) {
    record_first_ = true;
    rewritten_ = rewrite_select(original_, options_.per_flowfile || options_.generator, record_name_);
    return compile();
  }
  for (auto& c : columns_) {
    if (c.used && c.kind == Column::Kind::field && c.name.find(':') == std::string::npos) c.slot = slots_.slot(c.name);
    if (!c.used || (c.kind != Column::Kind::field && c.kind != Column::Kind::has)) continue;
    if (c.kind == Column::Kind::field) slots_.needs_value(c.slot);
    const auto name = plain_name(c.name);
    if (std::find(fields_.begin(), fields_.end(), name) == fields_.end()) fields_.push_back(name);
  }
  const auto first_mention = [this](const std::string& field) {
    const auto& tokens = rewritten_.tokens;
    return std::find_if(tokens.begin(), tokens.end(), [&](const SqlToken& t) {
      return (t.is_name() || t.kind == TokenKind::string) && equal_ignoring_case(t.text, field);
    });
  };
  std::stable_sort(fields_.begin(), fields_.end(),
                   [&](const std::string& a, const std::string& b) { return first_mention(a) < first_mention(b); });
  check_spelling();
  if (!options_.tables.empty() && index_tables()) {
    open();
    return compile();
  }
  describe_results();
}

/// Reads SQLite's complaint and declares the column. False: that would not help.
bool SqliteQuery::add_missing_column(const std::string& message, int offset) {
  auto name = message.substr(std::strlen("no such column: "));
  // The token that SQLite means: at the offset that it gives, or else (in an ON clause, say) the first of that name.
  const auto& tokens = rewritten_.tokens;
  const SqlToken* found = nullptr;
  for (std::size_t i = 0; i + 1 < tokens.size() && found == nullptr; ++i) {
    if (!tokens[i].is_name()) continue;
    const bool qualified = tokens[i + 1].is(".") && i + 2 < tokens.size();
    const auto& last = qualified ? tokens[i + 2] : tokens[i];
    const bool here = offset >= 0 ? tokens[i].offset == rewritten_.original(static_cast<std::size_t>(offset))
                                  : (qualified ? tokens[i].text + "." + last.text : last.text) == name;
    if (here) found = &last;
  }
  if (found != nullptr && found->kind == TokenKind::quoted) {
    throw SqlProblem{
        "\"" + found->text + "\" in double quotes is a column's name, and there is no such column: for text write " +
            quoted_text(found->text) + ", for a field of that name field(" + quoted_text(found->text) + ")",
        found->offset};
  }
  std::string qualifier;
  if (found != nullptr) {
    name = found->text;
    const auto at = static_cast<std::size_t>(found - tokens.data());
    if (at >= 2 && tokens[at - 1].is(".")) qualifier = tokens[at - 2].text;
  }
  if (add_guessed_column(qualifier, name)) return true;
  for (const auto& table : options_.tables) {
    if (!qualifier.empty() && means_table(qualifier, table.name)) return false;
  }
  if (options_.generator) {
    refuse("no such column: " + name + "; a generator's SQL reads only seq", offset);
  }
  if (options_.record != nullptr) {
    refuse("no field '" + name + "' is declared in record '" + options_.record->name + "'", offset);
  }
  if (column(name) != nullptr || name.find(':') != std::string::npos) return false;
  columns_.push_back({name, Column::Kind::field, "BLOB", slots_.slot(name), false, nullptr});
  return true;
}

/// Whether a name before a dot is the table's, or one that the statement gives it.
bool SqliteQuery::means_table(const std::string& qualifier, const std::string& table) const {
  if (equal_ignoring_case(qualifier, table)) return true;
  const auto& tokens = rewritten_.tokens;
  for (std::size_t i = 0; i + 2 < tokens.size(); ++i) {
    if (!tokens[i].is_name() || !equal_ignoring_case(tokens[i].text, table)) continue;
    if (equal_ignoring_case(tokens[i + (tokens[i + 1].keyword("AS") ? 2 : 1)].text, qualifier)) return true;
  }
  return false;
}

/// Of a table of which nothing is known, the statement may be right. False: the column is none of such a table.
bool SqliteQuery::add_guessed_column(const std::string& qualifier, const std::string& name) {
  for (std::size_t i = 0; i < options_.tables.size(); ++i) {
    const auto& table = options_.tables[i];
    auto& guessed = opened_[i].guessed;
    const bool unknown = table.format == "database" && table.read == nullptr && table.columns.empty();
    // Of an undeclared record, a column without a qualifier is taken for a field.
    const bool meant = qualifier.empty() ? options_.record != nullptr : means_table(qualifier, table.name);
    if (!unknown || !meant || std::find(guessed.begin(), guessed.end(), name) != guessed.end()) continue;
    guessed.push_back(name);
    open();
    return true;
  }
  return false;
}

/// SQLite ignores the case of names, JSON does not.
void SqliteQuery::check_spelling() const {
  const auto& tokens = rewritten_.tokens;
  for (const auto& c : columns_) {
    if (!c.used || c.kind != Column::Kind::field || c.name.find(':') != std::string::npos) continue;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (!tokens[i].is_name() || tokens[i].text == c.name || !equal_ignoring_case(tokens[i].text, c.name)) continue;
      const bool alias = i > 0 && tokens[i - 1].keyword("AS");
      if (alias || tokens[i + 1].is("(") || tokens[i + 1].is(".")) continue;
      throw SqlProblem{"'" + tokens[i].text + "' and '" + c.name +
                           "' differ only in case, which SQL ignores and JSON does not: write '" + c.name +
                           "', or field(" + quoted_text(tokens[i].text) + ") for the other field",
                       tokens[i].offset};
    }
    if (options_.record == nullptr) continue;
    for (const auto& field : options_.record->fields) {
      if (field.name != c.name && equal_ignoring_case(field.name, c.name)) {
        throw SqlProblem{"fields '" + c.name + "' and '" + field.name + "' differ only in case: write field(" +
                             quoted_text(c.name) + ") or field(" + quoted_text(field.name) + ")",
                         0};
      }
    }
  }
}

void SqliteQuery::refuse(const std::string& message, int offset) const {
  const auto place = offset < 0 ? 0 : std::min(rewritten_.original(static_cast<std::size_t>(offset)), original_.size());
  // SQLite then names what comes behind it, which the author has not written.
  const bool beyond = offset >= 0 && original_.find_first_not_of(" \t\r\n", place) == std::string::npos;
  const bool incomplete = message == "incomplete input";
  if (incomplete || (beyond && message.ends_with(": syntax error")))
    throw SqlProblem{"syntax error: it ends too early, something is missing behind it",
                     incomplete ? original_.size() : place};
  throw SqlProblem{message, place};
}

void SqliteQuery::refresh() {
  for (std::size_t i = 0; i < opened_.size(); ++i) {
    const auto& table = options_.tables[i];
    const bool same = table.read != nullptr ? table.read->current() == opened_[i].snapshot
                                            : file_state(table.path) == opened_[i].file;
    if (same) continue;
    open();
    compile();
    return;
  }
}

int SqliteQuery::step() {
  surroundings_ = source_;
  scan_error_.clear();
  if (source_ != nullptr) set_thread_clock(source_->now());
  return sqlite3_step(statement_.get());
}

void SqliteQuery::reset() {
  sqlite3_reset(statement_.get());
  steps_ = 0;
}

bool SqliteQuery::blob(std::size_t column) const {
  return sqlite3_column_type(statement_.get(), static_cast<int>(column)) == SQLITE_BLOB;
}

Value SqliteQuery::value(std::size_t column) {
  const int index = static_cast<int>(column);
  switch (sqlite3_column_type(statement_.get(), index)) {
    case SQLITE_INTEGER:
      return integer_value(sqlite3_column_int64(statement_.get(), index));
    case SQLITE_FLOAT:
      return real_value(sqlite3_column_double(statement_.get(), index));
    case SQLITE_NULL:
      return null_value();
    default: {
      const bool json = sqlite3_value_subtype(sqlite3_column_value(statement_.get(), index)) == kJsonSubtype;
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), index));
      const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), index));
      auto value = text_value({text == nullptr ? "" : text, size});
      if (json) value.type = ValueType::json;
      return value;
    }
  }
}

std::string SqliteQuery::error() const {
  if (!scan_error_.empty()) return scan_error_;
  if (sqlite3_errcode(db_.get()) == SQLITE_INTERRUPT) {
    return "the SQL took more than 100 million steps for one record, and was ended";
  }
  return sqlite3_errmsg(db_.get());
}

}  // namespace weir::sql
