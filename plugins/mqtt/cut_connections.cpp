#include "cut_connections.h"

#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <charconv>
#include <memory>
#include <string_view>

#include "plugins/common/silent_peer.h"

namespace weir::mqtt {
namespace {

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
  for_each_connection(port, give_up_on_silence);
}

}  // namespace weir::mqtt
