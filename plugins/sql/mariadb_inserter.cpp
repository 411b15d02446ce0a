// How rows get into MariaDB: many in one INSERT, or one after another through a prepared statement.

#include <algorithm>

#include "libmariadb.h"
#include "mariadb.h"

namespace weir::db {

namespace {

std::string quoted(std::string_view name) {
  std::string result = "`";
  for (const char c : name) {
    if (c == '`') result += '`';
    result += c;
  }
  return result + '`';
}

class InsertInserter final : public BufferedInserter {
 public:
  InsertInserter(Mariadb& connection, RowBuffer rows, std::string before, std::string after)
      : BufferedInserter(connection, std::move(rows)),
        connection_(connection),
        before_(std::move(before)),
        after_(std::move(after)) {}

 protected:
  void write(const RowBuffer& rows, std::size_t first, std::size_t count) override {
    sql_ = before_;
    for (std::size_t r = first; r < first + count; ++r) {
      sql_ += r == first ? "(" : ", (";
      for (std::size_t c = 0; c < rows.columns(); ++c) {
        if (c > 0) sql_ += ", ";
        append(rows.at(r, c), rows.type(c).category);
      }
      sql_ += ')';
    }
    sql_ += after_;
    if (sql_.size() + 1024 > connection_.max_packet())
      throw RowError("larger than the server's max_allowed_packet, " + std::to_string(connection_.max_packet()) +
                     " bytes");
    connection_.send(sql_);
  }

 private:
  void append(std::optional<std::string_view> value, Category category) {
    if (!value) {
      sql_ += "NULL";
      return;
    }
    switch (category) {
      case Category::integer:
      case Category::real:
      case Category::decimal:
        sql_ += *value;
        return;
      case Category::bytes: {
        constexpr std::string_view kDigits = "0123456789abcdef";
        sql_ += "x'";
        for (const char c : *value) {
          const auto byte = static_cast<unsigned char>(c);
          sql_ += kDigits[byte >> 4];
          sql_ += kDigits[byte & 15];
        }
        sql_ += '\'';
        return;
      }
      default:
        connection_.append_literal(*value, sql_);
    }
  }

  Mariadb& connection_;
  const std::string before_;
  const std::string after_;
  std::string sql_;
};

class PreparedInserter final : public BufferedInserter {
 public:
  PreparedInserter(Mariadb& connection, RowBuffer rows, Parameterised parsed)
      : BufferedInserter(connection, std::move(rows)), connection_(connection), parsed_(std::move(parsed)) {
    prepare();
  }
  ~PreparedInserter() override { close(); }

 protected:
  void write(const RowBuffer& rows, std::size_t first, std::size_t count) override {
    prepare();
    std::vector<MYSQL_BIND> bindings(parsed_.parameters.size());
    for (std::size_t r = first; r < first + count; ++r) {
      for (std::size_t p = 0; p < bindings.size(); ++p) {
        const auto value = rows.at(r, parsed_.parameters[p]);
        bindings[p] = MYSQL_BIND{};
        bindings[p].buffer_type = value ? MYSQL_TYPE_STRING : MYSQL_TYPE_NULL;
        if (!value) continue;
        bindings[p].buffer = const_cast<char*>(value->data());  // it is only read
        bindings[p].buffer_length = static_cast<unsigned long>(value->size());
      }
      if (!bindings.empty()) check(libmariadb().stmt_bind_param(statement_, bindings.data()));
      check(libmariadb().stmt_execute(statement_));
      do {
        libmariadb().stmt_free_result(statement_);  // an author's statement may return rows; nobody wants them
      } while (libmariadb().stmt_next_result(statement_) == 0);
      check(static_cast<int>(libmariadb().stmt_errno(statement_)));
    }
  }

 private:
  void close() {
    // One that was prepared on a connection that is gone was detached when that was closed.
    if (statement_ != nullptr) libmariadb().stmt_close(statement_);
    statement_ = nullptr;
  }
  void prepare() {
    if (statement_ != nullptr && generation_ == connection_.generation()) return;
    close();
    statement_ = libmariadb().stmt_init(connection_.handle());
    if (statement_ == nullptr) throw Unavailable(connection_.url() + ": out of memory");
    generation_ = connection_.generation();
    try {
      check(libmariadb().stmt_prepare(statement_, parsed_.sql.data(), static_cast<unsigned long>(parsed_.sql.size())));
    } catch (...) {
      close();
      throw;
    }
  }
  void check(int result) {
    if (result == 0) return;
    const auto number = libmariadb().stmt_errno(statement_);
    const std::string state = libmariadb().stmt_sqlstate(statement_);
    const std::string message = libmariadb().stmt_error(statement_);
    connection_.fail(number, state, message);
  }

  Mariadb& connection_;
  const Parameterised parsed_;
  MYSQL_STMT* statement_ = nullptr;
  std::uint64_t generation_ = 0;
};

}  // namespace

std::unique_ptr<Inserter> Mariadb::inserter(const std::string& table, const std::vector<Column>& columns,
                                            const std::vector<std::string>& key, const std::string& version) {
  std::vector<ServerType> types;
  std::vector<std::string> names;
  std::string list;
  std::string sets;
  const auto old = quoted(version);
  const auto set = [&](const std::string& name) {
    sets += (sets.empty() ? "" : ", ") + name + " = ";
    // Assignments take effect one after another, so the version comes last.
    sets += version.empty()
                ? "VALUES(" + name + ")"
                : "IF(VALUES(" + old + ") >= " + old + " OR " + old + " IS NULL, VALUES(" + name + "), " + name + ")";
  };
  for (const auto& column : columns) {
    types.push_back(mariadb_type(column.type));
    names.push_back(column.name);
    list += (list.empty() ? "" : ", ") + quoted(column.name);
    if (std::find(key.begin(), key.end(), column.name) == key.end() && column.name != version) set(quoted(column.name));
  }
  if (!version.empty()) set(old);
  std::string after;
  if (!key.empty()) {
    // There is no way to name the index that counts; that there is one on the key is checked here.
    const auto dot = table.find('.');
    const auto unique = query(
        "SELECT GROUP_CONCAT(column_name ORDER BY BINARY column_name SEPARATOR '`') FROM information_schema.statistics "
        "WHERE "
        "table_schema = ? AND table_name = ? AND non_unique = 0 GROUP BY index_name",
        {dot == std::string::npos ? address_.database : table.substr(0, dot),
         dot == std::string::npos ? table : table.substr(dot + 1)});
    auto sorted = key;
    std::sort(sorted.begin(), sorted.end());
    std::string wanted;
    for (const auto& name : sorted) wanted += (wanted.empty() ? "" : "`") + name;
    if (std::none_of(unique.begin(), unique.end(), [&](const auto& row) { return row[0] == wanted; }))
      throw Misconfigured("key: table " + table + " of " + url() +
                          " has neither a primary key nor a unique index on just these columns");
    after = " ON DUPLICATE KEY UPDATE " + (sets.empty() ? quoted(key[0]) + " = " + quoted(key[0]) : sets);
  }
  return std::make_unique<InsertInserter>(*this, RowBuffer(std::move(types), std::move(names)),
                                          "INSERT INTO " + table_name(table) + " (" + list + ") VALUES ",
                                          std::move(after));
}

std::unique_ptr<Inserter> Mariadb::statement(const std::string& sql, const std::vector<std::string>& names) {
  need_connection();
  const std::vector<ServerType> types(names.size(), ServerType{.category = Category::parameter});
  return std::make_unique<PreparedInserter>(*this, RowBuffer(types, names), parameterise(sql, names, Dialect::mariadb));
}

}  // namespace weir::db
