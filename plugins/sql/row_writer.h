#pragma once
// Writes the records of a FlowFile as rows of the table.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "progress_table.h"
#include "table.h"
#include "target.h"
#include "weir/context.h"
#include "weir/json.h"
#include "weir/session.h"
#include "weir/sql.h"

namespace weir::sqlite {

struct TableSettings {
  std::string table;
  bool create = true;
  std::vector<std::string> key;                              ///< of an upsert; empty: insert
  std::vector<std::pair<std::string, std::string>> columns;  ///< name and expression; empty: fields of the same names
};

/// What the columns are is known at start, if the author says it, the record is declared or the table exists; else with
/// the first record. Everything here is called under the target's lock.
class RowWriter {
 public:
  /// Throws Misconfigured where the table does not suit, and Error.
  RowWriter(TableSettings settings, Context context, std::shared_ptr<Target> target);

  /// Makes the table, if it is still to be made, from the first good record. Ends the target's transaction then.
  void prepare(Session& session, FlowFile file);
  /// Inserts the records of one input or held FlowFile, but for those that it rejects. Throws Error for what is not a
  /// record's fault. Returns the rows written.
  std::uint64_t write(Session& session, FlowFile file, std::vector<RejectedRecord>& rejected);

 private:
  void use(const std::vector<Column>& existing);
  void make(std::vector<Column> columns);
  void prepare_query();
  void prepare_insert();
  std::string insert(const Row& row);
  std::string place() const { return "table " + settings_.table + " of " + target_->path(); }

  TableSettings settings_;
  Context context_;
  const std::shared_ptr<Target> target_;
  bool own_columns_ = false;  ///< they follow the table or the first record: a field without a column is an error
  weir::Statement records_;   ///< nothing but the records
  weir::Statement values_;
  std::vector<Affinity> affinities_;
  std::vector<int> key_columns_;
  Statement insert_;  ///< null: the table is still to be made
  JsonObject object_;
};

}  // namespace weir::sqlite
