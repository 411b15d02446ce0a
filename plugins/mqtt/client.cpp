#include "client.h"

#include <MQTTProperties.h>
#include <MQTTReasonCodes.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <utility>

#include "weir/errors.h"

namespace weir::mqtt {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kStopTimeout = seconds(3);
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

/// Reasons of a CONNACK that trying again cannot mend (MQTT 3.1.1, table 3.1; MQTT 5.0, section 3.2.2.2).
const char* lasting_refusal(int code, bool version_5) {
  if (!version_5) {
    switch (code) {
      case 1:
        return "the broker does not speak MQTT 3.1.1";
      case 2:
        return "the broker refuses the client_id";
      case 4:
        return "the broker refuses the user or password";
      case 5:
        return "the broker does not authorize this client: check user and password";
      default:
        return nullptr;
    }
  }
  switch (code) {
    case MQTTREASONCODE_UNSUPPORTED_PROTOCOL_VERSION:
      return "the broker does not speak MQTT 5";
    case MQTTREASONCODE_CLIENT_IDENTIFIER_NOT_VALID:
      return "the broker refuses the client_id";
    case MQTTREASONCODE_BAD_USER_NAME_OR_PASSWORD:
      return "the broker refuses the user or password";
    case MQTTREASONCODE_NOT_AUTHORIZED:
      return "the broker does not authorize this client: check user and password";
    case MQTTREASONCODE_BANNED:
      return "the broker has banned this client";
    case MQTTREASONCODE_BAD_AUTHENTICATION_METHOD:
      return "the broker asks for another authentication method";
    default:
      return nullptr;
  }
}

void add_integer(MQTTProperties& properties, MQTTPropertyCodes code, std::uint32_t value) {
  MQTTProperty property{};
  property.identifier = code;
  property.value.integer4 = value;
  MQTTProperties_add(&properties, &property);
}

struct PropertiesOwner {
  MQTTProperties list = MQTTProperties_initializer;
  PropertiesOwner() = default;
  PropertiesOwner(const PropertiesOwner&) = delete;
  PropertiesOwner& operator=(const PropertiesOwner&) = delete;
  ~PropertiesOwner() { MQTTProperties_free(&list); }
};

}  // namespace

/// What paho calls; `context` is the Client or one of its Pending.
struct Client::Callbacks {
  static Client& client(void* context) { return *static_cast<Client*>(context); }

  static int arrived(void* context, char* topic, int topic_size, MQTTAsync_message* message) {
    const auto name = topic_size > 0 ? std::string_view(topic, static_cast<std::size_t>(topic_size)) : topic;
    client(context).listener_.arrived(*message, name);
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1;
  }
  static void lost(void* context, char*) { client(context).lost(); }
  static void told_to_leave(void* context, MQTTProperties*, enum MQTTReasonCodes reason) {
    auto& self = client(context);
    const char* text = MQTTReasonCode_toString(reason);
    std::string trouble = std::string("the broker ended the connection: ") + (text == nullptr ? "no reason" : text);
    if (reason == MQTTREASONCODE_SESSION_TAKEN_OVER)
      trouble += "; another client uses the client_id '" + self.options_.client_id + "'";
    std::lock_guard lock(self.mutex_);
    self.trouble_ = std::move(trouble);
  }
  static void connected(void* context, bool session_present) {
    auto& self = client(context);
    std::lock_guard lock(self.mutex_);
    self.phase_ = Phase::connected;
    self.session_present_ = session_present;
    self.changed_.notify_all();
  }
  static void connected_3(void* context, MQTTAsync_successData* data) {
    connected(context, data->alt.connect.sessionPresent != 0);
  }
  static void connected_5(void* context, MQTTAsync_successData5* data) {
    connected(context, data->alt.connect.sessionPresent != 0);
  }
  static void refused_3(void* context, MQTTAsync_failureData* data) {
    client(context).connect_failed(data->code, data->message == nullptr ? "" : data->message);
  }
  static void refused_5(void* context, MQTTAsync_failureData5* data) {
    const int code = data->code == 0 ? static_cast<int>(data->reasonCode) : data->code;
    client(context).connect_failed(code, data->message == nullptr ? "" : data->message);
  }
  static int tls_error(const char* text, std::size_t size, void* context) {
    auto& self = client(context);
    std::lock_guard lock(self.mutex_);
    self.tls_error_.assign(text, size);
    while (!self.tls_error_.empty() && self.tls_error_.back() == '\n') self.tls_error_.pop_back();
    return 1;
  }
  static void subscribed_3(void* context, MQTTAsync_successData* data) {
    const auto& pending = *static_cast<Pending*>(context);
    pending.client->subscribed(pending.index, data->alt.qos);
  }
  static void subscribed_5(void* context, MQTTAsync_successData5* data) {
    const auto& pending = *static_cast<Pending*>(context);
    pending.client->subscribed(pending.index, static_cast<int>(data->reasonCode));
  }
  static void unsubscribable_3(void* context, MQTTAsync_failureData* data) {
    const auto& pending = *static_cast<Pending*>(context);
    pending.client->refused(pending.index, data->code);
  }
  static void unsubscribable_5(void* context, MQTTAsync_failureData5* data) {
    const auto& pending = *static_cast<Pending*>(context);
    pending.client->refused(pending.index, data->reasonCode == 0 ? data->code : static_cast<int>(data->reasonCode));
  }
  static void closed(void* context) {
    auto& self = client(context);
    std::lock_guard lock(self.mutex_);
    self.phase_ = Phase::down;
    self.changed_.notify_all();
  }
  static void closed_3(void* context, MQTTAsync_successData*) { closed(context); }
  static void closed_5(void* context, MQTTAsync_successData5*) { closed(context); }
  static void not_closed_3(void* context, MQTTAsync_failureData*) { closed(context); }
  static void not_closed_5(void* context, MQTTAsync_failureData5*) { closed(context); }
};

