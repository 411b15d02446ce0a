#include "store/content_files.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>

#include "store/encoding.h"
#include "store/piece.h"
#include "store/store.h"

namespace weir::store {

namespace {

constexpr std::size_t kWriteBuffer = 256 * 1024;

class SegmentFile final : public ContentFile {
 public:
  SegmentFile(std::shared_ptr<File> file, std::uint64_t segment) : file_(std::move(file)), segment_(segment) {}
  std::uint64_t segment() const override { return segment_; }
  std::uint64_t read(std::uint64_t offset, char* to, std::uint64_t size) const override {
    return file_->read(offset, to, size);
  }
  std::shared_ptr<const char> map(std::uint64_t offset, std::uint64_t size) const override;

 private:
  std::shared_ptr<File> file_;
  std::uint64_t segment_;
};

std::shared_ptr<const char> SegmentFile::map(std::uint64_t offset, std::uint64_t size) const {
  if (offset + size < offset || offset + size > file_->size()) {
    throw IoError(fmt::format("content segment {} ends before offset {}: run `weir check`", segment_, offset + size));
  }
  // Anonymous zeros first, the file over them: the bytes after the file's last page are readable, too.
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = offset / page * page;
  const auto lead = offset - begin;
  const auto in_file = (lead + size + page - 1) / page * page;
  const auto total = (lead + size + Arena::kPadding + page - 1) / page * page;
  auto* memory = ::mmap(nullptr, total, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw IoError(fmt::format("mapping {} bytes: {}", total, std::strerror(errno)));
  std::shared_ptr<const char> mapping(static_cast<const char*>(memory),
                                      [total](const char* data) { ::munmap(const_cast<char*>(data), total); });
  if (in_file > 0 && ::mmap(memory, in_file, PROT_READ, MAP_SHARED | MAP_FIXED, file_->descriptor(),
                            static_cast<off_t>(begin)) == MAP_FAILED) {
    throw IoError(fmt::format("mapping content segment {}: {}", segment_, std::strerror(errno)));
  }
  return {mapping, mapping.get() + lead};
}

}  // namespace

std::string segment_name(std::uint64_t segment) {
  return fmt::format("{:016x}.seg", segment);
}

std::uint64_t segment_of(const std::filesystem::path& file) {
  const auto name = file.filename().string();
  std::uint64_t segment = 0;
  if (name.size() != 20 || !name.ends_with(".seg")) return 0;
  const auto result = std::from_chars(name.data(), name.data() + 16, segment, 16);
  return result.ec == std::errc() && result.ptr == name.data() + 16 ? segment : 0;
}

std::shared_ptr<ContentFile> open_segment(Files& files, const std::filesystem::path& path, std::uint64_t segment) {
  return std::make_shared<SegmentFile>(files.open(path), segment);
}

/// Has a segment to itself from construction to destruction, and appends pieces to it.
class PieceWriter {
 public:
  explicit PieceWriter(std::shared_ptr<ContentFiles> files) : files_(std::move(files)) {
    segment_ = files_->begin_writing(file_, end_, open_);
  }

  ~PieceWriter() {
    if (written_ > 0) {
      try {
        file_->truncate(end_);  // an abandoned piece
      } catch (const std::exception&) {
        // The next piece overwrites it; nobody names it.
      }
    }
    files_->end_writing(segment_, end_);
  }

  void append(std::string_view bytes) {
    crc_ = crc32c(bytes, crc_);
    size_ += bytes.size();
    if (buffer_.size() + bytes.size() <= kWriteBuffer) {
      buffer_.append(bytes);
      return;
    }
    flush();
    if (bytes.size() >= kWriteBuffer) {
      file_->write(end_ + kPieceHeader + written_, bytes);
      written_ += bytes.size();
    } else {
      buffer_.append(bytes);
    }
  }

  std::uint64_t size() const { return size_; }

