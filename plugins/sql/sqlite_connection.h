#pragma once
// A SQLite file as one of the databases. Connections of one process to one file share a Target, and its transaction.

#include <memory>
#include <string>
#include <vector>

#include "connection.h"
#include "target.h"

namespace weir::sqlite {

class Connection final : public db::Connection {
 public:
  explicit Connection(const std::string& path, bool read_only = false)
      : target_(read_only ? Target::open_to_read(path) : Target::open(path)), url_("sqlite:" + target_->path()) {}

  db::Dialect dialect() const override { return db::Dialect::sqlite; }
  const std::string& url() const override { return url_; }
  std::unique_lock<std::mutex> lock() override { return target_->lock(); }
  std::uint64_t begin() override;
  void commit() override;
  void roll_back() noexcept override { target_->roll_back(); }
  bool holds(std::uint64_t transaction) const override { return target_->holds(transaction); }
  void as_a_whole(const std::function<void(std::uint64_t transaction)>& work) override;
  std::optional<std::vector<db::Column>> describe(const std::string& table) override;
  void create(const std::string& table, const std::vector<db::NewColumn>& columns,
              const std::vector<std::string>& key) override;
  std::string table_name(const std::string& table) const override { return quoted(table); }
  std::unique_ptr<db::Inserter> inserter(const std::string& table, const std::vector<db::Column>& columns,
                                         const std::vector<std::string>& key, const std::string& version) override;
  std::unique_ptr<db::Inserter> statement(const std::string& sql, const std::vector<std::string>& names) override;
  std::unique_ptr<db::Cursor> select(const db::Selection& selection) override;
  void execute(const std::string& sql) override;
  std::vector<db::Texts> query(const std::string& sql, const std::vector<std::string>& parameters) override;

 private:
  template <class Work>
  auto translated(Work&& work);

  const std::shared_ptr<Target> target_;
  const std::string url_;
};

}  // namespace weir::sqlite
