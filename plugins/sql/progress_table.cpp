#include "progress_table.h"

#include <cstdlib>

namespace weir::db {

namespace {

struct Tables {
  const char* progress;
  const char* rejected;
};

Tables tables_of(Dialect dialect) {
  switch (dialect) {
    case Dialect::sqlite:
      return {
          "(store_id TEXT NOT NULL, connection TEXT NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (store_id, "
          "connection)) WITHOUT ROWID",
          "(store_id TEXT NOT NULL, connection TEXT NOT NULL, sequence INTEGER NOT NULL, record INTEGER NOT NULL, "
          "message TEXT NOT NULL, PRIMARY KEY (store_id, connection, sequence, record)) WITHOUT ROWID"};
    case Dialect::postgresql:
      return {
          "(store_id text NOT NULL, connection text NOT NULL, next bigint NOT NULL, PRIMARY KEY (store_id, "
          "connection))",
          "(store_id text NOT NULL, connection text NOT NULL, sequence bigint NOT NULL, record bigint NOT NULL, "
          "message text NOT NULL, PRIMARY KEY (store_id, connection, sequence, record))"};
    case Dialect::mariadb:
      break;
  }
  return {
      "(store_id VARCHAR(40) NOT NULL, connection VARCHAR(600) NOT NULL, next BIGINT NOT NULL, PRIMARY KEY "
      "(store_id, connection)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
      "(store_id VARCHAR(40) NOT NULL, connection VARCHAR(600) NOT NULL, sequence BIGINT NOT NULL, record BIGINT "
      "NOT NULL, message LONGTEXT NOT NULL, PRIMARY KEY (store_id, connection, sequence, record)) ENGINE=InnoDB "
      "DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"};
}

std::uint64_t number(const std::optional<std::string>& text) {
  return std::strtoull(text->c_str(), nullptr, 10);
}

/// A message as every database takes it.
std::string storable(std::string message) {
  std::erase(message, '\0');
  return message;
}

}  // namespace

ProgressTable::ProgressTable(Connection& connection, std::string store_id)
    : connection_(connection), store_id_(std::move(store_id)) {
  const auto tables = tables_of(connection_.dialect());
  make_if_missing(connection_, "weir_progress", tables.progress);
  make_if_missing(connection_, "weir_rejected", tables.rejected);
}

std::optional<std::uint64_t> ProgressTable::next(const std::string& connection) {
  // SQLite has locked the whole file when a transaction begins.
  const auto* lock = connection_.dialect() == Dialect::sqlite ? "" : " FOR UPDATE";
  const auto rows =
      connection_.query(std::string("SELECT next FROM weir_progress WHERE store_id = ? AND connection = ?") + lock,
                        {store_id_, connection});
  if (rows.empty()) return std::nullopt;
  return number(rows[0][0]);
}

void ProgressTable::set_next(const std::string& connection, std::uint64_t next) {
  const auto* conflict = connection_.dialect() == Dialect::mariadb
                             ? "ON DUPLICATE KEY UPDATE next = VALUES(next)"
                             : "ON CONFLICT (store_id, connection) DO UPDATE SET next = excluded.next";
  connection_.query(std::string("INSERT INTO weir_progress (store_id, connection, next) VALUES (?, ?, ?) ") + conflict,
                    {store_id_, connection, std::to_string(next)});
}

std::vector<RejectedRecord> ProgressTable::rejected(const std::string& connection, std::uint64_t sequence) {
  std::vector<RejectedRecord> records;
  for (const auto& row : connection_.query("SELECT record, message FROM weir_rejected WHERE store_id = ? AND "
                                           "connection = ? AND sequence = ? ORDER BY record",
                                           {store_id_, connection, std::to_string(sequence)}))
    records.push_back({static_cast<std::uint32_t>(number(row[0])), *row[1]});
  return records;
}

void ProgressTable::reject(const std::string& connection, std::uint64_t sequence,
                           const std::vector<RejectedRecord>& records) {
  for (const auto& [record, message] : records)
    connection_.query(
        "INSERT INTO weir_rejected (store_id, connection, sequence, record, message) VALUES (?, ?, ?, ?, ?)",
        {store_id_, connection, std::to_string(sequence), std::to_string(record), storable(message)});
}

void ProgressTable::forget_before(const std::string& connection, std::uint64_t sequence) {
  connection_.query("DELETE FROM weir_rejected WHERE store_id = ? AND connection = ? AND sequence < ?",
                    {store_id_, connection, std::to_string(sequence)});
}

}  // namespace weir::db
