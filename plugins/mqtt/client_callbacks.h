#pragma once
// What paho calls about a Client, on its network thread and with its lock held: each notes what happened, and wakes the
// client's own thread. `context` is the Client, or one of its Pending.
#include <mutex>
#include <string>
#include <utility>

#include "client.h"

namespace weir::mqtt {

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

}  // namespace weir::mqtt
