#include "path_matcher.h"

#include <algorithm>

#include "weir/errors.h"

namespace weir::json {

namespace {

std::string_view describe(ValueKind kind) {
  constexpr std::string_view kNames[] = {"an object", "an array", "a text", "a number", "a boolean", "null"};
  return kNames[static_cast<std::size_t>(kind)];
}

}  // namespace

PathMatcher::PathMatcher(const std::optional<JsonPath>& path, char first, bool surveying, Visit visit)
    : definite_(path && path->definite()), surveying_(surveying), visit_(std::move(visit)) {
  if (path) {
    steps_ = path->steps;
    text_ = path->text;
  }
  PathStep every;
  every.any = true;
  if (definite_ || (!path && first == '[')) steps_.push_back(every);
  levels_.resize(steps_.size() + 1);
}

void PathMatcher::resume(std::string_view containers) {
  for (std::size_t depth = 0; depth < containers.size(); ++depth) {
    levels_[depth].selected = true;
    levels_[depth].object = containers[depth] == '{';
    // Only an index step asks for it, and the element of that index is the one we are in.
    if (steps_[depth].index) levels_[depth].next_index = *steps_[depth].index + 1;
  }
  found_ = true;
}

void PathMatcher::name(std::uint32_t depth, std::string_view name) {
  if (depth > 0 && depth < levels_.size() && levels_[depth - 1].selected) levels_[depth - 1].name = name;
}

/// Whether the path selects the value that begins at this depth, given the container around it.
bool PathMatcher::selects(std::uint32_t depth) {
  auto& around = levels_[depth - 1];
  if (!around.selected) return false;
  const auto& step = steps_[depth - 1];
  const auto index = around.next_index++;
  if (step.any) return true;
  return around.object ? step.name && *step.name == around.name : step.index && *step.index == index;
}

void PathMatcher::begin(std::uint32_t depth, ValueKind kind, std::uint64_t offset) {
  if (depth == 0) found_ = false, trouble_.clear();
  auto& level = levels_[depth];
  level.selected = depth == 0 || selects(depth);
  if (!level.selected) return;
  if (surveying_ && depth > 0 && levels_[depth - 1].object) note_repeated(depth, offset);
  level.begin = offset;
  level.count_before = count_;
  level.object = kind == ValueKind::object;
  level.next_index = 0;
  level.named_at.reset();
  if (!level.members.empty()) level.members = {};  // clear() would keep, and clean again and again, a large table
  if (definite_ && depth + 1 == steps_.size()) {
    found_ = true;
    trouble_ = kind == ValueKind::array || kind == ValueKind::object
                   ? std::string()
                   : "'" + text_ + "' is " + std::string(describe(kind)) + ", not an array or object, at byte " +
                         std::to_string(offset);
  }
}

bool PathMatcher::end(std::uint32_t depth, std::uint64_t offset) {
  auto& level = levels_[depth];
  bool go_on = true;
  if (level.selected && depth == steps_.size() && !is_void(level.begin)) {
    ++count_;
    Match match{level.begin, offset, false, {}};
    if (depth > 0 && levels_[depth - 1].object && steps_[depth - 1].any)
      match.named = true, match.name = levels_[depth - 1].name;
    go_on = visit_(match);
  }
  if (surveying_ && level.selected && depth > 0 && levels_[depth - 1].object && steps_[depth - 1].any) {
    auto& members = levels_[depth - 1].members;
    if (members.size() >= kMaxMembers)
      throw Rejected("an object of more than " + std::to_string(kMaxMembers) + " members cannot be split, at byte " +
                     std::to_string(offset));
    members.insert_or_assign(levels_[depth - 1].name, Level::Member{level.begin, offset, count_ - level.count_before});
  }
  level.selected = false;
  if (depth == 0 && definite_ && surveying_) {
    if (!found_)
      throw Rejected("there is nothing at '" + text_ + "' in the document that ends at byte " + std::to_string(offset));
    if (!trouble_.empty()) throw Rejected(trouble_);
  }
  return go_on;
}

/// The member that begins here may be a second one of its name: then the one before is void.
void PathMatcher::note_repeated(std::uint32_t depth, std::uint64_t offset) {
  auto& around = levels_[depth - 1];
  if (!steps_[depth - 1].any) {
    if (around.named_at) {
      make_void(*around.named_at, offset);
      count_ = around.count_before_named;
      found_ = false;
      trouble_.clear();
    } else {
      around.named_at = offset;
      around.count_before_named = count_;
    }
    return;
  }
  const auto before = around.members.find(around.name);
  if (before == around.members.end()) return;
  make_void(before->second.begin, before->second.end);
  count_ -= before->second.count;
  around.members.erase(before);
}

void PathMatcher::make_void(std::uint64_t begin, std::uint64_t end) {
  void_.erase(void_.lower_bound(begin), void_.lower_bound(end));
  void_[begin] = end;
  if (void_.size() > kMaxVoidRanges)
    throw Rejected("more than " + std::to_string(kMaxVoidRanges) +
                   " members with the name of an earlier one, at byte " + std::to_string(end));
}

bool PathMatcher::is_void(std::uint64_t offset) const {
  const auto after = void_.upper_bound(offset);
  return after != void_.begin() && offset < std::prev(after)->second;
}

}  // namespace weir::json
