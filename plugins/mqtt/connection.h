#pragma once
// What an author says about a connection to a broker, shared by source and sink.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "weir/spec.h"

namespace weir::mqtt {

struct TlsSettings {
  std::string ca;
  std::string cert;
  std::string key;
  bool verify = true;
  static const Fields<TlsSettings>& fields();
};

struct WillSettings {
  std::string topic;
  std::string payload;
  std::int64_t qos = 0;
  bool retain = false;
  static const Fields<WillSettings>& fields();
};

struct ConnectionSettings {
  std::string url;
  std::string version = "3.1.1";
  std::string client_id;
  std::string user;
  std::string password;
  std::optional<TlsSettings> tls;
  std::optional<WillSettings> will;
  Duration keep_alive = std::chrono::seconds(60);
  Duration connect_timeout = std::chrono::seconds(10);
  Duration reconnect_delay = std::chrono::milliseconds(500);
  Duration reconnect_max = std::chrono::minutes(1);

  bool version_5() const { return version == "5"; }
};

/// Where the broker is, from `url`.
struct Endpoint {
  std::string host;
  std::uint16_t port;
  bool tls;
  std::string paho;     ///< as paho writes it
  std::string display;  ///< mqtt://host:port, for transit URIs and messages; never holds a password
};

/// Reads the url. Throws Misconfigured with what it should look like.
Endpoint parse_url(std::string_view url);

/// Throws Misconfigured for what the types of the properties cannot say, such as tls without mqtts.
void check(const ConnectionSettings& settings);
/// The same for files that are missing, which only the machine that runs the flow has to have.
void check_files(const ConnectionSettings& settings);

/// Why a topic filter (with wildcards) or a topic name (without) is none; empty if it is one. MQTT 5.0, section 4.7.
std::string filter_error(std::string_view filter);
std::string topic_error(std::string_view topic);

/// `flow` and `name` as a client id that stays the same: weir-flow-name, and what makes it unique.
std::string default_client_id(std::string_view flow, std::string_view name, std::string_view unique);

template <class S>
void add_connection_properties(Spec<S>& spec) {
  const auto own = []<class M>(M ConnectionSettings::* member) { return static_cast<M S::*>(member); };
  spec.property(
          "url", own(&ConnectionSettings::url),
          {.help = "The broker: mqtt://host:port, or mqtts:// for TLS, ws:// and wss:// over WebSockets. The port "
                   "is 1883 (8883, 80, 443) unless given.",
           .example = "mqtt://localhost:1883",
           .required = true})
      .property("version", own(&ConnectionSettings::version),
                {.help = "The version of MQTT to speak.", .choices = {"3.1.1", "5"}})
      .property("client_id", own(&ConnectionSettings::client_id),
                {.help = "The client id, by which the broker knows the session again; no two clients may have the "
                         "same. By default weir-<flow>-<processor>; with a shared subscription, and for a sink, the "
                         "identity of the data directory follows, so that several Weirs can run the same flow.",
                 .example = "plant-7"})
      .property("user", own(&ConnectionSettings::user), {.help = "User name.", .example = "weir"})
      .property("password", own(&ConnectionSettings::password),
                {.help = "Password.", .example = "${secret:MQTT_PASSWORD}", .secret = true})
      .property("tls", own(&ConnectionSettings::tls), {.help = "Certificates, for mqtts:// and wss://."})
      .property("will", own(&ConnectionSettings::will),
                {.help = "The message that the broker publishes when this client is gone without saying goodbye."})
      .property("keep_alive", own(&ConnectionSettings::keep_alive),
                {.help = "A broker that is silent for longer is taken for dead.", .min = 1e9, .max = 65535e9})
      .property("connect_timeout", own(&ConnectionSettings::connect_timeout),
                {.help = "An attempt to connect that takes longer has failed.", .min = 1e9, .max = 600e9})
      .property("reconnect_delay", own(&ConnectionSettings::reconnect_delay),
                {.help = "Pause before the second attempt to connect; it doubles with each attempt, and each pause is "
                         "cut short at random, so that many clients do not come at once.",
                 .above = 0})
      .property("reconnect_max", own(&ConnectionSettings::reconnect_max),
                {.help = "The longest pause between attempts.", .above = 0});
}

}  // namespace weir::mqtt
