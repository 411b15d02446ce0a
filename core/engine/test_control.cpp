// What a test does to a flow: it lets time pass, gives FlowFiles, and ends sources. Time moves only when nothing can
// run and all is durable, so a flow sees hours pass in milliseconds, and sees the same every time.

#include <algorithm>

#include "engine/engine.h"

namespace weir::engine {

bool Engine::at_rest() const {
  return active_ == 0 && !dirty_ && !committing_ && epochs_.last == epoch_number_ &&
         (timers_.empty() || timers_.top().when > clock_->now()) &&
         std::none_of(instances_.begin(), instances_.end(),
                      [](const auto& instance) { return instance->status == Instance::Status::starting; });
}

bool Engine::come_to_rest(std::chrono::steady_clock::time_point deadline, Lock& lock) {
  while (fatal_.empty() && !at_rest()) {
    if (active_ == 0 && dirty_) touch(true);  // nobody has to wait for the epoch's interval
    if (quiet_.wait_until(lock, deadline) == std::cv_status::timeout && !at_rest()) return false;
  }
  return fatal_.empty();
}

bool Engine::advance(std::int64_t to, Duration patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  Lock lock(mutex_);
  while (come_to_rest(deadline, lock)) {
    const auto now = clock_->now();
    if (virtual_clock_ == nullptr || now >= to) return true;
    virtual_clock_->set(timers_.empty() ? to : std::clamp(timers_.top().when, now, to));
    timer_changed_.notify_all();
  }
  return false;
}

std::int64_t Engine::next_due() const {
  const Lock lock(mutex_);
  return timers_.empty() ? 0 : timers_.top().when;
}

void Engine::give(std::size_t instance, std::uint32_t relationship, std::string_view content,
                  const std::map<std::string, std::string>& attributes, std::uint32_t records) {
  const Lock lock(mutex_);
  auto& from = *instances_.at(instance);
  auto arena = std::make_shared<store::Arena>();
  abi::Item item{};
  auto* data = arena->allocate(content.size());
  std::copy(content.begin(), content.end(), data);
  item.data = data;
  item.size = content.size();
  item.records = records;
  item.born = clock_->now();
  if (!attributes.empty()) {
    auto* list = reinterpret_cast<abi::Attribute*>(
        arena->allocate(attributes.size() * sizeof(abi::Attribute), alignof(abi::Attribute)));
    item.attributes = list;
    for (const auto& [name, value] : attributes) list[item.attribute_count++] = {arena->copy(name), arena->copy(value)};
  }
  PreparedOutput output;
  output.relationship = relationship;
  output.count = 1;
  output.bytes = content.size();
  output.records = records;
  store::LineageRow row;
  row.type = store::EventType::create;
  row.processor = from.number();
  row.out_count = 1;
  row.time = item.born;
  row.bytes = content.size();
  output.rows.push_back(std::move(row));
  auto batch = std::make_shared<store::Batch>();
  batch->items.push_back(item);
  batch->arenas.push_back(std::move(arena));
  output.batch = std::move(batch);
  push(from, output);
  touch();
}

void Engine::end_sources() {
  const Lock lock(mutex_);
  for (auto& instance : instances_) {
    if (instance->is_source()) instance->source_ended = true;
  }
  check_ends();
}

}  // namespace weir::engine
