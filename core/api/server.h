#pragma once
// The HTTP server: HTTP/1.0 and 1.1, within TLS or not, one thread of its own, bounded in every direction.
//
// A client can hold a connection no longer than `timeout` without finishing a request (with TLS's handshake) or taking
// its answer, sends at most `max_header` bytes of header and `max_body` of body, and shares `max_connections` with all
// others: when they are all in use, a new client gets the place of the one that has been silent or slow for the
// longest. What breaks the protocol gets an answer that says so, and is hung up on.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/endpoint.h"
#include "api/http.h"
#include "tls/tls.h"

namespace weir::api {

struct Options {
  Endpoint listen;
  /// Anyone who reaches a port beyond loopback can use it: it takes this word to open one.
  bool allow_unauthenticated_network = false;
  bool authenticated = false;  ///< or the handler to ask everybody for a token
  /// Beyond loopback and without tokens, what it may be called beside addresses and names without a dot.
  std::vector<std::string> host_names = {};
  tls::ServerFiles tls = {};  ///< without a certificate: plain HTTP
  /// What the operator has to know of the certificate; called from any thread.
  std::function<void(const std::string&)> notice = {};
  /// A request that was answered with `status` for its Host or Origin, before any page saw it, and why; called on the
  /// server's thread.
  std::function<void(const Request&, int status, const std::string& why)> refused = {};
  std::chrono::milliseconds timeout = std::chrono::seconds(10);  ///< for a whole request, and again for its answer
  std::uint32_t max_header = 8 * 1024;
  std::uint64_t max_body = 64 * 1024;
  std::size_t max_connections = 256;
  std::size_t max_streams = 128;      ///< of those connections; the rest stays for questions
  std::size_t max_waiting = 1 << 20;  ///< bytes that wait for a client of a stream: beyond, it is hung up on
};

/// The option of `weir run` that sets Options::allow_unauthenticated_network.
inline constexpr const char* kAllowNetworkOption = "--allow-unauthenticated-network";
/// The one that sets Options::host_names.
inline constexpr const char* kHostNameOption = "--host-name";

/// Listens from construction on, until stop() or destruction.
class Server {
 public:
  /// Throws std::runtime_error if it cannot listen there, or must not, or the certificate cannot be used.
  Server(Handler handler, const Options& options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Where it is, with the port it really has: "http://127.0.0.1:8080".
  const std::string& url() const { return url_; }
  std::uint16_t port() const { return port_; }
  /// Hangs up on everyone. Idempotent; returns when no handler runs any more.
  void stop();

 private:
  class Listener;
  std::unique_ptr<Listener> listener_;  ///< null: stopped
  std::string url_;
  std::uint16_t port_;
};

}  // namespace weir::api
