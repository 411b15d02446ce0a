#include "bins.h"

#include <algorithm>
#include <stdexcept>

namespace weir::json {

Bins::Iterator Bins::find(std::string_view key) {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? bins_.end() : found->second;
}

Bins::Iterator Bins::open(std::string_view key, std::int64_t now) {
  auto& bin = bins_.emplace_back();
  bin.key = key;
  bin.opened = now;
  const auto at = std::prev(bins_.end());
  by_key_.emplace(bin.key, at);
  return at;
}

Bin Bins::close(Iterator at) {
  by_key_.erase(at->key);
  Bin bin = std::move(*at);
  bins_.erase(at);
  for (const auto& member : bin.members) {
    if (member.held != abi::kNone) finished_.push_back(member.held);
  }
  return bin;
}

bool Bins::begin(Session& session) {
  const bool known = clean_ && held_ == session.held_count();
  clean_ = false;
  finished_.clear();
  if (known) return true;
  by_key_.clear();
  bins_.clear();
  held_ = session.held_count();
  return false;
}

void Bins::end(Session& session) {
  if (!finished_.empty()) forget_places(held_);
  held_ -= finished_.size();
  std::vector<Member*> added;
  for (auto& bin : bins_) {
    for (auto i = bin.known; i < bin.members.size(); ++i) added.push_back(&bin.members[i]);
    bin.known = bin.members.size();
  }
  // Inputs get their places in the order they came.
  std::sort(added.begin(), added.end(), [](const Member* a, const Member* b) { return a->handle < b->handle; });
  for (auto* member : added) {
    session.hold({session.raw(), member->handle});
    if (member->held == abi::kNone) member->held = static_cast<std::uint32_t>(held_++);
    member->handle = abi::kNone;
  }
  clean_ = true;
}

/// What is behind a finished FlowFile moves up.
void Bins::forget_places(std::size_t held_before) {
  std::vector<std::uint32_t> place(held_before, 0);
  for (const auto finished : finished_) place[finished] = abi::kNone;
  std::uint32_t next = 0;
  for (auto& p : place) {
    if (p != abi::kNone) p = next++;
  }
  for (auto& bin : bins_) {
    for (auto& member : bin.members) {
      if (member.held != abi::kNone) member.held = place[member.held];
    }
  }
}

FlowFile Bins::take(Session& session, const Member& member) const {
  if (member.handle != abi::kNone) return {session.raw(), member.handle};
  const auto file = session.take_held(member.held);
  if (file.sequence() != member.sequence)
    throw std::runtime_error("held FlowFiles are not where they were left: the bins are built anew");
  return file;
}

}  // namespace weir::json
