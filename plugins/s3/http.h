#pragma once
// HTTP requests over one kept connection, by libcurl.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "signature.h"
#include "weir/units.h"

namespace weir::s3 {

struct HttpOptions {
  std::optional<std::string> ca;           ///< a PEM file; the system's authorities if not given
  std::optional<std::string> certificate;  ///< the client's, PEM
  std::optional<std::string> key;
  bool verify = true;
  Duration connect_timeout = std::chrono::seconds(10);
  Duration stall_timeout = std::chrono::seconds(30);  ///< without a byte in either direction
};

/// What a request sends: bytes in memory, or a part of an open file.
struct Body {
  std::string_view bytes = {};
  int file = -1;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;  ///< of the part of the file
};

struct HttpRequest {
  std::string method;
  std::string url;
  Pairs headers;
  Body body = {};
};

struct HttpResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case
  std::string body;

  std::string header(std::string_view name) const;
};

/// Whether nobody waits for the answer any more. May be empty.
using Cancelled = std::function<bool()>;

/// Used from one thread at a time.
class HttpConnection {
 public:
  /// `cancelled` is asked about once a second: the request under way then ends with Unavailable.
  explicit HttpConnection(HttpOptions options, Cancelled cancelled = {});
  ~HttpConnection();
  HttpConnection(HttpConnection&&) noexcept;

  /// Any status is an answer; redirects are not followed. Throws Unavailable where there is none, and Misconfigured
  /// where TLS cannot work.
  HttpResponse perform(const HttpRequest& request);

 private:
  struct Curl;
  HttpOptions options_;
  Cancelled cancelled_;
  std::unique_ptr<Curl> curl_;
};

}  // namespace weir::s3
