#pragma once
// What an author says about requests to an HTTP server; shared by HttpSource, HttpSink and HttpLookup.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client.h"
#include "weir/spec.h"

namespace weir::http {

struct AuthSettings {
  std::string user;
  std::string password;
  std::string bearer;
  static const Fields<AuthSettings>& fields();
  bool empty() const { return user.empty() && bearer.empty(); }
};

struct TlsSettings {
  std::string ca;
  std::string cert;
  std::string key;
  bool verify = true;
  static const Fields<TlsSettings>& fields();
};

struct ClientSettings {
  std::string url;
  std::map<std::string, std::string> headers;
  std::optional<AuthSettings> auth;
  std::optional<TlsSettings> tls;
  Duration connect_timeout = std::chrono::seconds(10);
  Duration timeout = std::chrono::seconds(30);
  std::vector<std::string> allowed_hosts;
  std::int64_t max_redirects = 5;
};

/// Throws Misconfigured for what the types of the properties cannot say.
void check(const ClientSettings& settings);
/// Either a user and a password or a bearer token. Throws Misconfigured.
void check(const AuthSettings& auth);
/// Throws Misconfigured unless the file can be read.
void check_readable(const std::string& file, const std::string& property);

Client::Options client_options(const ClientSettings& settings);

/// The url as what data can change nothing of but path and query: $(SQL) may only stand behind the host. Returns it for
/// display, up to its first $(SQL). Throws Misconfigured.
std::string check_url(const std::string& url);

/// Text with or without $(SQL): the same for all, or something to compute.
inline bool is_template(const std::string& text) {
  return text.find("$(") != std::string::npos;
}

/// A member of ClientSettings as one of S, which derives from it.
template <class S, class M>
constexpr M S::* own(M ClientSettings::* member) {
  return member;
}

template <class S>
void add_client_properties(Spec<S>& spec) {
  spec.property("auth", own<S>(&ClientSettings::auth),
                {.help = "How to log in: `user` and `password` (basic), or a `bearer` token. For an API key, use "
                         "`headers`."})
      .property("tls", own<S>(&ClientSettings::tls), {.help = "Certificates, for https://."})
      .property("connect_timeout", own<S>(&ClientSettings::connect_timeout),
                {.help = "An attempt to connect that takes longer has failed.", .min = 1e6, .max = 600e9})
      .property("timeout", own<S>(&ClientSettings::timeout),
                {.help = "A request whose answer is not complete by then has failed.", .min = 1e6, .max = 3600e9})
      .property("allowed_hosts", own<S>(&ClientSettings::allowed_hosts),
                {.help = "Hosts that redirects may lead to beside the url's own, as HOST (any port) or HOST:PORT. They "
                         "get neither `auth` nor `headers`. From https to http no redirect is followed.",
                 .example = "[cdn.example.com]"})
      .property("max_redirects", own<S>(&ClientSettings::max_redirects),
                {.help = "How many redirects of one request are followed.", .min = 0, .max = 50});
}

}  // namespace weir::http
