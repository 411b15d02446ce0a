#pragma once
// Asks a running Weir over its HTTP API.

#include <boost/json.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "tls/tls.h"

namespace weir::cli {

/// Where Weir listens, and what to show it.
struct Remote {
  std::string url = "http://127.0.0.1:8080";
  std::string token;        ///< empty: none, or WEIR_TOKEN of the environment
  std::string authorities;  ///< a file of certificates; empty: those of WEIR_CA, or that the system trusts
};

/// Asks one Weir. Every function throws std::runtime_error with what to tell the one who asked: it is not there, or
/// what it answered.
class Client {
 public:
  /// Throws std::invalid_argument if the URL is none of http or https; std::runtime_error if TLS cannot be had.
  explicit Client(const Remote& remote);

  /// `target` is below /api/v1.
  boost::json::value get(const std::string& target);
  /// An answer that is no JSON, as it is.
  std::string text(const std::string& target);
  boost::json::value post(const std::string& target, const boost::json::object& body = {});
  /// The same for what takes long, and whose refusals say more than an error: `status` is HTTP's.
  boost::json::value post_patiently(const std::string& target, const boost::json::object& body, unsigned& status);
  /// Reads server-sent events until the server ends them, or `visit` returns false.
  void listen(const std::string& target,
              const std::function<bool(std::string_view event, std::string_view data)>& visit);

 private:
  /// `status`: HTTP's; without it, what is no success is thrown.
  std::string body_of(const std::string& method, const std::string& target, const std::string& body,
                      unsigned* status = nullptr);
  boost::json::value ask(const std::string& method, const std::string& target, const std::string& body,
                         unsigned* status = nullptr);

  std::string host_;
  std::string port_;
  std::string token_;
  std::unique_ptr<tls::Client> tls_;  ///< null: plain HTTP
};

/// A path's segment, or a query's value, as it stands in a URL.
std::string encoded(std::string_view text);

}  // namespace weir::cli
