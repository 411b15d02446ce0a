#include "client.h"

#include <MQTTReasonCodes.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <memory>
#include <mutex>
#include <random>
#include <utility>

#include "client_callbacks.h"
#include "connack.h"
#include "cut_connections.h"
#include "weir/errors.h"

namespace weir::mqtt {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kStopTimeout = seconds(3);
constexpr auto kGoodbye = std::chrono::milliseconds(500);
constexpr auto kStable = seconds(10);         ///< a connection that held this long was a good one
constexpr auto kRepeatTrouble = seconds(60);  ///< the same trouble is said again after this

double random_fraction() {
  thread_local std::minstd_rand random{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(random);
}

std::string seconds_text(Duration duration) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", std::chrono::duration<double>(duration).count());
  return text;
}

/// paho would set OpenSSL up for every client, which costs 1.5 MiB also where nothing is encrypted: since 1.1 OpenSSL
/// does it itself when it is first used.
void leave_openssl_alone() {
  static const bool done = [] {
    MQTTAsync_init_options options = MQTTAsync_init_options_initializer;
    MQTTAsync_global_init(&options);
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace

Client::Client(Options options, Context context, Listener& listener)
    : options_(std::move(options)),
      context_(context),
      listener_(listener),
      endpoint_(parse_url(options_.connection.url)),
      memory_(options_.memory, endpoint_.display + " " + options_.client_id) {
  leave_openssl_alone();
  handle_ = make_handle();
  for (std::size_t i = 0; i < options_.subscriptions.size(); ++i) pending_.push_back({this, i});
  waits_for_ = trouble_ = "not connected to " + endpoint_.display + " yet";
  context_.not_ready(waits_for_);
  thread_ = std::thread([this] { run(); });
}

Client::~Client() {
  stop();
}

Client::Handle Client::make_handle() {
  MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer;
  create.MQTTVersion = options_.connection.version_5() ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
  create.maxBufferedMessages = 65'535;  // the number of packet ids: max_inflight is the bound that counts
  MQTTAsync handle = nullptr;
  const int code = MQTTAsync_createWithOptions(
      &handle, endpoint_.paho.c_str(), options_.client_id.c_str(),
      options_.persistence != nullptr ? MQTTCLIENT_PERSISTENCE_USER : MQTTCLIENT_PERSISTENCE_NONE, options_.persistence,
      &create);
  if (code != MQTTASYNC_SUCCESS)
    throw Misconfigured("paho refuses url '" + endpoint_.paho + "' with client_id '" + options_.client_id +
                        "': " + MQTTAsync_strerror(code));
  Handle made(handle);
  MQTTAsync_setCallbacks(handle, this, Callbacks::lost, Callbacks::arrived, nullptr);
  MQTTAsync_setDisconnected(handle, this, Callbacks::told_to_leave);
  return made;
}

/// What paho had not yet sent when a connection was lost it sends first by the next one, before what the publisher had
/// sent ahead of it and sends again: it must not outlive its connection. The new handle comes before the old one goes,
/// so that paho does not end and begin its threads.
void Client::forget_unsent() {
  auto handle = make_handle();
  {
    const std::lock_guard lock(handle_mutex_);
    handle_.swap(handle);
  }
}

void Client::stop() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    stop_by_ = Clock::now() + kGoodbye;
    wanted_ = false;
    changed_.notify_all();
  }
  thread_.join();
  handle_.reset();  // callbacks may come until here
}

void Client::pause(std::string reason) {
  std::lock_guard lock(mutex_);
  if (!wanted_) return;
  wanted_ = false;
  if (!reason.empty()) say(Level::warning, std::move(reason));
  changed_.notify_all();
}

void Client::resume() {
  std::lock_guard lock(mutex_);
  if (wanted_ || stopping_) return;
  wanted_ = true;
  attempts_ = 0;
  trouble_ = "not connected to " + endpoint_.display + " yet";
  // Many that start together (after a power failure, say) do not all come at the same moment.
  const auto jitter = options_.connection.reconnect_delay * random_fraction() / 2;
  next_attempt_ = Clock::now() + duration_cast<Clock::duration>(jitter);
  changed_.notify_all();
}

bool Client::paused() const {
  std::lock_guard lock(mutex_);
  return !wanted_;
}

bool Client::up() const {
  std::lock_guard lock(mutex_);
  return phase_ == Phase::up && wanted_;
}

std::string Client::fatal() const {
  std::lock_guard lock(mutex_);
  return fatal_;
}

std::string Client::trouble() const {
  std::lock_guard lock(mutex_);
  return phase_ == Phase::up ? std::string() : trouble_;
}

void Client::run() {
  std::unique_lock lock(mutex_);
  const auto forever = [] { return Clock::now() + std::chrono::hours(1); };
  while (true) {
    speak(lock);
    switch (phase_) {
      case Phase::down:
        if (stopping_) return;
        if (!wanted_ || !fatal_.empty()) {
          await(lock, forever());
        } else if (Clock::now() < next_attempt_) {
          await(lock, next_attempt_);
        } else {
          phase_ = Phase::connecting;
          tls_error_.clear();
          ++attempts_;
          lock.unlock();
          connect();
          lock.lock();
        }
        break;
      case Phase::connected: {
        const bool session_present = session_present_;
        phase_ = Phase::subscribing;
        unanswered_ = options_.subscriptions.size();
        lock.unlock();
        watch_connections(endpoint_.port);
        subscribe(session_present);
        lock.lock();
        break;
      }
      case Phase::subscribing:
        if (unanswered_ == 0 && fatal_.empty()) {
          phase_ = Phase::up;
          ++connections_;
          up_since_ = Clock::now();
          say(last_trouble_said_.empty() ? Level::debug : Level::info, "connected to " + endpoint_.display);
          last_trouble_said_.clear();
          lock.unlock();
          memory_.write(options_.subscriptions);
          listener_.changed();
          lock.lock();
          break;
        }
        [[fallthrough]];
      case Phase::up:
        if (!wanted_ || !fatal_.empty()) {
          phase_ = Phase::closing;
          lock.unlock();
          disconnect();
          lock.lock();
        } else {
          await(lock, forever());
        }
        break;
      case Phase::connecting:
        // paho reports the end of every attempt, by its own timeout at the latest. A stop does not wait for that, or
        // only for a moment: of a client that goes without a goodbye the broker would publish the will.
        if (stopping_ && (!options_.connection.will || Clock::now() >= stop_by_)) return;
        await(lock, stopping_ ? stop_by_ : forever());
        break;
      case Phase::closing:
        if (!await(lock, Clock::now() + kStopTimeout)) phase_ = Phase::down;
        if (phase_ == Phase::down) {
          lock.unlock();
          listener_.changed();
          lock.lock();
        }
        break;
    }
  }
}

/// Waits for any change; false if the time came first.
bool Client::await(std::unique_lock<std::mutex>& lock, Clock::time_point until) {
  if (!to_say_.empty()) return true;
  return changed_.wait_until(lock, until) == std::cv_status::no_timeout;
}

Duration Client::pause_before_attempt() {
  const auto& settings = options_.connection;
  const double doubled = static_cast<double>(settings.reconnect_delay.count()) * std::exp2(std::min(attempts_ - 1, 30));
  const double longest = std::min(doubled, static_cast<double>(settings.reconnect_max.count()));
  return Duration(static_cast<std::int64_t>(longest * (0.5 + random_fraction() / 2)));
}

void Client::connect_failed(int code, std::string_view message) {
  std::unique_lock lock(mutex_);
  phase_ = Phase::down;
  if (const char* refusal = lasting_refusal(code, options_.connection.version_5())) {
    fatal_ = endpoint_.display + ": " + refusal;
    if (options_.connection.user.empty()) fatal_ += " (no user is set)";
    trouble_ = fatal_;
  } else {
    std::string reason(message.empty() ? "no reason given" : message);
    if (code > 0) reason += " " + std::to_string(code);
    if (!tls_error_.empty()) reason += "; TLS: " + tls_error_;
    trouble_ = "cannot connect to " + endpoint_.display + ": " + reason;
    const auto pause = pause_before_attempt();
    next_attempt_ = Clock::now() + pause;
    if (trouble_ != last_trouble_said_ || Clock::now() - last_said_ > kRepeatTrouble) {
      last_trouble_said_ = trouble_;
      last_said_ = Clock::now();
      say(Level::warning, trouble_ + "; trying again in " + seconds_text(pause) + ", then for as long as it takes");
    }
  }
  changed_.notify_all();
}

void Client::lost() {
  std::lock_guard lock(mutex_);
  const bool was_up = phase_ == Phase::up;
  const bool expected = phase_ == Phase::closing;
  phase_ = Phase::down;
  if (!expected) {
    const auto held = Clock::now() - up_since_;
    if (was_up && held >= kStable) attempts_ = 0;
    if (trouble_.empty() || !trouble_.starts_with("the broker ended"))
      trouble_ = "lost the connection to " + endpoint_.display;
    if (was_up && held < kStable && attempts_ > 3)
      trouble_ += " soon after connecting: does another client use the client_id '" + options_.client_id + "'?";
    attempts_ = std::max(attempts_, 1);
    next_attempt_ = Clock::now() + duration_cast<Clock::duration>(pause_before_attempt());
    last_trouble_said_ = trouble_;
    last_said_ = Clock::now();
    say(Level::warning, trouble_ + "; connecting again");
    trouble_ = "lost the connection to " + endpoint_.display;
  }
  changed_.notify_all();
}

void Client::subscribed(std::size_t index, int granted) {
  std::lock_guard lock(mutex_);
  const auto& wanted = options_.subscriptions[index];
  if (granted < wanted.qos)
    say(Level::warning, "the broker grants '" + wanted.filter + "' only QoS " + std::to_string(granted) +
                            " instead of " + std::to_string(wanted.qos));
  --unanswered_;
  changed_.notify_all();
}

void Client::refused(std::size_t index, int code) {
  std::lock_guard lock(mutex_);
  // A connection that was lost meanwhile ends its requests too; that is no refusal.
  if (code < 0x80) return changed_.notify_all();
  fatal_ =
      endpoint_.display + ": the broker refuses the subscription to '" + options_.subscriptions[index].filter + "'";
  if (options_.connection.version_5()) {
    const char* reason = MQTTReasonCode_toString(static_cast<MQTTReasonCodes>(code));
    if (reason != nullptr) fatal_ += std::string(": ") + reason;
  }
  trouble_ = fatal_;
  changed_.notify_all();
}

void Client::cut() const {
  cut_connections(endpoint_.port);
}

void Client::say(Level level, std::string text) {
  to_say_.push_back({level, std::move(text)});
  changed_.notify_all();
}

/// What keeps it from its work: empty when it is up, or paused on purpose.
std::string Client::waits_for() const {
  if (!fatal_.empty()) return fatal_;
  if (phase_ == Phase::up || !wanted_) return {};
  const bool connected = phase_ == Phase::connected || phase_ == Phase::subscribing;
  if (!connected || options_.subscriptions.empty()) return trouble_;
  return endpoint_.display + " has not confirmed the subscription to '" + options_.subscriptions.front().filter +
         (options_.subscriptions.size() > 1 ? "' and others yet" : "' yet");
}

/// Tells the operator what there is to tell; the lock is let go meanwhile.
void Client::speak(std::unique_lock<std::mutex>& lock) {
  if (const auto waits = waits_for(); waits != waits_for_ && (wanted_ || !fatal_.empty()) && !stopping_) {
    waits_for_ = waits;
    lock.unlock();
    waits.empty() ? context_.ready() : context_.not_ready(waits);
    lock.lock();
  }
  if (!to_say_.empty()) {
    const auto sayings = std::exchange(to_say_, {});
    lock.unlock();
    for (const auto& [level, text] : sayings) {
      if (level < Level::warning) {
        context_.log(level, text);
      } else {
        context_.bulletin(level, text);
      }
    }
    lock.lock();
  }
  if (!fatal_.empty() && phase_ == Phase::down && last_trouble_said_ != fatal_) {
    last_trouble_said_ = fatal_;
    lock.unlock();
    listener_.changed();
    lock.lock();
  }
}

}  // namespace weir::mqtt
