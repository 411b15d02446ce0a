#include "api/tap.h"

#include <algorithm>
#include <boost/json.hpp>
#include <stdexcept>
#include <utility>

#include "api/events.h"
#include "api/queue_pages.h"

namespace weir::api {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto kRound = std::chrono::milliseconds(200);
constexpr double kRoundsASecond = 5;
constexpr auto kLongest = std::chrono::minutes(5);
/// Samples of a round: as many as the fastest client may get.
constexpr std::size_t kSamples = 10;

std::shared_ptr<const std::string> shared(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

}  // namespace

class Taps::Subscription {
 public:
  Subscription(Taps& taps, std::shared_ptr<Client> client) : taps_(taps), client_(std::move(client)) {}
  ~Subscription() { taps_.leave(client_); }
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

 private:
  Taps& taps_;
  std::shared_ptr<Client> client_;
};

Taps::~Taps() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Response Taps::listen(const std::string& connection, std::uint64_t rate, std::size_t preview) {
  static_cast<void>(engine_.queue(connection, ~std::uint64_t{0}, 0));  // throws if there is none
  Response response{200, "text/event-stream", {}};
  response.stream = [this, connection, rate, preview](std::shared_ptr<Outlet> outlet) {
    const std::lock_guard lock(mutex_);
    const auto watched = watch(connection);
    auto client = std::make_shared<Client>(
        Client{connection, std::move(outlet), rate, preview, 0, 1.0, Clock::now() + kLongest, {}});
    {
      const std::lock_guard held(watched->mutex);
      client->passed_before = watched->passed;
    }
    client->outlet->send(shared(": tapping\n\n"));
    add(client);
    return std::make_shared<Subscription>(*this, std::move(client));
  };
  return response;
}

void Taps::glimpse(const std::string& connection, std::size_t most, std::chrono::seconds patience, Glimpse visit) {
  static_cast<void>(engine_.queue(connection, ~std::uint64_t{0}, 0));  // throws if there is none
  const std::lock_guard lock(mutex_);
  static_cast<void>(watch(connection));
  add(std::make_shared<Client>(Client{connection, nullptr, most, 0, 0, 0, Clock::now() + patience, std::move(visit)}));
}

std::shared_ptr<Taps::Watch> Taps::watch(const std::string& connection) {
  auto& watch = watches_[connection];
  if (watch) return watch;
  watch = std::make_shared<Watch>();
  engine_.set_tap(connection, [watch](std::uint64_t first, const store::BatchRef& batch, std::uint32_t offset,
                                      std::uint32_t count) {
    const std::lock_guard held(watch->mutex);
    watch->passed += count;
    for (std::uint32_t i = 0; i < count && watch->samples.size() < kSamples; ++i)
      watch->samples.push_back({first + i, batch, offset + i});
  });
  return watch;
}

void Taps::add(std::shared_ptr<Client> client) {
  clients_.push_back(std::move(client));
  if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
  changed_.notify_all();
}

void Taps::leave(const std::shared_ptr<Client>& client) {
  const std::lock_guard lock(mutex_);
  forget(client);
}

void Taps::forget(const std::shared_ptr<Client>& client) {
  std::erase(clients_, client);
  const auto same = [&](const auto& other) { return other->connection == client->connection; };
  if (std::any_of(clients_.begin(), clients_.end(), same)) return;
  if (watches_.erase(client->connection) == 0) return;
  try {
    engine_.set_tap(client->connection, {});
  } catch (const std::invalid_argument&) {
    return;  // the connection is gone from its flow, and its tap with it
  }
}

void Taps::round() {
  struct Seen {
    std::vector<Sample> samples;
    std::uint64_t passed;
  };
  std::map<std::string, Seen> seen;
  for (const auto& [connection, watch] : watches_) {
    const std::lock_guard held(watch->mutex);
    seen[connection] = {std::exchange(watch->samples, {}), watch->passed};
  }
  const auto now = Clock::now();
  const auto clients = clients_;  // those that have seen enough leave
  for (const auto& client : clients) {
    if (client->visit) {
      const auto& [samples, passed] = seen.at(client->connection);
      for (std::size_t i = 0; i < samples.size() && i < client->rate; ++i)
        client->visit(samples[i].batch->items[samples[i].index]);
      if (!samples.empty() || now > client->end) forget(client);
      continue;
    }
    if (now > client->end) {
      client->outlet->send(shared(event_text("end", "{\"why\":\"a tap ends after 5 minutes\"}")));
      client->outlet->end();
      continue;
    }
    const auto& [samples, passed] = seen.at(client->connection);
    const auto most = static_cast<double>(client->rate);
    client->credit = std::min(std::max(most / kRoundsASecond, 1.0), client->credit + most / kRoundsASecond);
    for (const auto& sample : samples) {
      if (client->credit < 1) break;
      client->credit -= 1;
      auto file = flowfile_json(sample.batch->items[sample.index], client->preview);
      file["sequence"] = sample.sequence;
      file["flowfile"] = client->connection + ":" + std::to_string(sample.sequence);
      file["state"] = "passed";
      file["passed"] = passed - client->passed_before;
      client->outlet->send(shared(event_text("flowfile", json::serialize(file))));
    }
  }
}

void Taps::loop() {
  std::unique_lock lock(mutex_);
  while (!over_) {
    if (clients_.empty()) {
      changed_.wait(lock, [this] { return over_ || !clients_.empty(); });
      continue;
    }
    if (changed_.wait_for(lock, kRound, [this] { return over_; })) return;
    round();
  }
}

}  // namespace weir::api
