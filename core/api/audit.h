#pragma once
// The audit log: who wanted to change what over the API, from where, and what came of it, also where it was refused;
// and whatever was asked with a foreign Host or Origin, by a page of another site most likely.
//
// A line of JSON each in DATA/audit.ndjson, which only its owner may read; beyond kLargest that becomes
// audit.1.ndjson, and so on up to kOlder. A line is written before the answer is sent, and synced within moments. What
// was said is in it as far as it is numbers and words of the protocol: never a token, nor any other text of the body.

#include <boost/json.hpp>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "api/http.h"

namespace weir::api {

class Audit {
 public:
  struct Entry {
    std::string who;                ///< a token's name; empty: nobody who is known
    std::string role;               ///< of the token; empty: none
    std::string from;               ///< the client's address
    std::string action;             ///< "stop", "state/clear", …
    std::string on;                 ///< what it is about: "lake/mean", a connection, a FlowFile
    boost::json::object with = {};  ///< what else was said
    int status = 0;                 ///< of the answer
    std::string why = {};           ///< of a refusal
    bool asked_only = false;        ///< what it would do: nothing was done
  };

  static constexpr std::uint64_t kLargest = 4ULL << 20;
  static constexpr int kOlder = 3;
  /// Lines a minute of those that show no valid token, so that they cannot push out what others did; the rest is
  /// counted in the next line.
  static constexpr std::uint32_t kMostOfStrangers = 20;
  static constexpr std::size_t kLongestPath = 300;  ///< bytes kept of one

  explicit Audit(const std::filesystem::path& data);
  ~Audit();
  Audit(const Audit&) = delete;
  Audit& operator=(const Audit&) = delete;

  /// Any thread. What cannot be written is said in the log.
  void note(const Entry& entry);
  /// A request that no page answered. Any thread.
  void note_refused(const Request& request, int status, const std::string& why);
  /// Newest first, those with an id below `before`, at most `limit`: {"entries": […], "more": …}. Any thread.
  boost::json::object read(std::uint64_t limit, std::uint64_t before, const std::optional<std::string>& who) const;

 private:
  void open();
  void rotate();
  void sync_loop();
  std::filesystem::path path(int age) const;

  const std::filesystem::path data_;
  mutable std::mutex mutex_;
  std::condition_variable written_;
  int file_ = -1;
  std::uint64_t size_ = 0;
  std::uint64_t id_ = 0;
  bool unsynced_ = false;
  bool broken_ = false;
  bool over_ = false;
  std::int64_t minute_ = 0;  ///< that strangers_ counts
  std::uint32_t strangers_ = 0;
  std::uint64_t passed_over_ = 0;
  std::thread thread_;  ///< from the first line on
};

/// What of a mutation's body may stand in the log.
boost::json::object harmless(const boost::json::object& body);

}  // namespace weir::api
