// What a Client asks of paho: to connect, subscribe, publish and disconnect. Answers come to its callbacks.
#include <algorithm>
#include <chrono>
#include <shared_mutex>
#include <string>

#include "client.h"
#include "client_callbacks.h"

namespace weir::mqtt {
namespace {

using std::chrono::duration_cast;
using std::chrono::seconds;

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
  const auto chosen = settings.tls.value_or(TlsSettings{});
  if (endpoint_.tls) {
    const auto path = [](const std::string& text) { return text.empty() ? nullptr : text.c_str(); };
    tls.trustStore = path(chosen.ca);
    tls.keyStore = path(chosen.cert);
    tls.privateKey = path(chosen.key);
    tls.enableServerCertAuth = chosen.verify ? 1 : 0;
    tls.verify = chosen.verify ? 1 : 0;
    tls.ssl_error_cb = Callbacks::tls_error;
    tls.ssl_error_context = this;
    connect.ssl = &tls;
  }
  if (options_.clean && options_.persistence == nullptr) forget_unsent();
  const int code = MQTTAsync_connect(handle_.get(), &connect);
  if (code != MQTTASYNC_SUCCESS) connect_failed(code, MQTTAsync_strerror(code));
}

void Client::subscribe(bool session_present) {
  // What the session still holds from an earlier flow, and this one does not want.
  const auto old = session_present ? memory_.read() : std::vector<Subscription>();
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

int Client::publish(const std::string& topic, const MQTTAsync_message& message, MQTTAsync_responseOptions& response,
                    std::uint64_t connection) {
  const std::shared_lock lock(handle_mutex_);
  if (connections_ != connection) return MQTTASYNC_DISCONNECTED;
  return MQTTAsync_sendMessage(handle_.get(), topic.c_str(), &message, &response);
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

}  // namespace weir::mqtt
