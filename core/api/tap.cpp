#include "api/tap.h"

#include <algorithm>
#include <boost/json.hpp>
#include <stdexcept>
#include <utility>

#include "api/events.h"
#include "api/lane_pages.h"
#include "api/queue_pages.h"
#include "engine/lane_view.h"
#include "store/names.h"

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

std::string flow_of(const std::string& connection) {
  return connection.substr(0, connection.find('/'));
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

void Taps::expect(const std::string& connection) const {
  std::vector<std::string> in_lanes;
  const auto lanes = engine_.lanes();
  for (const auto& each : lanes.connections) in_lanes.push_back(each.definition->id);
  if (std::ranges::find(in_lanes, connection) != in_lanes.end()) return;
  if (scales_out(engine_, flow_of(connection)))
    throw std::invalid_argument(store::unknown_name("connection", connection, in_lanes));
  static_cast<void>(engine_.queue(connection, ~std::uint64_t{0}, 0));  // throws if there is none
}

Response Taps::listen(const std::string& connection, const Query& query, std::uint64_t rate, std::size_t preview) {
  expect(connection);
  const auto lane = query.text("lane") ? asked(engine_, flow_of(connection), query).lane : std::string();
  Response response{200, "text/event-stream", {}};
  response.stream = [this, connection, lane, rate, preview](std::shared_ptr<Outlet> outlet) {
    const std::lock_guard lock(mutex_);
    auto client = std::make_shared<Client>(
        Client{connection, lane, std::move(outlet), rate, preview, 0, 1.0, Clock::now() + kLongest, {}});
    for (const auto& [name, place] : watch(connection)) {
      const std::lock_guard held(place.watch->mutex);
      if (client->sees(name)) client->passed_before += place.watch->passed;
    }
    client->outlet->send(shared(": tapping\n\n"));
    add(client);
    return std::make_shared<Subscription>(*this, std::move(client));
  };
  return response;
}

void Taps::glimpse(const std::string& connection, std::size_t most, std::chrono::seconds patience, Glimpse visit) {
  expect(connection);
  const std::lock_guard lock(mutex_);
  static_cast<void>(watch(connection));
  add(std::make_shared<Client>(
      Client{connection, {}, nullptr, most, 0, 0, 0, Clock::now() + patience, std::move(visit)}));
}

Taps::Places& Taps::watch(const std::string& connection) {
  auto& places = watches_[connection];
  if (const auto plain = places.find(""); plain != places.end() && plain->second.flows == flows_) return places;
  for (const auto& [engine, lane] : all_asked(engine_, flow_of(connection), Query(""))) {
    auto& place = places[lane];
    place.lane = engine;
    place.flows = flows_;
    if (!place.watch) place.watch = std::make_shared<Watch>();
    const auto see = [watch = place.watch](std::uint64_t first, const store::BatchRef& batch, std::uint32_t offset,
                                           std::uint32_t count) {
      const std::lock_guard held(watch->mutex);
      watch->passed += count;
      for (std::uint32_t i = 0; i < count && watch->samples.size() < kSamples; ++i)
        watch->samples.push_back({first + i, batch, offset + i});
    };
    try {
      engine->set_tap(connection, see);  // anew where a lane is, or flows are, since the last round
    } catch (const std::invalid_argument&) {
      continue;  // the connection is gone from its flow; it may come back
    }
  }
  return places;
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
  const auto watched = watches_.extract(client->connection);
  if (watched.empty()) return;
  for (const auto& [lane, place] : watched.mapped()) {
    try {
      if (lane.empty()) engine_.set_tap(client->connection, {});
      if (const auto running = place.lane.lock()) running->set_tap(client->connection, {});
    } catch (const std::invalid_argument&) {
      continue;  // the connection is gone from its flow, and its tap with it
    }
  }
}

void Taps::round() {
  std::map<std::string, std::map<std::string, Seen>> seen;  // by connection and lane
  flows_ = engine_.flows();
  for (const auto& [connection, _] : watches_) {
    for (const auto& [lane, place] : watch(connection)) {
      const std::lock_guard held(place.watch->mutex);
      seen[connection][lane] = {std::exchange(place.watch->samples, {}), place.watch->passed};
    }
  }
  const auto now = Clock::now();
  const auto clients = clients_;  // those that have seen enough leave
  for (const auto& client : clients) {
    const auto& places = seen[client->connection];
    if (client->visit) {
      std::size_t visited = 0;
      for (const auto& [lane, place] : places) {
        for (const auto& sample : place.samples) {
          if (visited++ < client->rate) client->visit(sample.batch->items[sample.index]);
        }
      }
      if (visited != 0 || now > client->end) forget(client);
    } else if (now > client->end) {
      client->outlet->send(shared(event_text("end", "{\"why\":\"a tap ends after 5 minutes\"}")));
      client->outlet->end();
    } else {
      send(*client, places);
    }
  }
}

void Taps::send(Client& client, const std::map<std::string, Seen>& seen) {
  const auto most = static_cast<double>(client.rate);
  client.credit = std::min(std::max(most / kRoundsASecond, 1.0), client.credit + most / kRoundsASecond);
  auto passed = std::uint64_t{0};
  std::map<std::string, std::size_t> next;  // sample of a lane
  for (const auto& [lane, place] : seen) {
    if (!client.sees(lane)) continue;
    passed += place.passed;
    if (!place.samples.empty()) next.emplace(lane, 0);
  }
  for (; client.credit >= 1 && !next.empty(); client.credit -= 1) {
    // The lane that was shown longest ago, so that of one in which little passes something is seen, too.
    const auto turn = std::ranges::min_element(next, {}, [&](const auto& each) { return client.shown[each.first]; });
    const Asked where{nullptr, turn->first};
    const auto& samples = seen.at(turn->first).samples;
    const auto& sample = samples[turn->second];
    auto file = flowfile_json(sample.batch->items[sample.index], client.preview);
    file["sequence"] = sample.sequence;
    file["flowfile"] = where.named(client.connection) + ":" + std::to_string(sample.sequence);
    if (!where.lane.empty()) file["lane"] = where.place();
    file["state"] = "passed";
    file["passed"] = passed - client.passed_before;
    client.outlet->send(shared(event_text("flowfile", json::serialize(file))));
    client.shown[turn->first] = ++client.sent;
    if (++turn->second == samples.size()) next.erase(turn);
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
