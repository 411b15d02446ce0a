#include "api/events.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "api/json.h"

namespace weir::api {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto kTick = std::chrono::seconds(1);
/// After so long without news a comment shows clients and proxies that the connection lives.
constexpr auto kStillHere = std::chrono::seconds(15);

std::shared_ptr<const std::string> shared(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

}  // namespace

std::string event_text(std::string_view name, std::string_view data) {
  std::string text = "event: ";
  text.append(name).append("\ndata: ").append(data).append("\n\n");
  return text;
}

/// A listener's place, as long as its connection lasts.
class Events::Subscription {
 public:
  Subscription(Events& events, std::shared_ptr<Listener> listener) : events_(events), listener_(std::move(listener)) {}
  ~Subscription() {
    const std::lock_guard lock(events_.mutex_);
    std::erase(events_.listeners_, listener_);
  }
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

 private:
  Events& events_;
  std::shared_ptr<Listener> listener_;
};

void Events::Bell::ring() {
  const std::lock_guard lock(mutex);
  news = true;
  rung.notify_one();
}

Events::Events(engine::Engine& engine)
    : engine_(engine),
      started_(std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count()),
      thread_([this] { loop(); }) {
  engine_.on_bulletin([bell = bell_] { bell->ring(); });
}

Events::~Events() {
  engine_.on_bulletin({});
  {
    const std::lock_guard lock(bell_->mutex);
    bell_->over = true;
  }
  bell_->ring();
  thread_.join();
}

Response Events::listen() {
  Response response{200, "text/event-stream", {}};
  response.stream = [this](std::shared_ptr<Outlet> outlet) {
    auto listener = std::make_shared<Listener>();
    listener->outlet = std::move(outlet);
    listener->outlet->send(shared("retry: 2000\n\n"));
    const std::lock_guard lock(mutex_);
    if (listeners_.empty()) {  // older ones are no news
      const auto old = engine_.bulletins();
      last_bulletin_ = old.empty() ? 0 : old.back().id;
    }
    listeners_.push_back(listener);
    bell_->ring();
    return std::make_shared<Subscription>(*this, std::move(listener));
  };
  return response;
}

std::string Events::render(const Snapshot& now, bool whole) const {
  json::array processors, connections;
  for (std::size_t i = 0; i < now.processors.size(); ++i) {
    if (whole || !(now.processors[i] == last_.processors[i])) processors.push_back(live_json(now.processors[i]));
  }
  for (std::size_t i = 0; i < now.connections.size(); ++i) {
    if (whole || !(now.connections[i] == last_.connections[i])) connections.push_back(live_json(now.connections[i]));
  }
  if (!whole && processors.empty() && connections.empty() && now.epochs.last == last_.epochs.last &&
      now.epochs.failed == last_.epochs.failed && now.ready == last_.ready && now.problem == last_.problem)
    return {};
  const auto time = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  return event_text(whole ? "snapshot" : "delta",
                    json::serialize(json::object{{"time", time_json(time)},
                                                 {"started", time_json(started_)},
                                                 {"ready", now.ready},
                                                 {"problem", utf8(now.problem)},
                                                 {"epochs", epochs_json(now.epochs)},
                                                 {"last_bulletin", last_bulletin_},
                                                 {"processors", std::move(processors)},
                                                 {"connections", std::move(connections)}}));
}

void Events::send(const std::shared_ptr<const std::string>& bytes) {
  for (const auto& listener : listeners_) {
    if (listener->has_snapshot) listener->outlet->send(bytes);
  }
}

/// The whole to those who have nothing yet.
void Events::welcome() {
  const auto is_new = [](const auto& listener) { return !listener->has_snapshot; };
  if (std::none_of(listeners_.begin(), listeners_.end(), is_new)) return;
  auto now = take_snapshot(engine_);
  const auto bytes = shared(render(now, true));
  // For the others the next delta is from what they have, and repeats what it must to the new ones.
  if (std::all_of(listeners_.begin(), listeners_.end(), is_new)) last_ = std::move(now);
  for (const auto& listener : listeners_) {
    if (!std::exchange(listener->has_snapshot, true)) listener->outlet->send(bytes);
  }
}

/// A changed flow has taken the place of the one that `last_` is of.
bool Events::has_changed(const Snapshot& now) const {
  const auto same = [](const auto& a, const auto& b) { return a.definition == b.definition; };
  return !std::equal(now.processors.begin(), now.processors.end(), last_.processors.begin(), last_.processors.end(),
                     same) ||
         !std::equal(now.connections.begin(), now.connections.end(), last_.connections.begin(), last_.connections.end(),
                     same);
}

void Events::tick() {
  auto now = take_snapshot(engine_);
  auto delta = render(now, has_changed(now));
  if (!delta.empty()) send(shared(std::move(delta)));
  last_ = std::move(now);
}

void Events::send_bulletins() {
  for (const auto& bulletin : engine_.bulletins(last_bulletin_)) {
    last_bulletin_ = bulletin.id;
    send(shared(event_text("bulletin", json::serialize(bulletin_json(bulletin)))));
  }
}

void Events::loop() {
  auto next_tick = Clock::now();
  auto next_sign = next_tick;
  while (true) {
    bool watched = false;
    {
      const std::lock_guard lock(mutex_);
      watched = !listeners_.empty();
      const auto now = Clock::now();
      send_bulletins();
      welcome();
      if (watched && now >= next_tick) {
        tick();
        next_tick = now + kTick;
      }
      if (watched && now >= next_sign) {
        send(shared(": still here\n\n"));
        next_sign = now + kStillHere;
      }
    }
    std::unique_lock lock(bell_->mutex);
    const auto rung = [this] { return bell_->news || bell_->over; };
    if (watched) {
      bell_->rung.wait_until(lock, next_tick, rung);
    } else {
      bell_->rung.wait(lock, rung);
      next_tick = Clock::now() + kTick;
    }
    if (bell_->over) return;
    bell_->news = false;
  }
}

}  // namespace weir::api
