#include "cli/client.h"

#include <fmt/core.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "api/byte_stream.h"

namespace weir::cli {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace json = boost::json;

constexpr auto kPatience = std::chrono::seconds(60);
constexpr std::uint64_t kMostBody = 64ULL << 20;
constexpr std::string_view kPlain = "http://";
constexpr std::string_view kSecure = "https://";

/// A connection whose every step ends in time.
class Exchange {
 public:
  Exchange(const std::string& host, const std::string& port, tls::Client* tls) : stream_(context_) {
    boost::system::error_code error;
    asio::ip::tcp::resolver resolver(context_);
    const auto found = resolver.resolve(host, port, error);
    if (!error)
      run([&](auto done) { stream_.tcp().async_connect(found, [done](auto e, const auto&) { done(e); }); }, error);
    if (error) {
      throw std::runtime_error(fmt::format("no Weir answers at {}{}:{} ({}): is `weir run` up? --url says where",
                                           tls != nullptr ? kSecure : kPlain, host, port, error.message()));
    }
    if (tls == nullptr) return;
    stream_.encrypt(tls->connect(host));
    run([&](auto done) { stream_.async_handshake(done); }, error);
    if (!error) return;
    const auto why = stream_.problem();
    throw std::runtime_error(
        fmt::format("no TLS with {}:{}: {}{}", host, port, why.empty() ? error.message() : why,
                    why.find("certificate") != std::string::npos || why.find("name") != std::string::npos
                        ? "; --ca FILE names the authority that signed its certificate, --url a name that is in it"
                        : "; does it speak plain http?"));
  }

  /// Starts a step and waits for it.
  template <class Start>
  void run(const Start& start, boost::system::error_code& error, bool patient = false) {
    if (patient) {
      stream_.tcp().expires_never();
    } else {
      stream_.tcp().expires_after(kPatience);
    }
    context_.restart();
    start([&error](const boost::system::error_code& result) { error = result; });
    context_.run();
  }
  template <class Start>
  void run(const Start& start) {
    boost::system::error_code error;
    run(start, error);
    if (error) throw std::runtime_error("the connection to Weir broke: " + error.message());
  }

  asio::io_context context_;
  api::ByteStream stream_;
  beast::flat_buffer buffer_;
};

std::string what_it_said(unsigned status, const std::string& body) {
  boost::system::error_code error;
  const auto value = json::parse(body, error);
  if (!error && value.is_object()) {
    if (const auto* why = value.as_object().if_contains("error"); why != nullptr && why->is_string())
      return std::string(why->as_string());
  }
  return fmt::format("Weir answered {}: {}", status, body);
}

}  // namespace

std::string encoded(std::string_view text) {
  std::string result;
  for (const unsigned char c : text) {
    if (std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == '~') {
      result += static_cast<char>(c);
    } else {
      result += fmt::format("%{:02X}", c);
    }
  }
  return result;
}

Client::Client(const Remote& remote) : token_(remote.token) {
  std::string_view url = remote.url;
  const bool secure = url.starts_with(kSecure);
  if (!secure && !url.starts_with(kPlain))
    throw std::invalid_argument(fmt::format("'{}' is no URL of a Weir, such as http://127.0.0.1:8080", remote.url));
  url.remove_prefix((secure ? kSecure : kPlain).size());
  url = url.substr(0, url.find('/'));
  const auto colon = url.rfind(':');
  const bool has_port = colon != std::string_view::npos && url.find(']', colon) == std::string_view::npos;
  host_ = url.substr(0, has_port ? colon : url.size());
  port_ = has_port ? url.substr(colon + 1) : secure ? "443" : "80";
  std::uint16_t port = 0;
  const auto [end, wrong] = std::from_chars(port_.data(), port_.data() + port_.size(), port);
  if (host_.empty() || wrong != std::errc{} || end != port_.data() + port_.size() || port == 0)
    throw std::invalid_argument(fmt::format("'{}' names no host, or no port from 1 to 65535", remote.url));
  if (host_.starts_with('[') && host_.ends_with(']')) host_ = host_.substr(1, host_.size() - 2);
  if (const char* token = std::getenv("WEIR_TOKEN"); token != nullptr && token_.empty()) token_ = token;
  const char* authorities = std::getenv("WEIR_CA");
  if (secure)
    tls_ =
        tls::library().client(authorities != nullptr && remote.authorities.empty() ? authorities : remote.authorities);
}

