#include "api/endpoint.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace weir::api {

namespace {

/// Cuts `HOST:PORT` at its last colon, unless that is one of an IPv6 address.
std::string_view without_port(std::string_view text) {
  if (text.starts_with('[')) return text.substr(0, std::min(text.find(']'), text.size() - 1) + 1);
  return text.substr(0, text.find(':'));
}

bool is_port(std::string_view digits) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  return error == std::errc{} && end == digits.data() + digits.size();
}

/// Four decimal numbers, the first of them 127.
bool is_loopback_v4(std::string_view host) {
  if (!host.starts_with("127.")) return false;
  int parts = 0;
  while (true) {
    const auto part = host.substr(0, host.find('.'));
    std::uint8_t byte = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), byte);
    if (error != std::errc{} || end != part.data() + part.size()) return false;
    ++parts;
    if (part.size() == host.size()) return parts == 4;
    host.remove_prefix(part.size() + 1);
  }
}

std::string lowered(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

/// In lower case and without its port; empty if the header is not as it should be.
std::string host_of(std::string_view header) {
  const auto host = without_port(header);
  const auto rest = header.substr(host.size());
  if (!rest.empty() && !(rest.starts_with(':') && (rest.size() == 1 || is_port(rest.substr(1))))) return {};
  return lowered(host);
}

bool is_address(const std::string& host) {
  in6_addr parsed{};
  if (!host.starts_with('[')) return ::inet_pton(AF_INET, host.c_str(), &parsed) == 1;
  return host.ends_with(']') && ::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &parsed) == 1;
}

}  // namespace

Endpoint parse_endpoint(std::string_view text) {
  const auto fail = [&](const std::string& why) {
    return std::invalid_argument("'" + std::string(text) + "' " + why +
                                 "; expected HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080");
  };
  const auto host = without_port(text);
  const auto rest = text.substr(host.size());
  if (!rest.starts_with(':')) throw fail("has no port");
  const auto port = rest.substr(1);
  if (port.find(':') != std::string_view::npos) throw fail("is no address (brackets go around an IPv6 one)");
  if (!is_port(port)) throw fail("has no port between 0 and 65535");
  Endpoint endpoint;
  std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  if (host.starts_with('[')) {
    if (!host.ends_with(']') || host.size() < 4) throw fail("is no address");
    endpoint.host = host.substr(1, host.size() - 2);
  } else if (!host.empty()) {
    endpoint.host = host;
  }
  return endpoint;
}

std::string authority(std::string_view host, std::uint16_t port) {
  const bool v6 = host.find(':') != std::string_view::npos;
  return (v6 ? "[" + std::string(host) + "]" : std::string(host)) + ":" + std::to_string(port);
}

bool names_loopback(std::string_view host_header) {
  const auto host = host_of(host_header);
  return host == "localhost" || host == "[::1]" || is_loopback_v4(host);
}

bool cannot_be_rebound(std::string_view host_header, const std::vector<std::string>& names) {
  const auto host = host_of(host_header);
  if (host.empty()) return false;
  const auto is_host = [&](const std::string& name) { return lowered(name) == host; };
  return host.find('.') == std::string::npos || is_address(host) || std::ranges::any_of(names, is_host);
}

}  // namespace weir::api
