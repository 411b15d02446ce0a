#pragma once
// The API's routes: which page answers which method and path, and what everything that changes something must keep.

#include <boost/json.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http.h"
#include "api/json.h"

namespace weir::api {

/// What a page is asked.
struct Call {
  const Request& request;
  std::vector<std::string> at;  ///< the path's parameters, decoded, in order
  Query query;
  boost::json::object body;  ///< of a mutation; else empty
  std::string who;           ///< for the audit: who asks

  /// A connection's id, from the four parameters that begin at `first`.
  std::string connection(std::size_t first = 0) const {
    return at.at(first) + "/" + at.at(first + 1) + "/" + at.at(first + 2) + "/" + at.at(first + 3);
  }
};

/// May throw Refused.
using Page = std::function<Response(Call&)>;

struct Route {
  std::string method;   ///< GET or POST
  std::string pattern;  ///< below /api/v1: "/flows/{flow}/start"
  std::string help;
  Page page;
};

/// The path of a connection, in patterns: its id has four segments.
inline constexpr const char* kConnectionPattern = "/connections/{flow}/{from}/{relationship}/{to}";

class Router {
 public:
  static constexpr std::string_view kRoot = "/api/v1";

  void get(std::string pattern, std::string help, Page page) {
    routes_.push_back({"GET", std::move(pattern), std::move(help), std::move(page)});
  }
  /// A page that changes something: takes JSON, and nothing else.
  void post(std::string pattern, std::string help, Page page) {
    routes_.push_back({"POST", std::move(pattern), std::move(help), std::move(page)});
  }
  Response answer(const Request& request) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;
};

/// Runs `page` on a thread for what takes time; a Refused that it throws becomes its response.
Response later(std::function<Response()> page);

}  // namespace weir::api
