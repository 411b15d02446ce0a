#pragma once
// A connection to PostgreSQL. Every wait has a bound: a server that does not answer in time counts as lost.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "server_connection.h"

struct pg_conn;
struct pg_result;

namespace weir::db {

class Postgresql final : public ServerConnection {
 public:
  struct Clear {
    void operator()(pg_result* result) const;
  };
  using Result = std::unique_ptr<pg_result, Clear>;

  Postgresql(Address address, Login login);
  ~Postgresql() override;

  Dialect dialect() const override { return Dialect::postgresql; }
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
  pg_conn* handle() const { return handle_; }
  /// After a send: throws if it could not be sent.
  void sent(int ok);
  /// The next result of what was sent; null after the last. Throws for none of the server's errors.
  Result next();
  /// Throws what an error of the server means.
  [[noreturn]] void fail(const pg_result* result);
  /// Reads the results up to their end; throws for the first that is an error, else returns the last.
  Result finish();
  /// Closes it: what was under way is not to be trusted any more.
  void drop() noexcept;
  /// @}

 protected:
  bool connected() const override { return handle_ != nullptr; }
  void connect() override;
  void begin_transaction() override;
  void end_transaction() override;

 private:
  [[noreturn]] void fail_to_connect(const std::string& message) const;
  void wait(bool to_write, std::chrono::steady_clock::time_point deadline);
  void require_unique(const std::string& table, std::vector<std::string> key);
  [[noreturn]] void lost(const std::string& why);

  const Address address_;
  const Login login_;
  pg_conn* handle_ = nullptr;
};

/// What a column's type, as format_type() names it, takes.
ServerType postgresql_type(const std::string& type);

}  // namespace weir::db
