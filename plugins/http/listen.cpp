#include "listen.h"

#include <algorithm>
#include <charconv>

#include "json_text.h"

namespace weir::http {
namespace {

constexpr std::string_view kSessions = "sessions";  ///< state: the token of the last session
constexpr std::uint64_t kBatch = 1000;              ///< requests in one session

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

std::chrono::milliseconds milliseconds(Duration duration) {
  return std::chrono::ceil<std::chrono::milliseconds>(duration);
}

/// Attributes are text: what is none has its bytes beyond ASCII replaced.
std::string as_text(std::string_view value) {
  std::string text(value);
  if (json_error(json_string(text)).empty()) return text;
  std::ranges::replace_if(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
  return text;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return text;
}

/// What tells who the client is, and must not spread with the data.
bool is_credential(std::string_view header) {
  return header == "authorization" || header == "proxy-authorization" || header == "cookie";
}

}  // namespace

void read_address(const std::string& text, std::string& host, std::uint16_t& port) {
  const auto colon = text.rfind(':');
  const bool bracketed = text.starts_with('[');
  const char* begin = text.data() + (colon == std::string::npos ? text.size() : colon + 1);
  const char* end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(begin, end, port);
  if (colon == std::string::npos || colon == 0 || error != std::errc{} || parsed != end ||
      (bracketed && text[colon - 1] != ']') || (!bracketed && text.find(':') != colon))
    throw Misconfigured("listen: '" + text + "' is no HOST:PORT, such as 127.0.0.1:8088 or [::1]:8088");
  host = bracketed ? text.substr(1, colon - 2) : text.substr(0, colon);
}

HttpListen::HttpListen(ListenSettings settings)
    : settings_(std::move(settings)),
      intake_(static_cast<std::size_t>(settings_.max_pending), settings_.max_pending_bytes) {
  read_address(settings_.listen, options_.host, options_.port);
  if (settings_.auth) {
    check(*settings_.auth);
    options_.authorization = settings_.auth->bearer.empty()
                                 ? basic_authorization(settings_.auth->user, settings_.auth->password)
                                 : "Bearer " + settings_.auth->bearer;
  }
  const bool anyone = !settings_.auth && (!settings_.tls || settings_.tls->client_ca.empty());
  if (anyone && !is_loopback(options_.host) && !settings_.allow_anonymous_network)
    throw Misconfigured("listen: whoever reaches " + settings_.listen +
                        " could put data into this flow: set auth, or tls.client_ca, or listen on 127.0.0.1; where the "
                        "network is closed, allow_anonymous_network: true");
  if (settings_.tls) {
    check_readable(settings_.tls->cert, "tls.cert");
    check_readable(settings_.tls->key, "tls.key");
    check_readable(settings_.tls->client_ca, "tls.client_ca");
    options_.cert = settings_.tls->cert;
    options_.key = settings_.tls->key;
    options_.client_ca = settings_.tls->client_ca;
  }
  if (!settings_.path.starts_with('/')) throw Misconfigured("path: '" + settings_.path + "' does not begin with /");
  if (settings_.path.find_first_of("?#") != std::string::npos)
    throw Misconfigured("path: '" + settings_.path + "' has more than a path");
  if (settings_.methods.empty()) throw Misconfigured("methods: name at least one");
  for (const auto& name : settings_.headers) {
    if (name != "*" && !is_header_name(name)) throw Misconfigured("headers: '" + name + "' is no name of a header");
  }
  options_.path = settings_.path;
  options_.methods = settings_.methods;
  options_.timeout = milliseconds(settings_.timeout);
  options_.max_wait = milliseconds(settings_.max_wait);
  options_.max_header = static_cast<std::uint32_t>(settings_.max_header);
  options_.max_body = settings_.max_body;
  options_.max_connections = static_cast<std::size_t>(settings_.max_connections);
}

void HttpListen::start(Context& context) {
  context_ = context;
  refused_ = context_.counter("http_refused_requests", "Requests answered with another status than 200.");
  pending_ = context_.gauge("http_pending_bytes", "Bytes of requests that are not answered yet.");
  server_ = std::make_unique<ListenServer>(
      options_, intake_,
      ListenServer::Listener{.arrived = [this] { context_.wake(); }, .refused = [this](int) { refused_.add(1); }});
  uri_ = std::string(settings_.tls ? "https://" : "http://") +
         (options_.host.find(':') == std::string::npos ? options_.host : "[" + options_.host + "]") + ":" +
         std::to_string(server_->port()) + settings_.path;
  context_.gauge("http_listen_port", "The port it listens on.").set(server_->port());
  context_.log(Level::info, "listening on " + uri_);
}

void HttpListen::poll(Session& session) {
  if (ended_) return session.finished();
  take_back_if_lost(session);
  std::vector<Arrival> taken;
  while (auto arrival = intake_.take()) {
    emit(session, *arrival);
    taken.push_back(std::move(*arrival));
    if (taken.size() < kBatch && !session.over_budget()) continue;
    session.again();
    break;
  }
  pending_.set(static_cast<double>(intake_.bytes()));
  if (taken.empty()) return end_if_idle(session);
  idle_since_.reset();
  last_token_ = ++tokens_;
  session.set_state(kSessions, std::to_string(last_token_));
  session.when_durable(last_token_);
  session.event("RECEIVE", uri_);
  if (settings_.end_after_idle) session.tick_at(session.now() + settings_.end_after_idle->count());
  const std::lock_guard lock(mutex_);
  undurable_.emplace(last_token_, std::move(taken));
}

/// If the last session was rolled back after it had returned, the state does not know of it.
void HttpListen::take_back_if_lost(Session& session) {
  const auto kept = session.state(kSessions);
  const auto known = kept ? std::stoull(std::string(*kept)) : 0;
  if (started_ && known != last_token_) {
    const std::lock_guard lock(mutex_);
    if (auto lost = undurable_.extract(last_token_)) intake_.give_back(std::move(lost.mapped()));
  }
  started_ = true;
  last_token_ = known;
  tokens_ = std::max(tokens_, last_token_);
}

void HttpListen::emit(Session& session, const Arrival& arrival) const {
  const auto file = session.create();
  session.append(file, arrival.body);
  session.set(file, "http.method", arrival.method);
  session.set(file, "http.path", as_text(arrival.path));
  if (!arrival.query.empty()) session.set(file, "http.query", as_text(arrival.query));
  session.set(file, "http.remote", arrival.remote);
  for (const auto& [name, value] : arrival.headers) {
    if (name == "content-type") session.set(file, "mime.type", as_text(value.substr(0, value.find(';'))));
    const bool wanted = std::ranges::any_of(settings_.headers, [&header = name](const auto& wish) {
      return wish == "*" ? !is_credential(header) : lower(wish) == header;
    });
    if (wanted) session.set(file, "http.header." + name, as_text(value));
  }
  session.transfer(file, 0);
}

void HttpListen::durable(std::uint64_t token) {
  std::vector<std::uint64_t> ids;
  {
    const std::lock_guard lock(mutex_);
    const auto taken = undurable_.extract(token);
    if (!taken) return;
    for (const auto& arrival : taken.mapped()) ids.push_back(arrival.id);
  }
  server_->answer(std::move(ids));
}

void HttpListen::end_if_idle(Session& session) {
  if (!settings_.end_after_idle || intake_.requests() > 0) return;
  if (!idle_since_) idle_since_ = session.now();
  const auto end = *idle_since_ + settings_.end_after_idle->count();
  if (session.now() < end) return session.tick_at(end);
  ended_ = true;
  session.finished();
}

void HttpListen::stop() {
  server_.reset();
}

}  // namespace weir::http
