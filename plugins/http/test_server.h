#pragma once
// A small real HTTP server for tests: on a free port of 127.0.0.1, its answers written by the test, gone with the
// object. And certificates made for the occasion.

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace weir::http::testing {

/// A CA, a certificate of it for localhost and 127.0.0.1, and a CA that signed nothing; made with openssl.
class Certificates {
 public:
  Certificates();
  ~Certificates();
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;
  std::string ca() const { return (folder_ / "ca.pem").string(); }
  std::string other_ca() const { return (folder_ / "other.pem").string(); }
  std::string certificate() const { return (folder_ / "server.pem").string(); }
  std::string key() const { return (folder_ / "server.key").string(); }

 private:
  std::filesystem::path folder_;
};

struct Call {
  std::string method;
  std::string target;
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;
};

struct Reply {
  int status = 200;
  std::string body = {};
  std::map<std::string, std::string> headers = {};
  bool hang_up = false;  ///< close the connection without an answer
};

class TestServer {
 public:
  /// Called on the thread of the connection; several may run at once.
  using Handler = std::function<Reply(const Call&)>;

  explicit TestServer(Handler handler, const Certificates* tls = nullptr, std::uint16_t port = 0);
  ~TestServer();
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  std::uint16_t port() const { return port_; }
  std::string url(const std::string& path = "/") const;
  /// What was asked so far, in order.
  std::vector<Call> calls() const;

 private:
  class Acceptor;
  Handler handler_;
  bool tls_;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;  ///< of calls_
  std::vector<Call> calls_;
  std::unique_ptr<Acceptor> acceptor_;
};

}  // namespace weir::http::testing
