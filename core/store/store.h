#pragma once
// What survives: epochs in SQLite, content in files, and provenance. All storage of Weir is behind this header.
//
// One thread, the committer, writes epochs; every other call is for any thread and reads through connections of its
// own. The engine describes an epoch as the *net* change since the last one; what was produced and consumed in between
// never comes here. docs/storage.md describes the files.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "store/batch.h"
#include "store/content.h"
#include "store/lineage.h"

namespace weir::store {

class Files;  // files.h

/// No room: the epoch was not written and may be tried again unchanged.
class DiskFull : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The disk failed (an fsync above all): what is durable is unknown. Never tried again: stop, and recover at start.
class IoError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The data directory is damaged, foreign, newer, or owned by another process; the message says which and what to do.
class CannotOpen : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The content of a FlowFile is not, or no longer, kept for replay; the message says why.
class NotRetained : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Interval {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  bool operator==(const Interval&) const = default;
};

/// A FlowFile put aside until it is due.
struct RetryEntry {
  std::uint64_t sequence = 0;
  std::uint32_t attempts = 0;
  std::int64_t due = 0;      ///< nanoseconds since 1970
  std::uint64_t offset = 0;  ///< byte offset inside the FlowFile, if it is partly consumed
  bool operator==(const RetryEntry&) const = default;
};

/// Entries [first, first + count) of a connection: batch->items[offset …].
struct Segment {
  std::uint64_t first = 0;
  std::uint32_t count = 0;
  std::uint32_t offset = 0;
  BatchRef batch;
};

/// How a connection stands at the cut. Alive are the sequences from cursor to next, and those held and in retry.
struct ConnectionChange {
  std::uint32_t connection = 0;
  std::uint64_t next = 0;
  std::uint64_t cursor = 0;
  std::uint64_t cursor_offset = 0;  ///< byte offset inside the FlowFile at the cursor, if it is partly consumed
  std::vector<Interval> held;       ///< below cursor, not done
  std::vector<RetryEntry> retry;    ///< below cursor, to be tried again
  std::vector<Segment> appended;    ///< entries that are alive and not yet durable, ascending
};

struct StateChange {
  std::uint32_t processor = 0;
  std::vector<std::pair<std::string, std::optional<std::string>>> entries;  ///< nothing: erased
};

struct Bulletin {
  std::int64_t time = 0;
  std::uint32_t processor = 0;
  std::uint32_t level = 0;  ///< abi::Level
  std::string message;
};

/// An attribute value to search events by: it stood on this FlowFile.
struct IndexedAttribute {
  std::uint32_t connection = 0;
  std::uint64_t sequence = 0;
  std::string name;
  std::string value;
  std::uint64_t count = 1;  ///< of sequences that had it, one after the other
};

/// What a source put out at once, to be kept for replay, and where it went.
struct RetainedBatch {
  std::uint32_t processor = 0;
  BatchRef batch;
  std::uint32_t offset = 0;
  std::uint32_t count = 0;
  std::vector<std::pair<std::uint32_t, std::uint64_t>> places;  ///< connection, and the sequence of the first there
};

/// How long, and how much of it, what a source put out is kept for replay.
struct Retention {
  std::int64_t keep_for = 24LL * 3600 * 1'000'000'000;  ///< nanoseconds; 0: however old
  std::uint64_t keep_bytes = 256ULL << 20;              ///< 0: nothing is kept
};

/// The net effect of everything since the last cut. One ConnectionChange a connection.
struct Epoch {
  std::uint64_t number = 0;
  std::vector<ConnectionChange> connections;
  std::vector<StateChange> states;
  std::vector<LineageRow> lineage;
  std::vector<IndexedAttribute> attributes;
  std::vector<Bulletin> bulletins;
  std::vector<RetainedBatch> retained;  ///< ascending in each of their places
  bool empty() const {
    return connections.empty() && states.empty() && lineage.empty() && attributes.empty() && bulletins.empty();
  }
};

/// A run of durable entries, content not in memory.
struct StoredSegment {
  std::uint64_t first = 0;
  std::uint32_t count = 0;
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;
};

struct RecoveredConnection {
  std::uint32_t connection = 0;
  std::string id;
  std::uint64_t next = 0;
  std::uint64_t cursor = 0;
  std::uint64_t cursor_offset = 0;
  std::vector<Interval> held;
  std::vector<RetryEntry> retry;
  std::vector<StoredSegment> segments;  ///< ascending; may hold dead entries between alive ones
};

struct Options {
  std::filesystem::path directory;
  bool synchronous_full = true;
  std::uint64_t reserve = 64ULL << 20;        ///< bytes of disk: below, room() is 0, and at an eighth DiskFull
  std::uint64_t inline_limit = 64ULL << 10;   ///< larger content goes into a segment file, not into SQLite
  std::uint64_t segment_size = 256ULL << 20;  ///< a content segment is closed beyond this
  std::int64_t keep_provenance_for = 7LL * 24 * 3600 * 1'000'000'000;  ///< nanoseconds
  std::uint64_t keep_provenance_bytes = 1ULL << 30;
  std::uint64_t checkpoint_bytes = 4ULL << 20;  ///< of write-ahead log, after which maintain() checkpoints
  std::string vfs;                              ///< for tests: the SQLite VFS to use; empty: the system's
  Files* files = nullptr;  ///< for tests: what content files are written through; null: the system's
};

/// A step of writing an epoch at which tests kill the process (see Store::failpoint).
enum class Failpoint {
  before_content,
  after_content,
  after_begin,
  after_queues,
  after_state,
  before_commit,
  after_commit,
  after_cleanup
};

class Store {
 public:
  /// Opens or creates a data directory, takes its lock, recovers the last durable epoch and removes what it does not
  /// name. Throws CannotOpen.
  static std::unique_ptr<Store> open(const Options& options);
  /// The same, of a data directory that is there: creates nothing.
  static std::unique_ptr<Store> open_existing(const Options& options);
  virtual ~Store() = default;

