#pragma once
// Addresses: taken apart, shown without secrets, and kept to the hosts that an author allows.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::http {

struct Url {
  std::string scheme;  ///< http or https
  std::string host;    ///< in lower case; an IPv6 address stands in brackets
  std::uint16_t port = 0;
  std::string text;  ///< all of it, as it is requested

  /// Without user, password, query and fragment, which may hold secrets: for messages and transit URIs.
  std::string display() const;
};

/// Takes an absolute http or https address apart. Nothing: it is none.
std::optional<Url> parse_url(std::string_view text);

/// `reference` (absolute or relative) as seen from `base`. Nothing: it leads to no http or https address.
std::optional<Url> resolve(const Url& base, const std::string& reference);

/// Whether it is written as HOST or HOST:PORT.
bool is_host(const std::string& text);

/// Why a request to `from` may not go on to `to`; empty if it may. Allowed are the same host and port, http to https on
/// one host's default ports, and what `allowed` names, as HOST (any port) or HOST:PORT. Never from https to http.
std::string leaves(const Url& from, const Url& to, const std::vector<std::string>& allowed);

/// True if both are the same host, port and scheme: credentials for one may be shown to the other.
bool same_origin(const Url& a, const Url& b);

/// The address with this query parameter, in place of any of that name.
std::string with_parameter(const std::string& url, std::string_view name, std::string_view value);

}  // namespace weir::http
