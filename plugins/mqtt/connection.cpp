#include "connection.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "weir/errors.h"

namespace weir::mqtt {
namespace {

struct Scheme {
  std::string_view name;
  std::string_view paho;
  std::uint16_t port;
  bool tls;
};
constexpr std::array<Scheme, 6> kSchemes = {{{"mqtt", "tcp", 1883, false},
                                             {"tcp", "tcp", 1883, false},
                                             {"mqtts", "ssl", 8883, true},
                                             {"ssl", "ssl", 8883, true},
                                             {"ws", "ws", 80, false},
                                             {"wss", "wss", 443, true}}};

[[noreturn]] void bad_url(std::string_view url, std::string_view why) {
  throw Misconfigured("url '" + std::string(url) + "': " + std::string(why) +
                      "; expected mqtt://HOST:PORT or mqtts://HOST:PORT");
}

void check_readable(const std::string& file, std::string_view property) {
  if (!file.empty() && ::access(file.c_str(), R_OK) != 0)
    throw Misconfigured(std::string(property) + ": cannot read '" + file + "'");
}

/// What both filters and names have to keep to: 1 to 65,535 bytes of UTF-8 without NUL.
std::string text_error(std::string_view text) {
  if (text.empty()) return "is empty";
  if (text.size() > 0xffff) return "is longer than 65,535 bytes";
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead == 0) return "contains a NUL";
    const std::size_t length = lead < 0x80                   ? 1
                               : lead >= 0xc2 && lead < 0xe0 ? 2
                               : lead >= 0xe0 && lead < 0xf0 ? 3
                               : lead >= 0xf0 && lead < 0xf5 ? 4
                                                             : 0;
    if (length == 0 || i + length > text.size()) return "is not UTF-8";
    for (std::size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0U) != 0x80U) return "is not UTF-8";
    }
    // Overlong forms, surrogates, and beyond U+10FFFF.
    const auto second = length > 1 ? static_cast<unsigned char>(text[i + 1]) : 0U;
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) || (lead == 0xf0 && second < 0x90) ||
        (lead == 0xf4 && second > 0x8f))
      return "is not UTF-8";
    i += length;
  }
  return {};
}

}  // namespace

const Fields<TlsSettings>& TlsSettings::fields() {
  static const auto fields =
      Fields<TlsSettings>{}
          .property(
              "ca", &TlsSettings::ca,
              {.help = "PEM file of the authorities to trust; by default the system's.", .example = "certs/ca.pem"})
          .property("cert", &TlsSettings::cert,
                    {.help = "PEM file of this client's certificate, its chain after it.", .example = "certs/weir.pem"})
          .property("key", &TlsSettings::key,
                    {.help = "PEM file of this client's private key.", .example = "certs/weir.key"})
          .property("verify", &TlsSettings::verify,
                    {.help = "Check the broker's certificate and that it is for the url's host. Turn it off only to "
                             "find a fault: anyone can then pose as the broker."});
  return fields;
}

const Fields<WillSettings>& WillSettings::fields() {
  static const auto fields =
      Fields<WillSettings>{}
          .property("topic", &WillSettings::topic,
                    {.help = "Where to publish it.", .example = "status/weir", .required = true})
          .property("payload", &WillSettings::payload, {.help = "Its content.", .example = "gone"})
          .property("qos", &WillSettings::qos, {.help = "Its quality of service.", .min = 0, .max = 2})
          .property("retain", &WillSettings::retain, {.help = "Whether the broker keeps it for later subscribers."});
  return fields;
}

