// The rows of a SELECT in MariaDB, as JSON: row by row, as they come over the line.

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include "libmariadb.h"
#include "mariadb.h"
#include "selection.h"

namespace weir::db {

namespace {

constexpr unsigned kBinaryCharset = 63;

struct Field {
  std::string name;
  enum_field_types type;
  bool binary;
  bool json;
  bool single;    ///< FLOAT: 24 bits of mantissa, read as a double
  bool numbered;  ///< ENUM, SET: ordered by their numbers, though read as text
};

std::vector<Field> fields_of(MYSQL_RES* result) {
  std::vector<Field> fields;
  const auto* raw = libmariadb().fetch_fields(result);
  for (unsigned i = 0; i < libmariadb().num_fields(result); ++i) {
    MARIADB_CONST_STRING format{};
    const bool json = raw[i].type == MYSQL_TYPE_JSON ||
                      (libmariadb().field_attr(&format, &raw[i], MARIADB_FIELD_ATTR_FORMAT_NAME) == 0 &&
                       std::string_view(format.str == nullptr ? "" : format.str, format.length) == "json");
    fields.push_back({std::string(raw[i].name, raw[i].name_length), raw[i].type, raw[i].charsetnr == kBinaryCharset,
                      json, raw[i].type == MYSQL_TYPE_FLOAT, (raw[i].flags & (ENUM_FLAG | SET_FLAG)) != 0});
  }
  return fields;
}

std::string quoted(std::string_view name) {
  std::string text = "`";
  for (const char c : name) text += c == '`' ? "``" : std::string(1, c);
  return text + '`';
}

class MariadbCursor final : public Cursor {
 public:
  /// `fields`: as the columns are, whatever the SQL makes of them.
  MariadbCursor(Mariadb& connection, const std::string& sql, std::vector<Field> fields, bool bounded)
      : connection_(connection), fields_(std::move(fields)), bounded_(bounded) {
    for (const auto& field : fields_) names_.push_back(field.name);
    connection_.send(sql);
    generation_ = connection_.generation();
    result_ = libmariadb().use_result(connection_.handle());
    if (result_ == nullptr) connection_.check(1);
  }
  ~MariadbCursor() override {
    const bool mine = connection_.generation() == generation_ && connection_.handle() != nullptr;
    if (result_ == nullptr || !mine)
      return;  // what belongs to a closed connection was freed with it, but for its frame
    // Freeing reads what is still to come, which may be without end: then the connection is cut first.
    if (!ended_ && !bounded_) ::shutdown(libmariadb().get_socket(connection_.handle()), SHUT_RDWR);
    libmariadb().free_result(result_);
    if (!ended_ && !bounded_) connection_.drop();
  }

  const std::vector<std::string>& names() const override { return names_; }
  bool next() override {
    if (ended_) return false;
    if (connection_.generation() != generation_ || connection_.handle() == nullptr)
      throw Unavailable(connection_.url() + ": the connection was lost while it was read from");
    row_ = libmariadb().fetch_row(result_);
    if (row_ != nullptr) {
      lengths_ = libmariadb().fetch_lengths(result_);
      return true;
    }
    ended_ = true;
    const auto number = libmariadb().error_number(connection_.handle());
    if (number == 0) return false;
    const std::string state = libmariadb().sqlstate(connection_.handle());
    const std::string message = libmariadb().error(connection_.handle());
    libmariadb().free_result(result_);
    result_ = nullptr;
    try {
      connection_.fail(number, state, message);
    } catch (const RowError& failure) {  // it is the query's, not a row's
      throw Misconfigured(connection_.url() + ": the query fails: " + failure.what());
    }
  }
  bool is_null(std::size_t column) const override { return row_[column] == nullptr; }

