#pragma once
// The keys that Deduplicate remembers: a hash table in memory, and in the durable state a log of what each session
// added, from which the table is read at start. A key costs 24 to 35 bytes in the table, and 16 in the state; with
// versions 33 to 49, and 24. A session costs one state entry, not one a key.
//
// State: "hash-key" → 16 random bytes; "last" → id of the newest batch; "batch" id time → 'k' or 'v', then the hashes
// ('v': each with its version).

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "siphash.h"
#include "weir/session.h"

namespace weir::json {

class SeenKeys {
 public:
  enum class Verdict { fresh, newer, repeated };

  /// `keep_for`: nanoseconds, 0 for ever. `most`: at least so many keys are remembered, the youngest.
  SeenKeys(std::int64_t keep_for, std::uint64_t most, bool versions)
      : keep_for_(keep_for), most_(most), versions_(versions) {}

  /// Begins a session: reads the state if it is not what was left (a step was rolled back, or it is the first), and
  /// forgets what is too old.
  void begin(Session& session);
  /// Whether the key was seen; remembers it if not, or if the version is higher than the one remembered.
  Verdict look(Session& session, std::string_view key, std::int64_t version);
  /// Ends it: writes down what was added, and forgets the oldest beyond `most`.
  void end(Session& session);

  std::uint64_t size() const { return size_; }

 private:
  /// Keys added together. Batches are numbered without gaps; their order is that of time.
  struct Batch {
    std::int64_t time;
    std::uint64_t live;  ///< keys that no later batch has, with a newer version
  };
  static constexpr std::size_t kBatchKeys = 1024;

  void load(Session& session);
  void write_batch(Session& session);
  void forget_oldest(Session& session);
  /// A part of the hash table. Each grows by itself, so that never much of it is in memory twice.
  struct Part {
    // Open addressing, linear probing; a batch of 0 is an empty slot.
    std::vector<Hash128> keys;
    std::vector<std::uint32_t> batches;  ///< lower half of the id: no more than 2^32 batches are remembered
    std::vector<std::int64_t> versions;
    std::size_t used = 0;

    void reset(std::size_t slots, bool with_versions);
    std::size_t home_of(Hash128 key) const;
    /// Where the key is, or would be.
    std::size_t slot_of(Hash128 key) const;
    bool full() const { return used * 20 >= keys.size() * 17; }
    void grow();
    void remove(std::size_t slot);
  };
  static constexpr std::size_t kParts = 64;

  Part& part_of(Hash128 key) { return parts_[key.high % kParts]; }
  void put(Hash128 key, std::uint64_t batch, std::int64_t version);
  static std::string batch_key(std::int64_t time, std::uint64_t id);

  std::int64_t keep_for_;
  std::uint64_t most_;
  bool versions_;

  Hash128 hash_key_;
  bool clean_ = false;
  std::uint64_t last_ = 0;  ///< id of the newest batch that is in the state
  std::deque<Batch> batches_;
  std::uint64_t first_batch_ = 1;  ///< id of batches_.front()
  std::string added_;              ///< of the batch being made
  std::size_t added_count_ = 0;

  std::array<Part, kParts> parts_;
  std::uint64_t size_ = 0;
};

}  // namespace weir::json
