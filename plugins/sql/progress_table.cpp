#include "progress_table.h"

namespace weir::sqlite {

namespace {

Database& with_tables(Database& database) {
  database.execute(
      "CREATE TABLE IF NOT EXISTS weir_progress (store_id TEXT NOT NULL, connection TEXT NOT NULL, next INTEGER NOT "
      "NULL, PRIMARY KEY (store_id, connection)) WITHOUT ROWID;"
      "CREATE TABLE IF NOT EXISTS weir_rejected (store_id TEXT NOT NULL, connection TEXT NOT NULL, sequence INTEGER "
      "NOT "
      "NULL, record INTEGER NOT NULL, message TEXT NOT NULL, PRIMARY KEY (store_id, connection, sequence, record)) "
      "WITHOUT ROWID");
  return database;
}

std::int64_t number(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}

}  // namespace

ProgressTable::ProgressTable(Database& database, std::string store_id)
    : store_id_(std::move(store_id)),
      select_next_(with_tables(database), "SELECT next FROM weir_progress WHERE store_id = ? AND connection = ?"),
      upsert_next_(database,
                   "INSERT INTO weir_progress (store_id, connection, next) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET "
                   "next = excluded.next"),
      select_rejected_(database,
                       "SELECT record, message FROM weir_rejected WHERE store_id = ? AND connection = ? AND sequence = "
                       "? ORDER BY record"),
      insert_rejected_(database,
                       "INSERT OR REPLACE INTO weir_rejected (store_id, connection, sequence, record, message) VALUES "
                       "(?, ?, ?, ?, ?)"),
      delete_rejected_(database, "DELETE FROM weir_rejected WHERE store_id = ? AND connection = ? AND sequence < ?") {}

std::optional<std::uint64_t> ProgressTable::next(const std::string& connection) {
  select_next_.bind(1, std::string_view(store_id_));
  select_next_.bind(2, std::string_view(connection));
  std::optional<std::uint64_t> next;
  if (select_next_.step()) next = static_cast<std::uint64_t>(select_next_.integer(0));
  select_next_.reset();
  return next;
}

void ProgressTable::set_next(const std::string& connection, std::uint64_t next) {
  upsert_next_.bind(1, std::string_view(store_id_));
  upsert_next_.bind(2, std::string_view(connection));
  upsert_next_.bind(3, number(next));
  upsert_next_.step();
}

std::vector<RejectedRecord> ProgressTable::rejected(const std::string& connection, std::uint64_t sequence) {
  select_rejected_.bind(1, std::string_view(store_id_));
  select_rejected_.bind(2, std::string_view(connection));
  select_rejected_.bind(3, number(sequence));
  std::vector<RejectedRecord> records;
  while (select_rejected_.step())
    records.push_back({static_cast<std::uint32_t>(select_rejected_.integer(0)), std::string(select_rejected_.text(1))});
  return records;
}

void ProgressTable::reject(const std::string& connection, std::uint64_t sequence,
                           const std::vector<RejectedRecord>& records) {
  insert_rejected_.bind(1, std::string_view(store_id_));
  insert_rejected_.bind(2, std::string_view(connection));
  insert_rejected_.bind(3, number(sequence));
  for (const auto& [record, message] : records) {
    insert_rejected_.bind(4, static_cast<std::int64_t>(record));
    insert_rejected_.bind(5, std::string_view(message));
    insert_rejected_.step();
  }
}

void ProgressTable::forget_before(const std::string& connection, std::uint64_t sequence) {
  delete_rejected_.bind(1, std::string_view(store_id_));
  delete_rejected_.bind(2, std::string_view(connection));
  delete_rejected_.bind(3, number(sequence));
  delete_rejected_.step();
}

}  // namespace weir::sqlite