  External end_piece() {
    flush();
    char header[kPieceHeader];
    put_piece_header(header, {size_, crc_, kContentPiece});
    file_->write(end_, {header, kPieceHeader});
    External external{open_, end_ + kPieceHeader, size_};
    end_ += kPieceHeader + size_;
    size_ = written_ = 0;
    crc_ = 0;
    return external;
  }

  void sync() { files_->sync(segment_, *file_); }
  bool past(std::uint64_t size) const { return end_ >= size; }

 private:
  void flush() {
    if (buffer_.empty()) return;
    file_->write(end_ + kPieceHeader + written_, buffer_);
    written_ += buffer_.size();
    buffer_.clear();
  }

  std::shared_ptr<ContentFiles> files_;
  std::shared_ptr<File> file_;
  std::shared_ptr<ContentFile> open_;
  std::uint64_t segment_ = 0;
  std::uint64_t end_ = 0;   ///< of the finished pieces
  std::uint64_t size_ = 0;  ///< of the piece under way
  std::uint64_t written_ = 0;
  std::uint32_t crc_ = 0;
  std::string buffer_;
};

namespace {

class OnePieceWriter final : public ContentWriter {
 public:
  explicit OnePieceWriter(std::shared_ptr<ContentFiles> files) : writer_(std::in_place, std::move(files)) {}
  void append(std::string_view bytes) override { writer_->append(bytes); }
  std::uint64_t size() const override { return writer_ ? writer_->size() : 0; }
  External finish() override {
    auto external = writer_->end_piece();
    writer_->sync();
    writer_.reset();  // the segment is free for the next writer
    return external;
  }

