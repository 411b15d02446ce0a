#include "store/epoch_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "store/schema.h"

namespace weir::store {

namespace {

constexpr std::int64_t kBulletinsKept = 10'000;
constexpr std::uint64_t kLargestRow = 0xffff'ffffU;

}  // namespace

EpochWriter::EpochWriter(Database& database, ContentFiles& content, RetainedContent& retained, const Options& options,
                         QueueIndex& index, std::mutex& mutex)
    : database_(database),
      content_(content),
      retained_(retained),
      inline_limit_(options.inline_limit),
      index_(index),
      mutex_(mutex),
      begin_(database, "BEGIN IMMEDIATE"),
      commit_(database, "COMMIT"),
      insert_row_(database, "INSERT INTO entries VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)"),
      delete_rows_(database, "DELETE FROM entries WHERE row BETWEEN ? AND ?"),
      connection_(database,
                  "UPDATE connections SET next = ?, cursor = ?, cursor_offset = ?, aside = ? WHERE number = ?"),
      connection_name_(database,
                       "INSERT INTO connections VALUES(?, ?, 0, 0, 0, x'') "
                       "ON CONFLICT(number) DO UPDATE SET name = excluded.name"),
      processor_name_(database,
                      "INSERT INTO processors VALUES(?, ?) ON CONFLICT(number) DO UPDATE SET name = excluded.name"),
      bulletin_(database, "INSERT INTO bulletins(time, processor, level, message) VALUES(?, ?, ?, ?)"),
      old_bulletins_(database, "DELETE FROM bulletins WHERE row <= ?"),
      epoch_(database, "UPDATE header SET epoch = ?, provenance_bytes = ? WHERE one = 1"),
      states_(database),
      lineage_(database, options),
      last_row_(database.number("SELECT max(row) FROM entries")) {}

void EpochWriter::write(const Epoch& epoch, const NameChanges& names, void (*failpoint)(Failpoint)) {
  const auto at = [&](Failpoint step) {
    if (failpoint != nullptr) failpoint(step);
  };
  at(Failpoint::before_content);
  write_large_contents(epoch);
  retained_.write(epoch.retained);
  at(Failpoint::after_content);
  inserted_.clear();
  deleted_.clear();
  pending_row_ = last_row_;
  try {
    begin_.run();
    at(Failpoint::after_begin);
    write_names(names);
    for (const auto& change : epoch.connections) write_connection(change);
    delete_rows();
    at(Failpoint::after_queues);
    write_states(epoch);
    at(Failpoint::after_state);
    lineage_.write(epoch);
    write_bulletins(epoch);
    retained_.write_rows();
    epoch_.bind(1, epoch.number).bind(2, lineage_.bytes()).run();
    at(Failpoint::before_commit);
    commit_.run();
  } catch (...) {
    roll_back();
    throw;
  }
  at(Failpoint::after_commit);
  apply(epoch);
  at(Failpoint::after_cleanup);
}

void EpochWriter::roll_back() {
  states_.rolled_back();
  lineage_.rolled_back();
  retained_.rolled_back();
  // SQLite may have rolled back by itself; if it cannot, the next BEGIN says so.
  if (database_.in_transaction()) {
    try {
      database_.execute("ROLLBACK");
    } catch (const DatabaseError&) {
    }
  }
}

bool EpochWriter::still_written(const Written& written) {
  return content_.exists(written.name.segment) && !written.arenas.empty() &&
         std::none_of(written.arenas.begin(), written.arenas.end(), [](const auto& arena) { return arena.expired(); });
}

void EpochWriter::write_large_contents(const Epoch& epoch) {
  std::erase_if(written_, [&](const auto& entry) { return !still_written(entry.second); });
  std::vector<std::string_view> pieces;
  std::vector<const Batch*> batches;
  for (const auto& change : epoch.connections) {
    for (const auto& segment : change.appended) {
      if (segment.offset + std::uint64_t{segment.count} > segment.batch->items.size()) {
        throw std::logic_error("an epoch appends entries beyond the end of their batch");
      }
      for (std::uint32_t i = 0; i < segment.count; ++i) {
        const auto& item = segment.batch->items[segment.offset + i];
        if (item.size <= inline_limit_ || (item.flags & abi::kExternal) != 0) continue;
        // The name comes when all are written; the same content in two connections is written once.
        if (!written_.try_emplace({item.data, item.size}).second) continue;
        pieces.emplace_back(item.data, item.size);
        batches.push_back(segment.batch.get());
      }
    }
  }
  if (pieces.empty()) return;
  try {
    auto externals = content_.write(pieces);
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      auto& external = externals[i];
      auto& written = written_[{pieces[i].data(), pieces[i].size()}];
      written.name = {external.file->segment(), external.offset, external.size};
      written.arenas.assign(batches[i]->arenas.begin(), batches[i]->arenas.end());
      just_written_.push_back(std::move(external.file));
    }
  } catch (...) {
    for (const auto piece : pieces) written_.erase({piece.data(), piece.size()});
    throw;
  }
}

void EpochWriter::write_names(const NameChanges& names) {
  // Out of the way first: a renaming may give one the old name of another.
  for (const auto& [table, changes] :
       {std::pair("connections", &names.connections), {"processors", &names.processors}}) {
    for (const auto& [number, name] : *changes) {
      database_.execute(fmt::format("UPDATE {} SET name = '/renamed/' || number WHERE number = {}", table, number));
    }
  }
  for (const auto& [number, name] : names.connections) connection_name_.bind(1, number).bind_text(2, name).run();
  for (const auto& [number, name] : names.processors) processor_name_.bind(1, number).bind_text(2, name).run();
}

