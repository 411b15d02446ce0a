#include "segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <random>
#include <utility>

namespace weir::mqtt {
namespace {

constexpr std::array<char, 8> kMagic = {'W', 'E', 'I', 'R', 'I', 'N', 'B', '1'};

struct Header {
  std::array<char, 8> magic;
  std::uint32_t salt;
  std::uint32_t crc;
  std::uint64_t first_sequence;
  std::array<char, 40> zeros;
};
static_assert(sizeof(Header) == Segment::kHeaderSize);

std::uint32_t crc(std::uint32_t seed, const void* data, std::size_t size) {
  return static_cast<std::uint32_t>(crc32_z(seed, static_cast<const Bytef*>(data), size));
}

std::uint32_t header_crc(Header header) {
  header.crc = 0;
  return crc(0, &header, sizeof header);
}

constexpr std::uint64_t aligned(std::uint64_t size) {
  return (size + 7) & ~std::uint64_t{7};
}

char* map(int file, std::uint64_t size) {
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  return data == MAP_FAILED ? nullptr : static_cast<char*>(data);
}

}  // namespace

std::unique_ptr<Segment> Segment::create(const std::filesystem::path& path, std::uint64_t size) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return nullptr;
  const int error = ::posix_fallocate(file, 0, static_cast<off_t>(size));
  char* data = error == 0 ? map(file, size) : nullptr;
  if (data == nullptr) {
    const int reason = error == 0 ? errno : error;
    ::close(file);
    ::unlink(path.c_str());
    errno = reason;
    return nullptr;
  }
  return std::unique_ptr<Segment>(new Segment(path, file, data, size));
}

std::unique_ptr<Segment> Segment::open(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return nullptr;
  struct stat status{};
  const bool usable = ::fstat(file, &status) == 0 && std::cmp_greater_equal(status.st_size, kHeaderSize);
  char* data = usable ? map(file, static_cast<std::uint64_t>(status.st_size)) : nullptr;
  if (data == nullptr) {
    ::close(file);
    return nullptr;
  }
  return std::unique_ptr<Segment>(new Segment(path, file, data, static_cast<std::uint64_t>(status.st_size)));
}

Segment::Segment(std::filesystem::path path, int file, char* data, std::uint64_t size)
    : path_(std::move(path)), file_(file), data_(data), size_(size) {
  Header header;
  std::memcpy(&header, data_, sizeof header);
  first_sequence_ = next_sequence_ = header.first_sequence;
  salt_ = header.salt;
}

Segment::~Segment() {
  ::munmap(data_, size_);
  ::close(file_);
}

std::uint64_t Segment::entry_size(const Message& message) {
  return aligned(sizeof(EntryHeader) + message.topic.size() + message.properties.size() + message.payload.size());
}

void Segment::begin(std::uint64_t first_sequence) {
  Header header{};
  header.magic = kMagic;
  header.salt = salt_ = std::random_device{}();
  header.first_sequence = first_sequence_ = next_sequence_ = first_sequence;
  header.crc = header_crc(header);
  std::memcpy(data_, &header, sizeof header);
  used_ = kHeaderSize;
}

bool Segment::in_use() const {
  Header header;
  std::memcpy(&header, data_, sizeof header);
  return header.magic == kMagic && header.crc == header_crc(header);
}

void Segment::append(EntryKind kind, std::uint64_t sequence, const Message& message) {
  EntryHeader header{};
  header.topic_size = static_cast<std::uint16_t>(message.topic.size());
  header.packet_id = message.packet_id;
  header.sequence = sequence;
  header.payload_size = static_cast<std::uint32_t>(message.payload.size());
  header.properties_size = static_cast<std::uint32_t>(message.properties.size());
  header.kind = kind;
  header.qos = message.qos;
  header.retain = message.retain ? 1 : 0;
  header.duplicate = message.duplicate ? 1 : 0;
  char* const entry = data_ + used_;
  char* to = entry + sizeof header;
  for (const auto part : {message.topic, message.properties, message.payload}) {
    if (!part.empty()) std::memcpy(to, part.data(), part.size());
    to += part.size();
  }
  std::memcpy(entry, &header, sizeof header);
  const auto size = static_cast<std::size_t>(to - entry);
  header.crc = crc(salt_, entry + sizeof header.crc, size - sizeof header.crc);
  std::memcpy(entry, &header.crc, sizeof header.crc);
  used_ += aligned(size);
  next_sequence_ = sequence + 1;
}

bool Segment::read(std::uint64_t offset, std::uint64_t sequence, bool verify, Entry* entry) const {
  if (offset + sizeof(EntryHeader) > size_) return false;
  EntryHeader header;
  const char* const start = data_ + offset;
  std::memcpy(&header, start, sizeof header);
  if (header.sequence != sequence) return false;
  const std::uint64_t size =
      sizeof header + header.topic_size + std::uint64_t{header.properties_size} + header.payload_size;
  if (size > size_ - offset) return false;
  if (verify && header.crc != crc(salt_, start + sizeof header.crc, size - sizeof header.crc)) return false;
  const char* from = start + sizeof header;
  entry->kind = header.kind;
  entry->sequence = sequence;
  entry->message.topic = {from, header.topic_size};
  from += header.topic_size;
  entry->message.properties = {from, header.properties_size};
  from += header.properties_size;
  entry->message.payload = {from, header.payload_size};
  entry->message.packet_id = header.packet_id;
  entry->message.qos = header.qos;
  entry->message.retain = header.retain != 0;
  entry->message.duplicate = header.duplicate != 0;
  entry->end = offset + aligned(size);
  return true;
}

bool Segment::sync() const {
  return ::fdatasync(file_) == 0;
}

void Segment::release_memory() const {
  ::madvise(data_, size_, MADV_DONTNEED);
}

void Segment::remove() {
  ::unlink(path_.c_str());
}

}  // namespace weir::mqtt
