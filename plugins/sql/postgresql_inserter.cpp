// How rows get into PostgreSQL: by COPY where it can, else by a prepared statement in a pipeline.

#include <algorithm>
#include <atomic>

#include "libpq.h"
#include "postgresql.h"

namespace weir::db {

namespace {

std::string quoted(std::string_view name) {
  std::string result = "\"";
  for (const char c : name) {
    if (c == '"') result += '"';
    result += c;
  }
  return result + '"';
}

std::string list(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + quoted(name);
  return text;
}

void append_hex(std::string_view bytes, std::string& to) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    to += kDigits[byte >> 4];
    to += kDigits[byte & 15];
  }
}

/// COPY's text format ("COPY", File Formats): tabs between values, \N for NULL, backslashes before what would end one.
class CopyInserter final : public BufferedInserter {
 public:
  CopyInserter(Postgresql& connection, RowBuffer rows, std::string sql)
      : BufferedInserter(connection, std::move(rows)), connection_(connection), sql_(std::move(sql)) {}

 protected:
  void write(const RowBuffer& rows, std::size_t first, std::size_t count) override {
    text_.clear();
    for (std::size_t r = first; r < first + count; ++r) {
      for (std::size_t c = 0; c < rows.columns(); ++c) {
        if (c > 0) text_ += '\t';
        append(rows.at(r, c), rows.type(c).category);
      }
      text_ += '\n';
    }
    connection_.sent(libpq().sendQuery(connection_.handle(), sql_.c_str()));
    auto ready = connection_.next();
    if (libpq().resultStatus(ready.get()) != PGRES_COPY_IN) {
      connection_.finish();
      connection_.fail(ready.get());
    }
    connection_.sent(libpq().putCopyData(connection_.handle(), text_.data(), static_cast<int>(text_.size())));
    connection_.sent(libpq().putCopyEnd(connection_.handle(), nullptr));
    connection_.finish();
  }

 private:
  void append(std::optional<std::string_view> value, Category category) {
    if (!value) {
      text_ += "\\N";
    } else if (category == Category::bytes) {
      text_ += "\\\\x";
      append_hex(*value, text_);
    } else {
      for (const char c : *value) {
        switch (c) {
          case '\\':
            text_ += "\\\\";
            break;
          case '\n':
            text_ += "\\n";
            break;
          case '\r':
            text_ += "\\r";
            break;
          case '\t':
            text_ += "\\t";
            break;
          default:
            text_ += c;
        }
      }
    }
  }

  Postgresql& connection_;
  const std::string sql_;
  std::string text_;
};

/// Executions of one prepared statement, sent without waiting for their answers.
class PipelineInserter final : public BufferedInserter {
 public:
  /// `parameters`: which column of a row each parameter takes.
  PipelineInserter(Postgresql& connection, RowBuffer rows, std::string sql, std::vector<std::size_t> parameters)
      : BufferedInserter(connection, std::move(rows)),
        connection_(connection),
        sql_(std::move(sql)),
        parameters_(std::move(parameters)),
        name_("weir_" + std::to_string(++last_)) {}

 protected:
  void write(const RowBuffer& rows, std::size_t first, std::size_t count) override {
    prepare();
    connection_.sent(libpq().enterPipelineMode(connection_.handle()));
    for (std::size_t r = first; r < first + count; ++r) send(rows, r);
    connection_.sent(libpq().pipelineSync(connection_.handle()));
    Postgresql::Result error;
    while (true) {  // for each execution its results and a null; the sync's result ends it
      auto result = connection_.next();
      if (!result) continue;
      const auto status = libpq().resultStatus(result.get());
      if (status == PGRES_PIPELINE_SYNC) break;
      if (status == PGRES_FATAL_ERROR && !error) error = std::move(result);
      if (libpq().status(connection_.handle()) == CONNECTION_BAD) connection_.sent(0);
    }
    connection_.sent(libpq().exitPipelineMode(connection_.handle()));
    if (error) connection_.fail(error.get());
  }

 private:
  void prepare() {
    if (generation_ == connection_.generation()) return;
    connection_.sent(libpq().sendPrepare(connection_.handle(), name_.c_str(), sql_.c_str(), 0, nullptr));
    connection_.finish();
    generation_ = connection_.generation();
  }

