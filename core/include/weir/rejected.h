#pragma once
// What a sink does with the records that its far side refuses: they go to `failure`, in FlowFiles of their own.

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "weir/session.h"
#include "weir/sql.h"

namespace weir {

struct RejectedRecord {
  std::uint32_t record = 0;  ///< its index in the FlowFile
  std::string message;
};

/// Whether they are all that the FlowFile has, and for one reason. `records`: Query(context).column("NULL").
inline bool rejects_whole(Session& session, FlowFile file, Statement& records,
                          const std::vector<RejectedRecord>& rejected) {
  if (std::any_of(rejected.begin(), rejected.end(), [&](const auto& r) { return r.message != rejected[0].message; }))
    return false;
  std::size_t count = 0;
  records.run(session, file, [&](const Row&) { ++count; });
  return count == rejected.size();
}

/// Sends records of a FlowFile to `failure`, those of one reason in one FlowFile; `rejected` is in their order. Returns
/// how many records there are in all.
inline std::size_t reject_records(Session& session, FlowFile file, Statement& records,
                                  const std::vector<RejectedRecord>& rejected) {
  constexpr std::size_t kMostReasons = 50;  // that are kept apart
  std::deque<std::pair<std::string, RecordWriter>> parts;
  std::size_t next = 0;
  std::size_t count = 0;
  records.run(session, file, [&](const Row& row) {
    ++count;
    if (next == rejected.size() || rejected[next].record != row.record) return;
    const auto& message = rejected[next++].message;
    auto part = std::find_if(parts.begin(), parts.end(), [&](const auto& p) { return p.first == message; });
    if (part == parts.end() && parts.size() == kMostReasons) part = parts.end() - 1;
    if (part == parts.end()) {
      parts.emplace_back(message, RecordWriter(session, session.create(file), row.form));
      part = parts.end() - 1;
    }
    part->second.write(view(row.json));
  });
  for (auto& [message, part] : parts) {
    part.finish();
    session.reject(part.file(), message);
  }
  return count;
}

/// What a sink with exactly once refuses in a lane (weir/lane.h). Who goes on elsewhere does not get again what a
/// commit has passed; so what is refused has to be out of the sinks behind `failure` before that. flush() sends it
/// there, and goes on holding all of the round; the engine calls it again when that is done.
class LaneRefusals {
 public:
  /// At the beginning of each flush. What the last one sent is sent only if its session has ended well: the state,
  /// which ends with the lane, says so.
  void match(Session& session) {
    std::uint64_t stored = 0;
    const auto text = session.state(kState).value_or("0");
    std::from_chars(text.data(), text.data() + text.size(), stored);
    if (stored == number_) sent_.merge(sending_);
    sending_.clear();
    number_ = stored + 1;
  }

  /// Sends to `failure` what is not there yet; the FlowFile is to be held on. `records`: null if it goes as a whole.
  /// Returns how many were sent: if any were, the round must not be committed now.
  std::size_t send(Session& session, FlowFile file, std::string_view connection, Statement* records,
                   const std::vector<RejectedRecord>& rejected) {
    std::vector<RejectedRecord> fresh;
    for (const auto& each : rejected) {
      Key key{connection, file.sequence(), each.record};
      if (sent_.contains(key)) continue;
      sending_.insert(std::move(key));
      fresh.push_back(each);
    }
    if (fresh.empty()) return 0;
    std::sort(fresh.begin(), fresh.end(), [](const auto& a, const auto& b) { return a.record < b.record; });
    session.set_state(kState, std::to_string(number_));
    if (records != nullptr && !rejects_whole(session, file, *records, fresh)) {
      reject_records(session, file, *records, fresh);
    } else {
      const auto copy = session.create(file);
      session.share(copy, file, 0, file.size());
      session.records(copy, file.records());
      session.reject(copy, fresh[0].message);
    }
    return fresh.size();
  }

  /// The round is committed.
  void forget() { sent_.clear(); }

 private:
  static constexpr std::string_view kState = "refusals";
  using Key = std::tuple<std::string, std::uint64_t, std::uint32_t>;  ///< connection, sequence, record

  std::set<Key> sent_;
  std::set<Key> sending_;  ///< by the last session
  std::uint64_t number_ = 0;
};

}  // namespace weir
