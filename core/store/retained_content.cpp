#include "store/retained_content.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <limits>

namespace weir::store {

namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
/// A file is closed at this part of its source's bounds, so that what is kept beyond them is no more than one file.
constexpr std::uint64_t kParts = 8;
constexpr std::uint64_t kSmallestFile = 64ULL << 10;
constexpr std::uint64_t kLargestFile = 32ULL << 20;
/// Files removed with an epoch, at most: what is too much melts away, and nobody waits.
constexpr std::size_t kRemovedAnEpoch = 4;

std::int64_t now_in_nanoseconds() {
  // Real time, as for everything about epochs.
  return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::uint64_t file_size(const Retention& retention) {
  return std::clamp(retention.keep_bytes / kParts, kSmallestFile, kLargestFile);
}

}  // namespace

std::filesystem::path retained_name(std::uint64_t number) {
  return fmt::format("{:016x}.ret", number);
}

std::uint64_t retained_number(const std::filesystem::path& file) {
  const auto name = file.filename().string();
  std::uint64_t number = 0;
  if (name.size() != 20 || !name.ends_with(".ret")) return 0;
  const auto result = std::from_chars(name.data(), name.data() + 16, number, 16);
  return result.ec == std::errc() && result.ptr == name.data() + 16 ? number : 0;
}

std::map<std::uint64_t, RetainedFile> read_retained_files(Database& database) {
  std::map<std::uint64_t, RetainedFile> files;
  Statement rows(database, "SELECT file, processor, bytes, begun, until, crc, packed FROM retained");
  while (rows.step()) {
    RetainedFile file{rows.small_integer(1), rows.unsigned_integer(2), rows.integer(3), rows.integer(4), {}};
    if (crc32c(rows.blob(6)) != static_cast<std::uint32_t>(rows.integer(5))) {
      throw Malformed(fmt::format("the row of retained/{} is not what was written",
                                  retained_name(rows.unsigned_integer(0)).string()));
    }
    for (Decoder in(rows.blob(6)); !in.at_end();) {
      const auto connection = static_cast<std::uint32_t>(in.varint());
      const auto first = in.varint();
      file.kept.push_back({connection, first, first + in.varint()});
    }
    files.emplace(rows.unsigned_integer(0), std::move(file));
  }
  return files;
}

RetainedContent::RetainedContent(Database& database, std::filesystem::path folder, Files& files,
                                 std::function<bool()> has_room)
    : folder_(std::move(folder)),
      files_(files),
      has_room_(std::move(has_room)),
      put_row_(database, "INSERT OR REPLACE INTO retained VALUES(?, ?, ?, ?, ?, ?, ?)"),
      delete_row_(database, "DELETE FROM retained WHERE file = ?"),
      has_folder_(std::filesystem::exists(folder_)),
      durable_(read_retained_files(database)) {
  if (!durable_.empty()) last_ = durable_.rbegin()->first;
  for (const auto& [number, file] : durable_) tails_[file.processor].number = number;  // the newest
  if (!has_folder_) return;
  bool has_removed = false;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    const auto number = retained_number(entry.path());
    last_ = std::max(last_, number);
    if (number == 0 || durable_.contains(number)) continue;
    files_.remove(entry.path());
    has_removed = true;
  }
  // One of an epoch that was not written must not come back by a power cut under a number that is used again.
  if (has_removed) files_.sync_directory(folder_);
}

void RetainedContent::retain(std::uint32_t processor, const Retention& retention) {
  const std::lock_guard lock(mutex_);
  retentions_[processor] = retention;
}

std::uint64_t RetainedContent::bytes() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t bytes = 0;
  for (const auto& [number, file] : durable_) bytes += file.bytes;
  return bytes;
}

