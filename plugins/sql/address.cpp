#include "address.h"

#include <unistd.h>

#include <charconv>
#include <string_view>

#include "weir/errors.h"

namespace weir::db {

namespace {

[[noreturn]] void bad(const std::string& what) {
  throw Misconfigured("database: " + what +
                      ". Expected a SQLite file, postgresql://USER@HOST/DATABASE or mariadb://USER@HOST/DATABASE");
}

std::string decoded(std::string_view text) {
  const auto hex = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
  };
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
    } else if (i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      result += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      bad("the URL has a % without two hexadecimal digits");
    }
  }
  return result;
}

/// Splits at the first `at`; the second part is empty where there is none.
std::pair<std::string_view, std::string_view> split(std::string_view text, char at) {
  const auto position = text.find(at);
  if (position == std::string_view::npos) return {text, {}};
  return {text.substr(0, position), text.substr(position + 1)};
}

void parse_mariadb(Address& address, std::string_view host, std::string_view database, std::string_view options) {
  std::string_view port;
  if (host.starts_with('[')) {
    const auto [inside, after] = split(host.substr(1), ']');
    host = inside;
    port = after.starts_with(':') ? after.substr(1) : std::string_view();
  } else {
    std::tie(host, port) = split(host, ':');
  }
  address.host = decoded(host);
  address.port = 3306;
  if (!port.empty()) {
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (error != std::errc{} || end != port.data() + port.size() || address.port == 0) bad("the URL has no valid port");
  }
  address.database = decoded(database);
  if (address.database.empty()) bad("the URL names no database");
  while (!options.empty()) {
    const auto [option, rest] = split(options, '&');
    const auto [name, value] = split(option, '=');
    if (name != "socket")
      bad("the URL has an option '" + std::string(name) + "'; known is socket, the path of a unix socket");
    address.options.insert_or_assign(std::string(name), decoded(value));
    options = rest;
  }
}

void check_readable(const std::string& path, const char* property) {
  if (!path.empty() && ::access(path.c_str(), R_OK) != 0)
    throw Misconfigured(std::string(property) + ": the file " + path + " cannot be read");
}

}  // namespace

const Fields<TlsSettings>& TlsSettings::fields() {
  static const auto fields =
      Fields<TlsSettings>()
          .property(
              "ca", &TlsSettings::ca,
              {.help = "PEM file of the authorities to trust; by default the system's.", .example = "certs/ca.pem"})
          .property("cert", &TlsSettings::cert,
                    {.help = "PEM file of this client's certificate.", .example = "certs/weir.pem"})
          .property("key", &TlsSettings::key,
                    {.help = "PEM file of this client's private key.", .example = "certs/weir.key"})
          .property("verify", &TlsSettings::verify,
                    {.help = "Check the server's certificate and that it is for the URL's host. Turn it off only to "
                             "find a fault: anyone can then pose as the server."});
  return fields;
}

Address parse_address(const std::string& text) {
  Address address;
  address.url = text;
  const auto colon = text.find("://");
  const auto scheme = colon == std::string::npos ? std::string() : text.substr(0, colon);
  if (scheme.empty() || scheme == "sqlite" || text.starts_with("sqlite:")) {
    address.path = text.starts_with("sqlite:") ? text.substr(7) : text;
    if (address.path.starts_with("///")) address.path.erase(0, 2);  // sqlite:///var/x.db names /var/x.db
    if (address.path.empty()) bad("the path of the database is empty");
    return address;
  }
  std::string name;
  if (scheme == "postgresql" || scheme == "postgres") {
    address.kind = Address::Kind::postgresql;
    name = "postgresql";
  } else if (scheme == "mariadb" || scheme == "mysql") {
    address.kind = Address::Kind::mariadb;
    name = "mariadb";
  } else {
    bad("'" + scheme + "://' is of no database known here");
  }
  const auto [place, options] = split(std::string_view(text).substr(colon + 3), '?');
  auto [authority, database] = split(place, '/');
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
    const auto user = authority.substr(0, at);
    if (user.find(':') != std::string_view::npos)
      throw Misconfigured("database: give the password by the property `password`, not in the URL");
    address.user = decoded(user);
    authority = authority.substr(at + 1);
  }
  if (options.find("password=") != std::string_view::npos)
    throw Misconfigured("database: give the password by the property `password`, not in the URL");
  if (address.kind == Address::Kind::mariadb) parse_mariadb(address, authority, database, options);
  address.display = name + "://" + std::string(authority) + "/" + std::string(database);
  return address;
}

void check(const Address& address, const Login& login) {
  if (address.kind == Address::Kind::sqlite) {
    if (!login.password.empty() || login.tls)
      throw Misconfigured("database: a SQLite file has neither `password` nor `tls`");
    return;
  }
  if (!login.tls) return;
  check_readable(login.tls->ca, "tls.ca");
  check_readable(login.tls->cert, "tls.cert");
  check_readable(login.tls->key, "tls.key");
  if (login.tls->cert.empty() != login.tls->key.empty())
    throw Misconfigured("tls: cert and key belong together; one of them is missing");
}

}  // namespace weir::db
