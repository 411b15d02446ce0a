#pragma once
// The HTTP server of HttpListen: HTTP/1.0 and 1.1, with or without TLS, one thread of its own, bounded in every
// direction. It judges a request by its header, before its body is read; what it lets in goes to the Intake, and is
// answered when answer() says so.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "intake.h"

namespace weir::http {

class ListenServer {
 public:
  struct Options {
    std::string host;
    std::uint16_t port = 0;
    std::string cert = {};  ///< PEM files; with TLS
    std::string key = {};
    std::string client_ca = {};  ///< clients must show a certificate of it
    std::string path;            ///< exact, or with /* at its end for all below
    std::vector<std::string> methods;
    std::string authorization = {};      ///< what the Authorization header must be; empty: anyone may
    std::chrono::milliseconds timeout;   ///< for a whole request, for taking its answer, and between two
    std::chrono::milliseconds max_wait;  ///< until the flow has taken it
    std::uint32_t max_header;
    std::uint64_t max_body;
    std::size_t max_connections;
  };
  /// Called on the server's thread.
  struct Listener {
    std::function<void()> arrived;
    std::function<void(int status)> refused;
  };

  /// Listens from now on. Throws Misconfigured, or Unavailable where the port may become free.
  ListenServer(Options options, Intake& intake, Listener listener);
  /// Refuses who still waits, gives everyone a second to take their answer, and hangs up.
  ~ListenServer();
  ListenServer(const ListenServer&) = delete;
  ListenServer& operator=(const ListenServer&) = delete;

  /// These are durable: answers 200. Thread-safe; unknown ones (whose clients have left) are left out.
  void answer(std::vector<std::uint64_t> ids);
  std::uint16_t port() const;

 private:
  class Server;
  std::unique_ptr<Server> server_;
};

/// The value of an Authorization header for basic authentication.
std::string basic_authorization(const std::string& user, const std::string& password);

}  // namespace weir::http
