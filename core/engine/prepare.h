#pragma once
// Turns what a session did into what the connections, the state and the lineage are to receive. Everything here is
// done before the engine's lock is taken; only sequences and connection numbers are filled in under it.

#include <cstdint>
#include <string>
#include <vector>

#include "engine/instance.h"
#include "engine/session.h"
#include "store/lineage.h"

namespace weir::engine {

struct PreparedOutput {
  std::uint32_t relationship = 0;
  store::BatchRef batch;
  std::uint32_t offset = 0;
  std::uint32_t count = 0;
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;
  std::vector<store::LineageRow> rows;  ///< without out_connection and out_first
};

struct Prepared {
  std::unique_ptr<SessionBuilder> session;
  std::uint32_t settled = 0;  ///< inputs consumed; fewer than all if one was consumed in part
  std::uint64_t partial_offset = 0;
  std::uint64_t in_records = 0;
  std::uint64_t in_bytes = 0;  ///< of the settled inputs
  std::vector<PreparedOutput> outputs;
  std::vector<store::LineageRow> ends;  ///< SEND, DROP, contributions
  struct Later {
    std::uint32_t input;
    std::uint32_t attempts;
    std::int64_t delay;
  };
  std::vector<Later> retries;  ///< inputs to be put aside
  std::int64_t busy = 0;
};

/// `attempts` is empty, or says how often each input was tried before.
Prepared prepare(const Instance& instance, std::unique_ptr<SessionBuilder> session,
                 const std::vector<std::uint32_t>& attempts, std::int64_t duration);

}  // namespace weir::engine
