#pragma once
// Live events: how everything stands, once a second, and bulletins at once, to any number of clients. What is sent is
// made once and shared by all of them; without clients nothing is made.

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "api/http.h"
#include "api/snapshot.h"
#include "engine/engine.h"

namespace weir::api {

/// An event of a stream of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). `data`
/// is JSON, which has no line breaks.
std::string event_text(std::string_view name, std::string_view data);

/// Safe to use from any thread.
class Events {
 public:
  /// The engine outlives it.
  explicit Events(engine::Engine& engine);
  ~Events();
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  /// The answer to a client that wants to listen. Everything that listens must have gone before the end of Events.
  Response listen();

 private:
  struct Listener {
    std::shared_ptr<Outlet> outlet;
    bool has_snapshot = false;
  };
  class Subscription;

  /// What the thread sleeps on. The engine rings it under its own lock, so nothing else is done with this one's.
  struct Bell {
    void ring();
    std::mutex mutex;
    std::condition_variable rung;
    bool news = false;
    bool over = false;
  };

  void loop();
  void welcome();
  bool has_changed(const Snapshot& now) const;
  void tick();
  void send_bulletins();
  void send(const std::shared_ptr<const std::string>& bytes);
  /// Everything, or only what differs from `last_`.
  std::string render(const Snapshot& now, bool whole) const;

  engine::Engine& engine_;
  const std::int64_t started_;
  const std::shared_ptr<Bell> bell_ = std::make_shared<Bell>();
  std::mutex mutex_;  ///< of what follows; the engine's may be taken under it
  std::vector<std::shared_ptr<Listener>> listeners_;
  Snapshot last_;
  std::uint64_t last_bulletin_ = 0;
  std::thread thread_;
};

}  // namespace weir::api
