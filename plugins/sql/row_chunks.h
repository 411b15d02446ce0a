#pragma once
// Rows as the JSON lines of FlowFiles.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "connection.h"
#include "weir/session.h"

namespace weir::db {

/// The present row of the cursor as a JSON object.
void append_row(const Cursor& cursor, std::string& to);

/// Collects the rows of one session: chunks of lines, or a FlowFile each, all to `success`.
class RowChunks {
 public:
  struct Settings {
    bool each = false;
    std::uint64_t size = 1;  ///< of a chunk, in bytes
    std::string table;       ///< the attribute sql.table, if it is not empty
    std::string pass = {};   ///< the attribute sql.pass, if it is not empty
  };
  RowChunks(Session& session, const Settings& settings) : session_(session), settings_(settings) {}

  /// `change`: the attribute sql.change, if it is not empty; each kind has chunks of its own.
  void add(std::string_view json, std::string_view change = {});
  /// Sends what is still open. Without it, the session is to be thrown away.
  void finish();
  std::uint64_t rows() const { return rows_; }

 private:
  struct Open {
    FlowFile file;
    std::uint32_t records = 0;
  };
  FlowFile create(std::string_view change);
  void send(const Open& open);

  Session& session_;
  const Settings& settings_;
  std::map<std::string, Open, std::less<>> open_;  ///< by kind of change
  std::uint64_t rows_ = 0;
};

}  // namespace weir::db
