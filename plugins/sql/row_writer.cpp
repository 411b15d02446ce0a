#include "row_writer.h"

#include <algorithm>

#include "identifiers.h"
#include "server_connection.h"
#include "weir/record.h"

namespace weir::db {

namespace {

/// The SQL of a field, whatever its name.
std::string field_sql(std::string_view name) {
  std::string sql = "field('";
  for (const char c : name) {
    if (c == '\'') sql += '\'';
    sql += c;
  }
  return sql + "')";
}

Content content_of(std::string_view declared) {
  if (declared == "integer") return Content::integer;
  if (declared == "boolean") return Content::boolean;
  if (declared == "number") return Content::number;
  if (declared == "time") return Content::time;
  if (declared == "json") return Content::json;
  return declared == "any" ? Content::any : Content::text;
}

/// What a column holds, going by a value; null says nothing.
Content content_of(const Value& value) {
  const auto raw = view(value.raw);
  switch (value.type) {
    case ValueType::null:
      return Content::any;
    case ValueType::integer:
      return raw == "true" || raw == "false" ? Content::boolean : Content::integer;
    case ValueType::real:
      return Content::number;
    case ValueType::text:
      return Content::text;
    case ValueType::json:
      break;
  }
  return Content::json;
}

/// What a column holds that holds both. A value's own kind says less of a column than all that come together.
Content common(Content a, Content b) {
  if (a == b || b == Content::any) return a;
  if (a == Content::any) return b;
  const auto one_of = [&](Content x, Content y) { return (a == x && b == y) || (a == y && b == x); };
  if (one_of(Content::integer, Content::number)) return Content::number;
  if (one_of(Content::integer, Content::boolean)) return Content::integer;
  return Content::text;
}

/// The type that `CAST(… AS TYPE)` says, by SQLite's rules for names of types; `any`: the expression is none.
Content cast_in(const std::string& sql) {
  std::string text;
  for (const char c : sql) text += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c == '\n' || c == '\t' ? ' ' : c;
  text.erase(0, text.find_first_not_of(' '));
  while (text.ends_with(' ')) text.pop_back();
  if (!text.starts_with("CAST") || !text.ends_with(')')) return Content::any;
  const auto open = text.find_first_not_of(' ', 4);
  if (open == std::string::npos || text[open] != '(') return Content::any;
  int depth = 0;
  char quote = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '\'' || c == '"' || c == '`') {
      quote = c;
    } else if (c == '(') {
      ++depth;
    } else if (c == ')' && --depth == 0 && i + 1 < text.size()) {
      return Content::any;  // CAST(…) + …
    }
  }
  const auto as = text.rfind(" AS ");
  if (as == std::string::npos) return Content::any;
  const auto type = text.substr(as + 4);
  const auto has = [&](const char* part) { return type.find(part) != std::string::npos; };
  if (has("INT")) return Content::integer;
  if (has("CHAR") || has("CLOB") || has("TEXT")) return Content::text;
  if (has("REAL") || has("FLOA") || has("DOUB") || has("NUM") || has("DEC")) return Content::number;
  return Content::any;
}

/// A value as a message shows it.
std::string shown(const Value& value) {
  constexpr std::size_t kMost = 40;
  auto text = std::string(value.raw.size != 0 ? view(value.raw) : view(value.text));
  if (value.raw.size == 0 && value.type == ValueType::integer) text = std::to_string(value.integer);
  if (value.raw.size == 0 && value.type == ValueType::real) text = std::to_string(value.real);
  return text.size() <= kMost ? text : text.substr(0, kMost) + "…";
}

/// What tells a value from others.
void append_known(const Value& value, std::string& to) {
  to += static_cast<char>('0' + static_cast<int>(value.type));
  if (value.type == ValueType::integer) to += std::to_string(value.integer);
  if (value.type == ValueType::real) to.append(reinterpret_cast<const char*>(&value.real), sizeof value.real);
  if (value.type == ValueType::text || value.type == ValueType::json) {
    to += std::to_string(value.text.size) + ':';
    to += view(value.text);
  }
  to += ';';
}

template <class Columns>
std::string list(const Columns& columns) {
  std::string names;
  for (const auto& column : columns) names += (names.empty() ? "" : ", ") + column.name;
  return names;
}

}  // namespace

