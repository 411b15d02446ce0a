#include "engine/lane.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "engine/engine.h"
#include "flow/scale_out.h"
#include "weir/spec.h"

namespace weir::engine {

using Guard = std::lock_guard<std::mutex>;

Lane::Lane(const flow::LaneName& name, const flow::Flow& flow, std::function<void(const std::string&)> lost)
    : name_(name),
      id_(name.flow + "@" + name.topic + "/" + std::to_string(name.partition)),
      sinks_before_(flow.processors.size()),
      lost_(std::move(lost)) {
  for (std::uint32_t i = 0; i < flow.processors.size(); ++i) {
    processors_.push_back(flow.processors[i].name);
    if (flow.processors[i].exactly_once) sinks_.insert(flow.processors[i].name);
    if (!flow::is_sink(flow, i)) continue;
    sinks_before_[i].insert(i);
    for (const auto behind : flow::behind(flow, i)) sinks_before_[behind].insert(i);
  }
}

bool Lane::silent(const flow::Connection& connection) const {
  const Guard lock(mutex_);
  const auto claim_of = [&](std::uint32_t processor) {
    const auto claim = claims_.find(processors_[processor]);
    return claim == claims_.end() ? 0 : claim->second;
  };
  auto has = claim_of(connection.to);
  for (const auto sink : sinks_before_[connection.from]) has = std::min(has, claim_of(sink));
  return end_ <= std::max(go_on_, has);
}

bool Lane::claimed() const {
  const Guard lock(mutex_);
  return std::all_of(sinks_.begin(), sinks_.end(), [&](const auto& sink) { return claims_.contains(sink); });
}

void Lane::go_on(std::int64_t offset) {
  const Guard lock(mutex_);
  go_on_ = begin_ = end_ = offset;
}

void Lane::restore(abi::Text processor, std::int64_t needed_from, abi::Text kept) {
  const Guard lock(mutex_);
  restored_.insert_or_assign(std::string(view(processor)), view(kept));
  kept_.insert_or_assign(std::string(view(processor)), Kept{needed_from, std::string(view(kept))});
}

std::int64_t Lane::stop_after(std::int64_t offset) const {
  const Guard lock(mutex_);
  auto stop = std::numeric_limits<std::int64_t>::max();
  if (go_on_ > offset) stop = go_on_;
  for (const auto& [processor, claim] : claims_) {
    if (claim > offset) stop = std::min(stop, claim);
  }
  return stop;
}

void Lane::round(std::int64_t begin, std::int64_t end) {
  const Guard lock(mutex_);
  begin_ = begin;
  end_ = end;
}

std::int64_t Lane::needed_from(std::int64_t offset) const {
  const Guard lock(mutex_);
  for (const auto& [processor, kept] : kept_) offset = std::min(offset, kept.needed_from);
  return offset;
}

void Lane::visit_kept(abi::StateVisitor* visitor) const {
  const Guard lock(mutex_);
  for (const auto& [processor, kept] : kept_) {
    if (!visitor->entry(to_text(processor), to_text(kept.value))) return;
  }
}

std::int64_t Lane::begin() const {
  const Guard lock(mutex_);
  return begin_;
}

std::int64_t Lane::end() const {
  const Guard lock(mutex_);
  return end_;
}

bool Lane::rebuilding() const {
  const Guard lock(mutex_);
  return end_ <= go_on_;
}

void Lane::keep(abi::Text processor, std::int64_t needed_from, abi::Text value) {
  const Guard lock(mutex_);
  kept_.insert_or_assign(std::string(view(processor)), Kept{needed_from, std::string(view(value))});
}

void Lane::restored(abi::Text processor, abi::Report* value) const {
  const Guard lock(mutex_);
  if (const auto found = restored_.find(view(processor)); found != restored_.end())
    value->message(to_text(found->second));
}

void Lane::claim(abi::Text processor, std::int64_t offset) {
  const Guard lock(mutex_);
  claims_.insert_or_assign(std::string(view(processor)), offset);
}

void Lane::lost(abi::Text why) {
  std::function<void(const std::string&)> lost;
  {
    const Guard lock(mutex_);
    lost.swap(lost_);
  }
  if (lost) lost(std::string(view(why)));
}

// ------------------------------------------------------------------------------------------- the engine, in rounds

/// Nothing is under way but what sinks hold until the end of the round.
bool Engine::lane_at_rest(const Instance* besides) const {
  const auto now = clock_->now();
  for (const auto& instance : instances_) {
    if (instance.get() == besides) continue;
    if (instance->active != 0 && !instance->flush_wanted) return false;
    if (instance->tick_at != 0 && instance->tick_at <= now && !instance->is_source()) return false;
  }
  return std::all_of(connections_.begin(), connections_.end(),
                     [](const auto& connection) { return connection->idle(); });
}

/// All that the source brought is out of every sink.
bool Engine::lane_is_done(const Instance& source) const {
  return lane_at_rest(&source) &&
         std::all_of(instances_.begin(), instances_.end(), [](const auto& instance) { return instance->held.empty(); });
}

/// Something has been done: the sinks may be due, or the source.
void Engine::end_round() {
  if (!lane_at_rest()) return;
  bool held = false;
  for (const auto& instance : instances_) held |= !instance->held.empty();
  if (held) return round_moves_ ? touch(true) : void();
  for (auto& instance : instances_) {
    if (!instance->is_source()) continue;
    instance->poll_wanted |= std::exchange(round_begun_, false);
    consider(*instance);
  }
}

/// At rest, a lane's processors are asked in turn for what they hold. First those that have something on its way: a
/// sink that commits says that it has all of the round. Then each sink after those behind it, so that it commits only
/// what it refuses nothing of any more, or nothing that is not out of the sinks there.
bool Engine::lane_flushes(const Instance& instance) const {
  if (!instance.is_sink()) return true;
  const auto holds = [](const auto& other) { return !other->held.empty(); };
  if (std::any_of(instances_.begin(), instances_.end(),
                  [&](const auto& other) { return !other->is_sink() && holds(other); }))
    return false;
  std::set<const Instance*> seen{&instance};
  for (std::vector<const Instance*> next{&instance}; !next.empty();) {
    const auto* at = next.back();
    next.pop_back();
    for (const auto& relationship : at->outputs) {
      for (const auto* output : relationship) {
        const auto* behind = output->to;
        if (!seen.insert(behind).second) continue;
        if (holds(behind) && behind->component != instance.component) return false;
        next.push_back(behind);
      }
    }
  }
  return true;
}

/// What a lane has in its queues and its state is dropped when it moves: it is not written.
void Engine::forget_changes(store::Epoch& epoch) {
  for (const auto& change : epoch.connections) {
    for (auto& connection : connections_) {
      if (connection->number() == change.connection) connection->made_durable(change.next);
    }
  }
  epoch.connections.clear();
  epoch.states.clear();
  epoch.lineage.clear();
  epoch.attributes.clear();
  epoch.bulletins.clear();
  epoch.retained.clear();
}

}  // namespace weir::engine
