#include "cut_connections.h"

#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <charconv>
#include <memory>
#include <string_view>

namespace weir::mqtt {
namespace {

constexpr int kSilenceSeconds = 20;

template <class F>
void for_each_connection(std::uint16_t port, F&& visit) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/self/fd"), ::closedir);
  if (!folder) return;
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    int file = -1;
    if (std::from_chars(name.data(), name.data() + name.size(), file).ec != std::errc{}) continue;
    sockaddr_in6 peer{};  // the port is at the same place in sockaddr_in
    socklen_t size = sizeof peer;
    if (::getpeername(file, reinterpret_cast<sockaddr*>(&peer), &size) != 0) continue;
    if ((peer.sin6_family == AF_INET || peer.sin6_family == AF_INET6) && ntohs(peer.sin6_port) == port) visit(file);
  }
}

}  // namespace

void cut_connections(std::uint16_t port) {
  for_each_connection(port, [](int file) { ::shutdown(file, SHUT_RDWR); });
}

void watch_connections(std::uint16_t port) {
  for_each_connection(port, [](int file) {
    const auto set = [file](int level, int option, int value) {
      ::setsockopt(file, level, option, &value, sizeof value);  // where it cannot be had, MQTT's own pings remain
    };
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, kSilenceSeconds / 2);
    set(IPPROTO_TCP, TCP_KEEPINTVL, kSilenceSeconds / 4);
    set(IPPROTO_TCP, TCP_KEEPCNT, 2);
    set(IPPROTO_TCP, TCP_USER_TIMEOUT, kSilenceSeconds * 1000);
  });
}

}  // namespace weir::mqtt
