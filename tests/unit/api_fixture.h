#pragma once
// A flow that runs behind a real server: what tests of the API talk to.

#include <boost/json.hpp>
#include <string>

#include <doctest/doctest.h>
#include "api/pages.h"
#include "api/server.h"

#include "tests/unit/engine_fixture.h"
#include "tests/unit/http_client.h"

namespace weir::test {

inline api::Options any_free_port() {
  api::Options options;
  options.listen.port = 0;
  return options;
}

/// Serves an engine's pages on a free port.
struct Served {
  explicit Served(Run& run, const api::Options& options = any_free_port())
      : server(api::pages(*run.engine, "1.2.3"), options), port(server.port()) {}

  boost::json::value get(const std::string& target) {
    const auto answer = http(port, "GET", "/api/v1" + target);
    INFO(target << " -> " << answer.body);
    REQUIRE(answer.status == 200);
    return boost::json::parse(answer.body);
  }
  int status_of(const std::string& target) { return http(port, "GET", "/api/v1" + target).status; }
  HttpAnswer post(const std::string& target, const std::string& body = "{}") {
    return test::post(port, "/api/v1" + target, body);
  }

  api::Server server;
  std::uint16_t port;
};

}  // namespace weir::test
