#pragma once
// A connection to a broker that keeps itself up: paho's asynchronous client with reconnection, subscriptions and the
// messages to the operator.
//
// MQTTAsync and not MQTTClient: connecting and publishing do not block, and many publications can be under way. All
// clients of the process share paho's one network thread, which calls back with paho's lock held; so callbacks only
// note what happened, and never wait. A thread of the Client's own, which sleeps unless there is something to do,
// connects (backing off, with jitter), subscribes, disconnects and talks to the operator. It uses real time, not the
// flow's clock, since the broker does.
//
//   client.cpp            the thread: when to do what, and what the operator is told
//   client_requests.cpp   what is asked of paho          client_callbacks.h   what paho answers
#include <MQTTAsync.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "connection.h"
#include "subscription_memory.h"
#include "weir/context.h"

namespace weir::mqtt {

/// Is told what happens. Called from paho's thread with its lock held (arrived), or from the client's own: be quick,
/// and never call the client.
class Listener {
 public:
  virtual void arrived(const MQTTAsync_message& /*message*/, std::string_view /*topic*/) {}
  /// The client went up or down, or has given up for good (Client::fatal).
  virtual void changed() = 0;

 protected:
  ~Listener() = default;
};

class Client {
 public:
  struct Options {
    ConnectionSettings connection;
    std::string client_id;
    bool clean = false;                        ///< the broker forgets the session between connections
    std::int64_t session_expiry_seconds = -1;  ///< MQTT 5; -1: never
    std::uint32_t max_packet_size = 0;         ///< MQTT 5: what the broker may send; 0: no limit
    std::vector<Subscription> subscriptions;
    MQTTClient_persistence* persistence = nullptr;
    std::filesystem::path memory;  ///< file that remembers what the broker's session is subscribed to; empty: none
  };

  /// Does nothing until resume(), so that the listener can finish its own construction. Throws Misconfigured if paho
  /// refuses the settings.
  Client(Options options, Context context, Listener& listener);
  ~Client();  ///< stops
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Disconnects for good; waits for that a few seconds at most. The listener may be called until it returns, and may
  /// still use the client meanwhile. Once, from one thread.
  void stop();
  /// Disconnects and stays so until resume(); the reason is for the operator. From any thread, at once.
  void pause(std::string reason);
  void resume();
  bool paused() const;
  /// Connected, and subscribed to everything.
  bool up() const;
  /// How often it has come up.
  std::uint64_t connections() const { return connections_; }
  /// Why it will not try again (a wrong password, a refused subscription); empty as long as it does.
  std::string fatal() const;
  /// Why it is down, for a message; empty if it is up.
  std::string trouble() const;

  /// Cuts every connection of this process to this broker's port, at once: called inside a callback, the message
  /// that it was about is not acknowledged. For when it cannot be stored; paho has no way to refuse.
  void cut() const;

  /// Publishes by the connection of this number, of connections(), and by no later one: what it had not sent when it
  /// was lost is never sent (of a clean session). The response's callbacks come from paho's thread. Returns paho's
  /// code.
  int publish(const std::string& topic, const MQTTAsync_message& message, MQTTAsync_responseOptions& response,
              std::uint64_t connection);

  const Endpoint& endpoint() const { return endpoint_; }

 private:
  using Clock = std::chrono::steady_clock;
  enum class Phase { down, connecting, connected, subscribing, up, closing };
  struct Callbacks;
  friend struct Callbacks;
  struct Destroy {
    void operator()(void* handle) const { MQTTAsync_destroy(&handle); }
  };
  /// What a callback about one subscription refers to.
  struct Pending {
    Client* client;
    std::size_t index;
  };

  using Handle = std::unique_ptr<void, Destroy>;

  void run();
  Handle make_handle();
  void forget_unsent();
  void connect();
  void subscribe(bool session_present);
  void disconnect();
  bool await(std::unique_lock<std::mutex>& lock, Clock::time_point until);
  void connect_failed(int code, std::string_view message);
  void lost();
  void subscribed(std::size_t index, int granted);
  void refused(std::size_t index, int code);
  void say(Level level, std::string text);
  std::string waits_for() const;
  void speak(std::unique_lock<std::mutex>& lock);
  Duration pause_before_attempt();

  const Options options_;
  std::atomic<std::uint64_t> connections_ = 0;
  Context context_;
  Listener& listener_;
  const Endpoint endpoint_;
  const SubscriptionMemory memory_;
  std::shared_mutex handle_mutex_;  ///< guards handle_ between its own thread, which replaces it, and publishers
  Handle handle_;
  std::vector<Pending> pending_;

  mutable std::mutex mutex_;  ///< guards all below; never held while calling paho, which calls back under its own lock
  std::condition_variable changed_;
  Phase phase_ = Phase::down;
  bool wanted_ = false;
  bool stopping_ = false;
  Clock::time_point
      stop_by_;  ///< with stopping_: an attempt under way is waited for until then, for the sake of a will
  bool session_present_ = false;
  std::size_t unanswered_ = 0;  ///< subscriptions
  std::string fatal_;
  std::string trouble_;
  std::string tls_error_;
  int attempts_ = 0;
  Clock::time_point next_attempt_;
  Clock::time_point up_since_;
  struct Saying {
    Level level;
    std::string text;
  };
  std::vector<Saying> to_say_;
  std::string last_trouble_said_;
  std::string waits_for_;  ///< as the context was told
  Clock::time_point last_said_;

  std::thread thread_;  ///< last: it uses all above
};

}  // namespace weir::mqtt
