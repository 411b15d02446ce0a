#include "lane_place.h"

#include <cstdlib>

namespace weir::db {

namespace {

const char* table_of(Dialect dialect) {
  switch (dialect) {
    case Dialect::sqlite:
      return "(lane TEXT NOT NULL, sink TEXT NOT NULL, generation INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY "
             "(lane, sink)) WITHOUT ROWID";
    case Dialect::postgresql:
      return "(lane text NOT NULL, sink text NOT NULL, generation bigint NOT NULL, next bigint NOT NULL, PRIMARY KEY "
             "(lane, sink))";
    case Dialect::mariadb:
      break;
  }
  return "(lane VARCHAR(500) NOT NULL, sink VARCHAR(200) NOT NULL, generation BIGINT NOT NULL, next BIGINT NOT NULL, "
         "PRIMARY KEY (lane, sink)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";
}

}  // namespace

LanePlace::LanePlace(Connection& connection, std::string lane, std::string sink)
    : connection_(connection), lane_(std::move(lane)), sink_(std::move(sink)) {
  make_if_missing(connection_, "weir_lanes", table_of(connection_.dialect()));
  // One that is cut off in a transaction must not keep the next owner from its rows for long.
  if (connection_.dialect() == Dialect::postgresql)
    connection_.execute("SET idle_in_transaction_session_timeout = '10s'");
  if (connection_.dialect() == Dialect::mariadb)
    connection_.execute("SET SESSION /*M!100303 idle_transaction_timeout = 10, */ autocommit = @@autocommit");
}

std::int64_t LanePlace::claim() {
  connection_.begin();
  try {
    const auto* conflict = connection_.dialect() == Dialect::mariadb
                               ? "ON DUPLICATE KEY UPDATE generation = generation + 1"
                               : "ON CONFLICT (lane, sink) DO UPDATE SET generation = weir_lanes.generation + 1";
    connection_.query(
        std::string("INSERT INTO weir_lanes (lane, sink, generation, next) VALUES (?, ?, 1, 0) ") + conflict,
        {lane_, sink_});
    const auto rows =
        connection_.query("SELECT generation, next FROM weir_lanes WHERE lane = ? AND sink = ?", {lane_, sink_});
    if (rows.empty()) throw Unavailable("weir_lanes does not keep what is put into it");
    generation_ = *rows[0][0];
    const auto next = std::strtoll(rows[0][1]->c_str(), nullptr, 10);
    connection_.commit();
    return next;
  } catch (...) {
    connection_.roll_back();
    throw;
  }
}

bool LanePlace::store(std::int64_t next) {
  // SQLite has locked the whole file when a transaction begins.
  const auto* lock = connection_.dialect() == Dialect::sqlite ? "" : " FOR UPDATE";
  const auto rows = connection_.query(
      std::string("SELECT generation FROM weir_lanes WHERE lane = ? AND sink = ?") + lock, {lane_, sink_});
  if (rows.empty() || *rows[0][0] != generation_) return false;
  connection_.query("UPDATE weir_lanes SET next = ? WHERE lane = ? AND sink = ?", {std::to_string(next), lane_, sink_});
  return true;
}

}  // namespace weir::db
