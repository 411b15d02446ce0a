// The rows of a SELECT in SQLite, as JSON.

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "selection.h"
#include "server_values.h"
#include "sqlite_connection.h"
#include "weir/json.h"

namespace weir::sqlite {

namespace {

std::string shortest(double value) {
  std::array<char, 32> buffer{};
  return {buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr};
}

bool is_json(std::string_view text) {
  weir::detail::JsonWalker walker(text);
  walker.space();
  if (!walker.value()) return false;
  walker.space();
  return walker.at_end();
}

std::string hex_literal(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string sql = "x'";
  for (const char c : bytes) {
    sql += kDigits[static_cast<unsigned char>(c) >> 4];
    sql += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return sql + '\'';
}

class RowCursor final : public db::Cursor {
 public:
  RowCursor(std::shared_ptr<Target> target, Statement statement)
      : target_(std::move(target)), statement_(std::move(statement)) {
    for (int i = 0; i < statement_.columns(); ++i) {
      names_.emplace_back(statement_.name(i));
      std::string type(statement_.declared_type(i));
      std::transform(type.begin(), type.end(), type.begin(), [](char c) { return c >= 'a' && c <= 'z' ? c - 32 : c; });
      types_.push_back(type == "BOOLEAN" || type == "BOOL" ? Kind::boolean : type == "JSON" ? Kind::json : Kind::any);
    }
    db::check_names(names_);
  }
  const std::vector<std::string>& names() const override { return names_; }
  bool next() override {
    try {
      return statement_.step();
    } catch (const Error& error) {
      raise(error, target_->path());
    }
  }
  bool is_null(std::size_t column) const override { return type(column) == SQLITE_NULL; }

  void append_json(std::size_t column, std::string& to) const override {
    const int i = static_cast<int>(column);
    switch (type(column)) {
      case SQLITE_NULL:
        to += "null";
        break;
      case SQLITE_INTEGER: {
        const auto value = statement_.integer(i);
        if (types_[column] == Kind::boolean && (value == 0 || value == 1)) {
          to += value != 0 ? "true" : "false";
        } else {
          to += std::to_string(value);
        }
        break;
      }
      case SQLITE_FLOAT:
        if (std::isfinite(statement_.real(i))) {
          to += shortest(statement_.real(i));
        } else {
          to += statement_.real(i) > 0 ? "\"Infinity\"" : "\"-Infinity\"";
        }
        break;
      case SQLITE_BLOB:
        to += '"';
        db::append_base64(statement_.blob(i), to);
        to += '"';
        break;
      default:
        if (types_[column] == Kind::json && is_json(statement_.text(i))) {
          db::append_json_text(statement_.text(i), to);
        } else {
          db::append_json_string(statement_.text(i), to);
        }
    }
  }

  std::string literal(std::size_t column) const override {
    const int i = static_cast<int>(column);
    switch (type(column)) {
      case SQLITE_INTEGER:
        return std::to_string(statement_.integer(i));
      case SQLITE_FLOAT: {
        if (!std::isfinite(statement_.real(i))) return statement_.real(i) > 0 ? "9e999" : "-9e999";
        auto text = shortest(statement_.real(i));
        return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
      }
      case SQLITE_BLOB:
        return hex_literal(statement_.blob(i));
      default: {
        const auto text = statement_.text(i);
        // SQL ends at its first NUL.
        if (text.find('\0') != std::string_view::npos) return "CAST(" + hex_literal(text) + " AS TEXT)";
        std::string sql = "'";
        for (const char c : text) {
          if (c == '\'') sql += '\'';
          sql += c;
        }
        return sql + '\'';
      }
    }
  }

 private:
  enum class Kind { any, boolean, json };
  int type(std::size_t column) const { return statement_.type(static_cast<int>(column)); }

  const std::shared_ptr<Target> target_;
  Statement statement_;
  std::vector<std::string> names_;
  std::vector<Kind> types_;
};

}  // namespace

std::unique_ptr<db::Cursor> Connection::select(const db::Selection& selection) {
  const auto sql = db::select_sql(
      selection, [](std::string_view name) { return quoted(name); },
      [](std::int64_t) -> std::string {
        throw Misconfigured("delay: SQLite's times are text or numbers of the author's; leave `delay` out");
      });
  try {
    return std::make_unique<RowCursor>(target_, Statement(target_->database(), sql));
  } catch (const Error& error) {
    raise(error, target_->path());
  }
}

}  // namespace weir::sqlite