  void append_json(std::size_t column, std::string& to) const override {
    if (is_null(column)) {
      to += "null";
      return;
    }
    const auto& field = fields_[column];
    switch (field.type) {
      case MYSQL_TYPE_FLOAT: {
        std::array<char, 32> buffer{};
        const auto value = std::strtof(row_[column], nullptr);
        const auto* end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
        return append_json_number({buffer.data(), static_cast<std::size_t>(end - buffer.data())}, to);
      }
      case MYSQL_TYPE_TINY:
      case MYSQL_TYPE_SHORT:
      case MYSQL_TYPE_INT24:
      case MYSQL_TYPE_LONG:
      case MYSQL_TYPE_LONGLONG:
      case MYSQL_TYPE_YEAR:
      case MYSQL_TYPE_DOUBLE:
      case MYSQL_TYPE_DECIMAL:
      case MYSQL_TYPE_NEWDECIMAL:
        return append_json_number(text(column), to);
      case MYSQL_TYPE_BIT:
        to += std::to_string(bits(column));
        return;
      case MYSQL_TYPE_DATETIME:
      case MYSQL_TYPE_TIMESTAMP:
        return append_json_time(text(column), to);
      case MYSQL_TYPE_DATE:
      case MYSQL_TYPE_NEWDATE:
      case MYSQL_TYPE_TIME:
        return append_json_string(text(column), to);
      default:
        if (field.json) return append_json_text(text(column), to);
        if (!field.binary) return append_json_string(text(column), to);
        to += '"';
        append_base64(text(column), to);
        to += '"';
    }
  }

  std::string literal(std::size_t column) const override {
    switch (fields_[column].type) {
      case MYSQL_TYPE_TINY:
      case MYSQL_TYPE_SHORT:
      case MYSQL_TYPE_INT24:
      case MYSQL_TYPE_LONG:
      case MYSQL_TYPE_LONGLONG:
      case MYSQL_TYPE_YEAR:
      case MYSQL_TYPE_DOUBLE:
      case MYSQL_TYPE_FLOAT:
      case MYSQL_TYPE_DECIMAL:
      case MYSQL_TYPE_NEWDECIMAL:
        return std::string(text(column));
      case MYSQL_TYPE_BIT:
        return std::to_string(bits(column));
      default: {
        if (fields_[column].numbered) return std::string(text(number_of(column)));
        std::string sql;
        connection_.append_literal(text(column), sql);
        return sql;
      }
    }
  }

 private:
  std::string_view text(std::size_t column) const { return {row_[column], lengths_[column]}; }
  unsigned long long bits(std::size_t column) const {
    unsigned long long number = 0;
    for (const char c : text(column)) number = number << 8 | static_cast<unsigned char>(c);
    return number;
  }
  /// Where the number of a `numbered` one stands: behind all columns.
  std::size_t number_of(std::size_t column) const {
    const auto before = std::count_if(fields_.begin(), fields_.begin() + static_cast<std::ptrdiff_t>(column),
                                      [](const Field& field) { return field.numbered; });
    return fields_.size() + static_cast<std::size_t>(before);
  }

  Mariadb& connection_;
  const std::vector<Field> fields_;
  const bool bounded_;
  std::uint64_t generation_ = 0;
  MYSQL_RES* result_ = nullptr;
  MYSQL_ROW row_ = nullptr;
  unsigned long* lengths_ = nullptr;
  bool ended_ = false;
  std::vector<std::string> names_;
};

}  // namespace

std::unique_ptr<Cursor> Mariadb::select(const Selection& selection) {
  send("SELECT * FROM " + selection.from + " LIMIT 0");
  auto* none = libmariadb().use_result(handle_);
  if (none == nullptr) check(1);
  auto fields = fields_of(none);
  libmariadb().free_result(none);
  // As text, the server cuts a FLOAT to six digits.
  std::string what;
  for (const auto& field : fields) {
    const auto name = quoted(field.name);
    what += (what.empty() ? "" : ", ") + (field.single ? "CAST(" + name + " AS DOUBLE) AS " + name : name);
  }
  // Compared with text they are compared as text, which is another order than theirs.
  for (const auto& field : fields) {
    if (field.numbered) what += ", " + quoted(field.name) + " + 0";
  }
  const auto sql = select_sql(
      selection, quoted,
      [](std::int64_t microseconds) {
        return "UTC_TIMESTAMP(6) - INTERVAL " + std::to_string(microseconds) + " MICROSECOND";
      },
      what);
  return std::make_unique<MariadbCursor>(*this, sql, std::move(fields), selection.limit != 0);
}

}  // namespace weir::db
