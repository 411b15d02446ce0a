#include "sql/database_table.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <optional>
#include <thread>

#include "sql/expression.h"
#include "weir/errors.h"
#include "weir/units.h"

namespace weir::sql {

namespace {

using Time = TableSnapshot::Time;
using Clock = std::chrono::steady_clock;

constexpr auto kFirstReading = std::chrono::seconds(5);  ///< for so long, a start waits
constexpr auto kEnd = std::chrono::seconds(2);           ///< and an end for a reading under way
constexpr auto kShortestPause = std::chrono::seconds(1);
constexpr auto kLongestPause = std::chrono::minutes(1);

/// As a part of a metric's name.
std::string metric_name(const std::string& table) {
  std::string name = "table_";
  for (const char c : table) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    name += fits ? c : '_';
  }
  return name;
}

}  // namespace

/// What the thread shares with its owner, and outlives it by a reading at most.
struct DatabaseTable::State {
  DatabaseTableOptions options;

  std::mutex mutex;  ///< of all below
  std::condition_variable changed;
  TableReports reports;
  std::shared_ptr<const TableSnapshot> snapshot;
  std::vector<std::string> indexes;
  bool wanted = false;  ///< a first reading is asked for
  bool running = false;
  std::atomic<bool> stopping = false;  ///< read without the lock too
  std::uint64_t readings = 0;          ///< that have ended
  std::exception_ptr failure;          ///< of the last reading
  std::string why;                     ///< its message
  std::uint32_t failures = 0;          ///< in a row
  Time next{};                         ///< when it is read again

  std::string name() const { return "reference table '" + options.snapshot.table + "'"; }
  void metric(const char* what, const char* help, bool counter, double value) const;
  void succeed(std::shared_ptr<const TableSnapshot> fresh);
  void fail(std::exception_ptr error, std::string message);
};

void DatabaseTable::State::metric(const char* what, const char* help, bool counter, double value) const {
  auto* metric = reports.metric(metric_name(options.snapshot.table) + what, help, counter);
  if (metric == nullptr) return;
  counter ? metric->add(value) : metric->set(value);
}

void DatabaseTable::State::succeed(std::shared_ptr<const TableSnapshot> fresh) {
  const bool again = snapshot != nullptr && failures > 0;
  snapshot = std::move(fresh);
  failure = nullptr;
  failures = 0;
  next = Clock::now() + options.refresh;
  if (stopping) return;
  if (again) reports.bulletin(abi::Level::info, name() + " can be read again");
  const auto now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch());
  const auto age = std::chrono::duration<double>(Clock::now() - snapshot->taken());
  metric("_read_timestamp_seconds",
         "When the reference table was last read, in seconds since 1970; the time since is "
         "its age.",
         false, (now - age).count());
  metric("_rows", "Rows of the reference table.", false, static_cast<double>(snapshot->rows()));
  metric("_bytes", "Memory of the reference table.", false, static_cast<double>(snapshot->bytes()));
}

void DatabaseTable::State::fail(std::exception_ptr error, std::string message) {
  failure = std::move(error);
  why = std::move(message);
  ++failures;
  const auto doubled = kShortestPause * (1U << std::min(failures - 1, 10U));
  next = Clock::now() + std::min<Clock::duration>(
                            {doubled, kLongestPause, std::max<Clock::duration>(options.refresh, kShortestPause)});
  if (stopping) return;
  metric("_read_failures", "Readings of the reference table that failed.", true, 1);
  // As long as there is none, the processor's own bulletin says so.
  if (snapshot != nullptr && failures == 1)
    reports.bulletin(abi::Level::warning,
                     why + "; records are joined with " + name() + " as it was read before, and it is tried again");
}

DatabaseTable::DatabaseTable(DatabaseTableOptions options, TableReports reports) : state_(std::make_shared<State>()) {
  state_->options = std::move(options);
  state_->reports = std::move(reports);
  state_->indexes = state_->options.snapshot.indexes;
}

