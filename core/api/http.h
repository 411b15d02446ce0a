#pragma once
// Weir's HTTP interface: a request and a response as the pages see them. server.h speaks the protocol, pages.h gives
// the answers.

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace weir::api {

struct Request {
  std::string method;
  std::string path;   ///< without host and query
  std::string query;  ///< what follows the question mark
  std::string body = {};
  std::string content_type = {};
  std::string authorization = {};  ///< the header's value
  std::string cookie = {};
  std::string remote = {};  ///< the client's address
  std::string accept_encoding = {};
  std::string if_none_match = {};
  bool secure = false;  ///< it came within TLS
};

/// The client's end of a stream: what a page sends as long as the connection lasts.
class Outlet {
 public:
  virtual ~Outlet() = default;
  /// Sends `bytes`, which many clients may share. Any thread; never waits. False: the client is gone, or so slow that
  /// too much waits for it already, and is being hung up on.
  virtual bool send(std::shared_ptr<const std::string> bytes) = 0;
  /// Hangs up once all is sent.
  virtual void end() = 0;
};

struct Response {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
  std::string allow = {};                                         ///< of a 405: the methods that the path takes
  std::vector<std::pair<std::string, std::string>> headers = {};  ///< more of them: name and value
  /// An answer that takes time (the disk, an epoch): called on a thread for such, and gives the real response.
  std::function<Response()> later = {};
  /// An answer that goes on: called on the server's thread once the header is under way. What it returns is destroyed
  /// on that thread when the connection has ended, after which the outlet is not to be used; null ends it at once.
  std::function<std::shared_ptr<void>(std::shared_ptr<Outlet>)> stream = {};
  /// To one who asked what a wish would do: nothing was done.
  bool asked_only = false;
};

/// Called on the server's thread. What it throws becomes a 500.
using Handler = std::function<Response(const Request&)>;

}  // namespace weir::api