BatchRef RetainedContent::read(std::uint32_t connection, std::uint64_t sequence, const std::string& name,
                               ContentFiles& content) {
  std::unique_ptr<File> file;
  std::uint64_t end = 0;
  std::uint64_t number = 0;
  std::optional<std::uint64_t> lowest;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [each, of] : durable_) {
      for (const auto& range : of.kept) {
        if (range.connection != connection) continue;
        lowest = std::min(lowest.value_or(range.first), range.first);
        if (sequence < range.first || sequence >= range.next) continue;
        number = each;
        end = of.bytes;
      }
    }
    // Opened while it is certainly there; it may go while it is read.
    if (number != 0 && std::filesystem::exists(path(number))) file = files_.open(path(number));
  }
  const auto place = fmt::format("the content of {}:{}", name, sequence);
  if (!lowest) {
    throw NotRetained(fmt::format(
        "{} is not kept: Weir keeps content where it leaves a source, unless the source says `retain: none`. `weir "
        "provenance ancestors {}:{}` names what it came from",
        place, name, sequence));
  }
  if (sequence < *lowest) {
    throw NotRetained(
        fmt::format("{} is no longer there: what is kept of it begins at {}. The source's `retain:` says "
                    "how long and how much",
                    place, *lowest));
  }
  const auto lost =
      fmt::format("{} was kept, but is lost, as content may be that was written just before a power cut", place);
  if (number != 0 && file == nullptr) throw NotRetained(lost);
  try {
    auto batch = number == 0 ? nullptr : read_retained(*file, end, connection, sequence, content);
    if (batch != nullptr) return batch;
  } catch (const Malformed& error) {
    throw NotRetained(fmt::format("{} (retained/{}: {})", lost, retained_name(number).string(), error.what()));
  }
  throw NotRetained(
      fmt::format("{} was not kept: it came faster than is kept without a `retain:` of its own, was larger "
                  "than {} MiB, or the disk was short",
                  place, RetainedFileWriter::kLargestKept >> 20));
}

const RetainedFile& RetainedContent::known(const Tail& tail) const {
  if (const auto pending = pending_.find(tail.number); pending != pending_.end()) return pending->second;
  const auto durable = durable_.find(tail.number);
  return durable == durable_.end() ? tail.empty : durable->second;
}

/// Goes on with a file of an earlier start.
void RetainedContent::reopen(Tail& tail, const RetainedFile& file) {
  auto reopened = std::filesystem::exists(path(tail.number)) ? files_.modify(path(tail.number)) : nullptr;
  const auto size = reopened == nullptr ? 0 : reopened->size();
  if (reopened == nullptr || size < file.bytes) return;  // lost in a power cut
  if (size > file.bytes) {
    // Of an epoch that was not written. Its bytes must not come back by a power cut in the midst of new ones.
    reopened->truncate(file.bytes);
    reopened->sync();
  }
  tail.writer.emplace(std::move(reopened), file.bytes);
}

/// Sees to it that the file that grows is there and has room.
void RetainedContent::open_tail(std::uint32_t processor, const Retention& retention, std::int64_t now) {
  auto& tail = tails_[processor];
  if (tail.number != 0) {
    const auto& file = known(tail);
    const auto too_old =
        retention.keep_for > 0 && now - file.begun > retention.keep_for / static_cast<std::int64_t>(kParts);
    if (file.bytes < file_size(retention) && !too_old) {
      if (!tail.writer) reopen(tail, file);
      if (tail.writer) return;
    }
  }
  if (!has_folder_) {
    std::error_code error;
    std::filesystem::create_directory(folder_, error);
    const auto what = fmt::format("creating {}: {}", folder_.string(), error.message());
    if (error == std::errc::no_space_on_device) throw DiskFull(what);
    if (error) throw IoError(what);
    has_folder_ = true;
  }
  if (tail.writer) tail.writer->flush();
  tail.writer.reset();
  tail.number = ++last_;
  tail.writer.emplace(files_.create(path(tail.number)), 0);
  tail.empty = {processor, 0, now, 0, {}};
}

