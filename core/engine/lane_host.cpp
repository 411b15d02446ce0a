#include "engine/lane_host.h"

#include <algorithm>
#include <utility>

#include "engine/lane.h"
#include "flow/scale_out.h"
#include "weir/spec.h"

namespace weir::engine {

namespace {

using Steady = std::chrono::steady_clock;

constexpr auto kFirstPause = std::chrono::seconds(1);  ///< before a lane that was lost begins anew; doubles
constexpr auto kLongestPause = std::chrono::seconds(30);
constexpr auto kWell = std::chrono::minutes(1);  ///< a lane that ran for so long was well

/// Names of processors have a flow in front, so this is nobody's. Its state is how often each lane has begun.
constexpr const char* kLanes = "@lanes";
constexpr std::uint64_t kMostGroups = std::uint64_t{1} << 40;  ///< of windows that a lane has from begin to end

}  // namespace

/// Hands on what a member says of one flow.
class LaneHost::OfFlow final : public abi::Lanes {
 public:
  OfFlow(LaneHost& host, std::string flow) : host_(host), flow_(std::move(flow)) {}
  void want(abi::Text topic, std::int32_t partition) override {
    host_.want({flow_, std::string(view(topic)), partition}, true);
  }
  void give_up(abi::Text topic, std::int32_t partition) override {
    host_.want({flow_, std::string(view(topic)), partition}, false);
  }

 private:
  LaneHost& host_;
  const std::string flow_;
};

struct LaneHost::Running {
  ~Running() {
    if (starter.joinable()) starter.join();
  }