/// Only PostgreSQL tells upper from lower case in the names of columns.
bool RowWriter::same_name(std::string_view a, std::string_view b) const {
  if (connection_.dialect() == Dialect::postgresql) return a == b;
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

RowWriter::RowWriter(TableSettings settings, Context context, Connection& connection)
    : settings_(std::move(settings)), context_(context), connection_(connection) {
  records_ = Query(context_).column("NULL").prepare();
  if (!settings_.statement.empty()) {
    use_statement();
    return;
  }
  const auto declared = declared_fields(context_);
  const auto existing = connection_.describe(settings_.table);
  if (!existing && !settings_.create)
    throw Misconfigured(place() + " does not exist: create it, or set `create: true`");
  if (settings_.columns.empty()) {
    for (const auto& field : declared) settings_.columns.emplace_back(field.name, field_sql(field.name));
  } else {
    check_key();
  }
  check_names();
  if (existing) {
    use(*existing);
    return;
  }
  if (settings_.columns.empty()) {
    own_columns_ = true;
    return;
  }
  prepare_query({});
  std::vector<NewColumn> columns;
  for (const auto& [name, sql] : settings_.columns) {
    const auto field = std::find_if(declared.begin(), declared.end(),
                                    [&, &s = sql](const auto& f) { return s == field_sql(f.name) || s == f.name; });
    if (field == declared.end() && cast_in(sql) != Content::any) {
      columns.push_back({name, cast_in(sql)});
    } else if (field == declared.end()) {
      columns.push_back({name});
      guessed_.push_back({name, {}});
    } else {
      columns.push_back({name, content_of(field->type), field->required});
    }
  }
  if (!guessed_.empty()) {  // types of expressions show with the first records
    new_columns_ = std::move(columns);
    return;
  }
  make(std::move(columns));
}

void RowWriter::check_key() const {
  const auto check = [&](const char* property, const std::string& name) {
    if (std::none_of(settings_.columns.begin(), settings_.columns.end(),
                     [&](const auto& c) { return c.first == name; }))
      throw Misconfigured(std::string(property) + ": " + name + " is not among the columns");
  };
  for (const auto& name : settings_.key) check("key", name);
  for (const auto& name : settings_.partition) check("partition", name);
  if (!settings_.version.empty()) check("version", settings_.version);
}

void RowWriter::check_names() const {
  for (const auto& [name, sql] : settings_.columns) check_name(connection_.dialect(), "columns", name);
}

void RowWriter::use_statement() {
  const auto names = parameter_names(settings_.statement, connection_.dialect());
  std::vector<std::pair<std::string, std::string>> values;
  for (const auto& name : names) {
    const auto at = std::find_if(settings_.columns.begin(), settings_.columns.end(),
                                 [&, &n = name](const auto& column) { return column.first == n; });
    values.emplace_back(name, at == settings_.columns.end() ? field_sql(name) : at->second);
  }
  for (const auto& [name, sql] : settings_.columns) {
    if (std::find(names.begin(), names.end(), name) == names.end())
      throw Misconfigured("columns: " + name + " is nowhere in the statement as :" + name);
  }
  settings_.columns = std::move(values);
  prepare_query({});  // what is wrong with the expressions is said before the database is asked
  inserter_ = connection_.statement(settings_.statement, names);
  prepare_query(inserter_->reads());
}

bool RowWriter::altered() const {
  return inserter_ && settings_.statement.empty() && connection_.describe(settings_.table) != existing_;
}

void RowWriter::read_columns() {
  const auto existing = connection_.describe(settings_.table);
  if (!existing) throw Misconfigured(place() + " is not there any more");
  use(*existing);
}

void RowWriter::use(const std::vector<Column>& existing) {
  existing_ = existing;
  if (settings_.columns.empty()) {
    own_columns_ = true;
    for (const auto& column : existing) settings_.columns.emplace_back(column.name, field_sql(column.name));
  }
  std::string missing;
  std::vector<Column> columns;
  for (const auto& [name, sql] : settings_.columns) {
    const auto at =
        std::find_if(existing.begin(), existing.end(), [&, &n = name](const auto& c) { return same_name(c.name, n); });
    if (at == existing.end()) {
      missing += (missing.empty() ? "" : ", ") + name;
    } else {
      columns.push_back(*at);
    }
  }
  if (!missing.empty())
    throw Misconfigured(place() + " has no column " + missing + "; it has " + list(existing) +
                        ". Add the column, or say with `columns` what goes where");
  prepare_insert(columns);
}

void RowWriter::make(std::vector<NewColumn> columns) {
  connection_.commit();  // the table is there for good, whatever becomes of the rows
  if (const auto existing = connection_.describe(settings_.table)) {
    guessed_.clear();
    return use(*existing);
  }
  for (const auto& name : settings_.key) {
    const auto at = std::find_if(columns.begin(), columns.end(), [&](const auto& c) { return c.name == name; });
    if (at == columns.end())
      throw Misconfigured("key: there is no field " + name + " in the record; it has " + list(columns));
  }
  connection_.create(settings_.table, columns, settings_.key);
  const auto made = connection_.describe(settings_.table);
  if (!made) throw Unavailable(place() + " was made, and is gone again");
  use(*made);
}

void RowWriter::prepare_query(const std::vector<As>& reads) {
  Query query(context_);
  for (std::size_t i = 0; i < settings_.columns.size(); ++i)
    query.column(settings_.columns[i].second, reads.empty() ? As::any : reads[i]);
  for (const auto& follower : followers_) {
    const auto as = follower.statement->reads();
    for (std::size_t i = 0; i < as.size(); ++i) query.column(follower.expressions[i], as[i]);
  }
  values_ = query.prepare();
}

std::size_t RowWriter::place_of(const std::vector<Column>& columns, std::string_view property,
                                const std::string& name) const {
  const auto at = std::find_if(columns.begin(), columns.end(), [&](const auto& c) { return same_name(c.name, name); });
  if (at == columns.end()) throw Misconfigured(std::string(property) + ": " + place() + " has no column " + name);
  return static_cast<std::size_t>(at - columns.begin());
}

void RowWriter::prepare_followers() {
  followers_.clear();
  auto first = settings_.columns.size();
  for (const auto& sql : settings_.then) {
    const auto names = parameter_names(sql, connection_.dialect());
    auto& follower = followers_.emplace_back();
    for (const auto& name : names) {
      const auto at = std::find_if(settings_.columns.begin(), settings_.columns.end(),
                                   [&](const auto& column) { return column.first == name; });
      follower.expressions.push_back(at == settings_.columns.end() ? field_sql(name) : at->second);
    }
    follower.first = first;
    first += names.size();
    follower.statement = connection_.statement(sql, names);
  }
}

void RowWriter::prepare_insert(const std::vector<Column>& columns) {
  std::vector<std::string> key;
  key_columns_.clear();
  for (const auto& name : settings_.key) {
    const auto at = place_of(columns, "key", name);
    key_columns_.push_back(static_cast<int>(at));
    key.push_back(columns[at].name);
  }
  std::string version;
  if (!settings_.version.empty()) {
    const auto at = place_of(columns, "version", settings_.version);
    version = columns[at].name;
    std::vector<std::pair<std::string, std::size_t>> partition;
    for (const auto& name : settings_.partition) {
      const auto column = place_of(columns, "partition", name);
      partition.emplace_back(columns[column].name, column);
    }
    if (!partition.empty()) partitions_ = Partitions(connection_, settings_.table, partition, {version, at});
  }
  prepare_followers();
  inserter_ = connection_.inserter(settings_.table, columns, key, version);
  prepare_query(inserter_->reads());
  if (partitions_) {
    Query query(context_);
    query.per_flowfile();
    for (const auto place : partitions_.places())
      query.column(settings_.columns[place].second, inserter_->reads()[place]);
    partition_values_ = query.prepare();
  }
  std::vector<std::string> names;
  for (const auto& [name, sql] : settings_.columns) names.push_back(name);
  object_ = JsonObject(own_columns_ ? names : std::vector<std::string>());
}

void RowWriter::prepare(Session& session, const std::vector<FlowFile>& files) {
  if (inserter_) return;
  for (const auto file : files) take_fields(session, file);
  if (settings_.columns.empty()) return;
  auto columns = new_columns_;
  std::uint64_t records = 0;
  for (const auto file : files) {
    values_.run(session, file, [&](const Row& row) {
      if (row.error.size > 0) return;
      ++records;
      for (std::size_t i = 0; i < columns.size(); ++i) {
        const auto guess = std::find_if(guessed_.begin(), guessed_.end(),
                                        [&, &name = columns[i].name](const auto& g) { return g.name == name; });
        if (guess == guessed_.end()) continue;
        const auto content = common(columns[i].content, content_of(row.values[i]));
        if (content == columns[i].content) continue;
        columns[i].content = content;
        guess->by = "record " + std::to_string(records) + ", with " + shown(row.values[i]);
      }
    });
  }
  if (records == 0) return;
  std::string unknown;
  for (const auto& guess : guessed_) {
    if (guess.by.empty()) unknown += (unknown.empty() ? "" : ", ") + guess.name;
  }
  make(std::move(columns));
  if (!unknown.empty() && !guessed_.empty() && connection_.dialect() != Dialect::sqlite)  // whose columns take anything
    context_.bulletin(Level::warning,
                      place() + " is made by its first " + std::to_string(records) +
                          " records, in which there was nothing but NULL for " + unknown +
                          ": it is made for text. If it is to hold something else, say so with CAST(… "
                          "AS REAL) in `columns`, or in the flow's `records`, and let the table be made "
                          "anew");
}

/// Where nothing says what the columns are, they are the fields of the first record.
void RowWriter::take_fields(Session& session, FlowFile file) {
  if (!own_columns_ || !settings_.columns.empty()) return;
  std::vector<std::string> names;
  records_.run(session, file, [&](const Row& row) {
    JsonObject object;
    if (names.empty() && row.error.size == 0 && object.read(view(row.json)))
      names = JsonObject::names_of(view(row.json));
  });
  if (names.empty()) return;
  for (const auto& name : names) {
    settings_.columns.emplace_back(name, field_sql(name));
    new_columns_.push_back({name});
    guessed_.push_back({name, {}});
  }
  check_names();
  prepare_query({});
}

std::uint64_t RowWriter::add(Session& session, FlowFile file, std::uint32_t number, std::vector<Refusal>& refused) {
  std::uint64_t rows = 0;
  bool empty = true;
  const auto visit = [&](const Row& row) {
    empty = false;
    auto reason = row.error.size > 0 ? std::string(view(row.error)) : add(row, number, refused);
    if (reason.empty()) {
      ++rows;
    } else {
      refused.push_back({number, row.record, std::move(reason)});
    }
  };
  (inserter_ ? values_ : records_).run(session, file, visit);
  if (empty && partitions_) begin_partition(session, file, refused);
  return rows;
}

void RowWriter::begin_partition(Session& session, FlowFile file, std::vector<Refusal>& refused) {
  partition_values_.run(session, file, [&](const Row& row) {
    if (row.error.size > 0) return;  // what its fields would say is not known
    std::vector<Value> values(settings_.columns.size(), Value{});
    std::size_t next = 0;
    for (const auto place : partitions_.places()) values[place] = row.values[next++];
    std::string objection;  // such as a NULL: this FlowFile says nothing of any partition
    partitions_.admits(values.data(), [&] { inserter_->finish(refused); }, objection);
  });
}

std::string RowWriter::add(const Row& row, std::uint32_t number, std::vector<Refusal>& refused) {
  if (!object_.read(view(row.json))) return object_.error();
  if (!inserter_) return "a record without fields makes no table";
  if (own_columns_ && !object_.unknown().empty())
    return "the field " + decode_json_string(object_.unknown()) + " has no column in " + place();
  for (const auto column : key_columns_) {
    if (row.values[column].type == ValueType::null)
      return "the key " + settings_.columns[static_cast<std::size_t>(column)].first + " is NULL";
  }
  if (partitions_) {
    // Buffered rows are of versions before: they are written before anything is deleted.
    std::string objection;
    if (!partitions_.admits(row.values, [&] { inserter_->finish(refused); }, objection)) return objection;
  }
  auto reason = inserter_->add(row.values, number, row.record);
  explain(reason);
  return reason;
}

/// Says of a value that does not fit why the column is as it is, where nobody chose it: the first records had `20`,
/// say, and this one has `20.5`.
void RowWriter::explain(std::string& reason) const {
  for (const auto& [name, by] : guessed_) {
    if (!reason.starts_with(name + ": ")) continue;
    reason += ". Of the batch that the table was made by, " + (by.empty() ? "NULL in every record" : by) +
              ", chose the column's type, as nothing says it: declare the field, such as " + name +
              ": {type: number} or {type: text}, in the flow's `records`, or say CAST(… AS REAL), TEXT or INTEGER in "
              "`columns`, and let the table be made anew, or make the table yourself";
    return;
  }
}

void RowWriter::finish(std::vector<Refusal>& refused) {
  if (!inserter_) return;
  const auto before = refused.size();
  inserter_->finish(refused);
  for (auto i = before; i < refused.size(); ++i) explain(refused[i].message);
}

void RowWriter::clear() noexcept {
  partitions_.forget();
  if (inserter_) inserter_->clear();
  for (auto& follower : followers_) {
    follower.statement->clear();
    follower.done.clear();
  }
}

void RowWriter::follow(Session& session, FlowFile file, std::uint32_t number, std::vector<Refusal>& refused) {
  std::set<std::uint32_t> without_row;
  for (const auto& refusal : refused) {
    if (refusal.file == number) without_row.insert(refusal.record);
  }
  values_.run(session, file, [&](const Row& row) {
    if (row.error.size > 0 || without_row.contains(row.record)) return;
    for (auto& follower : followers_) {
      std::string set;
      for (std::size_t i = 0; i < follower.expressions.size(); ++i) append_known(row.values[follower.first + i], set);
      if (!follower.done.insert(std::move(set)).second) continue;
      auto reason = follower.statement->add(row.values + follower.first, number, row.record);
      if (!reason.empty()) refused.push_back({number, row.record, std::move(reason)});
    }
  });
}

void RowWriter::finish_followers(std::vector<Refusal>& refused) {
  for (auto& follower : followers_) {
    follower.statement->finish(refused);
    follower.done.clear();
  }
}

}  // namespace weir::db
