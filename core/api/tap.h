#pragma once
// A live tap: a sample of what enters a connection, to those who look, and no cost when nobody does.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "api/http.h"
#include "api/json.h"
#include "engine/engine.h"

namespace weir::api {

/// Safe to use from any thread.
class Taps {
 public:
  static constexpr std::uint64_t kMostRate = 50;  ///< FlowFiles a second to one client

  /// The engine outlives it.
  explicit Taps(engine::Engine& engine) : engine_(engine) {}
  ~Taps();
  Taps(const Taps&) = delete;
  Taps& operator=(const Taps&) = delete;

  /// The answer to a client that wants to see up to `rate` FlowFiles a second, for a few minutes: where the flow scales
  /// out, of the lane that the query names, or of all that this Weir runs meanwhile. Everything that listens must have
  /// gone before the end of Taps. Throws std::invalid_argument: there is no such connection; and Refused.
  Response listen(const std::string& connection, const Query& query, std::uint64_t rate, std::size_t preview);

  /// Shows `visit` what enters a connection next, on a thread of its own: up to `most` FlowFiles that come together. It
  /// is over as soon as there were some, or when the time is. Throws as listen().
  using Glimpse = std::function<void(const abi::Item&)>;
  void glimpse(const std::string& connection, std::size_t most, std::chrono::seconds patience, Glimpse visit);

 private:
  struct Sample {
    std::uint64_t sequence;
    store::BatchRef batch;
    std::uint32_t index;
  };
  /// What the engine fills, under its lock; the mutex is for moments only.
  struct Watch {
    std::mutex mutex;
    std::vector<Sample> samples;  ///< since the last round; bounded
    std::uint64_t passed = 0;     ///< in all
  };
  /// A connection in one engine, which is that of all flows, or a lane's. A lane that begins anew has another.
  struct Place {
    std::weak_ptr<engine::Engine> lane;
    engine::Flows flows;  ///< that ran when it was tapped last
    std::shared_ptr<Watch> watch;
  };
  /// By lane, as Asked names it.
  using Places = std::map<std::string, Place>;
  /// What has passed in one of them.
  struct Seen {
    std::vector<Sample> samples;
    std::uint64_t passed = 0;
  };
  struct Client {
    std::string connection;
    std::string lane;  ///< the only one to see, as Asked names it; empty: all
    std::shared_ptr<Outlet> outlet;
    std::uint64_t rate;
    std::size_t preview;
    std::uint64_t passed_before;
    double credit = 0;  ///< FlowFiles that may be sent now
    std::chrono::steady_clock::time_point end;
    Glimpse visit;                                    ///< instead of an outlet: of one who only wants to see some
    std::map<std::string, std::uint64_t> shown = {};  ///< by lane, when one was sent last, counted in those sent
    std::uint64_t sent = 0;
    bool sees(const std::string& name) const { return lane.empty() || lane == name; }
  };
  class Subscription;

  /// Throws std::invalid_argument: there is no such connection.
  void expect(const std::string& connection) const;
  // With the lock.
  /// Taps the connection wherever it is now.
  Places& watch(const std::string& connection);
  void send(Client& client, const std::map<std::string, Seen>& seen);
  void add(std::shared_ptr<Client> client);
  void forget(const std::shared_ptr<Client>& client);
  void loop();
  void round();
  void leave(const std::shared_ptr<Client>& client);

  engine::Engine& engine_;
  std::mutex mutex_;  ///< of what follows; the engine's and a watch's may be taken under it
  std::condition_variable changed_;
  std::map<std::string, Places> watches_;  ///< by connection
  std::vector<std::shared_ptr<Client>> clients_;
  engine::Flows flows_;  ///< as of the last round
  bool over_ = false;
  std::thread thread_;  ///< from the first tap on
};

}  // namespace weir::api