Endpoint parse_url(std::string_view url) {
  const auto colon = url.find("://");
  if (colon == std::string_view::npos) bad_url(url, "has no scheme");
  const auto scheme = std::ranges::find(kSchemes, url.substr(0, colon), &Scheme::name);
  if (scheme == kSchemes.end()) bad_url(url, "unknown scheme");
  auto rest = url.substr(colon + 3);
  std::string_view path;
  if (const auto slash = rest.find('/'); slash != std::string_view::npos) {
    path = rest.substr(slash);
    rest = rest.substr(0, slash);
  }
  if (!path.empty() && path != "/" && !scheme->name.starts_with("ws")) bad_url(url, "has a path");
  // Said without repeating it: what stands before the @ is often a password.
  if (rest.find('@') != std::string_view::npos)
    throw Misconfigured("url: give the user and the password by the properties 'user' and 'password', not in the url");
  auto host = rest;
  std::uint16_t port = scheme->port;
  const auto bracket = rest.find(']');  // an IPv6 address
  const auto after = rest.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (after != std::string_view::npos) {
    host = rest.substr(0, after);
    const auto digits = rest.substr(after + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc{} || end != digits.data() + digits.size() || port == 0) bad_url(url, "has no valid port");
  }
  if (host.empty()) bad_url(url, "has no host");
  const auto address = std::string(host) + ":" + std::to_string(port);
  return {
      .host = std::string(host),
      .port = port,
      .tls = scheme->tls,
      .paho = std::string(scheme->paho) + "://" + address + (scheme->name.starts_with("ws") ? std::string(path) : ""),
      .display = std::string(scheme->name) + "://" + address};
}

void check(const ConnectionSettings& settings) {
  const auto endpoint = parse_url(settings.url);
  if (settings.tls) {
    if (!endpoint.tls) throw Misconfigured("tls: needs a url with mqtts:// or wss://, not '" + settings.url + "'");
    if (settings.tls->cert.empty() != settings.tls->key.empty())
      throw Misconfigured("tls: cert and key belong together; one of them is missing");
  }
  if (!settings.password.empty() && settings.user.empty() && !settings.version_5())
    throw Misconfigured("password: MQTT 3.1.1 has none without a user");
  if (settings.will) {
    const auto error = topic_error(settings.will->topic);
    if (!error.empty()) throw Misconfigured("will.topic: '" + settings.will->topic + "' " + error);
  }
  for (const auto* text : {&settings.client_id, &settings.user}) {
    if (text->empty()) continue;
    const auto error = text_error(*text);
    if (!error.empty()) throw Misconfigured(std::string(text == &settings.user ? "user" : "client_id") + ": " + error);
  }
}

void check_files(const ConnectionSettings& settings) {
  if (!settings.tls) return;
  check_readable(settings.tls->ca, "tls.ca");
  check_readable(settings.tls->cert, "tls.cert");
  check_readable(settings.tls->key, "tls.key");
}

std::string filter_error(std::string_view filter) {
  constexpr std::string_view share = "$share/";
  if (auto error = text_error(filter); !error.empty()) return error;
  if (filter.starts_with(share)) {
    const auto group_end = filter.find('/', share.size());
    if (group_end == std::string_view::npos || group_end == share.size() || group_end + 1 == filter.size())
      return "is no shared subscription: expected $share/GROUP/FILTER";
    if (filter.substr(share.size(), group_end - share.size()).find_first_of("+#") != std::string_view::npos)
      return "has a wildcard in the name of its group";
    filter.remove_prefix(group_end + 1);
  }
  while (true) {
    const auto slash = filter.find('/');
    const auto level = filter.substr(0, slash);
    if (level == "#" && slash != std::string_view::npos) return "has levels after '#', which must be the last";
    if (level.size() > 1 && level.find_first_of("+#") != std::string_view::npos)
      return "has a wildcard inside a level: '+' and '#' stand for whole levels";
    if (slash == std::string_view::npos) return {};
    filter.remove_prefix(slash + 1);
  }
}

std::string topic_error(std::string_view topic) {
  if (auto error = text_error(topic); !error.empty()) return error;
  if (topic.find_first_of("+#") != std::string_view::npos) return "contains a wildcard ('+' or '#')";
  return {};
}

std::string default_client_id(std::string_view flow, std::string_view name, std::string_view unique) {
  auto id = "weir-" + std::string(flow) + "-" + std::string(name);
  if (!unique.empty()) id += "-" + std::string(unique.substr(0, 8));
  return id;
}

}  // namespace weir::mqtt
