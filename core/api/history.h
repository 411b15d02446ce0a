#pragma once
// How things stood, minute by minute, for a day and over restarts: numbers of each processor and connection, a line a
// minute in DATA/history.ndjson. When that holds a day it becomes history.1.ndjson, and that goes a day later.

#include <boost/json.hpp>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "api/snapshot.h"
#include "engine/engine.h"

namespace weir::api {

class History {
 public:
  static constexpr std::int64_t kMinute = 60'000'000'000;  ///< nanoseconds
  static constexpr std::int64_t kKept = 1440 * kMinute;

  /// The engine outlives it. Notes something each minute from now on, if `by_itself`.
  History(engine::Engine& engine, const std::filesystem::path& data, bool by_itself = true);
  ~History();
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  /// Notes what passed since the last time, and what waits. What cannot be written is lost, and said in the log, once.
  void note(std::int64_t now);
  /// What was noted in [from, to), of one flow or of all, by column.
  boost::json::object read(std::int64_t from, std::int64_t to, const std::optional<std::string>& flow) const;

 private:
  struct Counts {
    std::uint64_t in = 0, out = 0, errors = 0;
    std::int64_t busy = 0;
  };
  void loop();
  void append(const std::string& line);

  engine::Engine& engine_;
  const std::filesystem::path file_;
  const std::filesystem::path older_;
  mutable std::mutex mutex_;  ///< of the files, and of what follows
  std::map<std::string, Counts> last_;
  std::size_t lines_ = 0;  ///< in file_
  bool broken_ = false;
  std::mutex sleep_mutex_;
  std::condition_variable awake_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace weir::api
