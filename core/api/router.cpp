#include "api/router.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "store/store.h"

namespace weir::api {

namespace json = boost::json;

namespace {

std::vector<std::string_view> segments(std::string_view path) {
  std::vector<std::string_view> parts;
  while (path.starts_with('/')) {
    path.remove_prefix(1);
    const auto end = std::min(path.find('/'), path.size());
    parts.push_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return parts;
}

/// The values of the pattern's parameters; nothing if the path is another's.
std::optional<std::vector<std::string>> match(std::string_view pattern, const std::vector<std::string>& path) {
  const auto parts = segments(pattern);
  if (parts.size() != path.size()) return std::nullopt;
  std::vector<std::string> values;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].starts_with('{')) {
      values.push_back(path[i]);
    } else if (parts[i] != path[i]) {
      return std::nullopt;
    }
  }
  return values;
}

bool is_json(std::string_view content_type) {
  auto type = std::string(content_type.substr(0, content_type.find(';')));
  while (type.ends_with(' ')) type.pop_back();
  std::transform(type.begin(), type.end(), type.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return type == "application/json";
}

/// What a form or a page of another site cannot send without asking first is all that changes something.
json::object read_body(const Request& request) {
  if (!is_json(request.content_type))
    throw Refused(415, "send JSON: Content-Type: application/json, and {} if there is nothing to say");
  if (request.body.empty()) return {};
  boost::system::error_code error;
  const auto value = json::parse(request.body, error);
  if (error) throw Refused(400, "the body is no JSON: " + error.message());
  if (!value.is_object()) throw Refused(400, "the body is a JSON object");
  return value.as_object();
}

/// A name that is mistyped would be passed over, and the answer be another than was asked for.
void check_query(std::string_view query, std::string_view known) {
  const auto is_known = [&](std::string_view name) {
    for (auto rest = known; !rest.empty();) {
      const auto end = std::min(rest.find(' '), rest.size());
      if (rest.substr(0, end) == name) return true;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return false;
  };
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto name = query.substr(0, std::min(query.find('='), end));
    query.remove_prefix(std::min(end + 1, query.size()));
    if (name.empty() || is_known(name)) continue;
    throw Refused(400, "there is no parameter '" + std::string(name) + "' here" +
                           (known.empty() ? ": this page takes none" : "; there are: " + std::string(known)));
  }
}

/// "/flows/{flow}/processors/{processor}/state/clear" is "state/clear" on "lake/mean".
void describe(Audit::Entry& entry, const Route& route, const std::vector<std::string>& values) {
  entry.on.clear();
  for (const auto& value : values) entry.on += (entry.on.empty() ? "" : "/") + value;
  entry.on.resize(std::min(entry.on.size(), Audit::kLongestPath));
  const auto last = route.pattern.rfind('}');
  entry.action = route.pattern.substr(std::min(last == std::string::npos ? 1 : last + 2, route.pattern.size()));
}

void note(Audit& audit, Audit::Entry entry, const Response& response) {
  entry.status = response.status;
  entry.asked_only = response.asked_only;
  if (response.status >= 300) {
    boost::system::error_code error;
    const auto body = json::parse(response.body, error);
    if (!error && body.is_object() && body.as_object().contains("error") && body.at("error").is_string())
      entry.why = std::string(body.at("error").as_string());
  }
  audit.note(entry);
}

template <class Work>
Response refusing(const Work& work) {
  try {
    return work();
  } catch (const Refused& refused) {
    return json_error(refused.status(), refused.what());
  } catch (const store::NotRetained& error) {
    return json_error(404, error.what());
  } catch (const std::invalid_argument& error) {
    return json_error(404, error.what());
  } catch (const std::exception& error) {
    return json_error(500, error.what());
  }
}

}  // namespace

Response unauthorised() {
  auto response = json_error(
      401,
      "a token is needed: Authorization: Bearer TOKEN; `weir token add NAME --role viewer` on the machine makes one");
  response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

Response Router::answer(const Request& request, const std::optional<Caller>& caller) const {
  Audit::Entry entry;
  entry.from = request.remote;
  if (caller && !caller->name.empty()) {
    entry.who = caller->name;
    entry.role = name_of(caller->role);
  }
  auto response = dispatch(request, caller, entry);
  if (audit_ == nullptr || request.method == "GET" || request.method == "HEAD") return response;
  if (entry.action.empty()) {  // no page's: as it was asked for, cut
    entry.action = request.method;
    entry.on = request.path.substr(0, Audit::kLongestPath);
  }
  if (!response.later) {
    note(*audit_, std::move(entry), response);
    return response;
  }
  response.later = [audit = audit_, entry = std::move(entry), page = std::move(response.later)] {
    auto real = page();
    note(*audit, entry, real);
    return real;
  };
  return response;
}

Response Router::dispatch(const Request& request, const std::optional<Caller>& caller, Audit::Entry& entry) const {
  std::vector<std::string> path;
  for (const auto part : segments(std::string_view(request.path).substr(kRoot.size()))) {
    auto plain = decoded(part);
    if (!plain) return json_error(400, "the path is no percent-encoding");
    path.push_back(std::move(*plain));
  }
  const auto method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
  std::string allowed;
  for (const auto& route : routes_) {
    auto values = match(route.pattern, path);
    if (!values) continue;
    if (route.method == method) describe(entry, route, *values);
    if (!caller && !route.open) continue;
    if (route.method != method) {
      allowed += (allowed.empty() ? "" : ", ") + (route.method == "GET" ? std::string("GET, HEAD") : route.method);
      continue;
    }
    return refusing([&] {
      if ((method != "GET" || route.operators_only) && !route.open && caller->role != Role::op)
        throw Refused(403,
                      "this takes a token with the role operator: `weir token add NAME --role operator` makes one");
      const bool named = caller && !caller->name.empty();
      Call call{request, std::move(*values), Query(request.query), {}, named ? caller->name : request.remote, caller};
      check_query(request.query, route.query);
      if (method != "GET") {
        call.body = read_body(request);
        entry.with = harmless(call.body);
        if (const auto* flowfile = call.body.if_contains("flowfile"); flowfile != nullptr && flowfile->is_string())
          entry.on = std::string(flowfile->as_string()).substr(0, Audit::kLongestPath);
      }
      return route.page(call);
    });
  }
  if (!caller) return unauthorised();
  if (allowed.empty()) return json_error(404, "there is no such page; /api/v1/openapi.json lists those there are");
  auto refused = json_error(405, "this page takes " + allowed);
  refused.allow = std::move(allowed);
  return refused;
}

Response later(std::function<Response()> page) {
  Response response;
  response.later = [page = std::move(page)] { return refusing(page); };
  return response;
}

}  // namespace weir::api
