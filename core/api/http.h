#pragma once
// Weir's HTTP interface: a request and a response as the pages see them. server.h speaks the protocol, pages.h gives
// the answers.

#include <functional>
#include <string>

namespace weir::api {

struct Request {
  std::string method;
  std::string path;   ///< without host and query
  std::string query;  ///< what follows the question mark
};

struct Response {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
  std::string allow;  ///< of a 405: the methods that the path takes
};

/// Called on the server's thread. What it throws becomes a 500.
using Handler = std::function<Response(const Request&)>;

}  // namespace weir::api
