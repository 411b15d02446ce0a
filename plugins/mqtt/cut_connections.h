#pragma once
// How a message is refused that paho would acknowledge: paho has no way to say no.

#include <cstdint>

namespace weir::mqtt {

/// Shuts down every TCP connection of this process to this port, at once. Callable from any thread, also inside paho's
/// callbacks: what it was about to acknowledge then finds no connection.
void cut_connections(std::uint16_t port);

}  // namespace weir::mqtt
