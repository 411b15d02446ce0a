#pragma once
// An HTTP client: requests go out side by side from one thread of its own (libcurl's multi interface), and what came
// of each is handed to its callback. Nothing blocks the caller, and destroying the client ends what is under way.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/units.h"

namespace weir::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method = "GET";
  std::string url;
  std::string home = {};  ///< an address of the server that `auth` and `headers` are for; by default the url itself
  Headers headers = {};
  std::string body = {};
  std::uint64_t max_body = 64 * MiB;  ///< of the answer, unpacked
  bool cut = false;                   ///< an answer beyond max_body is cut there, instead of being none
};

struct Response {
  enum class Outcome {
    answered,     ///< status, headers and body hold
    unreachable,  ///< nobody answered, or not to the end: worth another try
    too_large,    ///< more than max_body
    redirect,     ///< to where it may not go
    astray,       ///< redirected once too often, or to no address: the server's fault, for this address alone
    unusable,     ///< it can never work as it is configured
  };
  Outcome outcome = Outcome::answered;
  std::string error = {};  ///< unless answered: what happened, for the person who reads it
  int status = 0;
  Headers headers = {};  ///< names in lower case
  std::string body = {};
  std::string url = {};    ///< that answered, for display: without query and credentials
  std::string login = {};  ///< what was sent as basic authentication: a server may repeat it, and it is not for display

  /// The last header of this name (in lower case); null: none.
  const std::string* header(std::string_view name) const;
  bool ok() const { return outcome == Outcome::answered && status >= 200 && status < 300; }
  /// Another try may help: nobody answered, 408, 425, 429, 5xx.
  bool passing() const;
  /// How long the server asks to be left alone (Retry-After, as seconds or a date); at most a day.
  std::optional<Duration> retry_after() const;
  /// "503 Service Unavailable: the first of the body", or the error. Of one line.
  std::string describe() const;
};

/// What stands behind "Basic " in an Authorization header.
std::string basic_credentials(const std::string& user, const std::string& password);

/// Thread-safe, but for destruction.
class Client {
 public:
  struct Options {
    std::string user = {};  ///< basic authentication
    std::string password = {};
    std::string bearer = {};
    std::string ca = {};  ///< PEM files
    std::string cert = {};
    std::string key = {};
    bool verify = true;
    Duration connect_timeout = std::chrono::seconds(10);
    Duration timeout = std::chrono::seconds(30);
    std::vector<std::string> allowed_hosts = {};
    std::int64_t max_redirects = 5;
  };
  /// Called on the client's thread: be quick, and do not destroy the client.
  using Done = std::function<void(Response)>;

  explicit Client(Options options);
  /// Ends what is under way; its callbacks are not called.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void submit(Request request, Done done);

 private:
  class Multi;
  std::unique_ptr<Multi> multi_;
};

/// Whether it may be a header's name (a token of RFC 9110), or value.
bool is_header_name(std::string_view name);
bool is_header_value(std::string_view value);

}  // namespace weir::http
