#include "client_settings.h"

#include <unistd.h>

#include "url.h"
#include "weir/errors.h"

namespace weir::http {

const Fields<AuthSettings>& AuthSettings::fields() {
  static const auto fields =
      Fields<AuthSettings>{}
          .property("user", &AuthSettings::user, {.help = "User name, for basic authentication.", .example = "weir"})
          .property(
              "password", &AuthSettings::password,
              {.help = "Password, for basic authentication.", .example = "${secret:HTTP_PASSWORD}", .secret = true})
          .property(
              "bearer", &AuthSettings::bearer,
              {.help = "A token, instead of user and password.", .example = "${secret:HTTP_TOKEN}", .secret = true});
  return fields;
}

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
                    {.help = "Check the server's certificate and that it is for the url's host. Turn it off only to "
                             "find a fault: anyone can then pose as the server."});
  return fields;
}

void check_readable(const std::string& file, const std::string& property) {
  if (!file.empty() && ::access(file.c_str(), R_OK) != 0)
    throw Misconfigured(property + ": cannot read '" + file + "'");
}

void check(const AuthSettings& auth) {
  if (!auth.bearer.empty() && (!auth.user.empty() || !auth.password.empty()))
    throw Misconfigured("auth: either user and password, or bearer");
  if (auth.bearer.empty() && auth.user.empty()) throw Misconfigured("auth: needs user and password, or bearer");
  if (auth.user.find(':') != std::string::npos)
    throw Misconfigured("auth: a user name with a colon cannot be told from its password");
  if (!is_header_value(auth.user) || !is_header_value(auth.password) || !is_header_value(auth.bearer))
    throw Misconfigured("auth: has a line break or another control character");
}

void check(const ClientSettings& settings) {
  for (const auto& [name, value] : settings.headers) {
    if (!is_header_name(name)) throw Misconfigured("headers: '" + name + "' is no name of a header");
    if (!is_header_value(value))
      throw Misconfigured("headers: the value of '" + name + "' has a line break or another control character");
  }
  for (const auto& host : settings.allowed_hosts) {
    if (!is_host(host))
      throw Misconfigured("allowed_hosts: '" + host +
                          "' is no host; expected HOST, or HOST:PORT, such as cdn.example.com");
  }
  if (settings.auth) check(*settings.auth);
  if (settings.tls) {
    if (settings.tls->cert.empty() != settings.tls->key.empty())
      throw Misconfigured("tls: cert and key belong together");
    check_readable(settings.tls->ca, "tls.ca");
    check_readable(settings.tls->cert, "tls.cert");
    check_readable(settings.tls->key, "tls.key");
  }
}

Client::Options client_options(const ClientSettings& settings) {
  const auto tls = settings.tls.value_or(TlsSettings{});
  const auto auth = settings.auth.value_or(AuthSettings{});
  return {.user = auth.user,
          .password = auth.password,
          .bearer = auth.bearer,
          .ca = tls.ca,
          .cert = tls.cert,
          .key = tls.key,
          .verify = tls.verify,
          .connect_timeout = settings.connect_timeout,
          .timeout = settings.timeout,
          .allowed_hosts = settings.allowed_hosts,
          .max_redirects = settings.max_redirects};
}

std::string check_url(const std::string& url) {
  const auto constant = url.substr(0, url.find("$("));
  const auto scheme = constant.find("://");
  const bool bounded = scheme != std::string::npos && constant.find_first_of("/?", scheme + 3) != std::string::npos;
  if (is_template(url) && !bounded)
    throw Misconfigured("url: $(SQL) may stand in the path and the query only: data must not choose the host");
  const auto parsed = parse_url(constant);
  if (!parsed) throw Misconfigured("url: '" + constant + "' is no address; expected https://HOST/PATH or http://…");
  return parsed->display();
}

}  // namespace weir::http
