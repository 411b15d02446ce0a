#pragma once
// HttpListen: an HTTP endpoint that takes data. A client is told 200 when the epoch with its data is durable.

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "client_settings.h"
#include "intake.h"
#include "listen_server.h"
#include "weir/processor.h"

namespace weir::http {

struct ListenTlsSettings {
  std::string cert;
  std::string key;
  std::string client_ca;
  static const Fields<ListenTlsSettings>& fields();
};

struct ListenSettings {
  std::string listen;
  std::string path = "/";
  std::vector<std::string> methods = {"POST", "PUT"};
  std::optional<AuthSettings> auth;
  bool allow_anonymous_network = false;
  std::optional<ListenTlsSettings> tls;
  std::vector<std::string> headers;
  Duration timeout = std::chrono::seconds(30);
  Duration max_wait = std::chrono::seconds(5);
  std::uint64_t max_header = 16 * KiB;
  std::uint64_t max_body = 64 * MiB;
  std::int64_t max_connections = 1000;
  std::int64_t max_pending = 1000;
  std::uint64_t max_pending_bytes = 256 * MiB;
  std::optional<Duration> end_after_idle;
};

extern const Spec<ListenSettings> listen_spec;

/// HOST:PORT or [ADDRESS]:PORT. Throws Misconfigured.
void read_address(const std::string& text, std::string& host, std::uint16_t& port);

class HttpListen final : public Source {
 public:
  explicit HttpListen(ListenSettings settings);

  void start(Context& context) override;
  void poll(Session& session) override;
  void durable(std::uint64_t token) override;
  void stop() override;

 private:
  void take_back_if_lost(Session& session);
  void emit(Session& session, const Arrival& arrival) const;
  void end_if_idle(Session& session);

  const ListenSettings settings_;
  ListenServer::Options options_;
  Context context_;
  std::string uri_;
  Intake intake_;

  std::uint64_t last_token_ = 0;  ///< of the last session that took something
  std::uint64_t tokens_ = 0;      ///< given so far
  bool started_ = false;          ///< the state has been read
  std::optional<std::int64_t> idle_since_;
  bool ended_ = false;
  std::mutex mutex_;                                         ///< of what follows
  std::map<std::uint64_t, std::vector<Arrival>> undurable_;  ///< by token: taken, and not answered

  Metric refused_;
  Metric pending_;
  std::unique_ptr<ListenServer> server_;  ///< last: it calls back
};

}  // namespace weir::http
