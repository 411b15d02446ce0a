#pragma once
// Writes what came of windows as records: each into a FlowFile of its own, or those of a window into one.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "weir/session.h"
#include "windows.h"

namespace weir::window {

class WindowWriter {
 public:
  /// `key_name`: what the key is called in the record, as it stands in JSON, with its colon; empty: there is no key.
  WindowWriter(std::string key_name, bool each, std::uint32_t relationship)
      : key_name_(std::move(key_name)), each_(each), relationship_(relationship) {}

  /// Begins a record with its key and window. The caller appends members to it, a comma behind each.
  std::string& begin(const Window& window, std::string_view key);
  /// Ends it, and says in the lineage which group of readings it comes from.
  void end(Session& session, std::uint64_t group, std::uint64_t revision);
  /// Ends the FlowFiles that were begun; returns how many records were written since the last call.
  std::uint64_t finish(Session& session);

 private:
  void close(Session& session);

  const std::string key_name_;
  const bool each_;
  const std::uint32_t relationship_;

  Window window_;       ///< that bounds_ is of
  std::string bounds_;  ///< `"window_start":…,"window_end":…,`
  std::string record_;
  std::optional<FlowFile> file_;  ///< of group_
  std::uint64_t group_ = 0;
  std::uint32_t records_ = 0;
  std::uint64_t written_ = 0;
};

}  // namespace weir::window
