#pragma once
// A lane as the engine keeps it: which round it is in, what its far sides have of it, and what its windows would need
// elsewhere. weir/lane.h says what a lane is.

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "flow/definition.h"
#include "weir/lane.h"

namespace weir::engine {

class Lane final : public abi::Lane, public abi::LaneHolds, public abi::LaneEnd {
 public:
  /// Its sinks with exactly once have to claim their place. `lost` is called once, from any thread, with why.
  /// `first_group`: windows that began when the lane was here before have lower numbers in the lineage.
  Lane(const flow::LaneName& name, const flow::Flow& flow, std::function<void(const std::string&)> lost,
       std::uint64_t first_group = 0);

  /// If what comes by this connection of the flow, in the round under way, was done before: the offset before which all
  /// was. The sink that it leads to is to get nothing then. What another sink refuses is not the same each time, and
  /// may never have come to where it leads: a sink behind others has it only where these have claimed the round too.
  /// And a sink that holds what it gets has of what was done before only what it has claimed.
  std::optional<std::int64_t> done_before(const flow::Connection& connection) const;
  /// A sink has released what it held, since this was last asked: the source may say so though there is no round.
  bool take_released();

  /// It is about to end. From here on it cannot be lost any more.
  void give_up();

  std::uint64_t first_group() const { return first_group_; }

  struct Position {
    std::int64_t offset;       ///< all before is done
    std::int64_t needed_from;  ///< the first that a window which is open would need elsewhere
    std::optional<std::int64_t> reads_again_from;
  };
  /// Nothing until it is known where the group is. `done`: all of the round is.
  std::optional<Position> position(bool done) const;

  abi::Text id() const override { return to_text(id_); }
  abi::Text flow() const override { return to_text(name_.flow); }
  abi::Text topic() const override { return to_text(name_.topic); }
  std::int32_t partition() const override { return name_.partition; }
  bool claimed() const override;
  void go_on(std::int64_t offset) override;
  void restore(abi::Text processor, std::int64_t needed_from, abi::Text kept) override;
  std::int64_t stop_after(std::int64_t offset) const override;
  void round(std::int64_t begin, std::int64_t end) override;
  std::int64_t needed_from(std::int64_t offset) const override;
  void visit_kept(abi::StateVisitor* visitor) const override;
  std::int64_t begin() const override;
  std::int64_t end() const override;
  bool rebuilding() const override;
  void keep(abi::Text processor, std::int64_t needed_from, abi::Text value) override;
  void restored(abi::Text processor, abi::Report* value) const override;
  void claim(abi::Text processor, std::int64_t offset) override;
  void lost(abi::Text why) override;
  void windows_at(std::int64_t offset) override;
  std::int64_t held_from(std::int64_t offset) override;
  void will_hold(abi::Text processor) override;
  void hold(abi::Text processor, std::int64_t from) override;
  void release(abi::Text processor) override;
  bool comes_again(abi::Text connection) const override;
  bool given_up() const override { return given_up_; }

 private:
  struct Kept {
    std::int64_t needed_from;
    std::string value;
  };
  using AllKept = std::map<std::string, Kept, std::less<>>;  ///< by processor
  /// What a sink holds, and what the windows kept between two rounds, where the first of it came in.
  struct Held {
    std::int64_t from;
    AllKept kept;
  };

  /// The first that a sink holds; null: nothing is held. Under the lock.
  const Held* first_held() const;

  const flow::LaneName name_;
  const std::string id_;
  const std::uint64_t first_group_;
  std::vector<std::string> processors_;
  std::vector<std::set<std::uint32_t>> sinks_before_;  ///< by processor: what comes from it may be their refusals
  std::set<std::string> sinks_;                        ///< with exactly once
  std::set<std::string, std::less<>> of_refusals_;     ///< connections by which may come what sinks refuse

  std::atomic<bool> given_up_ = false;

  mutable std::mutex mutex_;  ///< guards all below
  std::function<void(const std::string&)> lost_;
  std::map<std::string, std::int64_t, std::less<>> claims_;
  std::map<std::string, std::string, std::less<>> restored_;
  AllKept kept_;
  AllKept kept_at_begin_;  ///< kept_, when the round under way began
  std::set<std::string, std::less<>> holders_;
  std::map<std::string, Held, std::less<>> held_;
  std::set<std::string, std::less<>> released_;  ///< of held_, since the source last asked
  bool has_released_ = false;
  std::int64_t go_on_ = 0;
  std::int64_t windows_at_ = 0;
  bool goes_on_ = false;  ///< go_on() was called
  std::int64_t begin_ = 0;
  std::int64_t end_ = 0;
};

}  // namespace weir::engine
