#include "store/state_log.h"

#include <algorithm>

#include "store/schema.h"

namespace weir::store {

namespace {

constexpr std::uint64_t kSmallestFold = 256 * 1024;
constexpr std::size_t kPartSize = 256 * 1024;

// An entry: the key, then the size of the value plus one and the value; 0 where it was erased.
void put_entry(Encoder& to, std::string_view key, const std::string* value) {
  to.text(key);
  to.varint(value == nullptr ? 0 : value->size() + 1);
  if (value != nullptr) to.bytes(*value);
}

template <typename Visit>
void for_each_entry(std::string_view packed, std::int64_t crc, Visit visit) {
  if (crc32c(packed) != static_cast<std::uint32_t>(crc)) throw Malformed("processor state is not what was written");
  for (Decoder in(packed); !in.at_end();) {
    const auto key = in.text();
    const auto size = in.varint();
    visit(key, size == 0 ? std::optional<std::string_view>() : in.bytes(size - 1));
  }
}

constexpr const char* kReadLog = "SELECT packed, crc FROM state_log WHERE row BETWEEN ? AND ? ORDER BY row";
constexpr const char* kReadSnapshot = "SELECT packed, crc FROM state_snapshot WHERE row BETWEEN ? AND ? ORDER BY row";

}  // namespace

StateLog::StateLog(Database& database)
    : append_(database, "INSERT INTO state_log VALUES(?, ?, ?)"),
      read_log_(database, kReadLog),
      read_snapshot_(database, kReadSnapshot),
      insert_part_(database, "INSERT INTO state_snapshot VALUES(?, ?, ?)"),
      delete_log_(database, "DELETE FROM state_log WHERE row BETWEEN ? AND ?"),
      delete_parts_(database, "DELETE FROM state_snapshot WHERE row BETWEEN ? AND ?") {
  Statement logs(database, "SELECT row >> 40, sum(length(packed)) FROM state_log GROUP BY 1");
  while (logs.step()) sizes_[logs.small_integer(0)].log = logs.unsigned_integer(1);
  Statement parts(database,
                  "SELECT row >> 40, sum(length(packed)), max(row) & 0xffffffffff FROM state_snapshot GROUP BY 1");
  while (parts.step()) {
    auto& size = sizes_[parts.small_integer(0)];
    size.snapshot = parts.unsigned_integer(1);
    size.next_part = parts.unsigned_integer(2) + 1;
  }
}

void StateLog::write(std::uint64_t epoch, std::uint32_t processor, std::span<const StateEntries* const> changes) {
  packed_.clear();
  for (const auto* entries : changes) {
    for (const auto& [key, value] : *entries) put_entry(packed_, key, value ? &*value : nullptr);
  }
  append_.bind(1, clustered(processor, epoch)).bind(2, crc32c(packed_.view())).bind_blob(3, packed_.view()).run();
  auto& size = pending_.emplace(processor, sizes_[processor]).first->second;
  size.log += packed_.size();
  if (size.log > std::max(size.snapshot, kSmallestFold)) fold(processor, size);
}

void StateLog::committed() {
  for (auto& [processor, size] : pending_) sizes_[processor] = size;
  pending_.clear();
}

void StateLog::put_part(std::uint32_t processor, Size& size) {
  if (packed_.size() == 0) return;
  insert_part_.bind(1, clustered(processor, size.next_part++)).bind(2, crc32c(packed_.view()));
  insert_part_.bind_blob(3, packed_.view()).run();
  size.snapshot += packed_.size();
  packed_.clear();
}

void StateLog::fold(std::uint32_t processor, Size& size) {
  std::map<std::string, std::optional<std::string>> changes;
  const ResetAtEnd end_log(read_log_);
  read_log_.bind(1, first_of(processor)).bind(2, last_of(processor));
  while (read_log_.step()) {
    for_each_entry(read_log_.blob(0), read_log_.integer(1), [&](std::string_view key, auto value) {
      changes[std::string(key)] = value ? std::optional<std::string>(*value) : std::nullopt;
    });
  }
  // Both are in the order of their keys: merged part by part, so that no second copy of the state is in memory.
  const auto old_end = clustered(processor, size.next_part);
  size.snapshot = 0;
  packed_.clear();
  auto change = changes.begin();
  const auto put = [&](std::string_view key, const std::string* value) {
    if (value == nullptr) return;
    put_entry(packed_, key, value);
    if (packed_.size() >= kPartSize) put_part(processor, size);
  };
  const auto put_change = [&] {
    put(change->first, change->second ? &*change->second : nullptr);
    ++change;
  };
  std::string kept;
  const ResetAtEnd end_snapshot(read_snapshot_);
  read_snapshot_.bind(1, first_of(processor)).bind(2, old_end - 1);
  while (read_snapshot_.step()) {
    for_each_entry(read_snapshot_.blob(0), read_snapshot_.integer(1), [&](std::string_view key, auto value) {
      while (change != changes.end() && change->first < key) put_change();
      if (change != changes.end() && change->first == key) return put_change();
      kept.assign(value.value_or(""));
      put(key, &kept);
    });
  }
  while (change != changes.end()) put_change();
  put_part(processor, size);
  delete_parts_.bind(1, first_of(processor)).bind(2, old_end - 1).run();
  delete_log_.bind(1, first_of(processor)).bind(2, last_of(processor)).run();
  size.log = 0;
}

std::map<std::string, std::string> read_state(Database& database, std::uint32_t processor) {
  std::map<std::string, std::string> state;
  for (const auto* sql : {kReadSnapshot, kReadLog}) {
    Statement rows(database, sql);
    rows.bind(1, first_of(processor)).bind(2, last_of(processor));
    while (rows.step()) {
      for_each_entry(rows.blob(0), rows.integer(1), [&](std::string_view key, auto value) {
        if (value) {
          state.insert_or_assign(state.end(), std::string(key), std::string(*value));
        } else {
          state.erase(std::string(key));
        }
      });
    }
  }
  return state;
}

}  // namespace weir::store
