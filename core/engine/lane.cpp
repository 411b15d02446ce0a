#include "engine/lane.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "engine/engine.h"
#include "weir/spec.h"

namespace weir::engine {

using Guard = std::lock_guard<std::mutex>;

Lane::Lane(const flow::LaneName& name, std::set<std::string> sinks, std::function<void(const std::string&)> lost)
    : name_(name),
      id_(name.flow + "@" + name.topic + "/" + std::to_string(name.partition)),
      sinks_(std::move(sinks)),
      lost_(std::move(lost)) {}

bool Lane::silent(const std::string& processor) const {
  const Guard lock(mutex_);
  const auto claim = claims_.find(processor);
  return end_ <= std::max(go_on_, claim == claims_.end() ? 0 : claim->second);
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
  if (held) return touch(true);
  for (auto& instance : instances_) {
    if (!instance->is_source()) continue;
    instance->poll_wanted |= std::exchange(round_begun_, false);
    consider(*instance);
  }
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
