#pragma once
// Complete objects of a lane once more, as ordinary ones beside its progress, from before they count until their
// uploads are ended: for a store that may lose what it has acknowledged while it ends an upload, as MinIO does when it,
// or its client, is killed then. Whoever has the lane then sends the object again, from its copy. A copy is in pieces,
// as no ordinary object may be larger than 5 GiB:
//
//   FOLDER/LABEL-GENERATION-NUMBER/PIECE      label and generation of the lane's progress, number of the object

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "client.h"
#include "lane_progress.h"
#include "weir/context.h"

namespace weir::s3 {

/// Used from one thread at a time but for what takes a client: that is for any thread, with a client of its own.
class LaneCopies {
 public:
  /// `folder`: what their keys begin with.
  LaneCopies(std::string folder, ObjectOptions options, Context context);

  /// The name of a new one, of this owner of the lane.
  static std::string name_for(const LaneState& claimed, std::uint64_t object);
  /// The next piece.
  void add(Client& client, ObjectCopy& copy, const Body& body) const;
  /// Writes all of it to a file. False: some of it is not there, and there is no file.
  bool fetch(Client& client, const ObjectCopy& copy, const std::string& file) const;
  void remove(Client& client, ObjectCopy copy) const;
  /// The same for what is in the bucket: if it does not work now, a later call does it, or whoever claims the lane
  /// next.
  void remove_used(Client& client, const ObjectCopy& copy);
  /// What owners before have left, but for what their progress lists.
  void remove_left(Client& client, const LaneState& claimed) const;

 private:
  std::string key_of(const std::string& name, unsigned piece) const;
  void tell(const std::string& why);

  const std::string folder_;
  const ObjectOptions options_;
  Context context_;
  std::mutex mutex_;
  std::vector<ObjectCopy> to_remove_;  ///< under the lock, as what follows
  bool told_ = false;                  ///< that copies stay
};

}  // namespace weir::s3
