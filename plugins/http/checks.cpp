// Whether a server is there and lets this client in: it is asked for the head of the address, which brings no data and
// changes none.

#include <future>

#include "client_settings.h"
#include "sink.h"
#include "source.h"
#include "weir/check.h"

namespace weir::http {
namespace {

std::string reach(const ClientSettings& settings, const std::map<std::string, std::string>& headers) {
  check(settings);
  const auto display = check_url(settings.url);
  Request request{.method = "HEAD", .url = settings.url.substr(0, settings.url.find("$("))};
  for (const auto& [name, value] : headers) {
    if (!is_template(value)) request.headers.emplace_back(name, value);
  }
  std::promise<Response> answer;  // it outlives the client, which is destroyed first
  auto future = answer.get_future();
  Client client(client_options(settings));
  client.submit(std::move(request), [&answer](Response response) { answer.set_value(std::move(response)); });
  const auto response = future.get();
  if (response.outcome != Response::Outcome::answered) {
    if (response.passing()) throw Unavailable(response.error);
    throw Misconfigured(response.error);
  }
  const auto what = display + " answers " + response.describe();
  if (response.status == 401 || response.status == 403) throw Misconfigured(what + "; check auth and headers");
  if (response.passing()) throw Unavailable(what);
  return what;  // also 404 and 405: not everything that takes or gives data has a head
}

std::string read(const SourceSettings& settings) {
  return reach(settings, settings.headers);
}

std::string write(const SinkSettings& settings) {
  return reach(settings, settings.headers);
}

}  // namespace
}  // namespace weir::http

WEIR_CHECKS(weir::check(weir::http::source_spec, weir::http::read),
            weir::check(weir::http::sink_spec, weir::http::write))
