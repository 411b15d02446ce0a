#include "connection.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <string_view>

#include "weir/errors.h"

namespace weir::kafka {
namespace {

void check_readable(const std::string& file, std::string_view property) {
  if (!file.empty() && ::access(file.c_str(), R_OK) != 0)
    throw Misconfigured(std::string(property) + ": cannot read '" + file + "'");
}

/// One of `brokers`.
void check_broker(std::string_view broker) {
  const auto bad = [&](const char* why) {
    throw Misconfigured("brokers: '" + std::string(broker) + "' " + why + "; expected HOST:PORT");
  };
  if (broker.empty()) bad("is empty");
  if (broker.find("://") != std::string_view::npos) bad("has a scheme, which Kafka's addresses do not have (see tls)");
  if (broker.find_first_of("/@ ") != std::string_view::npos) bad("is no address");
  const auto colon = broker.rfind(':');
  if (colon == std::string_view::npos || broker.ends_with(']')) return;
  const auto port = broker.substr(colon + 1);
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (colon == 0) bad("has no host");
  if (port.empty() || port.size() > 5 || !std::ranges::all_of(port, digit) || std::stoi(std::string(port)) > 65535 ||
      std::stoi(std::string(port)) == 0)
    bad("has no valid port");
}

}  // namespace

const Fields<TlsSettings>& TlsSettings::fields() {
  static const auto fields =
      Fields<TlsSettings>{}
          .property("ca", &TlsSettings::ca,
                    {.help = "PEM file of the authorities to trust; by default the system's.", .example = "ca.pem"})
          .property("cert", &TlsSettings::cert, {.help = "PEM file of this client's certificate."})
          .property("key", &TlsSettings::key, {.help = "PEM file of this client's private key."})
          .property("key_password", &TlsSettings::key_password,
                    {.help = "What the key is encrypted with.", .secret = true})
          .property("verify", &TlsSettings::verify,
                    {.help = "Check the brokers' certificates and that they are for their hosts. Turn it off only to "
                             "find a fault: anyone can then pose as a broker."});
  return fields;
}

const Fields<SaslSettings>& SaslSettings::fields() {
  static const auto fields =
      Fields<SaslSettings>{}
          .property("mechanism", &SaslSettings::mechanism,
                    {.help = "How. PLAIN shows the password to whoever can listen: only with `tls`.",
                     .choices = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}})
          .property("user", &SaslSettings::user, {.help = "User name.", .required = true})
          .property("password", &SaslSettings::password,
                    {.help = "Password.", .example = "${secret:KAFKA_PASSWORD}", .required = true, .secret = true});
  return fields;
}

void check(const ConnectionSettings& settings, Role role) {
  for (std::string_view rest = settings.brokers;;) {
    const auto comma = rest.find(',');
    auto broker = rest.substr(0, comma);
    while (broker.starts_with(' ')) broker.remove_prefix(1);
    while (broker.ends_with(' ')) broker.remove_suffix(1);
    check_broker(broker);
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  if (settings.tls) {
    check_readable(settings.tls->ca, "tls.ca");
    check_readable(settings.tls->cert, "tls.cert");
    check_readable(settings.tls->key, "tls.key");
    if (settings.tls->cert.empty() != settings.tls->key.empty())
      throw Misconfigured("tls: cert and key belong together; one of them is missing");
  }
  check_options(settings.options, role);
}

std::string topic_error(std::string_view topic) {
  if (topic.empty()) return "is empty";
  if (topic.size() > 249) return "is longer than 249 characters";
  if (topic == "." || topic == "..") return "is no name";
  const auto legal = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  if (!std::ranges::all_of(topic, legal)) return "has characters other than letters, digits, '.', '_' and '-'";
  return {};
}

std::string transit_uri(const ConnectionSettings& settings, std::string_view topic) {
  return "kafka://" + settings.brokers.substr(0, settings.brokers.find(',')) + "/" + std::string(topic);
}

}  // namespace weir::kafka
