#include "lane_sink.h"

#include <algorithm>
#include <utility>

#include "weir/errors.h"

namespace weir::s3 {

LaneSink::LaneSink(LaneSinkOptions options, std::shared_ptr<CredentialChain> credentials, Context context, Lane lane,
                   Write write)
    : options_(std::move(options)),
      context_(context),
      lane_(std::move(lane)),
      write_(std::move(write)),
      records_(Query(context_).column("NULL").prepare()),
      objects_(options_.objects, context_.folder(), options_.max_bytes),
      delivery_(options_.delivery, std::move(credentials), context_, [this] { return lane_.given_up(); }) {
  if (lane_.holds() == nullptr) throw Misconfigured("this Weir has no lanes for sinks that hold more than a round");
  lane_.will_hold();
  const auto claimed = delivery_.claim();
  objects_.begin_at(delivery_.next_number(), delivery_.label());
  if (!options_.delivery.progress_key.empty()) lane_.claim(claimed);
}

/// A session may be rolled back after its step or flush: what is held then is as it was before.
void LaneSink::match_held(Session& session) {
  if (lost_) throw Unavailable("the lane " + lane_.id() + " is given up");
  const auto held = session.held_count();
  if (finished_ > 0 && held == taken_.size() - finished_)
    taken_.erase(taken_.begin(), taken_.begin() + static_cast<std::ptrdiff_t>(finished_));
  finished_ = 0;
  if (held < taken_.size()) taken_.resize(held);
  if (held != taken_.size()) throw std::logic_error("FlowFiles are held that this sink has not taken");
}

void LaneSink::step(Batch batch, Session& session) {
  match_held(session);
  if (batch.empty()) return;
  const std::string connection(session.connection());
  if (!lane_.holds()->comes_again(to_text(connection))) does_not_wait_ = true;
  for (const auto file : batch) {
    taken_.push_back({connection, false, {}});
    session.hold(file);
  }
}

void LaneSink::flush(Session& session) {
  match_held(session);
  if (taken_.empty()) return;
  finish_delivery();
  std::vector<FlowFile> files;
  for (std::uint32_t i = 0; i < taken_.size(); ++i) files.push_back(session.take_held(i));
  refusals_.match(session);
  write_new(session, files);
  if (send_refused(session, files)) return;
  if (does_not_wait_ || objects_.due(session.now())) deliver(lane_->end());
  does_not_wait_ = false;
  tell_lane();
  for (const auto file : files) session.drop(file, {});
  session.event("SEND", "s3://" + options_.objects.bucket, {});
  refusals_.forget();
  finished_ = taken_.size();
  ask_for_tick(session);
}

/// Files that got half of something are of no use: the lane begins anew, and reads again what they had.
template <class Work>
void LaneSink::or_lost(Work&& work) {
  try {
    work();
  } catch (const std::exception& error) {
    lose(std::string("its objects could not be written: ") + error.what());
  }
}

/// The host throws the lane away, but not at once: until then nothing more is done.
void LaneSink::lose(const std::string& why) {
  lost_ = true;
  lane_.lost(why);
  throw Unavailable("the lane " + lane_.id() + " is given up: " + why);
}

void LaneSink::write_new(Session& session, const std::vector<FlowFile>& files) {
  if (objects_.empty()) from_ = lane_->begin();
  flushed_ = lane_->end();
  or_lost([&] {
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (std::exchange(taken_[i].written, true)) continue;
      write_(session, files[i], objects_,
             [&](std::uint32_t record, std::string why) { taken_[i].refused.push_back({record, std::move(why)}); });
    }
  });
}

/// What is refused has to be out of the flow before the bucket says that it has the round.
bool LaneSink::send_refused(Session& session, const std::vector<FlowFile>& files) {
  std::size_t sent = 0;
  for (std::size_t i = 0; i < files.size(); ++i)
    sent += refusals_.send(session, files[i], taken_[i].connection, options_.by_record ? &records_ : nullptr,
                           taken_[i].refused);
  if (sent == 0) return false;
  for (const auto file : files) session.hold(file);
  return true;
}

/// All that is open has all before `next`.
void LaneSink::deliver(std::int64_t next) {
  std::vector<LaneObject> objects;
  or_lost([&] { objects = objects_.take(); });
  if (objects.empty()) return;
  delivery_.begin(std::move(objects), next, objects_.next_number());
  finish_delivery();
}

void LaneSink::finish_delivery() {
  if (!delivery_.under_way()) return;
  if (!delivery_.finish()) lose("another Weir has claimed it in s3://" + options_.objects.bucket);
}

void LaneSink::tell_lane() {
  if (objects_.empty()) {
    lane_.release();
  } else {
    lane_.hold(from_);
  }
}

/// By the clock. What a round has brought that is not done yet, its flush will see to.
void LaneSink::tick(Session& session) {
  match_held(session);
  if (std::any_of(taken_.begin(), taken_.end(), [](const auto& taken) { return taken.written; })) return;
  finish_delivery();
  if (objects_.due(session.now())) deliver(std::max(flushed_, lane_->begin()));
  tell_lane();
  ask_for_tick(session);
}

void LaneSink::ask_for_tick(Session& session) const {
  if (const auto due = objects_.next_due()) session.tick_at(std::max(*due, session.now() + 1'000'000));
}

}  // namespace weir::s3
