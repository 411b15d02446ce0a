#include "tests/unit/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

namespace weir::test {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPatience = std::chrono::seconds(20);

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  throw std::runtime_error("cannot connect to the server");
}

void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // it may have answered already
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

/// False: it ended, or nothing came.
bool receive(int fd, std::string& to, Clock::time_point until, bool& ended) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
  pollfd ready{fd, POLLIN, 0};
  if (left < 0 || ::poll(&ready, 1, static_cast<int>(left)) <= 0) return false;
  char buffer[65536];
  const auto size = ::recv(fd, buffer, sizeof buffer, 0);
  ended = size <= 0;
  if (!ended) to.append(buffer, static_cast<std::size_t>(size));
  return !ended;
}

std::string request_text(std::string_view method, std::string_view target, std::string_view body,
                         const HttpHeaders& headers, bool close) {
  std::string text = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\n";
  bool has_host = false;
  for (const auto& [name, value] : headers) {
    has_host |= name == "Host";
    text += name + ": " + value + "\r\n";
  }
  if (!has_host) text += "Host: localhost\r\n";
  if (close) text += "Connection: close\r\n";
  if (!body.empty() || method == "POST") text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + std::string(body);
}

}  // namespace

HttpAnswer http(std::uint16_t port, std::string_view method, std::string_view target, std::string_view body,
                const HttpHeaders& headers) {
  const int fd = connect_to(port);
  send_all(fd, request_text(method, target, body, headers, true));
  std::string all;
  bool ended = false;
  const auto until = Clock::now() + kPatience;
  while (receive(fd, all, until, ended)) {
  }
  ::close(fd);
  const auto end = all.find("\r\n\r\n");
  if (!ended || end == std::string::npos) throw std::runtime_error("no whole answer to " + std::string(target));
  return {std::stoi(all.substr(all.find(' ') + 1, 3)), all.substr(0, end + 2), all.substr(end + 4)};
}

HttpAnswer post(std::uint16_t port, std::string_view target, std::string_view body, const HttpHeaders& headers) {
  auto all = headers;
  all.emplace_back("Content-Type", "application/json");
  return http(port, "POST", target, body, all);
}

EventStream::EventStream(std::uint16_t port, std::string_view target, const HttpHeaders& headers)
    : fd_(connect_to(port)) {
  send_all(fd_, request_text("GET", target, {}, headers, false));
  const auto until = Clock::now() + kPatience;
  while (read_.find("\r\n\r\n") == std::string::npos && read_some(until)) {
  }
  const auto end = read_.find("\r\n\r\n");
  header_ = read_.substr(0, end);
  read_.erase(0, end == std::string::npos ? end : end + 4);
}

EventStream::~EventStream() {
  ::close(fd_);
}

bool EventStream::read_some(Clock::time_point until) {
  return receive(fd_, read_, until, ended_);
}

std::optional<EventStream::Event> EventStream::next(std::chrono::milliseconds patience) {
  const auto until = Clock::now() + patience;
  while (true) {
    const auto end = read_.find("\n\n");
    if (end == std::string::npos) {
      if (!read_some(until)) return std::nullopt;
      continue;
    }
    Event event;
    const auto block = read_.substr(0, end + 1);
    read_.erase(0, end + 2);
    for (std::size_t at = 0; at < block.size();) {
      const auto line_end = block.find('\n', at);
      const auto line = block.substr(at, line_end - at);
      at = line_end + 1;
      if (line.starts_with("event: ")) event.name = line.substr(7);
      if (line.starts_with("data: ")) event.data = line.substr(6);
    }
    if (!event.name.empty()) return event;  // else a comment, or the time to wait before another try
  }
}

std::optional<EventStream::Event> EventStream::next(std::string_view name, std::chrono::milliseconds patience) {
  const auto until = Clock::now() + patience;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
    auto event = next(std::max(left, std::chrono::milliseconds::zero()));
    if (!event || event->name == name) return event;
  }
}

}  // namespace weir::test
