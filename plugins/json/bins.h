#pragma once
// Which held FlowFiles belong together. The engine keeps the FlowFiles themselves, as a list, oldest first; here is
// only at which place of that list each one is. It can always be built anew from the list, and is, whenever a step
// failed or the list is not what it should be.

#include <cstdint>
#include <list>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "record_content.h"
#include "weir/session.h"

namespace weir::json {

struct Member {
  std::uint32_t handle = abi::kNone;  ///< in the session under way; none: has to be taken up first
  std::uint32_t held = abi::kNone;    ///< place in the list of held FlowFiles; none: an input of this session
  std::uint64_t sequence = 0;
  std::uint64_t fragment = 0;  ///< its fragment.index
  RecordContent content;
};

struct Bin {
  std::string key;
  std::int64_t opened = 0;
  std::vector<Member> members;
  std::size_t known = 0;  ///< members before this one were held when the session began
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;
  std::uint64_t fragment_count = 0;
  std::set<std::uint64_t> fragments;
};

/// Bins in the order of their opening.
class Bins {
 public:
  using Iterator = std::list<Bin>::iterator;

  std::size_t size() const { return bins_.size(); }
  bool empty() const { return bins_.empty(); }
  Iterator oldest() { return bins_.begin(); }
  Iterator none() { return bins_.end(); }
  Iterator find(std::string_view key);
  Iterator open(std::string_view key, std::int64_t now);
  /// Takes the bin out; its members are going to be finished in this session.
  Bin close(Iterator bin);

  /// Begins a session. False: what is known is not what is held, and all bins are gone; every held FlowFile has to be
  /// added again.
  [[nodiscard]] bool begin(Session& session);
  /// Ends it: holds what was added, and notes the new places. What was not ended did not happen.
  void end(Session& session);
  /// The FlowFile of a member. Throws if the list holds another one there; the next begin() is then false.
  FlowFile take(Session& session, const Member& member) const;

 private:
  void forget_places(std::size_t held_before);

  std::list<Bin> bins_;
  std::unordered_map<std::string_view, Iterator> by_key_;  ///< views of Bin::key
  bool clean_ = true;
  std::size_t held_ = 0;                 ///< as many the list should have
  std::vector<std::uint32_t> finished_;  ///< places whose FlowFiles this session finishes
};

}  // namespace weir::json
