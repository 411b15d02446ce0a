#pragma once
// For tests: stands between S3's client and a store, counts requests, and fails at one of them.

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/servers/process.h"

namespace weir::s3 {

class StoreRelay {
 public:
  enum class Fault {
    cut_before,    ///< the store does not see the request, and nobody sees the store any more
    cut_after,     ///< the store has done it, and nobody sees it any more
    no_answer,     ///< the store has done it, and its answer is lost
    no_condition,  ///< not one, but all: the store says that it has written, whatever the condition was
  };

  StoreRelay(std::uint16_t server, int request, Fault fault) : server_(server), request_(request), fault_(fault) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto address = address_of(0);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::runtime_error("no port for a relay");
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept(); });
  }
  ~StoreRelay() {
    ends_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    cut();
    for (auto& thread : threads_) thread.join();
    ::close(listener_);
  }
  StoreRelay(const StoreRelay&) = delete;
  StoreRelay& operator=(const StoreRelay&) = delete;

  std::string url() const { return "http://" + testing::server_address() + ':' + std::to_string(port_); }
  int requests() const { return count_; }
  bool played() const { return count_ >= request_; }

 private:
  static sockaddr_in address_of(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    ::inet_pton(AF_INET, testing::server_address().c_str(), &address.sin_addr);
    return address;
  }

  void accept() {
    while (!ends_) {
      const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) continue;
      const std::lock_guard lock(mutex_);
      sockets_.insert(client);
      threads_.emplace_back([this, client] {
        relay(client);
        const std::lock_guard closing(mutex_);
        sockets_.erase(client);
        ::close(client);
      });
    }
  }
  void cut() {
    dead_ = true;
    const std::lock_guard lock(mutex_);
    for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
  }

  void relay(int client) {
    const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto address = address_of(server_);
    if (::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      std::string rest_of_client;
      std::string rest_of_server;
      while (!dead_) {
        const auto request = message(client, rest_of_client, false);
        if (!request || dead_) break;
        const bool fails = ++count_ == request_;
        if (fails && fault_ == Fault::cut_before) cut();
        if (dead_) break;
        if (!send(server, *request)) break;
        auto answer = message(server, rest_of_server, request->starts_with("HEAD"));
        if (!answer) break;
        if (fails && fault_ == Fault::cut_after) cut();
        if (dead_ || (fails && fault_ == Fault::no_answer)) break;
        if (fault_ == Fault::no_condition && answer->starts_with("HTTP/1.1 412"))
          answer = "HTTP/1.1 200 OK\r\nETag: \"x\"\r\nContent-Length: 0\r\n\r\n";
        if (!send(client, *answer)) break;
      }
    }
    ::close(server);
    ::shutdown(client, SHUT_RDWR);
  }

  static bool send(int socket, std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  /// A whole request or answer, by its Content-Length.
  static std::optional<std::string> message(int socket, std::string& rest, bool no_body) {
    while (true) {
      if (const auto head = rest.find("\r\n\r\n"); head != std::string::npos) {
        const auto size = head + 4 + (no_body ? 0 : length_of(rest.substr(0, head)));
        if (rest.size() >= size) {
          auto whole = rest.substr(0, size);
          rest.erase(0, size);
          return whole;
        }
      }
      char buffer[16384];
      const auto got = ::recv(socket, buffer, sizeof buffer, 0);
      if (got <= 0) return std::nullopt;
      rest.append(buffer, static_cast<std::size_t>(got));
    }
  }
  static std::size_t length_of(std::string head) {
    std::ranges::transform(head, head.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    constexpr std::string_view kName = "\r\ncontent-length:";
    const auto at = head.find(kName);
    return at == std::string::npos ? 0 : std::stoul(head.substr(at + kName.size()));
  }

  const std::uint16_t server_;
  const int request_;
  const Fault fault_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> count_ = 0;
  std::atomic<bool> ends_ = false;
  std::atomic<bool> dead_ = false;
  std::mutex mutex_;
  std::set<int> sockets_;             ///< of clients; under the lock
  std::vector<std::thread> threads_;  ///< of the acceptor, until it has ended
  std::thread acceptor_;
};

}  // namespace weir::s3
