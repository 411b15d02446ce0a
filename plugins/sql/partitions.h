#pragma once
// Partitions of a table that are delivered as a whole, again and again: of each, only rows of its highest version stay.

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "connection.h"
#include "weir/sql.h"

namespace weir::db {

class Partitions {
 public:
  using NamedColumn = std::pair<std::string, std::size_t>;  ///< in the table, and its place in a row

  /// No partitions: every row is admitted.
  Partitions() = default;
  Partitions(Connection& connection, const std::string& table, std::vector<NamedColumn> partition, NamedColumn version);

  explicit operator bool() const { return connection_ != nullptr; }

  /// Whether a row is to be written. The first of a higher version than the table's deletes the partition's rows of
  /// lower ones, in the open transaction, after `write_out`. Where false, an empty `objection` says that the row's
  /// version is over.
  bool admits(const Value* values, const std::function<void()>& write_out, std::string& objection);
  /// The places in a row that decide of it: those of the partition, then the version's.
  std::vector<std::size_t> places() const;
  /// The transaction was taken back: what is known of the table is not.
  void forget() noexcept { known_.clear(); }

 private:
  struct Known {
    std::string version;
    bool over;
  };

  Connection* connection_ = nullptr;
  std::vector<NamedColumn> partition_;
  NamedColumn version_;
  std::string find_higher_;
  std::string delete_lower_;
  std::map<std::vector<std::string>, Known> known_;  ///< by partition, of the version last met
  std::vector<std::string> key_;                     ///< of the row at hand
};

}  // namespace weir::db
