#include "engine/lane_store.h"

#include <algorithm>
#include <utility>

#include "store/names.h"
#include "weir/units.h"

namespace weir::engine {

namespace {

/// Epochs of a lane that are not on disk yet. Many go into one epoch of the Weir; more than these only where the disk
/// is full, or very slow.
constexpr std::uint32_t kMostPending = 64;
/// And no more than this of all lanes together, but for one epoch of each.
constexpr std::uint64_t kMostBytes = 256 * MiB;

/// In memory, about.
std::uint64_t bytes_of(const store::Epoch& part) {
  std::uint64_t bytes = 0;
  for (const auto& row : part.lineage) bytes += sizeof row + row.payload.size() + row.details.size();
  for (const auto& attribute : part.attributes)
    bytes += sizeof attribute + attribute.name.size() + attribute.value.size();
  for (const auto& batch : part.retained) {
    for (std::uint32_t i = 0; i < batch.count; ++i) bytes += batch.batch->items[batch.offset + i].size;
  }
  return bytes;
}

}  // namespace

LaneStore::LaneStore(store::Store& store, TakeIn take_in, const flow::LaneName& name,
                     std::shared_ptr<LaneBacklog> backlog)
    : store_(store), take_in_(std::move(take_in)), flow_(name.flow), lane_(name.id()), backlog_(std::move(backlog)) {}

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
  const auto bytes = bytes_of(part);
  {
    std::unique_lock lock(backlog_->mutex);
    backlog_->changed.wait(lock, [&] {
      const bool far = pending_->parts >= kMostPending || (pending_->parts > 0 && backlog_->bytes + bytes > kMostBytes);
      return !far || !pending_->may_wait;
    });
    ++pending_->parts;
    backlog_->bytes += bytes;
  }
  take_in_(std::move(part), [pending = pending_, backlog = backlog_, bytes] {
    const std::lock_guard lock(backlog->mutex);
    --pending->parts;
    backlog->bytes -= bytes;
    backlog->changed.notify_all();
  });
}

void LaneStore::when_durable(const std::function<void()>& told) {
  take_in_({}, told);
}

void LaneStore::may_wait(bool may) {
  const std::lock_guard lock(backlog_->mutex);
  pending_->may_wait = may;
  backlog_->changed.notify_all();
}

}  // namespace weir::engine
