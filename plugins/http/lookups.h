#pragma once
// What HttpLookup knows: answers by their address, those it is asking for, and how fast it may ask. Used by the
// processor's steps alone; only the answers come from the client's thread.

#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "client.h"

namespace weir::http {

class Lookups {
 public:
  struct Options {
    Headers headers;
    std::vector<std::pair<std::string, std::string>> fields;  ///< name and JSON Pointer; none: the whole answer
    Duration ttl;
    std::size_t size;  ///< most answers that are kept
    std::size_t in_flight;
    double rate;            ///< requests a second; 0: as fast as they go
    std::int64_t attempts;  ///< how often a passing failure is tried again at once
    std::uint64_t max_body;
  };

  struct Entry {
    enum class State {
      unknown,  ///< it is, or will be, asked for
      found,    ///< value holds
      missing,  ///< there is no such thing (404, 410)
      down,     ///< it could not be asked; error says why
      refused,  ///< it will not be answered; error says why
    };
    State state = State::unknown;
    std::string value = {};  ///< JSON, of the last answer that was found, however old
    std::string error = {};
    std::int64_t expires = 0;  ///< flow's clock
    bool unused = false;       ///< asked for by someone who has not seen it yet: good whatever its age
    std::uint64_t round = 0;   ///< in which it was last wanted
    std::int64_t attempts = 0;
    bool asking = false;
    std::chrono::steady_clock::time_point not_before = {};
    std::list<std::string>::iterator place = {};
  };

  /// `arrived` is called on the client's thread.
  Lookups(Options options, Client& client);

  /// A new step: forgets what was wanted in the last, but not what is known.
  void begin(std::int64_t now);
  /// Wants an address; asks for it unless it is known. Valid until the next begin().
  Entry& want(const std::string& url);
  /// Asks for what is still unknown, as far as in_flight and rate allow, and takes up answers, until `done` says so or
  /// nothing has come for `patience`.
  template <class F>
  void wait(std::chrono::milliseconds patience, F&& done) {
    const auto until = std::chrono::steady_clock::now() + patience;
    do {
      ask();
      if (done()) return;
    } while (take(until));
  }
  /// Forgets the least recently wanted beyond `size`.
  void evict();

  /// Why this processor can never work as it is configured; empty if it can.
  const std::string& fatal() const { return fatal_; }
  /// Why the last request got no answer, or none that says anything; empty if it did.
  const std::string& trouble() const { return trouble_; }
  std::uint64_t requests() const { return requests_; }

 private:
  struct Answers;

  void ask();
  bool take(std::chrono::steady_clock::time_point until);
  void judge(const std::string& url, const Response& response);
  void found(Entry& entry, const Response& response);
  std::chrono::steady_clock::time_point next_try() const;

  const Options options_;
  Client& client_;
  std::shared_ptr<Answers> answers_;
  std::unordered_map<std::string, Entry> entries_;
  std::list<std::string> order_;   ///< most recently wanted first
  std::deque<std::string> queue_;  ///< wanted, unknown and not asked for
  std::size_t in_flight_ = 0;
  std::uint64_t round_ = 0;
  std::int64_t now_ = 0;
  std::chrono::steady_clock::time_point next_request_ = {};  ///< by the rate
  std::uint64_t requests_ = 0;
  std::string fatal_;
  std::string trouble_;
};

}  // namespace weir::http
