#include "api/pages.h"

#include <boost/json.hpp>
#include <memory>
#include <utility>

#include "api/control_pages.h"
#include "api/events.h"
#include "api/flow_pages.h"
#include "api/metrics.h"
#include "api/router.h"

namespace weir::api {

namespace {

struct Page {
  std::string_view path;
  std::string_view help;
};
constexpr Page kPages[] = {
    {"/", "this index"},
    {"/api/v1/bulletins", "messages for the operator; ?after=ID&limit=N"},
    {"/api/v1/events", "what changes, as it does: server-sent events"},
    {"/api/v1/flows", "the flows; /api/v1/flows/NAME with processors and connections"},
    {"/api/v1/status", "whether Weir works, and its epochs"},
    {"/healthz", "200 while the process works, else 503 with the reason"},
    {"/metrics", "metrics in Prometheus' text format"},
    {"/readyz", "200 while every processor has what it needs and the disk takes data, else 503 with a line a reason"},
};

class Pages {
 public:
  Pages(engine::Engine& engine, std::string version)
      : engine_(engine), version_(std::move(version)), metrics_(engine, version_), events_(engine) {
    add_flow_pages(router_, engine_, version_);
    add_control_pages(router_, engine_);
    router_.get("/events", "How all stands, once a second, and bulletins at once, as server-sent events",
                [this](Call&) { return events_.listen(); });
  }

  Response answer(const Request& request) {
    if (request.path.starts_with("/api/v1/")) return router_.answer(request);
    bool known = false;
    for (const auto& page : kPages) known |= page.path == request.path;
    if (!known) return {404, {}, "there is no such page; / lists those there are\n", {}};
    if (request.method != "GET" && request.method != "HEAD")
      return {405, {}, "this page can only be read: GET or HEAD\n", "GET, HEAD"};
    if (request.path == "/metrics") return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_.text(), {}};
    if (request.path == "/healthz") return health(engine_.fatal());
    if (request.path == "/readyz") {
      std::string why_not;
      return engine_.ready(&why_not) ? health({}) : health(why_not);
    }
    return index();
  }

 private:
  static Response health(const std::string& problem) {
    if (problem.empty()) return {200, {}, "ok\n", {}};
    return {503, {}, problem + "\n", {}};
  }

  Response index() const {
    boost::json::array flows;
    engine_.inspect([&](const auto& instances, const auto&, const auto&) {
      std::string_view last;
      for (const auto& instance : instances) {
        const std::string_view name = instance->flow_definition().name;
        if (name != last) flows.emplace_back(name);
        last = name;
      }
    });
    boost::json::object endpoints;
    for (const auto& page : kPages) endpoints[page.path] = page.help;
    const boost::json::object index{{"weir", version_}, {"flows", std::move(flows)}, {"pages", std::move(endpoints)}};
    return {200, "application/json", boost::json::serialize(index) + "\n", {}};
  }

  engine::Engine& engine_;
  const std::string version_;
  Metrics metrics_;
  Events events_;
  Router router_;
};

}  // namespace

Handler pages(engine::Engine& engine, std::string version) {
  return [pages = std::make_shared<Pages>(engine, std::move(version))](const Request& request) {
    return pages->answer(request);
  };
}

}  // namespace weir::api
