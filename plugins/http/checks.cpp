// Whether a server is there and lets this client in: it is asked for the head of the address, which brings no data and
// changes none. And whether HttpListen could listen.

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <future>
#include <memory>

#include "client_settings.h"
#include "listen.h"
#include "lookup.h"
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

std::string look_up(const LookupSettings& settings) {
  return reach(settings, settings.headers);
}

std::string listen(const ListenSettings& settings) {
  const HttpListen valid(settings);  // what its settings cannot say alone, certificates that are missing
  std::string host;
  std::uint16_t port = 0;
  read_address(settings.listen, host, port);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* raw = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &raw); error != 0)
    throw Misconfigured("listen: '" + host + "' is no address of this machine: " + ::gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> address(raw, ::freeaddrinfo);
  const int socket = ::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const int error = ::bind(socket, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
  ::close(socket);
  if (error == EADDRINUSE)
    throw Unavailable("somebody listens on " + settings.listen + " already; this flow itself, if it is running");
  if (error != 0) throw Misconfigured("cannot listen on " + settings.listen + ": " + std::strerror(error));
  return settings.listen + ", which is free";
}

}  // namespace
}  // namespace weir::http

WEIR_CHECKS(weir::check(weir::http::source_spec, weir::http::read),
            weir::check(weir::http::sink_spec, weir::http::write),
            weir::check(weir::http::lookup_spec, weir::http::look_up),
            weir::check(weir::http::listen_spec, weir::http::listen))
