#pragma once
// S3Sink in a lane (weir/lane.h). What a round brings is written to the lane's open objects at its end, and the round
// is done; the objects go on being open, for many rounds. When one is complete, all of them are, so that the objects
// have all before one offset, and it is that one number which the bucket keeps (lane_progress.h). What is still open
// when the lane moves is read again there.

#include <functional>
#include <string>
#include <vector>

#include "lane_delivery.h"
#include "lane_objects.h"
#include "weir/lane.h"
#include "weir/rejected.h"

namespace weir::s3 {

struct LaneSinkOptions {
  LaneDeliveryOptions delivery;
  SpoolOptions objects;
  std::uint64_t max_bytes = 0;  ///< that may be open
  bool by_record = false;       ///< what is refused are records, and not whole FlowFiles
};

class LaneSink {
 public:
  using Refuse = std::function<void(std::uint32_t record, std::string why)>;
  using Write = std::function<void(Session&, FlowFile, file::Targets&, const Refuse&)>;

  /// Claims the lane. Throws as a processor's start().
  LaneSink(LaneSinkOptions options, std::shared_ptr<CredentialChain> credentials, Context context, Lane lane,
           Write write);

  void step(Batch batch, Session& session);
  /// At the end of a round.
  void flush(Session& session);
  void tick(Session& session);

 private:
  /// A held FlowFile, in the order of the session's held ones.
  struct Taken {
    std::string connection;
    bool written = false;
    std::vector<RejectedRecord> refused;
  };

  void match_held(Session& session);
  template <class Work>
  void or_lost(Work&& work);
  [[noreturn]] void lose(const std::string& why);
  void write_new(Session& session, const std::vector<FlowFile>& files);
  bool send_refused(Session& session, const std::vector<FlowFile>& files);
  void deliver(std::int64_t next);
  void finish_delivery();
  void tell_lane();
  void ask_for_tick(Session& session) const;

  const LaneSinkOptions options_;
  Context context_;
  const Lane lane_;
  const Write write_;
  Statement records_;
  LaneObjects objects_;
  LaneDelivery delivery_;
  LaneRefusals refusals_;
  std::vector<Taken> taken_;
  std::size_t finished_ = 0;    ///< of taken_, by the last flush: true once its session is committed
  std::int64_t from_ = 0;       ///< where the round began that brought the first of what is open
  std::int64_t flushed_ = 0;    ///< the end of the last round that brought something
  bool does_not_wait_ = false;  ///< something is open that would not come again
  bool lost_ = false;
};

}  // namespace weir::s3
