// The rows of a SELECT in PostgreSQL, as JSON: row by row, as they come over the line.

#include "libpq.h"
#include "postgresql.h"
#include "selection.h"

namespace weir::db {

namespace {

/// Of pg_type: what is no text in JSON. An array's type is told by its elements'.
enum Type : unsigned {
  kBool = 16,
  kBytea = 17,
  kInt8 = 20,
  kInt2 = 21,
  kInt4 = 23,
  kOidType = 26,
  kJson = 114,
  kFloat4 = 700,
  kFloat8 = 701,
  kTimestamp = 1114,
  kTimestamptz = 1184,
  kNumeric = 1700,
  kJsonb = 3802,
};

/// The type of an array's elements; 0: it is no array that is known here.
unsigned element_of(unsigned array) {
  switch (array) {
    case 1000:
      return kBool;
    case 1001:
      return kBytea;
    case 1005:
      return kInt2;
    case 1007:
      return kInt4;
    case 1016:
      return kInt8;
    case 1021:
      return kFloat4;
    case 1022:
      return kFloat8;
    case 1115:
      return kTimestamp;
    case 1185:
      return kTimestamptz;
    case 1231:
      return kNumeric;
    case 199:
      return kJson;
    case 3807:
      return kJsonb;
    case 1009:  // text
    case 1014:  // char
    case 1015:  // varchar
    case 1182:  // date
    case 2951:  // uuid
      return 25;
    default:
      return 0;
  }
}

int hex(char c) {
  return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

void append_value(unsigned type, std::string_view text, std::string& to);

/// {1,NULL,"a \"quoted\" one",{…}} ("Arrays", Array Input and Output Syntax), perhaps with bounds before it.
void append_array(unsigned element, std::string_view text, std::string& to) {
  if (text.starts_with('[')) text.remove_prefix(text.find('=') + 1);
  std::string value;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '{' || c == '}' || c == ',') {
      to += c == '{' ? '[' : c == '}' ? ']' : ',';
      ++i;
      continue;
    }
    value.clear();
    if (c == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\') ++i;
        value += text[i];
      }
      ++i;
    } else {
      while (i < text.size() && text[i] != ',' && text[i] != '}') value += text[i++];
      if (value == "NULL") {
        to += "null";
        continue;
      }
    }
    append_value(element, value, to);
  }
}

void append_value(unsigned type, std::string_view text, std::string& to) {
  switch (type) {
    case kBool:
      to += text == "t" ? "true" : "false";
      return;
    case kInt2:
    case kInt4:
    case kInt8:
    case kOidType:
      to += text;
      return;
    case kFloat4:
    case kFloat8:
    case kNumeric:
      return append_json_number(text, to);
    case kJson:
    case kJsonb:
      return append_json_text(text, to);
    case kTimestamp:
    case kTimestamptz:
      return append_json_time(text, to);
    case kBytea: {
      std::string bytes;  // \x0a1b…
      for (std::size_t i = 2; i + 1 < text.size(); i += 2)
        bytes += static_cast<char>(hex(text[i]) * 16 + hex(text[i + 1]));
      to += '"';
      append_base64(bytes, to);
      to += '"';
      return;
    }
    default:
      if (const auto element = element_of(type); element != 0) return append_array(element, text, to);
      append_json_string(text, to);
  }
}

class PostgresqlCursor final : public Cursor {
 public:
  PostgresqlCursor(Postgresql& connection, const std::string& sql, bool bounded)
      : connection_(connection), bounded_(bounded) {
    connection_.sent(libpq().sendQuery(connection_.handle(), sql.c_str()));
    libpq().setSingleRowMode(connection_.handle());
    generation_ = connection_.generation();
    advance();
    for (int i = 0; row_ && i < libpq().nfields(row_.get()); ++i) names_.emplace_back(libpq().fname(row_.get(), i));
    for (int i = 0; row_ && i < libpq().nfields(row_.get()); ++i) types_.push_back(libpq().ftype(row_.get(), i));
  }
  ~PostgresqlCursor() override {
    if (ended_ || connection_.generation() != generation_ || connection_.handle() == nullptr) return;
    try {
      if (bounded_) {
        connection_.finish();
      } else {
        connection_.drop();  // what is still to come may be without end
      }
    } catch (const std::exception&) {
      connection_.drop();
    }
  }

  const std::vector<std::string>& names() const override { return names_; }
  bool next() override {
    if (!first_) advance();
    first_ = false;
    return !ended_;
  }
  bool is_null(std::size_t column) const override {
    return libpq().getisnull(row_.get(), 0, static_cast<int>(column)) != 0;
  }
  void append_json(std::size_t column, std::string& to) const override {
    if (is_null(column)) {
      to += "null";
    } else {
      append_value(types_[column], text(column), to);
    }
  }
  std::string literal(std::size_t column) const override {
    std::string sql = "'";
    for (const char c : text(column)) {
      if (c == '\'') sql += '\'';
      sql += c;
    }
    return sql + "'";  // of whatever type it is compared with
  }

 private:
  std::string_view text(std::size_t column) const {
    const int i = static_cast<int>(column);
    return {libpq().getvalue(row_.get(), 0, i), static_cast<std::size_t>(libpq().getlength(row_.get(), 0, i))};
  }
  /// The next row; the last of the results has none, only the columns.
  void advance() {
    if (ended_) return;
    if (connection_.generation() != generation_ || connection_.handle() == nullptr)
      throw Unavailable(connection_.url() + ": the connection was lost while it was read from");
    row_ = connection_.next();
    if (libpq().resultStatus(row_.get()) == PGRES_SINGLE_TUPLE) return;
    ended_ = true;
    if (libpq().resultStatus(row_.get()) == PGRES_FATAL_ERROR) {
      const auto error = std::move(row_);
      if (libpq().status(connection_.handle()) != CONNECTION_BAD) connection_.finish();
      try {
        connection_.fail(error.get());
      } catch (const RowError& failure) {  // it is the query's, not a row's: 1/0
        throw Misconfigured(connection_.url() + ": the query fails: " + failure.what());
      }
    }
    connection_.finish();
  }

  Postgresql& connection_;
  const bool bounded_;
  std::uint64_t generation_ = 0;
  Postgresql::Result row_;
  bool first_ = true;
  bool ended_ = false;
  std::vector<std::string> names_;
  std::vector<unsigned> types_;
};

}  // namespace

std::unique_ptr<Cursor> Postgresql::select(const Selection& selection) {
  need_connection();
  const auto sql = select_sql(
      selection,
      [](std::string_view name) {
        std::string text = "\"";
        for (const char c : name) text += c == '"' ? "\"\"" : std::string(1, c);
        return text + '"';
      },
      [](std::int64_t microseconds) {
        return "CURRENT_TIMESTAMP - interval '" + std::to_string(microseconds) + " microseconds'";
      });
  auto cursor = std::make_unique<PostgresqlCursor>(*this, sql, selection.limit != 0);
  check_names(cursor->names());
  return cursor;
}

}  // namespace weir::db
