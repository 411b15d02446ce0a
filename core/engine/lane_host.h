#pragma once
// Runs the lanes that this Weir has of flows that scale out (weir/lane.h), each as an engine of its own: nothing of two
// lanes can meet. What the group gives and takes comes from the flow's member; a lane that is lost (another has claimed
// it, or what became of a commit is not known) begins anew as long as the group says that it is ours.

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/lane_store.h"
#include "engine/lane_view.h"
#include "flow/definition.h"

namespace weir::engine {

struct LaneHostOptions {
  Options engine;              ///< of each lane
  std::filesystem::path data;  ///< lanes have a folder there, which goes with them
  store::Store* store;         ///< where their lineage goes
  TakeIn take_in;              ///< by the engine that writes it
  std::function<void(abi::Level, const std::string& message)> report;
  std::function<QualityLedgers*()> quality = {};  ///< of all lanes together; or empty
};

class LaneHost {
 public:
  /// The flows and the store outlive it.
  LaneHost(const std::vector<flow::Flow>& flows, LaneHostOptions options);
  ~LaneHost();
  LaneHost(const LaneHost&) = delete;
  LaneHost& operator=(const LaneHost&) = delete;

  /// What the member of this flow tells its news to; null if it does not scale out.
  abi::Lanes* lanes(const std::string& flow);
  /// A line for each lane that cannot do its work; empty: there is none.
  std::string not_ready() const;
  /// What the lanes have done since the start of this process, and have now.
  LaneView seen() const;
  /// Those that the group has given to this Weir, of one flow.
  std::vector<LaneStatus> lanes_of(const std::string& flow) const;
  /// The engine of one that runs, which may stop while it is held; null: there is none.
  std::shared_ptr<Engine> engine_of(const flow::LaneName& name) const;
  /// Ends all lanes. False: one has not ended by then, or a processor of one does not return from a call, which its end
  /// would wait for: end the process, and not this. Idempotent.
  bool stop(std::chrono::steady_clock::time_point until);

 private:
  class OfFlow;
  struct Running;
  struct Wanted {
    bool wanted = false;
    bool drop = false;  ///< what runs is not to go on
    std::chrono::steady_clock::time_point not_before;
    std::uint32_t losses = 0;  ///< in a row
    std::string why_lost;      ///< the last time
    std::shared_ptr<Running> running;
  };

  void want(const flow::LaneName& name, bool wanted);
  void lost(const flow::LaneName& name, const std::string& why);
  static void drop(Wanted& lane);
  void end(std::unique_lock<std::mutex>& lock);
  void end_left_behind(std::unique_lock<std::mutex>& lock);
  void run();
  std::shared_ptr<Running> start(const flow::LaneName& name);
  std::filesystem::path folder(const flow::LaneName& name) const;
  std::uint64_t count_start(const flow::LaneName& name);

  const std::vector<flow::Flow>& flows_;
  const LaneHostOptions options_;
  std::map<std::string, std::unique_ptr<OfFlow>> of_flows_;
  std::uint32_t number_ = 0;                  ///< under which the store keeps how often lanes have begun
  std::map<std::string, std::string> begun_;  ///< by lane: how often; of the host's thread
  const std::shared_ptr<LaneBacklog> backlog_ = std::make_shared<LaneBacklog>();
  std::map<flow::LaneName, std::unique_ptr<LaneStore>> stores_;  ///< of all lanes that ever began; of that thread

  mutable std::mutex mutex_;  ///< guards all below
  std::condition_variable changed_;
  std::map<flow::LaneName, Wanted> lanes_;
  std::map<std::string, LaneTotals> ended_;  ///< by flow: what lanes that are gone have counted
  std::vector<std::pair<flow::LaneName, std::shared_ptr<Running>>> ending_;  ///< what they count is not in ended_ yet
  std::vector<std::shared_ptr<Running>> left_behind_;                        ///< a processor of theirs does not return
  bool stopping_ = false;
  bool ended_all_ = false;

  std::thread thread_;  ///< last: it uses all above
};

}  // namespace weir::engine
