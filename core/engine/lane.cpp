#include "engine/lane.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "engine/engine.h"
#include "engine/lane_view.h"
#include "flow/scale_out.h"
#include "flow/settings.h"
#include "weir/spec.h"

namespace weir::engine {

using Guard = std::lock_guard<std::mutex>;

Lane::Lane(const flow::LaneName& name, const flow::Flow& flow, std::function<void(const std::string&)> lost,
           std::uint64_t first_group)
    : name_(name),
      id_(name.id()),
      first_group_(first_group),
      sinks_before_(flow.processors.size()),
      lost_([lost = std::move(lost), secrets = flow.secrets](const std::string& why) {
        lost(flow::masked(why, secrets));  // a far side may have said them
      }) {
  for (std::uint32_t i = 0; i < flow.processors.size(); ++i) {
    processors_.push_back(flow.processors[i].name);
    if (flow.processors[i].exactly_once) sinks_.insert(flow.processors[i].name);
    if (!flow::is_sink(flow, i)) continue;
    sinks_before_[i].insert(i);
    for (const auto behind : flow::behind(flow, i)) sinks_before_[behind].insert(i);
  }
  for (const auto& connection : flow.connections) {
    if (!sinks_before_[connection.from].empty()) of_refusals_.insert(connection.id);
  }
}

std::optional<std::int64_t> Lane::done_before(const flow::Connection& connection) const {
  const Guard lock(mutex_);
  const auto claim_of = [&](std::uint32_t processor) {
    const auto claim = claims_.find(processors_[processor]);
    return claim == claims_.end() ? 0 : claim->second;
  };
  auto has = claim_of(connection.to);
  for (const auto sink : sinks_before_[connection.from]) has = std::min(has, claim_of(sink));
  const bool held = holders_.contains(processors_[connection.to]) && sinks_before_[connection.from].empty();
  has = std::max(held ? windows_at_ : go_on_, has);
  return end_ <= has ? std::optional(has) : std::nullopt;
}

bool Lane::claimed() const {
  const Guard lock(mutex_);
  return std::all_of(sinks_.begin(), sinks_.end(), [&](const auto& sink) { return claims_.contains(sink); });
}

void Lane::go_on(std::int64_t offset) {
  const Guard lock(mutex_);
  go_on_ = windows_at_ = begin_ = end_ = offset;
  goes_on_ = true;
}

std::optional<Lane::Position> Lane::position(bool done) const {
  std::optional<Position> position;
  {
    const Guard lock(mutex_);
    if (!goes_on_) return std::nullopt;
    const auto at = done ? end_ : begin_;
    position = {std::max(at, go_on_), 0, at < go_on_ ? std::optional(at) : std::nullopt};
  }
  position->needed_from = needed_from(position->offset);
  return position;
}

void Lane::restore(abi::Text processor, std::int64_t needed_from, abi::Text kept) {
  const Guard lock(mutex_);
  restored_.insert_or_assign(std::string(view(processor)), view(kept));
  kept_.insert_or_assign(std::string(view(processor)), Kept{needed_from, std::string(view(kept))});
}

std::int64_t Lane::stop_after(std::int64_t offset) const {
  const Guard lock(mutex_);
  auto stop = std::numeric_limits<std::int64_t>::max();
  for (const auto place : {go_on_, windows_at_}) {
    if (place > offset) stop = std::min(stop, place);
  }
  for (const auto& [processor, claim] : claims_) {
    if (claim > offset) stop = std::min(stop, claim);
  }
  return stop;
}

void Lane::round(std::int64_t begin, std::int64_t end) {
  const Guard lock(mutex_);
  begin_ = begin;
  end_ = end;
  kept_at_begin_ = kept_;
}

std::int64_t Lane::needed_from(std::int64_t offset) const {
  const Guard lock(mutex_);
  const auto* held = first_held();
  if (held != nullptr) offset = std::min(offset, held->from);
  for (const auto& [processor, kept] : held != nullptr ? held->kept : kept_)
    offset = std::min(offset, kept.needed_from);
  return offset;
}

void Lane::visit_kept(abi::StateVisitor* visitor) const {
  const Guard lock(mutex_);
  const auto* held = first_held();
  for (const auto& [processor, kept] : held != nullptr ? held->kept : kept_) {
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
  return end_ <= windows_at_;
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

void Lane::give_up() {
  given_up_ = true;
  const Guard lock(mutex_);
  lost_ = nullptr;
}

void Lane::windows_at(std::int64_t offset) {
  const Guard lock(mutex_);
  windows_at_ = offset;
}

const Lane::Held* Lane::first_held() const {
  const Held* first = nullptr;
  for (const auto& [processor, held] : held_) {
    if (first == nullptr || held.from < first->from) first = &held;
  }
  return first;
}

std::int64_t Lane::held_from(std::int64_t offset) {
  const Guard lock(mutex_);
  for (const auto& processor : std::exchange(released_, {})) held_.erase(processor);
  const auto* held = first_held();
  return held != nullptr ? std::min(offset, held->from) : offset;
}

void Lane::will_hold(abi::Text processor) {
  const Guard lock(mutex_);
  holders_.emplace(view(processor));
}

void Lane::hold(abi::Text processor, std::int64_t from) {
  const Guard lock(mutex_);
  if (const auto released = released_.find(view(processor)); released != released_.end()) released_.erase(released);
  const auto held = held_.find(view(processor));
  if (held != held_.end() && held->second.from == from) return;
  held_.insert_or_assign(std::string(view(processor)), Held{from, kept_at_begin_});
}

void Lane::release(abi::Text processor) {
  const Guard lock(mutex_);
  if (!held_.contains(view(processor))) return;
  released_.emplace(view(processor));
  has_released_ = true;
}

bool Lane::take_released() {
  const Guard lock(mutex_);
  return std::exchange(has_released_, false);
}

bool Lane::comes_again(abi::Text connection) const {
  return !of_refusals_.contains(view(connection));
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

void Engine::tell_position(LaneStatus& status) const {
  const Lock lock(mutex_);  // at rest, it is the end of a round until somebody has the lock
  const bool done = lane_at_rest() && std::all_of(instances_.begin(), instances_.end(),
                                                  [](const auto& instance) { return instance->held.empty(); });
  const auto position = options_.lane->position(done);
  if (!position) return;
  status.offset = position->offset;
  status.needed_from = position->needed_from;
  status.reads_again_from = position->reads_again_from;
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
  const bool released = options_.lane->take_released();
  for (auto& instance : instances_) {
    if (!instance->is_source()) continue;
    instance->poll_wanted |= std::exchange(round_begun_, false) || released;
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

/// What a lane has in its queues and its state is dropped when it moves: of it, only the lineage is written, and how
/// far the connections are.
void Engine::forget_changes(store::Epoch& epoch) {
  for (const auto& change : epoch.connections) {
    for (auto& connection : connections_) {
      if (connection->number() == change.connection) connection->made_durable(change.next);
    }
  }
  epoch.states.clear();
  epoch.bulletins.clear();
}

/// What comes to a sink that has it already ends here.
void Engine::pass_by(const PreparedOutput& output, const Connection& connection, std::uint64_t first,
                     std::int64_t before) {
  store::LineageRow row;
  row.type = store::EventType::drop;
  row.processor = connection.to->number();
  row.in_connection = connection.number();
  row.in_first = first;
  row.in_count = output.count;
  row.time = clock_->now();
  row.bytes = output.bytes;
  row.details = "read again: the sink has all before offset " + std::to_string(before) + " already";
  store::add_coalescing(lineage_, std::move(row));
}

// ------------------------------------------------------------------------------------------ for the engines of lanes

void Engine::take_in(store::Epoch part, std::function<void()> durable) {
  const Lock lock(mutex_);
  for (auto& row : part.lineage) store::add_coalescing(lineage_, std::move(row));
  std::move(part.attributes.begin(), part.attributes.end(), std::back_inserter(attributes_));
  std::move(part.retained.begin(), part.retained.end(), std::back_inserter(retained_));
  std::move(part.states.begin(), part.states.end(), std::back_inserter(taken_in_.states));
  for (auto& change : part.connections) taken_in_.connections.insert_or_assign(change.connection, std::move(change));
  taken_in_.durable.push_back(std::move(durable));
  touch();
}

}  // namespace weir::engine
