#pragma once
// A connection to MariaDB or MySQL. Every wait has a bound: a server that does not answer in time counts as lost.

#include <string>
#include <vector>

#include "server_connection.h"

struct st_mysql;
struct st_mysql_res;

namespace weir::db {

class Mariadb final : public ServerConnection {
 public:
  Mariadb(Address address, Login login);
  ~Mariadb() override;

  Dialect dialect() const override { return Dialect::mariadb; }
  const std::string& url() const override { return address_.display; }
  std::optional<std::vector<Column>> describe(const std::string& table) override;
  void create(const std::string& table, const std::vector<NewColumn>& columns,
              const std::vector<std::string>& key) override;
  std::string table_name(const std::string& table) const override;
  std::unique_ptr<Inserter> inserter(const std::string& table, const std::vector<Column>& columns,
                                     const std::vector<std::string>& key, const std::string& version) override;
  std::unique_ptr<Inserter> statement(const std::string& sql, const std::vector<std::string>& names) override;
  std::unique_ptr<Cursor> select(const Selection& selection) override;
  void execute(const std::string& sql) override;
  std::vector<Texts> query(const std::string& sql, const std::vector<std::string>& parameters) override;

  /// @name For its inserters and cursors
  /// @{
  st_mysql* handle() const { return handle_; }
  /// Appends the text as a literal of the session's character set.
  void append_literal(std::string_view text, std::string& sql) const;
  /// Throws what an error of the server or the library means.
  [[noreturn]] void fail(unsigned number, const std::string& state, const std::string& message);
  void check(int result);
  /// Sends the SQL; the result of a SELECT is then to be read to its end.
  void send(std::string_view sql);
  /// Largest statement that the server takes, in bytes.
  std::size_t max_packet() const { return max_packet_; }
  void drop() noexcept;
  /// @}

 protected:
  bool connected() const override { return handle_ != nullptr; }
  void connect() override;
  void begin_transaction() override { execute("START TRANSACTION"); }
  void end_transaction() override { execute("COMMIT"); }

 private:
  std::vector<Texts> rows_of(const std::string& sql);
  std::string key_collation();

  const Address address_;
  const Login login_;
  st_mysql* handle_ = nullptr;
  std::size_t max_packet_ = 0;
};

/// What a column's type, as information_schema names it (COLUMN_TYPE), takes.
ServerType mariadb_type(const std::string& type);

}  // namespace weir::db
