#include "engine/lane_store.h"

#include <algorithm>
#include <utility>

#include "store/names.h"

namespace weir::engine {

namespace {

/// Epochs of a lane that are not on disk yet. Many go into one epoch of the Weir; more than these only where the disk
/// is full, or very slow.
constexpr std::uint32_t kMostPending = 64;

}  // namespace

LaneStore::LaneStore(store::Store& store, TakeIn take_in, const flow::LaneName& name)
    : store_(store), take_in_(std::move(take_in)), flow_(name.flow), lane_(name.id()) {}

/// Names begin with the flow's.
std::string LaneStore::in_lane(std::string_view name) const {
  return name.starts_with(flow_ + "/") ? lane_ + std::string(name.substr(flow_.size())) : std::string(name);
}

std::uint32_t LaneStore::processor_number(const std::string& name) {
  const auto number = store_.processor_number(in_lane(name));
  of_flow_[number] = store_.processor_number(name);
  return number;
}

std::vector<store::RecoveredConnection> LaneStore::connections() {
  std::vector<store::RecoveredConnection> mine;
  for (const auto& connection : store_.connections()) {
    if (store::lane_of(connection.id) != lane_) continue;
    const auto handed_over = next_.find(connection.connection);
    const auto next = handed_over == next_.end() ? connection.next : handed_over->second;
    mine.push_back({connection.connection, store::name_in_flow(connection.id), next, next, 0, {}, {}, {}});
  }
  return mine;
}

void LaneStore::write(const store::Epoch& epoch) {
  last_epoch_ = epoch.number;
  store::Epoch part;
  part.lineage = epoch.lineage;
  part.attributes = epoch.attributes;
  part.retained = epoch.retained;
  // All lanes share what the source may keep.
  for (auto& batch : part.retained) batch.processor = of_flow_.at(batch.processor);
  for (const auto& change : epoch.connections) {
    part.connections.push_back({change.connection, change.next, change.next, 0, {}, {}, {}});
    next_[change.connection] = change.next;
  }
  {
    std::unique_lock lock(pending_->mutex);
    pending_->changed.wait(lock, [&] { return pending_->parts < kMostPending || !pending_->may_wait; });
    ++pending_->parts;
  }
  take_in_(std::move(part), [pending = pending_] {
    const std::lock_guard lock(pending->mutex);
    --pending->parts;
    pending->changed.notify_all();
  });
}

void LaneStore::when_durable(const std::function<void()>& told) {
  take_in_({}, told);
}

void LaneStore::may_wait(bool may) {
  const std::lock_guard lock(pending_->mutex);
  pending_->may_wait = may;
  pending_->changed.notify_all();
}

}  // namespace weir::engine
