#pragma once
// Exactly-once delivery: how far a sink is, kept by its far side in the same transaction as the data.
//
// A sink with `delivery: exactly_once` gets its input from durable epochs alone, in order. With each external
// transaction it stores, under the data directory's UUID and the connection's id, the sequence up to which all input
// has its outcome there: written, or rejected. After a crash the input that follows the durable cursor comes again;
// what the far side has already is not written again, but its outcome is repeated (a record that was rejected is
// rejected again).

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "weir/abi.h"
#include "weir/errors.h"
#include "weir/spec.h"

namespace weir {

/// The progress of one input connection.
class ExactlyOnceProgress {
 public:
  /// Compares what the far side stored with what the data directory holds, before any input is taken. `stored` is the
  /// first sequence that the far side does not have; nothing: it knows of no progress, and begins at the durable
  /// cursor. `where` says where it is stored, for the message. Throws Misconfigured if the two cannot both be true: one
  /// of them comes from a backup.
  ExactlyOnceProgress(const abi::Input& input, std::optional<std::uint64_t> stored, std::string_view where)
      : next_(stored.value_or(input.cursor)) {
    if (!stored || (*stored >= input.cursor && *stored <= input.next)) return;
    const auto number = [](std::uint64_t value) { return std::to_string(value); };
    const std::string connection(view(input.id));
    if (*stored > input.next)
      throw Misconfigured(
          "exactly once cannot go on: " + std::string(where) + " has '" + connection + "' up to FlowFile " +
          number(*stored) + ", but this data directory has handed over only " + number(input.next) +
          ". It was probably restored from a backup: what is queued here now could be in there already. "
          "Use the newer data directory, or delete that progress to begin at FlowFile " +
          number(input.cursor) + " with possible repetitions");
    throw Misconfigured(
        "exactly once cannot go on: " + std::string(where) + " has '" + connection + "' up to FlowFile " +
        number(*stored) + ", but this data directory has finished all before " + number(input.cursor) +
        ". The far side was probably restored from a backup and misses what lies "
        "between. Replay that from the provenance, then delete the stored progress to go on at FlowFile " +
        number(input.cursor));
  }

  /// True if the far side has this input's outcome already: it must only be repeated.
  bool has(std::uint64_t sequence) const { return sequence < next_; }
  /// What to store: the first sequence that the far side does not have.
  std::uint64_t next() const { return next_; }
  /// This input's outcome becomes part of the external transaction. Input comes in order; a gap is what was removed.
  void add(std::uint64_t sequence) {
    if (sequence < next_) throw std::logic_error("input " + std::to_string(sequence) + " has its outcome already");
    next_ = sequence + 1;
  }
  /// The external transaction was lost: back to what the far side has.
  void set(std::uint64_t next) { next_ = next; }

 private:
  std::uint64_t next_;
};

}  // namespace weir
