#include "inbox.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>
#include <utility>

#include "weir/errors.h"

namespace weir::mqtt {
namespace {

constexpr std::string_view kExtension = ".inbox";
constexpr std::size_t kMaxSpare = 3;  ///< trimmed segments kept for use; more are deleted

void sync_folder(const std::filesystem::path& folder) {
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  ::fsync(file);
  ::close(file);
}

int open_folder(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file >= 0) return file;
  throw std::filesystem::filesystem_error("cannot open", folder, std::error_code(errno, std::system_category()));
}

/// The number in a file's name, "12.inbox".
bool number_of(const std::filesystem::path& path, std::uint64_t* number) {
  if (path.extension() != kExtension) return false;
  const auto stem = path.stem().string();
  const auto [end, error] = std::from_chars(stem.data(), stem.data() + stem.size(), *number);
  return error == std::errc{} && end == stem.data() + stem.size();
}

}  // namespace

Inbox::Own::Own(const std::filesystem::path& folder) : file_(open_folder(folder)) {
  if (::flock(file_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(file_);
  throw Unavailable("the inbox " + folder.string() +
                    " is still in use by this source as it was before it was terminated, and waited for");
}

Inbox::Own::~Own() {
  ::close(file_);
}

Inbox::Inbox(std::filesystem::path folder, Durability durability, std::uint64_t segment_size)
    : folder_(std::move(folder)), own_(folder_), durability_(durability), segment_size_(segment_size) {
  for (const auto& file : std::filesystem::directory_iterator(folder_)) {
    std::uint64_t number = 0;
    if (!number_of(file.path(), &number)) continue;
    file_number_ = std::max(file_number_, number);
    auto segment = Segment::open(file.path());
    if (segment && segment->in_use()) {
      segments_.push_back(std::move(segment));
    } else if (segment && segment->size() == segment_size_ && spare_.size() < kMaxSpare) {
      spare_.push_back(std::move(segment));
    } else {
      std::filesystem::remove(file.path());
    }
  }
  std::ranges::sort(segments_, {}, [](const auto& s) { return s->first_sequence(); });
  std::uint64_t base = 0;
  for (const auto& segment : segments_) {
    segment->base = base;
    segment->scan([this](const Entry& entry) {
      switch (entry.kind) {
        case EntryKind::message:
          if (entry.message.qos == 2) open_.insert(entry.message.packet_id);
          break;
        case EntryKind::released:
          open_.erase(entry.message.packet_id);
          break;
        case EntryKind::open:
          open_.clear();
          for (std::size_t i = 0; i + 2 <= entry.message.payload.size(); i += 2) {
            std::uint16_t id = 0;
            std::memcpy(&id, entry.message.payload.data() + i, sizeof id);
            open_.insert(id);
          }
          break;
      }
    });
    base += segment->used();
    next_ = std::max(next_, segment->next_sequence());
    segment->release_memory();
  }
  if (!segments_.empty()) position_ = segments_.front()->first_sequence();
  reserve();
}

Inbox::~Inbox() = default;

std::unique_ptr<Segment> Inbox::make_segment(std::uint64_t size) {
  auto segment = Segment::create(folder_ / (std::to_string(++file_number_) + std::string(kExtension)), size);
  if (segment && durability_ == Durability::power) sync_folder(folder_);
  return segment;
}

void Inbox::reserve() {
  if (!spare_.empty()) return;
  if (auto segment = make_segment(segment_size_)) spare_.push_back(std::move(segment));
}

/// Makes a segment with room for the entry the one that is appended to.
bool Inbox::roll(std::uint64_t entry_size) {
  std::string ids;
  for (const auto id : open_) ids.append(reinterpret_cast<const char*>(&id), sizeof id);
  const Message open{.topic = {}, .properties = {}, .payload = ids};
  const auto needed = Segment::kHeaderSize + Segment::entry_size(open) + entry_size;
  std::unique_ptr<Segment> segment;
  if (needed > segment_size_) {
    segment = make_segment(needed);
  } else if (!spare_.empty()) {
    segment = std::move(spare_.back());
    spare_.pop_back();
  } else {
    segment = make_segment(segment_size_);
  }
  if (!segment) return false;
  const auto base = end_bytes();
  // Whoever reads far behind gets the pages again when it comes there; till then they are not this process's memory.
  if (segments_.size() > 2 && reader_ != segments_.back().get()) segments_.back()->release_memory();
  segment->begin(next_);
  segment->base = base;
  segment->append(EntryKind::open, next_++, open);
  segments_.push_back(std::move(segment));
  active_ = true;
  reserve();
  return true;
}

Inbox::Appended Inbox::append_entry(EntryKind kind, const Message& message) {
  const auto size = Segment::entry_size(message);
  if (failed_ || message.topic.size() > 0xffff) return {};
  if ((!active_ || !segments_.back()->has_room(size)) && !roll(size)) return {};
  segments_.back()->append(kind, next_++, message);
  return {.stored = true,
          .wake = kind == EntryKind::message && std::exchange(waiting_, false),
          .reserve = !spare_.empty(),
          .bytes = kept_bytes()};
}

Inbox::Appended Inbox::append(const Message& message) {
  std::unique_lock lock(mutex_);
  auto appended = append_entry(EntryKind::message, message);
  if (!appended.stored || durability_ == Durability::process) return appended;
  // Only this thread appends, and a segment that is appended to is never trimmed.
  const auto* segment = segments_.back().get();
  lock.unlock();
  const bool synced = segment->sync();
  lock.lock();
  if (!synced) failed_ = true;
  appended.stored = synced;
  return appended;
}

Inbox::Appended Inbox::append_once(const Message& message) {
  {
    std::lock_guard lock(mutex_);
    if (open_.contains(message.packet_id)) return {.stored = true};
  }
  const auto appended = append(message);
  if (appended.stored) {
    std::lock_guard lock(mutex_);
    open_.insert(message.packet_id);
  }
  return appended;
}

bool Inbox::release(std::uint16_t packet_id) {
  std::lock_guard lock(mutex_);
  const auto found = open_.find(packet_id);
  if (found == open_.end()) return true;
  // Not synced: after a power cut the broker releases it again, and what is open too long loses nothing.
  if (!append_entry(EntryKind::released, {.topic = {}, .properties = {}, .payload = {}, .packet_id = packet_id}).stored)
    return false;
  open_.erase(found);
  return true;
}

std::vector<std::uint16_t> Inbox::open_exchanges() const {
  std::lock_guard lock(mutex_);
  return {open_.begin(), open_.end()};
}

Segment* Inbox::find(std::uint64_t sequence) const {
  for (const auto& segment : segments_) {
    if (sequence < segment->next_sequence()) return segment.get();
  }
  return nullptr;
}

/// Finds the segment and offset of position_; steps over what is missing.
void Inbox::locate_reader() {
  reader_ = find(position_);
  if (reader_ == nullptr) {
    position_bytes_ = end_bytes();
    return;
  }
  position_ = std::max(position_, reader_->first_sequence());
  offset_ = Segment::kHeaderSize;
  Entry entry;
  for (auto sequence = reader_->first_sequence(); sequence < position_; ++sequence) {
    if (!reader_->read(offset_, sequence, false, &entry)) break;
    offset_ = entry.end;
  }
  position_bytes_ = reader_->base + offset_;
}

std::uint64_t Inbox::seek(std::uint64_t position) {
  std::lock_guard lock(mutex_);
  std::uint64_t damaged = 0;
  auto expected = position;
  for (const auto& segment : segments_) {
    if (segment->next_sequence() <= expected) continue;
    if (segment->first_sequence() > expected) damaged += segment->first_sequence() - expected;
    expected = segment->next_sequence();
  }
  // The state may know more sequences than the folder, if the folder was lost: they must not come a second time.
  if (position > next_) {
    next_ = position;
    active_ = false;
  }
  position_ = position;
  std::erase_if(marks_, [position](const Mark& mark) { return mark.position > position; });
  locate_reader();
  if (marks_.empty()) trimmed_bytes_ = std::max(trimmed_bytes_, position_bytes_);
  return damaged;
}

void Inbox::start_reading() {
  std::lock_guard lock(mutex_);
  visible_ = next_;
  // A segment that was read to its end may have been trimmed since; the one that holds position_ stays until that is
  // durable, so what follows needs no lock.
  locate_reader_if_left();
}

void Inbox::locate_reader_if_left() {
  if (reader_ == nullptr || position_ >= reader_->next_sequence()) locate_reader();
  reader_end_ = reader_ == nullptr ? position_ : std::min(visible_, reader_->next_sequence());
}

bool Inbox::next_entry(Entry* entry) {
  if (position_ >= reader_end_) {
    if (position_ >= visible_) return false;
    std::lock_guard lock(mutex_);
    locate_reader_if_left();
    if (position_ >= reader_end_) return false;
  }
  if (!reader_->read(offset_, position_, false, entry)) return false;
  ++position_;
  offset_ = entry->end;
  return true;
}

/// False if the reader must not go to wait: something came while it found nothing, and woke nobody.
bool Inbox::stop_reading(bool wait) {
  std::lock_guard lock(mutex_);
  if (reader_ != nullptr) position_bytes_ = reader_->base + offset_;
  if (marks_.empty() || marks_.back().position != position_) marks_.push_back({position_, position_bytes_});
  if (wait && next_ > visible_) return false;
  waiting_ = wait;
  return true;
}

bool Inbox::has_more() const {
  std::lock_guard lock(mutex_);
  return position_ < next_;
}

std::uint64_t Inbox::position() const {
  std::lock_guard lock(mutex_);
  return position_;
}

void Inbox::trim(std::uint64_t position) {
  std::lock_guard lock(mutex_);
  while (!marks_.empty() && marks_.front().position <= position) {
    trimmed_bytes_ = marks_.front().bytes;
    marks_.pop_front();
  }
  while (!segments_.empty() && segments_.front()->next_sequence() <= position && !(active_ && segments_.size() == 1)) {
    auto segment = std::move(segments_.front());
    segments_.pop_front();
    if (reader_ == segment.get()) reader_ = nullptr;
    if (segment->size() == segment_size_ && spare_.size() < kMaxSpare) {
      segment->release_memory();
      spare_.push_back(std::move(segment));
    } else {
      segment->remove();
    }
  }
}

std::uint64_t Inbox::end_bytes() const {
  return segments_.empty() ? position_bytes_ : segments_.back()->base + segments_.back()->used();
}

std::uint64_t Inbox::kept_bytes() const {
  const auto end = end_bytes();
  return end - std::min(end, trimmed_bytes_);
}

std::uint64_t Inbox::bytes() const {
  std::lock_guard lock(mutex_);
  return kept_bytes();
}

bool Inbox::has_reserve() const {
  std::lock_guard lock(mutex_);
  return !failed_ && !spare_.empty();
}

bool Inbox::try_reserve() {
  std::lock_guard lock(mutex_);
  reserve();
  return !failed_ && !spare_.empty();
}

bool Inbox::failed() const {
  std::lock_guard lock(mutex_);
  return failed_;
}

}  // namespace weir::mqtt