void RetainedContent::write(std::span<const RetainedBatch> batches) {
  const auto now = now_in_nanoseconds();
  if (!batches.empty() && !has_room_()) {
    batches = {};
    give_up_oldest();
  }
  try {
    for (const auto& batch : batches) {
      Retention retention;
      {
        const std::lock_guard lock(mutex_);
        retention = retentions_[batch.processor];
      }
      if (retention.keep_bytes == 0) continue;
      open_tail(batch.processor, retention, now);
      auto& tail = tails_.at(batch.processor);
      auto& file = pending_.try_emplace(tail.number, known(tail)).first->second;
      tail.writer->append(batch, file.kept);
      file.bytes = tail.writer->end();
      file.until = retention.keep_for == 0 ? kNever : now + retention.keep_for;
    }
    for (auto& [processor, tail] : tails_) {
      if (tail.writer) tail.writer->flush();
    }
  } catch (const DiskFull&) {
    rolled_back();
    give_up_oldest();
  }
  trim(now);
}

/// Chooses what goes with this epoch.
void RetainedContent::trim(std::int64_t now) {
  std::map<std::uint32_t, std::uint64_t> bytes;  // by processor, with what this epoch adds
  for (const auto& [number, file] : durable_) bytes[file.processor] += file.bytes;
  for (const auto& [number, file] : pending_) {
    const auto before = durable_.find(number);
    bytes[file.processor] += file.bytes - (before == durable_.end() ? 0 : before->second.bytes);
  }
  const std::lock_guard lock(mutex_);
  for (const auto& [number, file] : durable_) {
    if (removing_.size() == kRemovedAnEpoch) return;
    if (pending_.contains(number)) continue;
    // Those of a source that no flow has now stay for their time.
    const auto retention = retentions_.find(file.processor);
    const bool too_much = retention != retentions_.end() && bytes[file.processor] > retention->second.keep_bytes;
    if (file.until >= now && !too_much) continue;
    bytes[file.processor] -= file.bytes;
    removing_.push_back(number);
  }
}

void RetainedContent::write_rows() {
  for (const auto& [number, file] : pending_) {
    packed_.clear();
    for (const auto& range : file.kept) {
      packed_.varint(range.connection);
      packed_.varint(range.first);
      packed_.varint(range.next - range.first);
    }
    put_row_.bind(1, number).bind(2, file.processor).bind(3, file.bytes).bind(4, file.begun).bind(5, file.until);
    put_row_.bind(6, crc32c(packed_.view())).bind_blob(7, packed_.view()).run();
  }
  for (const auto number : removing_) delete_row_.bind(1, number).run();
}

void RetainedContent::committed() {
  {
    const std::lock_guard lock(mutex_);
    for (auto& [number, file] : pending_) durable_[number] = std::move(file);
    for (const auto number : removing_) durable_.erase(number);
  }
  pending_.clear();
  for (const auto number : removing_) {
    std::erase_if(tails_, [&](const auto& tail) { return tail.second.number == number; });
    files_.remove(path(number));
  }
  removing_.clear();
}

void RetainedContent::rolled_back() {
  for (auto& [number, file] : pending_) {
    auto& tail = tails_.at(file.processor);
    const auto before = durable_.find(number);
    const auto end = before == durable_.end() ? 0 : before->second.bytes;
    tail.number == number ? tail.writer->go_back(end) : files_.modify(path(number))->truncate(end);
  }
  pending_.clear();
  removing_.clear();
}

bool RetainedContent::give_up_oldest() {
  const auto oldest = std::find_if(durable_.begin(), durable_.end(), [&](const auto& entry) {
    return entry.second.bytes > 0 && !pending_.contains(entry.first);
  });
  if (oldest == durable_.end()) return false;
  std::erase_if(tails_, [&](const auto& tail) { return tail.second.number == oldest->first; });
  files_.remove(path(oldest->first));
  // Its row goes with the next epoch.
  const std::lock_guard lock(mutex_);
  oldest->second.bytes = 0;
  oldest->second.until = 0;
  oldest->second.kept.clear();
  return true;
}

}  // namespace weir::store
