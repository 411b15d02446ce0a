#pragma once
// What systemd is told of a service of Type=notify (sd_notify(3)): a datagram to the socket that $NOTIFY_SOCKET names.

#include <string_view>

namespace weir::cli {

/// `state` is lines such as "READY=1" and "STATUS=two flows". Without a service manager, or if it cannot be told,
/// nothing happens.
void tell_service_manager(std::string_view state);

}  // namespace weir::cli
