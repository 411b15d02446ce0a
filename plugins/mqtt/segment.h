#pragma once
// One file of the inbox: mapped memory with room for all it will ever hold, so that appending to it is a memory copy
// that cannot run out of disk. What is copied in is in the page cache: it survives the process.
//
// Format (little-endian, as the machine; a segment never travels). Header, 64 bytes:
//   0 magic "WEIRINB1"   8 u32 salt   12 u32 CRC-32 of the other header bytes   16 u64 first sequence   24 zeros
// Then entries, each aligned to 8 bytes (struct EntryHeader, topic, properties, payload). An entry's CRC begins with
// the segment's salt, which is new for each use of the file: what an earlier use left behind never passes for an entry.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

namespace weir::mqtt {

/// A message as it lies in the inbox. The views are valid until the inbox is trimmed beyond it.
struct Message {
  std::string_view topic;
  std::string_view properties;  ///< MQTT 5, in wire format without the length; see properties.h
  std::string_view payload;
  std::uint16_t packet_id = 0;  ///< of a QoS 2 message
  std::uint8_t qos = 0;
  bool retain = false;
  bool duplicate = false;
};

enum class EntryKind : std::uint8_t {
  message = 1,
  released = 2,  ///< the QoS 2 exchange of packet_id is over
  open = 3,      ///< payload: the packet ids (u16) of all QoS 2 exchanges under way; begins every segment
};

struct EntryHeader {
  std::uint32_t crc;  ///< of salt, the rest of this header, and what follows it
  std::uint16_t topic_size;
  std::uint16_t packet_id;
  std::uint64_t sequence;
  std::uint32_t payload_size;
  std::uint32_t properties_size;
  EntryKind kind;
  std::uint8_t qos;
  std::uint8_t retain;
  std::uint8_t duplicate;
  std::uint32_t zero;
};
static_assert(sizeof(EntryHeader) == 32);

/// An entry that was read from a segment.
struct Entry {
  EntryKind kind;
  std::uint64_t sequence;
  Message message;
  std::uint64_t end;  ///< offset in the segment after it
};

class Segment {
 public:
  static constexpr std::uint64_t kHeaderSize = 64;

  /// Makes a file with `size` bytes of room on the disk, or null: the disk is full (or anything else; errno says).
  static std::unique_ptr<Segment> create(const std::filesystem::path& path, std::uint64_t size);
  /// Opens what an earlier run left. Null if it cannot be mapped.
  static std::unique_ptr<Segment> open(const std::filesystem::path& path);
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  /// Bytes an entry takes.
  static std::uint64_t entry_size(const Message& message);

  /// Begins a new life of the file: entries from `first_sequence` on.
  void begin(std::uint64_t first_sequence);
  /// True if its header is whole, that is, if it is in use.
  bool in_use() const;
  bool has_room(std::uint64_t entry_size) const { return used_ + entry_size <= size_; }
  /// Copies an entry in. There must be room.
  void append(EntryKind kind, std::uint64_t sequence, const Message& message);
  /// Reads the entry at an offset; false if it is not there. What this run has appended or scanned needs no `verify`.
  bool read(std::uint64_t offset, std::uint64_t sequence, bool verify, Entry* entry) const;
  /// Finds the end of the entries; calls visit(entry) for each.
  template <class F>
  void scan(F&& visit) {
    used_ = kHeaderSize;
    next_sequence_ = first_sequence_;
    Entry entry;
    while (read(used_, next_sequence_, true, &entry)) {
      visit(entry);
      used_ = entry.end;
      ++next_sequence_;
    }
  }
  /// Waits until all that was appended is on the disk; false if that failed (never try again: the data may be gone).
  [[nodiscard]] bool sync() const;
  /// Lets the kernel take the memory back; the content stays, in the page cache or on the disk.
  void release_memory() const;
  void remove();

  std::uint64_t first_sequence() const { return first_sequence_; }
  std::uint64_t next_sequence() const { return next_sequence_; }
  std::uint64_t used() const { return used_; }
  std::uint64_t size() const { return size_; }

  std::uint64_t base = 0;  ///< bytes in the segments before it; the inbox counts with it

 private:
  Segment(std::filesystem::path path, int file, char* data, std::uint64_t size);

  std::filesystem::path path_;
  int file_;
  char* data_;
  std::uint64_t size_;
  std::uint64_t used_ = kHeaderSize;
  std::uint64_t first_sequence_ = 0;
  std::uint64_t next_sequence_ = 0;
  std::uint32_t salt_ = 0;
};

}  // namespace weir::mqtt
