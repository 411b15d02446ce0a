#pragma once
// How a message is refused that paho would acknowledge: paho has no way to say no.

#include <cstdint>

namespace weir::mqtt {

/// Shuts down every TCP connection of this process to this port, at once. Callable from any thread, also inside paho's
/// callbacks: what it was about to acknowledge then finds no connection.
void cut_connections(std::uint16_t port);

/// Has the system end this process's connections to that port when the other end acknowledges nothing for 20 s: paho
/// keeps its sockets to itself, and its pings alone would notice after two minutes that the network is gone. Other
/// clients of that port lose nothing by it.
void watch_connections(std::uint16_t port);

}  // namespace weir::mqtt
