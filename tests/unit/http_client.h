#pragma once
// A client for tests of the API: whole requests and answers over a socket, and streams of server-sent events.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::test {

struct HttpAnswer {
  int status = 0;
  std::string header;  ///< as it came
  std::string body;
};

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

/// One request on a connection of its own. Host is localhost unless `headers` has another. Throws std::runtime_error if
/// no whole answer comes within 20 s.
HttpAnswer http(std::uint16_t port, std::string_view method, std::string_view target, std::string_view body = {},
                const HttpHeaders& headers = {});
/// A mutation: JSON.
HttpAnswer post(std::uint16_t port, std::string_view target, std::string_view body = "{}",
                const HttpHeaders& headers = {});

/// A listener of server-sent events.
class EventStream {
 public:
  EventStream(std::uint16_t port, std::string_view target, const HttpHeaders& headers = {});
  ~EventStream();
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  struct Event {
    std::string name;
    std::string data;
  };
  /// The next event; nothing if the stream ended, or none came in time.
  std::optional<Event> next(std::chrono::milliseconds patience = std::chrono::seconds(20));
  /// The next event with this name; others are passed over.
  std::optional<Event> next(std::string_view name, std::chrono::milliseconds patience = std::chrono::seconds(20));
  const std::string& header() const { return header_; }
  bool ended() const { return ended_; }

 private:
  bool read_some(std::chrono::steady_clock::time_point until);

  int fd_;
  std::string header_;
  std::string read_;
  bool ended_ = false;
};

}  // namespace weir::test