  /// UUID of the data directory, made when it was created.
  virtual const std::string& id() const = 0;
  virtual std::uint64_t last_epoch() const = 0;
  /// Numbers for a connection or processor by name; the same after every start. Assigns one to a new name. A rename
  /// keeps number, queue and state, and is durable with the next epoch. Any thread.
  virtual std::uint32_t connection_number(const std::string& id) = 0;
  virtual std::uint32_t processor_number(const std::string& flow_and_name) = 0;
  virtual void rename_connection(const std::string& from, const std::string& to) = 0;
  virtual void rename_processor(const std::string& from, const std::string& to) = 0;
  /// Every connection that the last durable epoch knows, in use by a flow or not.
  virtual std::vector<RecoveredConnection> connections() = 0;
  virtual std::map<std::string, std::string> state(std::uint32_t processor) = 0;

  /// Makes an epoch durable. Committer only. Throws DiskFull (nothing changed; call again with the same or a later,
  /// merged epoch) or IoError.
  virtual void write(const Epoch& epoch) = 0;
  /// Calls `told` once all that was written before is on disk: at once, but for a store whose write() returns earlier.
  /// Committer only.
  virtual void when_durable(const std::function<void()>& told) { told(); }
  /// Checkpoints the write-ahead log and removes content when it is time. Committer only, best when it has told
  /// everybody that the epoch is durable; cheap when there is nothing to do. Throws IoError.
  virtual void maintain() = 0;
  /// Reads durable entries back: a batch with exactly `count` items; those not stored any more are empty, those that
  /// are done may be. Any thread. Throws IoError.
  virtual BatchRef read(std::uint32_t connection, std::uint64_t first, std::uint32_t count) = 0;
  /// How much of a source's content is kept from now on. Any thread.
  virtual void retain(std::uint32_t processor, const Retention& retention) = 0;
  /// Reads what an epoch gave to be retained: a batch with this one FlowFile. Any thread. Throws NotRetained, IoError,
  /// DiskFull.
  virtual BatchRef retained(std::uint32_t connection, std::uint64_t sequence) = 0;
  /// Of all that is retained, on disk. Any thread.
  virtual std::uint64_t retained_bytes() const = 0;
  /// Starts a piece of content that is too large for memory. Any thread.
  virtual std::unique_ptr<ContentWriter> write_content() = 0;
  /// Free bytes on the data directory's disk beyond the reserve; 0: sources should pause.
  virtual std::uint64_t room() const = 0;

  /// Called at each step of write(), for tests. Null: none.
  void (*failpoint)(Failpoint) = nullptr;
};

}  // namespace weir::store
