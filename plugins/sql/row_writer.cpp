#include "row_writer.h"

#include <algorithm>

#include "weir/record.h"

namespace weir::sqlite {

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

/// SQLite's names do not tell upper from lower case, in ASCII.
bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

std::string column_type(std::string_view declared) {
  if (declared == "integer" || declared == "boolean") return "INTEGER";
  if (declared == "number") return "REAL";
  return declared == "any" ? "" : "TEXT";
}

std::string list(const std::vector<Column>& columns) {
  std::string names;
  for (const auto& column : columns) names += (names.empty() ? "" : ", ") + column.name;
  return names;
}

}  // namespace

RowWriter::RowWriter(TableSettings settings, Context context, std::shared_ptr<Target> target)
    : settings_(std::move(settings)), context_(context), target_(std::move(target)) {
  records_ = Query(context_).column("NULL").prepare();
  const auto declared = declared_fields(context_);
  const auto existing = describe(target_->database(), settings_.table);
  if (!existing && !settings_.create)
    throw Misconfigured(place() + " does not exist: create it, or set `create: true`");
  if (settings_.columns.empty()) {
    for (const auto& field : declared) settings_.columns.emplace_back(field.name, field_sql(field.name));
  } else {
    for (const auto& name : settings_.key) {
      if (std::none_of(settings_.columns.begin(), settings_.columns.end(),
                       [&](const auto& c) { return c.first == name; }))
        throw Misconfigured("key: " + name + " is not among the columns");
    }
  }
  if (existing) {
    use(*existing);
    return;
  }
  if (settings_.columns.empty()) {
    own_columns_ = true;
    return;
  }
  prepare_query();
  const bool by_declaration = std::all_of(settings_.columns.begin(), settings_.columns.end(), [&](const auto& column) {
    return std::any_of(declared.begin(), declared.end(), [&](const auto& field) {
      return column.second == field_sql(field.name) || column.second == field.name;
    });
  });
  if (!by_declaration) return;  // types of expressions show with the first record
  std::vector<Column> columns;
  for (const auto& [name, sql] : settings_.columns) {
    for (const auto& field : declared) {
      if (sql == field_sql(field.name) || sql == field.name)
        columns.push_back({name, column_type(field.type), field.required});
    }
  }
  make(std::move(columns));
}

void RowWriter::use(const std::vector<Column>& existing) {
  if (settings_.columns.empty()) {
    own_columns_ = true;
    for (const auto& column : existing) settings_.columns.emplace_back(column.name, field_sql(column.name));
  }
  std::string missing;
  for (const auto& [name, sql] : settings_.columns) {
    const auto at =
        std::find_if(existing.begin(), existing.end(), [&, &n = name](const auto& c) { return same_name(c.name, n); });
    if (at == existing.end()) {
      missing += (missing.empty() ? "" : ", ") + name;
    } else {
      affinities_.push_back(affinity_of(at->type));
    }
  }
  if (!missing.empty())
    throw Misconfigured(place() + " has no column " + missing + "; it has " + list(existing) +
                        ". Add the column, or say with `columns` what goes where");
  if (!values_) prepare_query();
  prepare_insert();
}

void RowWriter::make(std::vector<Column> columns) {
  target_->commit();  // the table is there for good, whatever becomes of the rows
  if (const auto existing = describe(target_->database(), settings_.table)) return use(*existing);
  for (const auto& name : settings_.key) {
    if (std::none_of(columns.begin(), columns.end(), [&](const auto& c) { return c.name == name; }))
      throw Misconfigured("key: there is no field " + name + " in the record; it has " + list(columns));
  }
  create(target_->database(), settings_.table, columns, settings_.key);
  affinities_.clear();
  use(columns);
}

void RowWriter::prepare_query() {
  Query query(context_);
  for (const auto& [name, sql] : settings_.columns) query.column(sql);
  values_ = query.prepare();
}

void RowWriter::prepare_insert() {
  std::vector<std::string> names;
  for (const auto& [name, sql] : settings_.columns) names.push_back(name);
  key_columns_.clear();
  for (const auto& name : settings_.key) {
    const auto at = std::find_if(names.begin(), names.end(), [&](const auto& n) { return same_name(n, name); });
    if (at == names.end()) throw Misconfigured("key: " + place() + " has no column " + name);
    key_columns_.push_back(static_cast<int>(at - names.begin()));
  }
  try {
    insert_ = Statement(target_->database(), insert_sql(settings_.table, names, settings_.key));
  } catch (const Error& error) {
    if (std::string_view(error.what()).find("ON CONFLICT") == std::string_view::npos) throw;
    throw Misconfigured("key: " + place() + " has neither a primary key nor a unique index on just these columns (" +
                        error.what() + ")");
  }
  object_ = JsonObject(own_columns_ ? names : std::vector<std::string>());
}

void RowWriter::prepare(Session& session, FlowFile file) {
  if (insert_) return;
  if (own_columns_ && settings_.columns.empty()) {
    std::vector<std::string> names;
    records_.run(session, file, [&](const Row& row) {
      JsonObject object;
      if (names.empty() && row.error.size == 0 && object.read(view(row.json)))
        names = JsonObject::names_of(view(row.json));
    });
    if (names.empty()) return;
    for (const auto& name : names) settings_.columns.emplace_back(name, field_sql(name));
    prepare_query();
  }
  std::vector<Column> columns;
  values_.run(session, file, [&](const Row& row) {
    if (row.error.size > 0) return;
    if (columns.empty()) {
      for (const auto& [name, sql] : settings_.columns) columns.push_back({name, "", false});
    }
    for (std::size_t i = 0; i < columns.size(); ++i) {  // null says nothing of a type: the next record may
      if (columns[i].type.empty()) columns[i].type = type_of(row.values[i]);
    }
  });
  if (!columns.empty()) make(std::move(columns));
}

std::uint64_t RowWriter::write(Session& session, FlowFile file, std::vector<RejectedRecord>& rejected) {
  std::uint64_t rows = 0;
  const auto visit = [&](const Row& row) {
    auto reason = row.error.size > 0 ? std::string(view(row.error)) : insert(row);
    if (reason.empty()) {
      ++rows;
    } else {
      rejected.push_back({row.record, std::move(reason)});
    }
  };
  (insert_ ? values_ : records_).run(session, file, visit);
  return rows;
}

std::string RowWriter::insert(const Row& row) {
  if (!object_.read(view(row.json))) return object_.error();
  if (!insert_) return "a record without fields makes no table";
  if (own_columns_ && !object_.unknown().empty())
    return "the field " + decode_json_string(object_.unknown()) + " has no column in " + place();
  for (const auto column : key_columns_) {
    if (row.values[column].type == ValueType::null)
      return "the key " + settings_.columns[static_cast<std::size_t>(column)].first + " is NULL";
  }
  for (std::size_t i = 0; i < affinities_.size(); ++i) {
    auto reason = bind(insert_, static_cast<int>(i) + 1, row.values[i], affinities_[i]);
    if (!reason.empty()) return settings_.columns[i].first + ": " + reason;
  }
  try {
    insert_.step();
  } catch (const Error& error) {
    if (!error.about_the_row()) throw;
    return error.what();
  }
  return {};
}

}  // namespace weir::sqlite
