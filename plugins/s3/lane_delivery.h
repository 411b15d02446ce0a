#pragma once
// Complete objects of a lane (weir/lane.h) on their way into the bucket: first all their parts, which nobody sees; then
// how far the lane is, which lists them (lane_progress.h), and from then on they count; then their uploads are ended.
// What a store loses meanwhile is sent again: by who has it still, or from its copy (lane_copies.h).

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lane_copies.h"
#include "lane_objects.h"
#include "lane_progress.h"
#include "uploader.h"

namespace weir::s3 {

enum class KeepCopies { automatic, always, never };  ///< automatic: where the store needs it

struct LaneDeliveryOptions {
  UploadOptions upload;
  std::string owner;         ///< stored with each object, before its label and number
  std::string progress_key;  ///< empty: at least once, with nothing that keeps others out
  bool exact_keys = false;   ///< what has an object's key is replaced
  KeepCopies keep_copies = KeepCopies::automatic;
};

/// Used from one thread at a time, by which it has others work. Functions throw Unavailable and Misconfigured, and can
/// be called again.
class LaneDelivery {
 public:
  /// `given_up`: nothing that it does counts any more, so it waits for no answer.
  LaneDelivery(LaneDeliveryOptions options, std::shared_ptr<CredentialChain> credentials, Context context,
               Cancelled given_up);
  /// Aborts uploads that nobody will end, as far as the store is quick about it.
  ~LaneDelivery();
  LaneDelivery(const LaneDelivery&) = delete;
  LaneDelivery& operator=(const LaneDelivery&) = delete;

  /// Claims the lane, and ends what an owner before has left. Returns the first offset that is in no object.
  std::int64_t claim();
  std::uint64_t next_number() const { return next_number_; }
  const std::string& label() const { return label_; }

  /// Objects that hold all before `next` that is in none yet; `next_number` of those to come.
  void begin(std::vector<LaneObject> objects, std::int64_t next, std::uint64_t next_number);
  bool under_way() const { return !staged_.empty(); }
  /// Brings what has begun to its end. False: another has claimed the lane, and nothing of it counts.
  [[nodiscard]] bool finish();

 private:
  struct Staged {
    StagedObject object;
    std::string file = {};  ///< empty: of an owner before
    bool copied = false;
    bool whole = false;
    bool may_count = false;  ///< an attempt was made to list its upload
    bool ended = false;
    std::string why_lost = {};                   ///< and is sent again
    std::vector<std::string> uploads_left = {};  ///< earlier ones, which nobody will end
  };

  /// Does the work for each, several at a time; throws what the first of them threw.
  void for_each(const std::function<void(Client&, Staged&)>& work);
  void finish_left();
  void remove_left_copies();
  bool store();
  void stage(Client& client, Staged& staged);
  void end(Client& client, Staged& staged);
  void clean_up(Client& client, Staged& staged);
  void abandon(Client& client, const Staged& staged) const;
  /// What has an object's key; hidden: these credentials may not look.
  enum class Found { nothing, ours, others, hidden };
  Found look(Client& client, const StagedObject& object) const;
  /// True: it is at its end all the same. False: it is to be sent again.
  bool upload_gone(Client& client, Staged& staged);
  bool parts_gone(Client& client, Staged& staged, const std::string& why);
  bool send_again(Client& client, Staged& staged, const std::string& why);
  bool was_ended(const Staged& staged);
  const Staged* lost() const;
  std::string owner_of(const StagedObject& object) const;
  Client& client(std::size_t number);

  LaneDeliveryOptions options_;
  std::shared_ptr<CredentialChain> credentials_;
  Context context_;
  Cancelled given_up_;
  Metric objects_;
  Metric bytes_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::optional<LaneProgress> progress_;
  LaneCopies copies_;
  bool keeps_copies_ = false;
  std::string label_;
  std::uint64_t next_number_ = 1;

  std::vector<Staged> staged_;
  std::int64_t next_ = 0;
  bool counts_ = false;  ///< they are listed
};

}  // namespace weir::s3
