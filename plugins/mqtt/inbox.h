#pragma once
// The inbox: what has been received and acknowledged, but is not yet in a durable epoch.
//
// paho acknowledges a message when its callback returns, so the callback has to make it safe, at once, without
// waiting. It appends to the inbox: a row of segments (segment.h) whose room on the disk is taken beforehand. The
// source's sessions read it from memory, keep their position in the session's state, and trim what lies below the
// position once that is durable; trimmed segments are used again. After a crash, what the segments hold from the
// durable position on is delivered first.
//
// A message at QoS 2 is appended when its PUBLISH comes, once: the packet id is remembered, in the inbox itself, until
// the broker releases it (method A of the MQTT specification, section 4.3.3).
//
// Every entry has a sequence number, dense, from 1 on; a position is the sequence of the next entry to deliver.
//
// Threads: one appends (paho's), one reads at a time (the source's session), anyone may trim or ask. An append never
// waits for more than a copy under way.
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "segment.h"

namespace weir::mqtt {

enum class Durability {
  process,  ///< survives the death of the process, by any signal
  power,    ///< survives a power cut too: each append waits for the disk
};

class Inbox {
 public:
  static constexpr std::uint64_t kSegmentSize = std::uint64_t{1} << 20;

  /// Opens the inbox in a folder, which is made if need be, with what an earlier run left in it. Throws
  /// std::filesystem::filesystem_error if the folder cannot be used, and Unavailable if another has it open: a source
  /// that was terminated and whose thread has not come back still receives, and acknowledges, what its inbox gets.
  Inbox(std::filesystem::path folder, Durability durability, std::uint64_t segment_size = kSegmentSize);
  ~Inbox();

  /// @name The receiving side
  /// @{
  struct Appended {
    bool stored = false;      ///< false: no room, nothing was kept; the message must not be acknowledged
    bool wake = false;        ///< the reader waits for this one (see read)
    bool reserve = true;      ///< as has_reserve()
    std::uint64_t bytes = 0;  ///< as bytes()
  };
  [[nodiscard]] Appended append(const Message& message);
  /// The same for the PUBLISH of a QoS 2 exchange: a packet id that is open already is stored, and is not again.
  [[nodiscard]] Appended append_once(const Message& message);
  /// The QoS 2 exchange of this packet id is over.
  [[nodiscard]] bool release(std::uint16_t packet_id);
  std::vector<std::uint16_t> open_exchanges() const;
  /// @}

  /// @name The delivering side
  /// @{
  /// Sets the position to read from. Returns what cannot be delivered: messages at or above it that are damaged.
  std::uint64_t seek(std::uint64_t position);
  /// Calls visit(message) for each message from the position on, until it returns false (that message counts as
  /// read). If there was none at all and `wait` is true, the next append says `wake`. Returns the number of messages.
  template <class F>
  std::uint64_t read(bool wait, F&& visit) {
    std::uint64_t count = 0;
    Entry entry;
    do {
      start_reading();
      while (next_entry(&entry)) {
        if (entry.kind != EntryKind::message) continue;
        ++count;
        if (!visit(entry.message)) break;
      }
    } while (!stop_reading(wait && count == 0));
    return count;
  }
  /// True if there is something to read.
  bool has_more() const;
  std::uint64_t position() const;
  /// Everything below the position is safe elsewhere.
  void trim(std::uint64_t position);
  /// @}

  /// Bytes received and not yet trimmed.
  std::uint64_t bytes() const;
  /// True while the room that is taken beforehand could be had: when it turns false, stop receiving; the rest of the
  /// segment in use is there for what comes meanwhile.
  bool has_reserve() const;
  /// Tries again to take room, after has_reserve() was false.
  bool try_reserve();
  /// True if the disk failed to keep what was written to it: nothing more is stored.
  bool failed() const;

 private:
  [[nodiscard]] Appended append_entry(EntryKind kind, const Message& message);
  bool roll(std::uint64_t entry_size);
  std::unique_ptr<Segment> make_segment(std::uint64_t size);
  void reserve();
  Segment* find(std::uint64_t sequence) const;
  void locate_reader();
  void locate_reader_if_left();
  void start_reading();
  bool next_entry(Entry* entry);
  [[nodiscard]] bool stop_reading(bool wait);
  std::uint64_t end_bytes() const;
  std::uint64_t kept_bytes() const;

  /// A folder that is one inbox's alone.
  class Own {
   public:
    explicit Own(const std::filesystem::path& folder);
    ~Own();
    Own(const Own&) = delete;
    Own& operator=(const Own&) = delete;

   private:
    const int file_;
  };

  const std::filesystem::path folder_;
  const Own own_;
  const Durability durability_;
  const std::uint64_t segment_size_;

  mutable std::mutex mutex_;                       ///< guards all below, but for what a read under way owns
  std::deque<std::unique_ptr<Segment>> segments_;  ///< in order; the last is appended to, if active_
  std::vector<std::unique_ptr<Segment>> spare_;    ///< of the standard size, for use
  std::set<std::uint16_t> open_;                   ///< packet ids of QoS 2 exchanges under way
  std::uint64_t next_ = 1;
  std::uint64_t file_number_ = 0;
  bool active_ = false;
  bool failed_ = false;  ///< a sync failed: what the disk holds is unknown, so nothing more is taken

  std::uint64_t position_ = 1;
  std::uint64_t position_bytes_ = 0;  ///< at the reader's position, counted from the first segment ever
  Segment* reader_ = nullptr;         ///< where position_ lies; null: find it
  std::uint64_t offset_ = 0;          ///< in reader_
  std::uint64_t visible_ = 1;         ///< next_ as the read under way saw it
  std::uint64_t reader_end_ = 1;      ///< up to here, reader_ can be read without the lock
  bool waiting_ = false;

  struct Mark {
    std::uint64_t position;
    std::uint64_t bytes;
  };
  std::deque<Mark> marks_;  ///< where sessions ended, for trim to know the bytes of a position
  std::uint64_t trimmed_bytes_ = 0;
};

}  // namespace weir::mqtt
