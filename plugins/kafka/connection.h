#pragma once
// What an author says about a Kafka cluster, shared by source and sink.
#include <cstdint>
#include <optional>
#include <string>

#include "options.h"
#include "weir/spec.h"

namespace weir::kafka {

struct TlsSettings {
  std::string ca;
  std::string cert;
  std::string key;
  std::string key_password;
  bool verify = true;
  static const Fields<TlsSettings>& fields();
};

struct SaslSettings {
  std::string mechanism = "PLAIN";
  std::string user;
  std::string password;
  static const Fields<SaslSettings>& fields();
};

struct ConnectionSettings {
  std::string brokers;
  std::optional<TlsSettings> tls;
  std::optional<SaslSettings> sasl;
  std::string client_id;
  Options options;
};

/// Throws Misconfigured for what the types of the properties cannot say.
void check(const ConnectionSettings& settings, Role role);

/// Why it is no name of a topic; empty if it is one.
std::string topic_error(std::string_view topic);

/// kafka://HOST:PORT/TOPIC, for events.
std::string transit_uri(const ConnectionSettings& settings, std::string_view topic);

template <class S>
void add_connection_properties(Spec<S>& spec) {
  const auto own = []<class M>(M ConnectionSettings::* member) { return static_cast<M S::*>(member); };
  spec.property("brokers", own(&ConnectionSettings::brokers),
                {.help = "Some brokers of the cluster, to find the others by: HOST:PORT, separated by commas. The port "
                         "is 9092 unless given.",
                 .example = "kafka-1:9092,kafka-2:9092",
                 .required = true})
      .property("tls", own(&ConnectionSettings::tls),
                {.help = "Speak TLS: `tls: {}` trusts the system's authorities.", .example = "{ca: certs/ca.pem}"})
      .property("sasl", own(&ConnectionSettings::sasl),
                {.help = "Log in. Other mechanisms (GSSAPI, OAUTHBEARER) by `options`.",
                 .example = "{mechanism: SCRAM-SHA-512, user: weir, password: \"${secret:KAFKA_PASSWORD}\"}"})
      .property("client_id", own(&ConnectionSettings::client_id),
                {.help = "How the brokers' logs and quotas name this client. By default weir-<flow>-<processor>."})
      .property(
          "options", own(&ConnectionSettings::options),
          {.help = "Any option of librdkafka, by its own name (its CONFIGURATION.md lists them): names and values "
                   "are checked when the flow is validated. Not those that a property of this processor, or "
                   "what it promises, decides.",
           .example = "{socket.keepalive.enable: \"true\", client.rack: eu-1}"});
}

}  // namespace weir::kafka