  void send(const RowBuffer& rows, std::size_t row) {
    texts_.resize(parameters_.size());
    values_.assign(parameters_.size(), nullptr);
    for (std::size_t p = 0; p < parameters_.size(); ++p) {
      const auto value = rows.at(row, parameters_[p]);
      if (!value) continue;
      texts_[p].clear();
      if (rows.type(parameters_[p]).category == Category::bytes) {
        texts_[p] += "\\x";
        append_hex(*value, texts_[p]);
      } else {
        texts_[p] += *value;
      }
      values_[p] = texts_[p].c_str();
    }
    connection_.sent(libpq().sendQueryPrepared(connection_.handle(), name_.c_str(), static_cast<int>(values_.size()),
                                               values_.data(), nullptr, nullptr, 0));
  }

  static inline std::atomic<unsigned> last_ = 0;
  Postgresql& connection_;
  const std::string sql_;
  const std::vector<std::size_t> parameters_;
  const std::string name_;
  std::uint64_t generation_ = 0;
  std::vector<std::string> texts_;
  std::vector<const char*> values_;
};

}  // namespace

/// Says it now, instead of with the first record.
void Postgresql::require_unique(const std::string& table, std::vector<std::string> key) {
  const auto unique = query(
      "SELECT string_agg(a.attname, '\"' ORDER BY a.attname COLLATE \"C\") FROM pg_index i JOIN pg_attribute a ON "
      "a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]) WHERE i.indrelid = to_regclass(?) "
      "AND "
      "i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL GROUP BY i.indexrelid",
      {table_name(table)});
  std::sort(key.begin(), key.end());
  std::string wanted;
  for (const auto& name : key) wanted += (wanted.empty() ? "" : "\"") + name;
  if (std::any_of(unique.begin(), unique.end(), [&](const auto& row) { return row[0] == wanted; })) return;
  throw Misconfigured("key: table " + table + " of " + url() +
                      " has neither a primary key nor a unique index on just these columns");
}

std::unique_ptr<Inserter> Postgresql::inserter(const std::string& table, const std::vector<Column>& columns,
                                               const std::vector<std::string>& key, const std::string& version) {
  std::vector<ServerType> types;
  std::vector<std::string> names;
  for (const auto& column : columns) {
    types.push_back(postgresql_type(column.type));
    names.push_back(column.name);
  }
  const auto into = table_name(table) + (key.empty() ? " (" : " AS old (") + list(names) + ")";
  if (key.empty())
    return std::make_unique<CopyInserter>(*this, RowBuffer(std::move(types), names), "COPY " + into + " FROM STDIN");
  std::string places;
  std::string sets;
  std::vector<std::size_t> parameters;
  for (std::size_t i = 0; i < names.size(); ++i) {
    places += (i == 0 ? "$" : ", $") + std::to_string(i + 1);
    parameters.push_back(i);
    if (std::find(key.begin(), key.end(), names[i]) == key.end())
      sets += (sets.empty() ? "" : ", ") + quoted(names[i]) + " = EXCLUDED." + quoted(names[i]);
  }
  const auto sql = "INSERT INTO " + into + " VALUES (" + places + ") ON CONFLICT (" + list(key) + ") DO " +
                   (sets.empty() ? "NOTHING" : "UPDATE SET " + sets) +
                   (version.empty() ? ""
                                    : " WHERE EXCLUDED." + quoted(version) + " >= old." + quoted(version) + " OR old." +
                                          quoted(version) + " IS NULL");
  require_unique(table, key);
  return std::make_unique<PipelineInserter>(*this, RowBuffer(std::move(types), std::move(names)), sql,
                                            std::move(parameters));
}

std::unique_ptr<Inserter> Postgresql::statement(const std::string& sql, const std::vector<std::string>& names) {
  auto parsed = parameterise(sql, names, Dialect::postgresql);
  need_connection();
  sent(libpq().sendPrepare(handle_, "weir_describe", parsed.sql.c_str(), 0, nullptr));
  finish();
  sent(libpq().sendDescribePrepared(handle_, "weir_describe"));
  const auto description = finish();
  std::string oids;
  for (int i = 0; i < libpq().nparams(description.get()); ++i)
    oids += (i == 0 ? "" : ",") + std::to_string(libpq().paramtype(description.get(), i));
  std::vector<ServerType> types(names.size());
  const auto rows =
      query("SELECT format_type(oid, NULL) FROM unnest(?::oid[]) WITH ORDINALITY AS t (oid, i) ORDER BY i",
            {"{" + oids + "}"});
  for (std::size_t i = 0; i < rows.size() && i < parsed.parameters.size(); ++i)
    types[parsed.parameters[i]] = postgresql_type(*rows[i][0]);
  execute("DEALLOCATE weir_describe");
  return std::make_unique<PipelineInserter>(*this, RowBuffer(std::move(types), names), std::move(parsed.sql),
                                            std::move(parsed.parameters));
}

}  // namespace weir::db