std::string Client::body_of(const std::string& method, const std::string& target, const std::string& body,
                            unsigned* status) {
  Exchange exchange(host_, port_, tls_.get());
  http::request<http::string_body> request(http::string_to_verb(method), "/api/v1" + target, 11);
  const bool v6 = host_.find(':') != std::string::npos;
  request.set(http::field::host, (v6 ? "[" + host_ + "]" : host_) + ":" + port_);
  if (!token_.empty()) request.set(http::field::authorization, "Bearer " + token_);
  if (method == "POST") request.set(http::field::content_type, "application/json");
  request.keep_alive(false);
  request.body() = body;
  request.prepare_payload();
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMostBody);
  exchange.run([&](auto done) {
    http::async_write(exchange.stream_, request, [done](auto error, std::size_t) { done(error); });
  });
  boost::system::error_code broken;
  exchange.run(
      [&](auto done) {
        http::async_read(exchange.stream_, exchange.buffer_, parser, [done](auto e, std::size_t) { done(e); });
      },
      broken, status != nullptr);
  if (broken) throw std::runtime_error("the connection to Weir broke: " + broken.message());
  auto& response = parser.get();
  if (status != nullptr) {
    *status = response.result_int();
  } else if (response.result_int() >= 300) {
    throw std::runtime_error(what_it_said(response.result_int(), response.body()));
  }
  return std::move(response.body());
}

json::value Client::ask(const std::string& method, const std::string& target, const std::string& body,
                        unsigned* status) {
  const auto text = body_of(method, target, body, status);
  boost::system::error_code error;
  auto value = json::parse(text, error);
  if (status != nullptr && *status >= 300 && (error || !value.is_object()))
    throw std::runtime_error(what_it_said(*status, text));
  if (error) throw std::runtime_error("what answers there is no Weir");
  return value;
}

json::value Client::get(const std::string& target) {
  return ask("GET", target, {});
}

std::string Client::text(const std::string& target) {
  return body_of("GET", target, {});
}

json::value Client::post(const std::string& target, const json::object& body) {
  return ask("POST", target, json::serialize(body));
}

json::value Client::post_patiently(const std::string& target, const json::object& body, unsigned& status) {
  return ask("POST", target, json::serialize(body), &status);
}

void Client::listen(const std::string& target,
                    const std::function<bool(std::string_view event, std::string_view data)>& visit) {
  Exchange exchange(host_, port_, tls_.get());
  http::request<http::empty_body> request(http::verb::get, "/api/v1" + target, 11);
  const bool v6 = host_.find(':') != std::string::npos;
  request.set(http::field::host, (v6 ? "[" + host_ + "]" : host_) + ":" + port_);
  if (!token_.empty()) request.set(http::field::authorization, "Bearer " + token_);
  exchange.run([&](auto done) {
    http::async_write(exchange.stream_, request, [done](auto error, std::size_t) { done(error); });
  });
  http::response_parser<http::buffer_body> parser;
  parser.body_limit(boost::none);
  exchange.run([&](auto done) {
    http::async_read_header(exchange.stream_, exchange.buffer_, parser,
                            [done](auto error, std::size_t) { done(error); });
  });
  if (parser.get().result_int() != 200) {
    http::response_parser<http::string_body> refusal(std::move(parser));
    exchange.run([&](auto done) {
      http::async_read(exchange.stream_, exchange.buffer_, refusal, [done](auto e, std::size_t) { done(e); });
    });
    throw std::runtime_error(what_it_said(refusal.get().result_int(), refusal.get().body()));
  }
  std::string waiting;
  char bytes[16384];
  while (!parser.is_done()) {
    parser.get().body().data = bytes;
    parser.get().body().size = sizeof bytes;
    boost::system::error_code error;
    exchange.run(
        [&](auto done) {
          http::async_read_some(exchange.stream_, exchange.buffer_, parser, [done](auto e, std::size_t) { done(e); });
        },
        error, true);
    if (error == http::error::need_buffer) error = {};
    waiting.append(bytes, sizeof bytes - parser.get().body().size);
    for (auto end = waiting.find("\n\n"); end != std::string::npos; end = waiting.find("\n\n")) {
      std::string_view event, data;
      for (std::string_view block = std::string_view(waiting).substr(0, end + 1); !block.empty();) {
        const auto line = block.substr(0, block.find('\n'));
        block.remove_prefix(line.size() + 1);
        if (line.starts_with("event: ")) event = line.substr(7);
        if (line.starts_with("data: ")) data = line.substr(6);
      }
      if (!event.empty() && !visit(event, data)) return;
      waiting.erase(0, end + 2);
    }
    if (error) return;  // it has ended
  }
}

}  // namespace weir::cli