  std::vector<flow::Flow> flows;
  std::shared_ptr<Lane> lane;
  std::unique_ptr<Engine> engine;  ///< behind what it uses
  Steady::time_point since = Steady::now();
  std::chrono::system_clock::time_point began = std::chrono::system_clock::now();
  std::thread starter;  ///< far sides take their time, and lanes need not wait for each other
};

LaneHost::LaneHost(const std::vector<flow::Flow>& flows, LaneHostOptions options)
    : flows_(flows), options_(std::move(options)) {
  std::error_code ignored;  // what cannot be removed is said when a lane wants its folder
  std::filesystem::remove_all(options_.data / "lanes", ignored);
  for (const auto& flow : flows_) {
    if (!flow.scale_out) continue;
    of_flows_.emplace(flow.name, std::make_unique<OfFlow>(*this, flow.name));
    // The flows outlive the host: nobody has to own them.
    ended_.emplace(flow.name, LaneTotals({std::shared_ptr<void>(), &flow}));
  }
  if (of_flows_.empty()) return;
  number_ = options_.store->processor_number(kLanes);
  begun_ = options_.store->state(number_);
  thread_ = std::thread([this] { run(); });
}

LaneHost::~LaneHost() {
  stop(Steady::time_point::max());
}

abi::Lanes* LaneHost::lanes(const std::string& flow) {
  const auto found = of_flows_.find(flow);
  return found == of_flows_.end() ? nullptr : found->second.get();
}

std::filesystem::path LaneHost::folder(const flow::LaneName& name) const {
  return options_.data / "lanes" / name.flow / (name.topic + "-" + std::to_string(name.partition));
}

void LaneHost::want(const flow::LaneName& name, bool wanted) {
  const std::lock_guard lock(mutex_);
  auto& lane = lanes_[name];
  lane.wanted = wanted;
  if (!wanted) drop(lane);
  changed_.notify_all();
}

/// Under the lock. What waits for a far side in it gives up now, and not when its turn has come to end.
void LaneHost::drop(Wanted& lane) {
  lane.drop = true;
  if (lane.running) lane.running->lane->give_up();
}

void LaneHost::lost(const flow::LaneName& name, const std::string& why) {
  options_.report(abi::Level::warning,
                  name.flow + ", lane " + name.topic + "/" + std::to_string(name.partition) + ": begins anew: " + why);
  const std::lock_guard lock(mutex_);
  auto& lane = lanes_[name];
  if (lane.running && Steady::now() - lane.running->since > kWell) lane.losses = 0;
  const auto pause = std::min<Steady::duration>(kLongestPause, kFirstPause * (1 << std::min(lane.losses++, 5U)));
  lane.not_before = Steady::now() + pause;
  lane.why_lost = why;
  drop(lane);
  changed_.notify_all();
}

/// So that windows have numbers that they had never before, as lineage needs them.
std::uint64_t LaneHost::count_start(const flow::LaneName& name) {
  auto& begun = begun_[name.id()];
  const auto times = begun.empty() ? 1 : std::stoull(begun) + 1;
  begun = std::to_string(times);
  store::Epoch part;
  part.states.push_back({number_, {{name.id(), begun}}});
  options_.take_in(std::move(part), [] {});
  return times;
}

std::shared_ptr<LaneHost::Running> LaneHost::start(const flow::LaneName& name) {
  const auto& flow =
      *std::find_if(flows_.begin(), flows_.end(), [&](const auto& each) { return each.name == name.flow; });
  auto running = std::make_shared<Running>();
  running->flows.push_back(flow::lane_of(flow, name));
  const auto data = folder(name);
  std::filesystem::remove_all(data);
  auto& store = stores_[name];
  if (store == nullptr) store = std::make_unique<LaneStore>(*options_.store, options_.take_in, name, backlog_);
  store->may_wait(true);
  auto options = options_.engine;
  options.data = data;
  options.quality = options_.quality ? options_.quality() : nullptr;
  options.stop_patience = options.stop_patience * 3 / 5;  // so that it can say what hangs while there is time
  options.lane = running->lane = std::make_shared<Lane>(
      name, running->flows.front(), [this, name](const std::string& why) { lost(name, why); },
      count_start(name) * kMostGroups);
  options.report = [this, name](abi::Level level, const std::string& processor, const std::string& message) {
    options_.report(level, name.flow + ", lane " + name.topic + "/" + std::to_string(name.partition) +
                               (processor.empty() ? "" : ", " + processor) + ": " + message);
  };
  running->engine = std::make_unique<Engine>(running->flows, *store, options);
  return running;
}

/// Those of ending_, each in a thread of its own: a processor that hangs holds up its lane, and the others no longer.
void LaneHost::end(std::unique_lock<std::mutex>& lock) {
  lock.unlock();  // others only read what is ending
  std::vector<std::jthread> threads;
  for (const auto& [name, running] : ending_) {
    threads.emplace_back([this, &name = name, &running = *running] {
      running.lane->give_up();
      running.engine->stop_waiting();
      running.starter.join();
      stores_.at(name)->may_wait(false);
      running.engine->stop();
      for (const auto& processor : running.engine->left_behind()) {
        options_.report(abi::Level::error,
                        name.flow + ", lane " + name.topic + "/" + std::to_string(name.partition) + ": " +
                            processor.name +
                            " does not return, so the lane is left behind: nothing that it still does counts");
      }
    });
  }
  threads.clear();
  lock.lock();
  std::vector<flow::LaneName> ended;
  for (const auto& [name, running] : ending_) {
    ended_.at(name.flow).count(*running->engine);
    if (running->engine->left_behind().empty()) {
      ended.push_back(name);
    } else {
      left_behind_.push_back(running);
    }
  }
  auto gone = std::exchange(ending_, {});
  lock.unlock();
  gone.clear();  // who asks at this moment whether one is ready keeps it a little longer
  std::error_code ignored;
  for (const auto& name : ended) std::filesystem::remove_all(folder(name), ignored);
  lock.lock();
}

void LaneHost::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    end_left_behind(lock);
    auto next = Steady::time_point::max();
    auto due = lanes_.end();
    for (auto lane = lanes_.begin(); lane != lanes_.end(); ++lane) {
      auto& [name, state] = *lane;
      const bool ends = state.running && (state.drop || stopping_);
      if (ends) ending_.emplace_back(name, std::exchange(state.running, nullptr));
      if (!state.running) state.drop = false;
      if (state.running || ends || !state.wanted || stopping_) continue;
      if (due == lanes_.end() && state.not_before <= Steady::now()) due = lane;
      next = std::min(next, state.not_before);
    }
    if (!ending_.empty()) {
      end(lock);
      continue;
    }
    if (due == lanes_.end()) {
      if (stopping_) {
        ended_all_ = true;
        return changed_.notify_all();
      }
      if (next == Steady::time_point::max()) {
        changed_.wait(lock);
      } else {
        changed_.wait_until(lock, next);
      }
      continue;
    }
    const auto name = due->first;
    lock.unlock();
    std::shared_ptr<Running> running;
    std::string why;
    try {
      running = start(name);
    } catch (const std::exception& error) {
      why = error.what();
    }
    if (running == nullptr) {
      lost(name, why);
      lock.lock();
      continue;
    }
    running->starter = std::thread([this, name, engine = running->engine.get()] {
      try {
        engine->start();
      } catch (const std::exception& error) {
        lost(name, error.what());
      }
    });
    lock.lock();
    lanes_[name].running = running;
  }
}

