#pragma once
// Writes the records of FlowFiles as rows of the table, or through the author's own statement.

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connection.h"
#include "partitions.h"
#include "weir/context.h"
#include "weir/json.h"
#include "weir/session.h"
#include "weir/sql.h"

namespace weir::db {

struct TableSettings {
  std::string table;
  bool create = true;
  std::vector<std::string> key;                              ///< of an upsert; empty: insert
  std::string version;                                       ///< of an upsert; a row is not replaced by a lower one
  std::vector<std::string> partition;                        ///< of which the rows of lower versions go
  std::vector<std::pair<std::string, std::string>> columns;  ///< name and expression; empty: fields of the same names
  std::string statement;                                     ///< the author's own, instead of a table
  std::vector<std::string> then;                             ///< executed after rows were written, with their values
};

/// What the columns are is known at start, if the author says it, the record is declared or the table exists; else with
/// the first batch. Everything here is called under the connection's lock.
class RowWriter {
 public:
  /// Throws Misconfigured where the table does not suit.
  RowWriter(TableSettings settings, Context context, Connection& connection);

  /// Makes the table, if it is still to be made, by all good records of these. Ends the transaction then.
  void prepare(Session& session, const std::vector<FlowFile>& files);
  /// Writes the records of one input or held FlowFile by finish() at the latest; those that it refuses itself are
  /// appended to `refused`, under the number of the file. Returns how many it did not refuse.
  std::uint64_t add(Session& session, FlowFile file, std::uint32_t number, std::vector<Refusal>& refused);
  /// Now the database has what was added, or has refused it.
  void finish(std::vector<Refusal>& refused);
  /// Forgets what was added and not written.
  void clear() noexcept;

  /// @name Statements that follow the rows
  /// Once finish() has written these: they are executed for each different set of their values.
  /// @{
  bool has_followers() const { return !followers_.empty(); }
  void follow(Session& session, FlowFile file, std::uint32_t number, std::vector<Refusal>& refused);
  void finish_followers(std::vector<Refusal>& refused);
  /// @}
  /// Whether the table is another than it was when its columns were last read.
  bool altered() const;
  /// Reads its columns again, where nothing is added that is not written. Throws Misconfigured where it does not suit
  /// any more.
  void read_columns();
  /// What was deleted of partitions may be there again.
  void forget_partitions() { partitions_.forget(); }

 private:
  void use(const std::vector<Column>& existing);
  void make(std::vector<NewColumn> columns);
  void use_statement();
  void check_key() const;
  void check_names() const;
  void take_fields(Session& session, FlowFile file);
  void prepare_query(const std::vector<As>& reads);
  void prepare_followers();
  void prepare_insert(const std::vector<Column>& columns);
  std::string add(const Row& row, std::uint32_t number, std::vector<Refusal>& refused);
  /// A FlowFile without records is a delivery of its partition too: one of nothing.
  void begin_partition(Session& session, FlowFile file, std::vector<Refusal>& refused);
  std::size_t place_of(const std::vector<Column>& columns, std::string_view property, const std::string& name) const;
  void explain(std::string& reason) const;
  bool same_name(std::string_view a, std::string_view b) const;
  std::string place() const { return "table " + settings_.table + " of " + connection_.url(); }

  TableSettings settings_;
  Context context_;
  Connection& connection_;
  std::optional<std::vector<Column>> existing_;  ///< the table's, as they were last read
  bool own_columns_ = false;  ///< they follow the table or the first record: a field without a column is an error
  std::vector<NewColumn> new_columns_;  ///< of the table that is still to be made
  /// Those of them whose types follow the first batch, not a declaration, and which record of it chose.
  struct Guess {
    std::string name;
    std::string by;
  };
  std::vector<Guess> guessed_;
  weir::Statement records_;  ///< nothing but the records
  weir::Statement values_;
  std::vector<int> key_columns_;
  Partitions partitions_;
  weir::Statement partition_values_;    ///< of a FlowFile without records
  std::unique_ptr<Inserter> inserter_;  ///< null: the table is still to be made
  struct Follower {
    std::vector<std::string> expressions;  ///< of its values
    std::size_t first = 0;                 ///< its first value's place in a row
    std::unique_ptr<Inserter> statement;
    std::set<std::string> done;  ///< sets of values
  };
  std::vector<Follower> followers_;
  JsonObject object_;
};

}  // namespace weir::db
