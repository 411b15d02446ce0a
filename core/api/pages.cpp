#include "api/pages.h"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "api/access.h"
#include "api/apply_pages.h"
#include "api/audit.h"
#include "api/catalogue.h"
#include "api/catalogue_pages.h"
#include "api/control_pages.h"
#include "api/each_minute.h"
#include "api/events.h"
#include "api/flow_pages.h"
#include "api/history.h"
#include "api/lane_pages.h"
#include "api/metrics.h"
#include "api/openapi.h"
#include "api/provenance_pages.h"
#include "api/quality_file.h"
#include "api/quality_pages.h"
#include "api/queue_pages.h"
#include "api/router.h"
#include "api/tap.h"

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

constexpr std::uint64_t kMostAudit = 1'000;  ///< lines at a time

/// A stream's way out as long as its client may call: a token that is taken back, and the first token that is made, end
/// the streams that live without one.
class WelcomeOutlet final : public Outlet {
 public:
  WelcomeOutlet(std::shared_ptr<Outlet> outlet, std::function<bool()> welcome)
      : outlet_(std::move(outlet)), welcome_(std::move(welcome)) {}

  bool send(std::shared_ptr<const std::string> bytes) override {
    if (welcome_()) return outlet_->send(std::move(bytes));
    outlet_->end();
    return false;
  }
  void end() override { outlet_->end(); }

 private:
  const std::shared_ptr<Outlet> outlet_;
  const std::function<bool()> welcome_;
};

class Pages {
 public:
  Pages(engine::Engine& engine, std::string version, bool open_network, const LineageOptions& lineage,
        std::shared_ptr<FlowTexts> texts, std::shared_ptr<Audit> audit)
      : engine_(engine),
        texts_(std::move(texts)),
        version_(std::move(version)),
        open_network_(open_network),
        metrics_(engine, version_),
        access_(engine.options().data),
        audit_(audit ? std::move(audit) : std::make_shared<Audit>(engine.options().data)),
        events_(engine),
        taps_(engine),
        history_(engine, engine.options().data),
        quality_file_(engine.quality(), engine.options().data),
        catalogue_(engine, taps_, engine.options().data),
        keeper_([this] {
          quality_file_.save();
          catalogue_.save();
        }),
        router_(audit_.get()) {
    if (!lineage.url.empty()) poster_.emplace(engine_, catalogue_, version_, lineage);
    add_session_pages();
    add_flow_pages(router_, engine_, version_);
    add_control_pages(router_, engine_);
    if (texts_) add_apply_pages(router_, *texts_);
    add_queue_pages(router_, engine_);
    add_lane_pages(router_, engine_);
    add_provenance_pages(router_, engine_);
    add_quality_pages(router_, engine_.quality());
    add_catalogue_pages(router_, catalogue_, version_);
    router_.get(
        std::string(kConnectionPattern) + "/tap", "A sample of what enters a connection, as server-sent events",
        [this](Call& call) {
          const auto rate = std::max<std::uint64_t>(1, call.query.number("rate", 5, Taps::kMostRate));
          const auto preview = call.query.number("preview", kPreview, kMostPreview);
          return taps_.listen(call.connection(), call.query, rate, preview);
        },
        "rate preview lane");
    router_.get(
        "/history", "How all stood, minute by minute, for a day",
        [this](Call& call) {
          const auto now = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
          return later(
              [this, flow = call.query.text("flow"), from = call.query.time("from").value_or(now - History::kKept),
               to = call.query.time("to").value_or(now)] { return json_response(history_.read(from, to, flow)); });
        },
        "flow from to");
    router_.get_for_operators(
        "/audit", "Who changed what, or was refused, newest first",
        [this](Call& call) {
          const auto limit = std::max<std::uint64_t>(1, call.query.number("limit", 100, kMostAudit));
          return later([this, limit, before = call.query.number("before", ~std::uint64_t{0}),
                        who = call.query.text("who")] { return json_response(audit_->read(limit, before, who)); });
        },
        "limit before who");
    router_.get("/openapi.json", "This API, described",
                [this](Call&) { return json_response(openapi(router_, version_)); });
    router_.get("/events", "How all stands, once a second, and bulletins at once, as server-sent events",
                [this](Call&) { return events_.listen(); });
  }

