#pragma once
// Writes means as records: each into a FlowFile of its own, or those of a window into one.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "accumulator.h"
#include "weir/session.h"
#include "window_store.h"
#include "windows.h"

namespace weir::window {

class MeanWriter {
 public:
  /// `key_name`: what the key is called in the record; empty: the windows have no key.
  MeanWriter(std::string key_name, bool each, std::uint32_t relationship)
      : key_name_(std::move(key_name)), each_(each), relationship_(relationship) {}

  /// Writes one mean, and says in the lineage which group of readings it comes from.
  void write(Session& session, const WindowStore<MeanAccumulator>::Pane& pane);
  /// Ends what write() began; returns how many were written since the last call.
  std::uint64_t finish(Session& session);

 private:
  void close(Session& session);

  const std::string key_name_;  ///< as it stands in JSON: quoted, with its colon
  const bool each_;
  const std::uint32_t relationship_;

  Window window_;       ///< that bounds_ is of
  std::string bounds_;  ///< `"window_start":…,"window_end":…,`
  std::string record_;
  std::optional<FlowFile> file_;  ///< of window_ and group_
  std::uint64_t group_ = 0;
  std::uint32_t records_ = 0;
  std::uint64_t written_ = 0;
};

}  // namespace weir::window
