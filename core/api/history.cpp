#include "api/history.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <utility>
#include <vector>

#include "api/json.h"
#include "engine/log.h"

namespace weir::api {

namespace json = boost::json;

namespace {

constexpr std::size_t kLinesOfADay = 1440;

std::int64_t now_nanoseconds() {
  return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Calls `visit` with each whole line; the last may have been cut by a crash.
template <class Visit>
void each_line(const std::filesystem::path& path, const Visit& visit) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    boost::system::error_code error;
    const auto value = json::parse(line, error);
    if (!error && value.is_object() && value.as_object().contains("t")) visit(value.as_object());
  }
}

/// Columns, which grow as minutes are added; what a minute does not name was 0.
class Columns {
 public:
  explicit Columns(std::vector<std::string> names) : names_(std::move(names)) {}
  void add(std::size_t minute, std::string_view of, const json::array& values) {
    auto& columns = rows_[std::string(of)];
    columns.resize(names_.size());
    for (std::size_t i = 0; i < names_.size() && i < values.size(); ++i) {
      columns[i].resize(minute);
      columns[i].push_back(values[i]);
    }
  }
  json::object finish(std::size_t minutes) {
    json::object out;
    for (auto& [of, columns] : rows_) {
      json::object object;
      for (std::size_t i = 0; i < names_.size(); ++i) {
        columns[i].resize(minutes);
        json::array values;
        for (auto& value : columns[i]) values.push_back(value.is_null() ? json::value(0) : std::move(value));
        object[names_[i]] = std::move(values);
      }
      out[of] = std::move(object);
    }
    return out;
  }

 private:
  std::vector<std::string> names_;
  std::map<std::string, std::vector<std::vector<json::value>>> rows_;
};

bool is_of(std::string_view name, const std::optional<std::string>& flow) {
  return !flow || (name.starts_with(*flow) && name.substr(flow->size()).starts_with('/'));
}

}  // namespace

History::History(engine::Engine& engine, const std::filesystem::path& data, bool by_itself)
    : engine_(engine), file_(data / "history.ndjson"), older_(data / "history.1.ndjson") {
  bool whole = true;
  {
    std::ifstream file(file_);
    for (std::string line; std::getline(file, line); ++lines_) whole = !file.eof();
  }
  if (!whole) std::ofstream(file_, std::ios::app) << '\n';  // a line that a crash cut is one that is passed over
  if (by_itself) thread_ = std::thread([this] { loop(); });
}

History::~History() {
  {
    const std::lock_guard lock(sleep_mutex_);
    over_ = true;
  }
  awake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void History::loop() {
  std::unique_lock lock(sleep_mutex_);
  while (true) {
    const auto left = kMinute - now_nanoseconds() % kMinute;
    if (awake_.wait_for(lock, std::chrono::nanoseconds(left), [this] { return over_; })) return;
    lock.unlock();
    note(now_nanoseconds());
    lock.lock();
  }
}

void History::note(std::int64_t now) {
  const auto snapshot = take_snapshot(engine_);
  const std::lock_guard lock(mutex_);
  json::object processors, connections;
  for (const auto& processor : snapshot.processors) {
    const auto name = processor.flow->name + "/" + processor.definition->name;
    Counts counts{processor.in.records, 0, processor.errors, processor.busy};
    for (const auto& way : processor.out) counts.out += way.records;
    auto before = std::exchange(last_[name], counts);
    // One that has left and come back with another version of its flow counts from zero.
    if (counts.in < before.in || counts.out < before.out || counts.busy < before.busy || counts.errors < before.errors)
      before = {};
    const auto passed = json::array{counts.in - before.in, counts.out - before.out, counts.errors - before.errors,
                                    static_cast<double>((counts.busy - before.busy) / 1'000'000) / 1e3};
    if (counts.in != before.in || counts.out != before.out || counts.errors != before.errors ||
        counts.busy - before.busy >= 1'000'000)
      processors[name] = passed;
  }
  for (const auto& connection : snapshot.connections) {
    if (connection.queued + connection.held != 0)
      connections[connection.definition->id] =
          json::array{connection.queued, connection.bytes, live_json(connection).at("fullness")};
  }
  append(json::serialize(
      json::object{{"t", now / kMinute * 60}, {"p", std::move(processors)}, {"c", std::move(connections)}}));
}

void History::append(const std::string& line) {
  std::error_code ignored;
  if (lines_ >= kLinesOfADay) {
    std::filesystem::rename(file_, older_, ignored);
    lines_ = 0;
  }
  std::ofstream file(file_, std::ios::app);
  file << line << '\n' << std::flush;
  ++lines_;
  if (!std::exchange(broken_, !file.good()) && broken_)
    engine::log_line(abi::Level::warning, nullptr, "cannot write " + file_.string() + ": the history has a gap");
}

json::object History::read(std::int64_t from, std::int64_t to, const std::optional<std::string>& flow) const {
  json::array times;
  Columns processors({"in_records", "out_records", "errors", "busy_seconds"});
  Columns connections({"queued", "queued_bytes", "fullness"});
  const std::lock_guard lock(mutex_);
  for (const auto& path : {older_, file_}) {
    each_line(path, [&](const json::object& line) {
      const auto* seconds = line.at("t").if_int64();
      if (seconds == nullptr || *seconds * 1'000'000'000 < from || *seconds * 1'000'000'000 >= to) return;
      const auto minute = times.size();
      times.push_back(time_json(*seconds * 1'000'000'000));
      const auto add = [&](const char* member, Columns& columns) {
        const auto* of = line.if_contains(member);
        if (of == nullptr || !of->is_object()) return;
        for (const auto& [name, values] : of->as_object()) {
          if (is_of(name, flow) && values.is_array()) columns.add(minute, name, values.as_array());
        }
      };
      add("p", processors);
      add("c", connections);
    });
  }
  const auto minutes = times.size();
  return {{"interval_seconds", 60},
          {"times", std::move(times)},
          {"processors", processors.finish(minutes)},
          {"connections", connections.finish(minutes)}};
}

}  // namespace weir::api
