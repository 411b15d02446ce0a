#pragma once
// How far a lane (weir/lane.h) is in a bucket, and which objects have to be ended there, in one small object:
//
//   weir-lane 1
//   generation N         rises with each claim
//   owner TEXT           of that claim
//   version N            rises with each write, so that no two are the same
//   label TEXT           part of the objects' keys; another one where this object was begun anew
//   next N               the first offset of the lane that is in no object
//   number N             of the next object
//   object NUMBER KEY UPLOAD [ETAG[,CHECKSUM]]…
//   copy PIECES SIZE NAME     of the object before it, if it has one (lane_copies.h)
//
// It is written only over what was read or written last (If-Match): a claim keeps out whoever has had the lane before.
// An object's parts are with the store when it is listed here, and nobody sees them before. So writing this object is
// what makes all that it lists part of the bucket, at once and once; to end their uploads is all that is left, for this
// owner or the next, and cannot be done twice.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client.h"

namespace weir::s3 {

struct ObjectCopy {
  std::string name = {};  ///< empty: there is none
  unsigned pieces = 0;
  std::uint64_t size = 0;  ///< of all of them
};

/// An object whose parts the store has.
struct StagedObject {
  std::uint64_t number = 0;
  std::string key;
  std::string upload = {};  ///< empty: not begun
  std::vector<Client::Part> parts = {};
  ObjectCopy copy = {};
};

struct LaneState {
  std::uint64_t generation = 0;
  std::string owner;
  std::uint64_t version = 0;
  std::string label;
  std::int64_t next = 0;
  std::uint64_t number = 1;
  std::vector<StagedObject> objects;

  std::string encode() const;
  /// Nothing if it is not ours.
  static std::optional<LaneState> decode(std::string_view text);
};

/// What a lane writes for itself is encrypted as its objects are, and has nothing else of theirs.
ObjectOptions own_options(ObjectOptions options, const char* content_type);

/// Letters and digits that nobody else has.
std::string random_name(std::size_t size);

/// Used from one thread at a time. What throws can be called again.
class LaneProgress {
 public:
  LaneProgress(Client& client, std::string key, ObjectOptions options);

  /// From here on the store takes nothing of this lane from whoever claimed it before. Throws Misconfigured where the
  /// store writes over an object whatever the condition.
  void claim();
  /// False: somebody has claimed the lane since.
  [[nodiscard]] bool store(std::int64_t next, std::uint64_t number, const std::vector<StagedObject>& objects);

  const LaneState& state() const { return state_; }

 private:
  /// False: what is there is not what was there.
  bool replace(const LaneState& state);
  void probe();

  Client& client_;
  const std::string key_;
  const ObjectOptions options_;
  LaneState state_;
  std::string etag_;  ///< empty: there is none yet
};

}  // namespace weir::s3
