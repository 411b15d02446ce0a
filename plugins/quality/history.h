#pragma once
// What is remembered of each key's readings, bounded and durable.

#include <cstdint>
#include <memory_resource>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "weir/session.h"

namespace weir::quality {

/// Of one field of one key. Times are event time, nanoseconds since 1970.
struct FieldHistory {
  std::uint8_t values = 0;     ///< how many of last and before are set
  bool apart = false;          ///< aside is set
  std::int64_t time = 0;       ///< of the last reading
  double last = 0;             ///< last value that counts
  std::int64_t last_time = 0;  ///< of that
  double before = 0;           ///< the one before it
  double aside = 0;            ///< a value that was taken for a spike
  bool seen = false;           ///< time is set
  bool flat = false;           ///< flat_value and flat_since are set
  double flat_value = 0;
  std::int64_t flat_since = 0;
  std::vector<std::uint64_t> hashes;  ///< of the last values, a ring; for uniqueness
  std::uint32_t next_hash = 0;
};

/// The histories of all keys, at most max_keys: those that had no reading for longest are forgotten, to a minute of the
/// flow's clock. State entries:
///
///   k <key>            when it last had a reading (minute), and a history a field
///   a <minute> <key>   the same keys by that
///   n                  how many there are
class Histories {
 public:
  Histories(std::size_t fields, std::uint64_t max_keys) : fields_(fields), max_keys_(max_keys) {}

  void begin(Session& session);
  /// The key's histories, one a field. Valid until end().
  FieldHistory* of(std::string_view key);
  /// Writes back what was used, and forgets the keys beyond the bound. Returns how many keys are known.
  std::uint64_t end();

 private:
  struct Entry {
    std::vector<FieldHistory> fields;
    std::int64_t minute = -1;  ///< as in the state; -1: a new key
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
  };

  void forget(std::uint64_t count);

  const std::size_t fields_;
  const std::uint64_t max_keys_;
  Session* session_ = nullptr;
  std::int64_t minute_ = 0;
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries_;  ///< of the step under way
  std::vector<const std::string*> order_;                                  ///< their keys, in the order of first use
};

/// For the state, and its tests.
std::string encode(const std::vector<FieldHistory>& fields);
bool decode(std::string_view bytes, std::vector<FieldHistory>& fields);

}  // namespace weir::quality