DatabaseTable::~DatabaseTable() {
  std::unique_lock lock(state_->mutex);
  state_->stopping = true;
  state_->changed.notify_all();
  state_->changed.wait_for(lock, kEnd, [&] { return !state_->running; });
  state_->reports = {};  // whoever listened may be gone
}

void DatabaseTable::run(const std::shared_ptr<State>& state) {
  std::unique_lock lock(state->mutex);
  const bool repeated = state->options.refresh.count() > 0;
  while (!state->stopping) {
    const bool due = state->wanted || (repeated && state->snapshot != nullptr && Clock::now() >= state->next);
    if (!due) {
      if (repeated && state->snapshot != nullptr) {
        state->changed.wait_until(lock, state->next);
      } else {
        state->changed.wait(lock);
      }
      continue;
    }
    state->wanted = false;
    auto options = state->options.snapshot;
    options.indexes = state->indexes;
    options.unwanted = &state->stopping;
    // What a statement was compiled against stays: a new column could make one of its names ambiguous.
    if (state->snapshot != nullptr) options.columns = state->snapshot->columns();
    lock.unlock();
    std::shared_ptr<const TableSnapshot> fresh;
    std::exception_ptr error;
    std::string message;
    try {
      fresh = take_snapshot(options, state->options.read);
    } catch (const std::exception& failure) {
      error = std::current_exception();
      message = failure.what();
    }
    lock.lock();
    // A statement may have asked for one more meanwhile.
    if (fresh != nullptr && state->indexes != options.indexes) continue;
    if (fresh != nullptr) {
      state->succeed(std::move(fresh));
    } else {
      state->fail(error, message);
    }
    ++state->readings;
    state->changed.notify_all();
  }
  state->running = false;
  state->changed.notify_all();
}

std::shared_ptr<const TableSnapshot> DatabaseTable::current() {
  std::unique_lock lock(state_->mutex);
  if (state_->snapshot == nullptr) {
    state_->wanted = true;
    state_->changed.notify_all();
    if (!state_->running) {
      std::thread([state = state_] { run(state); }).detach();
      state_->running = true;
    }
    const auto before = state_->readings;
    state_->changed.wait_for(lock, kFirstReading, [&] { return state_->readings != before; });
    if (state_->snapshot == nullptr) {
      if (state_->readings != before && state_->failure != nullptr) std::rethrow_exception(state_->failure);
      throw Unavailable(state_->name() + " is not read yet");
    }
  }
  const auto age = Clock::now() - state_->snapshot->taken();
  if (state_->options.max_age.count() > 0 && age > state_->options.max_age) {
    throw Unavailable(state_->name() + " was read " + format_duration(std::chrono::floor<std::chrono::seconds>(age)) +
                      " ago, longer than max_age: " + format_duration(state_->options.max_age) +
                      (state_->failure != nullptr ? "; " + state_->why : std::string()));
  }
  return state_->snapshot;
}

void DatabaseTable::index(const std::string& column) {
  const std::lock_guard lock(state_->mutex);
  const auto same = [&](const std::string& other) { return equal_ignoring_case(column, other); };
  if (state_->snapshot == nullptr || std::any_of(state_->indexes.begin(), state_->indexes.end(), same)) return;
  auto indexed = with_index(*state_->snapshot, state_->options.snapshot, column);
  if (indexed == nullptr) return;
  state_->snapshot = std::move(indexed);
  state_->indexes.push_back(column);
}

std::shared_ptr<DatabaseTable> DatabaseTables::open(const std::string& name) {
  std::shared_ptr<DatabaseTable> table;
  {
    const std::lock_guard lock(mutex_);
    table = open_[name].lock();
    if (table == nullptr) {
      const auto found = std::find_if(options_.begin(), options_.end(),
                                      [&](const auto& option) { return option.snapshot.table == name; });
      if (found == options_.end()) throw Misconfigured("no table of a database is called '" + name + "' here");
      table = std::make_shared<DatabaseTable>(*found, reports_);
      open_[name] = table;
      pending_[name] = table;
    }
  }
  table->current();
  const std::lock_guard lock(mutex_);
  pending_.erase(name);
  return table;
}

}  // namespace weir::sql