  Response answer(const Request& request) {
    auto caller = caller_of(request);
    if (caller && caller->name.empty() && open_network_) caller->role = Role::viewer;
    if (request.path.starts_with("/api/v1/")) return while_welcome(request, router_.answer(request, caller));
    bool known = false;
    for (const auto& page : kPages) known |= page.path == request.path;
    if (!known) return {404, {}, "there is no such page; / lists those there are\n", {}};
    if (request.method != "GET" && request.method != "HEAD")
      return {405, {}, "this page can only be read: GET or HEAD\n", "GET, HEAD"};
    if (!caller && request.path != "/healthz" && request.path != "/readyz") return unauthorised();
    if (request.path == "/metrics") return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_.text(), {}};
    if (request.path == "/healthz") {
      const auto fatal = engine_.fatal();
      return health(fatal.empty() || caller ? fatal : "stopped");
    }
    if (request.path == "/readyz") {
      std::string why_not;
      return engine_.ready(&why_not) ? health({}) : health(caller ? why_not : "not ready");
    }
    return index();
  }

 private:
  /// Who watches over the process has to get an answer, though who else may call cannot be read.
  std::optional<Caller> caller_of(const Request& request) {
    if (request.path != "/healthz" && request.path != "/readyz") return access_.caller(request);
    try {
      return access_.caller(request);
    } catch (const std::exception&) {
      return std::nullopt;
    }
  }

  Response while_welcome(const Request& request, Response response) {
    if (!response.stream) return response;
    Request credentials;
    credentials.authorization = request.authorization;
    credentials.cookie = request.cookie;
    response.stream = [this, credentials = std::move(credentials),
                       stream = std::move(response.stream)](std::shared_ptr<Outlet> outlet) {
      return stream(std::make_shared<WelcomeOutlet>(
          std::move(outlet), [this, credentials] { return access_.caller(credentials).has_value(); }));
    };
    return response;
  }

  static Response health(const std::string& problem) {
    if (problem.empty()) return {200, {}, "ok\n", {}};
    return {503, {}, problem + "\n", {}};
  }

  /// A browser cannot send a token with every request: it keeps it in a cookie that no script can read.
  void add_session_pages() {
    const auto cookie = [](const Call& call, const std::string& value, const char* more) {
      return std::pair<std::string, std::string>("Set-Cookie", std::string(Access::kCookie) + "=" + value +
                                                                   "; Path=/; HttpOnly; SameSite=Strict" + more +
                                                                   (call.request.secure ? "; Secure" : ""));
    };
    router_.get("/session", "Who calls, and what that role may do", [](Call& call) {
      return json_response(boost::json::object{{"name", call.caller->name}, {"role", name_of(call.caller->role)}});
    });
    router_.post_open("/session", "Takes a token, and gives a browser a cookie with it", [this, cookie](Call& call) {
      const auto* token = call.body.if_contains("token");
      if (token == nullptr || !token->is_string()) throw Refused(400, "say which: {\"token\": \"…\"}");
      const auto caller = access_.of_token(token->as_string());
      if (!caller) throw Refused(401, "this token is not known here");
      auto response = json_response(boost::json::object{{"name", caller->name}, {"role", name_of(caller->role)}});
      response.headers.push_back(cookie(call, std::string(token->as_string()), ""));
      return response;
    });
    router_.post_open("/session/end", "Takes the cookie back", [cookie](Call& call) {
      auto response = json_response(boost::json::object{});
      response.headers.push_back(cookie(call, "", "; Max-Age=0"));
      return response;
    });
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
  const std::shared_ptr<FlowTexts> texts_;
  const std::string version_;
  const bool open_network_;
  Metrics metrics_;
  Access access_;
  const std::shared_ptr<Audit> audit_;
  Events events_;
  Taps taps_;
  History history_;
  QualityFile quality_file_;
  Catalogue catalogue_;
  std::optional<LineagePoster> poster_;
  EachMinute keeper_;
  Router router_;
};

}  // namespace

Handler pages(engine::Engine& engine, std::string version, bool open_network, const LineageOptions& lineage,
              std::shared_ptr<FlowTexts> texts, std::shared_ptr<Audit> audit) {
  return [pages = std::make_shared<Pages>(engine, std::move(version), open_network, lineage, std::move(texts),
                                          std::move(audit))](const Request& request) { return pages->answer(request); };
}

}  // namespace weir::api