Client::Client(Options options, Context context, Listener& listener)
    : options_(std::move(options)),
      context_(context),
      listener_(listener),
      endpoint_(parse_url(options_.connection.url)) {
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
  handle_.reset(handle);
  MQTTAsync_setCallbacks(handle, this, Callbacks::lost, Callbacks::arrived, nullptr);
  MQTTAsync_setDisconnected(handle, this, Callbacks::told_to_leave);
  for (std::size_t i = 0; i < options_.subscriptions.size(); ++i) pending_.push_back({this, i});
  trouble_ = "not connected to " + endpoint_.display + " yet";
  thread_ = std::thread([this] { run(); });
}

Client::~Client() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
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
        subscribe(session_present);
        lock.lock();
        break;
      }
      case Phase::subscribing:
        if (unanswered_ == 0 && fatal_.empty()) {
          phase_ = Phase::up;
          up_since_ = Clock::now();
          say(last_trouble_said_.empty() ? Level::debug : Level::info, "connected to " + endpoint_.display);
          last_trouble_said_.clear();
          lock.unlock();
          remember();
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
        // paho reports the end of every attempt, by its own timeout at the latest; a stop does not wait for it.
        if (stopping_) return;
        await(lock, forever());
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

void Client::connect() {
  const auto& settings = options_.connection;
  const bool v5 = settings.version_5();
  MQTTAsync_connectOptions connect = MQTTAsync_connectOptions_initializer;
  if (v5) connect = MQTTAsync_connectOptions_initializer5;
  connect.MQTTVersion = v5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
  connect.keepAliveInterval = static_cast<int>(duration_cast<seconds>(settings.keep_alive).count());
  connect.connectTimeout = static_cast<int>(duration_cast<seconds>(settings.connect_timeout).count());
  // When this many are under way paho looks again only once a second: who publishes keeps a window of its own.
  connect.maxInflight = 65'535;
  connect.context = this;
  if (!settings.user.empty()) connect.username = settings.user.c_str();
  if (!settings.password.empty()) {
    connect.binarypwd.data = settings.password.data();
    connect.binarypwd.len = static_cast<int>(settings.password.size());
  }
  PropertiesOwner properties;
  if (v5) {
    connect.cleanstart = options_.clean ? 1 : 0;
    connect.onSuccess5 = Callbacks::connected_5;
    connect.onFailure5 = Callbacks::refused_5;
    const auto expiry = options_.clean ? 0U
                        : options_.session_expiry_seconds < 0
                            ? 0xffffffffU
                            : static_cast<std::uint32_t>(options_.session_expiry_seconds);
    add_integer(properties.list, MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, expiry);
    if (options_.max_packet_size != 0)
      add_integer(properties.list, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE, options_.max_packet_size);
    connect.connectProperties = &properties.list;
  } else {
    connect.cleansession = options_.clean ? 1 : 0;
    connect.onSuccess = Callbacks::connected_3;
    connect.onFailure = Callbacks::refused_3;
  }
  MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
  if (settings.will) {
    will.topicName = settings.will->topic.c_str();
    will.payload.data = settings.will->payload.data();
    will.payload.len = static_cast<int>(settings.will->payload.size());
    will.qos = static_cast<int>(settings.will->qos);
    will.retained = settings.will->retain ? 1 : 0;
    connect.will = &will;
  }
  MQTTAsync_SSLOptions tls = MQTTAsync_SSLOptions_initializer;
  if (endpoint_.tls) {
    const auto chosen = settings.tls.value_or(TlsSettings{});
    const auto path = [](const std::string& text) { return text.empty() ? nullptr : text.c_str(); };
    tls.trustStore = path(chosen.ca);
    tls.keyStore = path(chosen.cert);
    tls.privateKey = path(chosen.key);
    tls.enableServerCertAuth = chosen.verify ? 1 : 0;
    tls.verify = chosen.verify ? 1 : 0;
    tls.ssl_error_cb = Callbacks::tls_error;
    tls.ssl_error_context = this;
    connect.ssl = &tls;
    const int code = MQTTAsync_connect(handle_.get(), &connect);
    if (code != MQTTASYNC_SUCCESS) connect_failed(code, MQTTAsync_strerror(code));
    return;
  }
  const int code = MQTTAsync_connect(handle_.get(), &connect);
  if (code != MQTTASYNC_SUCCESS) connect_failed(code, MQTTAsync_strerror(code));
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

void Client::subscribe(bool session_present) {
  // What the session still holds from an earlier flow, and this one does not want.
  const auto old = session_present ? remembered() : std::vector<Subscription>();
  for (const auto& subscription : old) {
    if (std::ranges::find(options_.subscriptions, subscription.filter, &Subscription::filter) ==
        options_.subscriptions.end())
      MQTTAsync_unsubscribe(handle_.get(), subscription.filter.c_str(), nullptr);
  }
  const bool v5 = options_.connection.version_5();
  for (auto& pending : pending_) {
    const auto& subscription = options_.subscriptions[pending.index];
    // Subscribing again would bring the retained messages again.
    if (std::ranges::find(old, subscription) != old.end()) {
      subscribed(pending.index, subscription.qos);
      continue;
    }
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    response.context = &pending;
    if (v5) {
      response.onSuccess5 = Callbacks::subscribed_5;
      response.onFailure5 = Callbacks::unsubscribable_5;
    } else {
      response.onSuccess = Callbacks::subscribed_3;
      response.onFailure = Callbacks::unsubscribable_3;
    }
    const int code = MQTTAsync_subscribe(handle_.get(), subscription.filter.c_str(), subscription.qos, &response);
    if (code != MQTTASYNC_SUCCESS) refused(pending.index, code);
  }
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

void Client::disconnect() {
  const bool v5 = options_.connection.version_5();
  MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer;
  if (v5) options = MQTTAsync_disconnectOptions_initializer5;
  options.context = this;
  if (v5) {
    options.onSuccess5 = Callbacks::closed_5;
    options.onFailure5 = Callbacks::not_closed_5;
  } else {
    options.onSuccess = Callbacks::closed_3;
    options.onFailure = Callbacks::not_closed_3;
  }
  if (MQTTAsync_disconnect(handle_.get(), &options) != MQTTASYNC_SUCCESS) Callbacks::closed(this);
}

void Client::cut() const {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/self/fd"), ::closedir);
  if (!folder) return;
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    int file = -1;
    if (std::from_chars(name.data(), name.data() + name.size(), file).ec != std::errc{}) continue;
    sockaddr_in6 peer{};  // the port is at the same place in sockaddr_in
    socklen_t size = sizeof peer;
    if (::getpeername(file, reinterpret_cast<sockaddr*>(&peer), &size) != 0) continue;
    if ((peer.sin6_family == AF_INET || peer.sin6_family == AF_INET6) && ntohs(peer.sin6_port) == endpoint_.port)
      ::shutdown(file, SHUT_RDWR);
  }
}

int Client::publish(const std::string& topic, const MQTTAsync_message& message, MQTTAsync_responseOptions& response) {
  return MQTTAsync_sendMessage(handle_.get(), topic.c_str(), &message, &response);
}

void Client::say(Level level, std::string text) {
  to_say_.push_back({level, std::move(text)});
  changed_.notify_all();
}

/// Tells the operator what there is to tell; the lock is let go meanwhile.
void Client::speak(std::unique_lock<std::mutex>& lock) {
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

/// What a session belongs to: another broker or client id has another one.
std::string Client::memory_key() const {
  return endpoint_.display + " " + options_.client_id;
}

std::vector<Subscription> Client::remembered() const {
  std::vector<Subscription> subscriptions;
  std::ifstream file(options_.memory);
  std::string line;
  if (options_.memory.empty() || !std::getline(file, line) || line != memory_key()) return {};
  while (std::getline(file, line)) {
    if (line.size() > 2 && line[0] >= '0' && line[0] <= '2') subscriptions.push_back({line.substr(2), line[0] - '0'});
  }
  return subscriptions;
}

void Client::remember() const {
  if (options_.memory.empty()) return;
  std::ostringstream text;
  text << memory_key() << '\n';
  for (const auto& [filter, qos] : options_.subscriptions) text << qos << ' ' << filter << '\n';
  auto temporary = options_.memory;
  temporary += ".new";
  std::ofstream file(temporary, std::ios::trunc);
  file << text.str();
  file.close();
  // If it cannot be written, the next start subscribes again, and gets retained messages again.
  std::error_code ignored;
  if (file) std::filesystem::rename(temporary, options_.memory, ignored);
}

}  // namespace weir::mqtt
