#pragma once
// The API's routes: which page answers which method and path, and what everything that changes something must keep.

#include <boost/json.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/access.h"
#include "api/audit.h"
#include "api/http.h"
#include "api/json.h"

namespace weir::api {

/// What a page is asked.
struct Call {
  const Request& request;
  std::vector<std::string> at;  ///< the path's parameters, decoded, in order
  Query query;
  boost::json::object body;      ///< of a mutation; else empty
  std::string who;               ///< for the audit: who asks
  std::optional<Caller> caller;  ///< nothing: somebody without a token, on a page that takes them too

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
  std::string query;  ///< names of the query's parameters, with spaces between; others are refused
  Page page;
  bool open = false;            ///< for those without a token, too
  bool operators_only = false;  ///< of a GET: viewers may not
};

/// The path of a connection, in patterns: its id has four segments.
inline constexpr const char* kConnectionPattern = "/connections/{flow}/{from}/{relationship}/{to}";

class Router {
 public:
  /// `audit` gets what all who want to change something did, and outlives it; null: nobody asks.
  explicit Router(Audit* audit = nullptr) : audit_(audit) {}

  static constexpr std::string_view kRoot = "/api/v1";

  void get(std::string pattern, std::string help, Page page, std::string query = {}) {
    routes_.push_back({"GET", std::move(pattern), std::move(help), std::move(query), std::move(page)});
  }
  /// A page that viewers may not see.
  void get_for_operators(std::string pattern, std::string help, Page page, std::string query = {}) {
    get(std::move(pattern), std::move(help), std::move(page), std::move(query));
    routes_.back().operators_only = true;
  }
  /// A page that changes something: takes JSON, and nothing else.
  void post(std::string pattern, std::string help, Page page) {
    routes_.push_back({"POST", std::move(pattern), std::move(help), {}, std::move(page)});
  }
  /// A page that takes those without a token, too.
  void post_open(std::string pattern, std::string help, Page page) {
    post(std::move(pattern), std::move(help), std::move(page));
    routes_.back().open = true;
  }
  /// `caller`: nothing if a token is needed, and there is no valid one.
  Response answer(const Request& request, const std::optional<Caller>& caller) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  Response dispatch(const Request& request, const std::optional<Caller>& caller, Audit::Entry& entry) const;

  Audit* const audit_;
  std::vector<Route> routes_;
};

/// What somebody without a token is told.
Response unauthorised();

/// Runs `page` on a thread for what takes time; a Refused that it throws becomes its response.
Response later(std::function<Response()> page);

}  // namespace weir::api
