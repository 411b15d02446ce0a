#pragma once
// Where the server listens, and by which names it may be called there.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::api {

struct Endpoint {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;  ///< 0: any that is free
};

/// Reads `HOST:PORT`, `[IPV6]:PORT` or `:PORT` (loopback). Throws std::invalid_argument with a message for the author
/// of the command line.
Endpoint parse_endpoint(std::string_view text);

/// `host`, or `[host]` where it is an IPv6 address, with the port: as it stands in a URL.
std::string authority(std::string_view host, std::uint16_t port);

/// True if the value of a Host header names this machine's loopback: localhost, 127.x.x.x or [::1], with any port (a
/// tunnel or a container may map it). A page of a foreign site that has its name resolve to 127.0.0.1 (DNS rebinding)
/// sends that name, and is refused by this.
bool names_loopback(std::string_view host_header);

/// True if no foreign site can have the name in a Host header: an address, a name without a dot (of a container, or of
/// a machine of one's own network), or one of `names`; with any port.
bool cannot_be_rebound(std::string_view host_header, const std::vector<std::string>& names);

}  // namespace weir::api