void EpochWriter::write_connection(const ConnectionChange& change) {
  const auto known = [&] {
    const std::lock_guard lock(mutex_);  // names are given at any time
    return index_.find(change.connection);
  }();
  if (known == index_.end()) throw std::logic_error(fmt::format("connection {} has no name", change.connection));
  const auto& connection = known->second;
  auto end = connection.next;
  for (const auto& segment : change.appended) {
    if (segment.first < end) {
      throw std::logic_error(fmt::format("{}: {} is appended, but {} was before", connection.id, segment.first, end));
    }
    for (std::uint32_t i = 0; i < segment.count; ++i) {
      const auto& item = segment.batch->items[segment.offset + i];
      const auto sequence = segment.first + i;
      if (!packer_.empty() && (packer_.full() || sequence - packer_.first() >= kLargestRow)) {
        insert_row(change.connection);
      }
      if ((item.flags & abi::kExternal) != 0) {
        const auto& external = external_of(item);
        const ContentName name{external.file->segment(), external.offset, external.size};
        packer_.add(sequence, item, &name);
      } else if (item.size > inline_limit_) {
        packer_.add(sequence, item, &written_.at({item.data, item.size}).name);
      } else {
        packer_.add(sequence, item, nullptr);
      }
    }
    end = segment.first + segment.count;
  }
  if (!packer_.empty()) insert_row(change.connection);
  if (end > change.next || change.cursor > change.next) {
    throw std::logic_error(fmt::format("{}: its end is {}, before what it holds", connection.id, change.next));
  }

  for (const auto& [first, row] : connection.rows) {
    if (first >= change.cursor) break;
    if (!any_alive(first, row.count, change.cursor, change.next, change.held, change.retry)) {
      deleted_.push_back({change.connection, first, row.row});
    }
  }
  const auto aside = pack_aside(change.held, change.retry);
  connection_.bind(1, change.next).bind(2, change.cursor).bind(3, change.cursor_offset);
  connection_.bind_blob(4, aside).bind(5, change.connection).run();
}

void EpochWriter::insert_row(std::uint32_t connection) {
  auto packed = packer_.finish();
  const auto segments = pack_segments(packed.segments);
  const auto row = ++pending_row_;
  insert_row_.bind(1, row).bind(2, connection).bind(3, packed.first).bind(4, packed.count).bind(5, packed.bytes);
  insert_row_.bind(6, packed.records).bind(7, crc32c(packed.blob));
  if (segments.empty()) {
    insert_row_.bind_null(8);
  } else {
    insert_row_.bind_blob(8, segments);
  }
  insert_row_.bind_blob(9, packed.blob).run();
  inserted_.push_back(
      {connection, packed.first, {row, packed.count, packed.bytes, packed.records, std::move(packed.segments)}});
}

void EpochWriter::delete_rows() {
  std::sort(deleted_.begin(), deleted_.end(), [](const Deleted& a, const Deleted& b) { return a.row < b.row; });
  for (std::size_t i = 0; i < deleted_.size();) {
    auto end = i + 1;
    while (end < deleted_.size() && deleted_[end].row == deleted_[end - 1].row + 1) ++end;
    delete_rows_.bind(1, deleted_[i].row).bind(2, deleted_[end - 1].row).run();
    i = end;
  }
}

void EpochWriter::write_states(const Epoch& epoch) {
  std::map<std::uint32_t, std::vector<const StateEntries*>> by_processor;
  for (const auto& change : epoch.states) {
    if (!change.entries.empty()) by_processor[change.processor].push_back(&change.entries);
  }
  for (const auto& [processor, changes] : by_processor) states_.write(epoch.number, processor, changes);
}

void EpochWriter::write_bulletins(const Epoch& epoch) {
  if (epoch.bulletins.empty()) return;
  for (const auto& bulletin : epoch.bulletins) {
    bulletin_.bind(1, bulletin.time).bind(2, bulletin.processor).bind(3, bulletin.level);
    bulletin_.bind_text(4, bulletin.message).run();
  }
  old_bulletins_.bind(1, database_.last_row() - kBulletinsKept).run();
}

void EpochWriter::apply(const Epoch& epoch) {
  states_.committed();
  lineage_.committed();
  retained_.committed();
  last_row_ = pending_row_;
  const std::lock_guard lock(mutex_);
  for (auto& inserted : inserted_) {
    for (const auto& use : inserted.row.segments) content_.retain(use.segment);
    auto& rows = index_.at(inserted.connection).rows;
    rows.emplace_hint(rows.end(), inserted.first, std::move(inserted.row));
  }
  for (const auto& deleted : deleted_) {
    auto& rows = index_.at(deleted.connection).rows;
    const auto row = rows.find(deleted.first);
    for (const auto& use : row->second.segments) content_.release(use.segment);
    rows.erase(row);
  }
  for (const auto& change : epoch.connections) {
    auto& connection = index_.at(change.connection);
    connection.next = change.next;
    connection.cursor = change.cursor;
    connection.cursor_offset = change.cursor_offset;
    connection.held = change.held;
    connection.retry = change.retry;
  }
  just_written_.clear();
}

}  // namespace weir::store
