#pragma once
// What a session at the broker is subscribed to, remembered in a file, so that the next start knows which
// subscriptions the session still has, and which of them the flow no longer wants.

#include <filesystem>
#include <string>
#include <vector>

namespace weir::mqtt {

struct Subscription {
  std::string filter;
  int qos = 1;
  bool operator==(const Subscription&) const = default;
};

class SubscriptionMemory {
 public:
  /// `session` says whose it is: what was written for another broker or client id is not remembered. An empty path
  /// remembers nothing.
  SubscriptionMemory(std::filesystem::path file, std::string session)
      : file_(std::move(file)), session_(std::move(session)) {}

  std::vector<Subscription> read() const;
  /// If it cannot be written, the next start subscribes again, and gets retained messages again.
  void write(const std::vector<Subscription>& subscriptions) const;

 private:
  const std::filesystem::path file_;
  const std::string session_;
};

}  // namespace weir::mqtt
