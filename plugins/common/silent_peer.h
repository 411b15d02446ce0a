#pragma once
// How a connection is told dead that was cut off without a word: the system alone takes a quarter of an hour, and after
// the network is back it goes on only when its next attempt is due, which is as long again as the silence was.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace weir {

/// The socket's connection fails when the far side has acknowledged nothing for 20 s, whether there is something to
/// send or an answer to wait for.
inline void give_up_on_silence(int socket) {
  constexpr int kSilenceSeconds = 20;
  const auto set = [socket](int level, int option, int value) {
    ::setsockopt(socket, level, option, &value, sizeof value);  // where it cannot be had, the system's defaults hold
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kSilenceSeconds / 2);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kSilenceSeconds / 4);
  set(IPPROTO_TCP, TCP_KEEPCNT, 2);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, kSilenceSeconds * 1000);
}

}  // namespace weir