std::string LaneHost::not_ready() const {
  std::map<flow::LaneName, std::shared_ptr<Running>> running;
  std::string reasons;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, state] : lanes_) {
      if (state.running) running.emplace(name, state.running);
    }
  }
  for (const auto& [name, lane] : running) {
    std::string why;
    if (lane->engine->ready(&why)) continue;
    reasons +=
        (reasons.empty() ? "" : "\n") + ("lane " + name.topic + "/" + std::to_string(name.partition)) + ": " + why;
  }
  return reasons;
}

LaneView LaneHost::seen() const {
  std::map<std::string, LaneTotals> totals;
  std::vector<std::pair<std::string, std::shared_ptr<Running>>> running;
  std::vector<std::pair<flow::LaneName, std::shared_ptr<Running>>> ending;
  {
    const std::lock_guard lock(mutex_);
    totals = ended_;
    ending = ending_;
    for (const auto& [name, state] : lanes_) {
      if (state.running) running.emplace_back(name.flow, state.running);
    }
  }
  for (const auto& [name, lane] : ending) totals.at(name.flow).count(*lane->engine);
  for (const auto& [flow, lane] : running) {
    totals.at(flow).count(*lane->engine);
    totals.at(flow).look(*lane->engine);
  }
  LaneView view;
  for (const auto& [flow, total] : totals) {
    const auto& of = total.view();
    view.processors.insert(view.processors.end(), of.processors.begin(), of.processors.end());
    view.connections.insert(view.connections.end(), of.connections.begin(), of.connections.end());
  }
  return view;
}

std::vector<LaneStatus> LaneHost::lanes_of(const std::string& flow) const {
  std::vector<LaneStatus> all;
  std::vector<std::shared_ptr<Running>> running;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, state] : lanes_) {
      if (name.flow != flow || (!state.wanted && !state.running)) continue;
      auto& status = all.emplace_back();
      status.name = name;
      status.not_ready = state.why_lost.empty() ? "has not begun yet" : "begins anew: " + state.why_lost;
      running.push_back(state.running);
    }
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (running[i] == nullptr) continue;
    auto& status = all[i];
    status.since = std::chrono::nanoseconds(running[i]->began.time_since_epoch()).count();
    status.not_ready.clear();
    running[i]->engine->ready(&status.not_ready);
    running[i]->engine->tell_position(status);
  }
  return all;
}

std::shared_ptr<Engine> LaneHost::engine_of(const flow::LaneName& name) const {
  const std::lock_guard lock(mutex_);
  const auto lane = lanes_.find(name);
  if (lane == lanes_.end() || lane->second.running == nullptr) return nullptr;
  return {lane->second.running, lane->second.running->engine.get()};
}

bool LaneHost::stop(Steady::time_point until) {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
  if (!thread_.joinable()) return left_behind_.empty();
  if (!changed_.wait_until(lock, until, [this] { return ended_all_; })) return false;
  lock.unlock();
  thread_.join();
  lock.lock();
  end_left_behind(lock);
  return left_behind_.empty();
}

/// Those whose processors have returned after all.
void LaneHost::end_left_behind(std::unique_lock<std::mutex>& lock) {
  const auto returned = std::partition(left_behind_.begin(), left_behind_.end(),
                                       [](const auto& running) { return !running->engine->left_behind().empty(); });
  std::vector<std::shared_ptr<Running>> ended(returned, left_behind_.end());
  left_behind_.erase(returned, left_behind_.end());
  if (ended.empty()) return;
  lock.unlock();
  ended.clear();
  lock.lock();
}

}  // namespace weir::engine