 private:
  std::optional<PieceWriter> writer_;
};

}  // namespace

ContentFiles::ContentFiles(std::filesystem::path folder, Files& files, std::uint64_t segment_size)
    : folder_(std::move(folder)), files_(files), segment_size_(segment_size) {}

std::filesystem::path ContentFiles::path(std::uint64_t segment) const {
  return folder_ / segment_name(segment);
}

void ContentFiles::recover(const std::map<std::uint64_t, SegmentUse>& uses) {
  const std::lock_guard lock(mutex_);
  std::map<std::uint64_t, std::uint64_t> found;
  for (const auto& file : std::filesystem::directory_iterator(folder_)) {
    if (const auto segment = segment_of(file.path()); segment != 0) found[segment] = file.file_size();
  }
  for (const auto& [segment, use] : uses) {
    const auto file = found.find(segment);
    if (file == found.end() || file->second < use.end) {
      throw CannotOpen(fmt::format("{}: content that is queued is {}: run `weir check`", path(segment).string(),
                                   file == found.end() ? "missing" : "cut short"));
    }
    segments_[segment].end = file->second;
    last_ = std::max(last_, segment);
  }
  for (const auto& [segment, size] : found) {
    last_ = std::max(last_, segment);
    if (!uses.contains(segment)) files_.remove(path(segment));
  }
}

std::unique_ptr<ContentWriter> ContentFiles::writer() {
  return std::make_unique<OnePieceWriter>(shared_from_this());
}

std::vector<External> ContentFiles::write(std::span<const std::string_view> pieces) {
  std::vector<External> result;
  std::optional<PieceWriter> writer;
  for (const auto piece : pieces) {
    if (!writer) writer.emplace(shared_from_this());
    writer->append(piece);
    result.push_back(writer->end_piece());
    if (writer->past(segment_size_)) {
      writer->sync();
      writer.reset();
    }
  }
  if (writer) writer->sync();
  return result;
}

std::uint64_t ContentFiles::begin_writing(std::shared_ptr<File>& file, std::uint64_t& end,
                                          std::shared_ptr<ContentFile>& open) {
  const std::lock_guard lock(mutex_);
  auto chosen = std::find_if(segments_.begin(), segments_.end(), [&](const auto& entry) {
    return entry.second.file != nullptr && !entry.second.writing && entry.second.end < segment_size_;
  });
  if (chosen == segments_.end()) {
    const auto segment = last_ + 1;
    std::shared_ptr<File> created = files_.create(path(segment));
    last_ = segment;
    chosen = segments_.emplace(segment, Segment{}).first;
    chosen->second.file = std::move(created);
  }
  auto& segment = chosen->second;
  segment.writing = true;
  file = segment.file;
  end = segment.end;
  open = segment.open.lock();
  if (open == nullptr) segment.open = open = std::make_shared<SegmentFile>(segment.file, chosen->first);
  return chosen->first;
}

void ContentFiles::end_writing(std::uint64_t segment, std::uint64_t end) {
  const std::lock_guard lock(mutex_);
  auto& entry = segments_.at(segment);
  entry.writing = false;
  entry.end = end;
  if (end >= segment_size_) entry.file.reset();
}

void ContentFiles::sync(std::uint64_t segment, File& file) {
  try {
    file.sync();
    bool in_directory = false;
    {
      const std::lock_guard lock(mutex_);
      in_directory = segments_.at(segment).in_directory;
    }
    if (in_directory) return;
    files_.sync_directory(folder_);
    const std::lock_guard lock(mutex_);
    segments_.at(segment).in_directory = true;
  } catch (const IoError&) {
    failed_ = true;
    throw;
  }
}

std::shared_ptr<ContentFile> ContentFiles::open(std::uint64_t segment) {
  const std::lock_guard lock(mutex_);
  const auto found = segments_.find(segment);
  if (found == segments_.end()) {
    throw IoError(fmt::format("{}: content that is queued is missing: run `weir check`", path(segment).string()));
  }
  auto file = found->second.open.lock();
  if (file == nullptr) {
    file = found->second.file != nullptr ? std::make_shared<SegmentFile>(found->second.file, segment)
                                         : open_segment(files_, path(segment), segment);
    found->second.open = file;
  }
  return file;
}

bool ContentFiles::exists(std::uint64_t segment) {
  const std::lock_guard lock(mutex_);
  return segments_.contains(segment);
}

void ContentFiles::retain(std::uint64_t segment) {
  const std::lock_guard lock(mutex_);
  ++segments_.at(segment).named;
}

void ContentFiles::release(std::uint64_t segment) {
  const std::lock_guard lock(mutex_);
  --segments_.at(segment).named;
}

void ContentFiles::remove_unnamed() {
  const std::lock_guard lock(mutex_);
  for (auto entry = segments_.begin(); entry != segments_.end();) {
    const auto& segment = entry->second;
    if (segment.named > 0 || segment.writing || !segment.open.expired()) {
      ++entry;
      continue;
    }
    files_.remove(path(entry->first));
    entry = segments_.erase(entry);
  }
}

SegmentCheck check_segment(Files& files, const std::filesystem::path& path, std::uint64_t needed_end) {
  SegmentCheck result;
  const auto file = files.open(path);
  const auto size = file->size();
  std::string buffer(1 << 20, '\0');
  while (result.end + kPieceHeader <= size) {
    char bytes[kPieceHeader];
    file->read(result.end, bytes, kPieceHeader);
    const auto header = get_piece_header(bytes);
    const auto piece = header ? header->size : 0;
    const auto begin = result.end + kPieceHeader;
    // What no row names may be the rest of a piece that was never finished.
    const auto is_named = begin < needed_end;
    if (!header || piece > size - begin) {
      if (is_named) result.problem = fmt::format("no content begins at offset {}", result.end);
      break;
    }
    std::uint32_t crc = 0;
    for (std::uint64_t done = 0; done < piece;) {
      const auto got = file->read(begin + done, buffer.data(), std::min<std::uint64_t>(buffer.size(), piece - done));
      if (got == 0) break;
      crc = crc32c({buffer.data(), got}, crc);
      done += got;
    }
    if (crc != header->crc) {
      if (is_named) result.problem = fmt::format("the {} bytes at offset {} are not what was written", piece, begin);
      break;
    }
    result.pieces[begin] = piece;
    result.end = begin + piece;
  }
  if (result.problem.empty() && result.end < needed_end) {
    result.problem = fmt::format("ends at {} and is named up to {}", result.end, needed_end);
  }
  return result;
}

}  // namespace weir::store
