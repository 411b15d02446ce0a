#include "subscription_memory.h"

#include <fstream>
#include <system_error>

namespace weir::mqtt {

std::vector<Subscription> SubscriptionMemory::read() const {
  std::vector<Subscription> subscriptions;
  std::ifstream file(file_);
  std::string line;
  if (file_.empty() || !std::getline(file, line) || line != session_) return {};
  while (std::getline(file, line)) {
    if (line.size() > 2 && line[0] >= '0' && line[0] <= '2') subscriptions.push_back({line.substr(2), line[0] - '0'});
  }
  return subscriptions;
}

void SubscriptionMemory::write(const std::vector<Subscription>& subscriptions) const {
  if (file_.empty()) return;
  auto temporary = file_;
  temporary += ".new";
  std::ofstream file(temporary, std::ios::trunc);
  file << session_ << '\n';
  for (const auto& [filter, qos] : subscriptions) file << qos << ' ' << filter << '\n';
  file.close();
  std::error_code ignored;
  if (file) std::filesystem::rename(temporary, file_, ignored);
}

}  // namespace weir::mqtt
