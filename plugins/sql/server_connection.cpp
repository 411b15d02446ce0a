#include "server_connection.h"

#include <algorithm>

namespace weir::db {

namespace {

/// What is collected before it is written: enough that a round trip costs little, little enough for any server.
constexpr std::size_t kMostRows = 2000;
constexpr std::size_t kMostBytes = 512 * 1024;

}  // namespace

void ServerConnection::need_connection() {
  if (!connected()) connect();
}

std::uint64_t ServerConnection::begin() {
  if (open_) return last_;
  const bool was_connected = connected();
  need_connection();
  try {
    begin_transaction();
  } catch (const Unavailable&) {
    if (!was_connected || connected()) throw;
    connect();  // it was idle, and cut in the meantime
    begin_transaction();
  }
  open_ = true;
  return ++last_;
}

void ServerConnection::commit() {
  if (!open_) return;
  try {
    end_transaction();
    open_ = false;
  } catch (...) {
    roll_back();
    throw;
  }
}

void ServerConnection::roll_back() noexcept {
  if (!open_) return;
  try {
    execute("ROLLBACK");
  } catch (const std::exception&) {
    // Then the connection is gone, and the transaction with it.
  }
  open_ = false;
  lost_.insert(last_);
}

void ServerConnection::note_dropped() noexcept {
  if (!open_) return;
  open_ = false;
  lost_.insert(last_);
}

void ServerConnection::as_a_whole(const std::function<void(std::uint64_t transaction)>& work) {
  const auto transaction = begin();
  try {
    work(transaction);
  } catch (...) {
    roll_back();
    throw;
  }
}

void ServerConnection::guarded(const std::function<void()>& work) {
  execute("SAVEPOINT weir_rows");
  try {
    work();
  } catch (const RowError&) {
    execute("ROLLBACK TO SAVEPOINT weir_rows");
    throw;
  }
  execute("RELEASE SAVEPOINT weir_rows");
}

std::string RowBuffer::add(const Value* values, std::uint32_t file, std::uint32_t record) {
  const auto size = text_.size();
  const auto cells = cells_.size();
  for (std::size_t i = 0; i < types_.size(); ++i) {
    const auto offset = text_.size();
    if (values[i].type == ValueType::null) {
      cells_.push_back({offset, kNull});
      continue;
    }
    if (auto reason = convert(values[i], types_[i], text_); !reason.empty()) {
      text_.resize(size);
      cells_.resize(cells);
      return names_[i] + ": " + reason;
    }
    cells_.push_back({offset, text_.size() - offset});
  }
  origins_.emplace_back(file, record);
  return {};
}

std::optional<std::string_view> RowBuffer::at(std::size_t row, std::size_t column) const {
  const auto& cell = cells_[row * types_.size() + column];
  if (cell.size == kNull) return std::nullopt;
  return std::string_view(text_).substr(cell.offset, cell.size);
}

Refusal RowBuffer::refusal(std::size_t row, std::string message) const {
  return {origins_[row].first, origins_[row].second, std::move(message)};
}

void RowBuffer::clear() noexcept {
  text_.clear();
  cells_.clear();
  origins_.clear();
}

std::string BufferedInserter::add(const Value* values, std::uint32_t file, std::uint32_t record) {
  auto reason = rows_.add(values, file, record);
  if (rows_.rows() == kMostRows || rows_.bytes() >= kMostBytes) {
    write_halves(0, rows_.rows());
    rows_.clear();
  }
  return reason;
}

void BufferedInserter::finish(std::vector<Refusal>& refused) {
  write_halves(0, rows_.rows());
  rows_.clear();
  refused.insert(refused.end(), std::make_move_iterator(refused_.begin()), std::make_move_iterator(refused_.end()));
  refused_.clear();
}

void BufferedInserter::clear() noexcept {
  rows_.clear();
  refused_.clear();
}

std::vector<As> BufferedInserter::reads() const {
  std::vector<As> reads;
  for (std::size_t i = 0; i < rows_.columns(); ++i)
    reads.push_back(rows_.type(i).category == Category::time ? As::time : As::any);
  return reads;
}

void BufferedInserter::write_halves(std::size_t first, std::size_t count) {
  if (count == 0) return;
  try {
    return connection_.guarded([&] { write(rows_, first, count); });
  } catch (const RowError& error) {
    if (count == 1) {
      refused_.push_back(rows_.refusal(first, error.what()));
      return;
    }
  }
  write_halves(first, count / 2);
  write_halves(first + count / 2, count - count / 2);
}

}  // namespace weir::db
