#include "client.h"

#include <librdkafka/rdkafka.h>
#include <sys/socket.h>
#include <syslog.h>

#include <future>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "plugins/common/silent_peer.h"
#include "weir/errors.h"

namespace weir::kafka {
namespace {

constexpr auto kSameAgain = std::chrono::minutes(1);
/// A client ends in a second or two, unless librdkafka loses count of who holds one of its threads: after a topic was
/// deleted, its destruction may wait for ever (its issues 4362 and 4674).
constexpr auto kEndsWithin = std::chrono::seconds(10);

/// Clients that did not end, whose threads may still log when their Trouble has gone.
struct Abandoned {
  std::mutex mutex;
  std::set<const rd_kafka_t*> clients;
};
Abandoned& abandoned() {
  static auto* all = new Abandoned;  // for as long as there are threads
  return *all;
}

/// Every client's opaque is its Trouble: all callbacks of this plugin find the rest from there or by their own opaque.
void log(const rd_kafka_t* client, int level, const char* facility, const char* text) {
  auto* trouble = static_cast<Trouble*>(rd_kafka_opaque(client));
  if (trouble == nullptr) return;
  const std::lock_guard lock(abandoned().mutex);
  if (abandoned().clients.contains(client)) return;
  // That a connection failed is told to error() too, for each broker and again and again while it is away.
  bool told = std::string_view(facility) == "FAIL";
  // Nor is it news that we rely on an option that librdkafka calls experimental.
  told |= std::string_view(text).find("enable.gapless.guarantee is experimental") != std::string_view::npos;
  trouble->context().log(told                   ? Level::debug
                         : level <= LOG_ERR     ? Level::warning
                         : level <= LOG_WARNING ? Level::info
                                                : Level::debug,
                         std::string("librdkafka: ") + text);
}

void error(rd_kafka_t* client, int code, const char* reason, void* opaque) {
  std::string text = reason;
  if (code == RD_KAFKA_RESP_ERR__FATAL) {
    char fatal[512] = "";
    code = rd_kafka_fatal_error(client, fatal, sizeof fatal);
    text = fatal;
  }
  static_cast<Trouble*>(opaque)->error(code, text);
}

/// As librdkafka makes its own, but for the options.
int open_socket(int domain, int type, int protocol, void* /*opaque*/) {
  const int socket = ::socket(domain, type | SOCK_CLOEXEC, protocol);
  if (socket >= 0 && (domain == AF_INET || domain == AF_INET6)) give_up_on_silence(socket);
  return socket;
}

/// In a thread of its own; `flags` as of rd_kafka_destroy_flags.
std::future<void> destroy(rd_kafka_s* client, int flags) {
  std::promise<void> promise;
  auto destroyed = promise.get_future();
  std::thread([client, flags, promise = std::move(promise)]() mutable {
    rd_kafka_destroy_flags(client, flags);
    const std::lock_guard lock(abandoned().mutex);
    abandoned().clients.erase(client);
    promise.set_value();
  }).detach();
  return destroyed;
}

}  // namespace

void Destroy::operator()(rd_kafka_s* client) const {
  auto* trouble = static_cast<Trouble*>(rd_kafka_opaque(client));
  const auto destroyed = destroy(client, 0);
  destroyed.wait_for(kEndsWithin);
  const std::lock_guard lock(abandoned().mutex);
  if (destroyed.wait_for(std::chrono::seconds(0)) == std::future_status::ready) return;
  abandoned().clients.insert(client);
  if (trouble != nullptr)
    trouble->context().log(Level::warning,
                           "librdkafka does not end its threads, as may happen after a topic was deleted; they stay "
                           "until this process ends, and do nothing");
}
void desert(Owned<rd_kafka_s> member) {
  static_cast<Trouble*>(rd_kafka_opaque(member.get()))
      ->context()
      .log(Level::info,
           "the group does not answer, as while it waits for another member: it is not told that this one goes, and "
           "misses it when its session is over");
  {
    const std::lock_guard lock(abandoned().mutex);
    abandoned().clients.insert(member.get());
  }
  destroy(member.release(), RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}
void Destroy::operator()(rd_kafka_conf_s* conf) const {
  rd_kafka_conf_destroy(conf);
}
void Destroy::operator()(rd_kafka_message_s* message) const {
  rd_kafka_message_destroy(message);
}
void Destroy::operator()(rd_kafka_topic_partition_list_s* list) const {
  rd_kafka_topic_partition_list_destroy(list);
}
void Destroy::operator()(rd_kafka_queue_s* queue) const {
  rd_kafka_queue_destroy(queue);
}
void Destroy::operator()(rd_kafka_error_s* error) const {
  rd_kafka_error_destroy(error);
}
void Destroy::operator()(rd_kafka_op_s* event) const {
  rd_kafka_event_destroy(event);
}

Reaction reaction_to(int error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      return Reaction::none;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
      return Reaction::refused;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS:
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
      return Reaction::misconfigured;
    default:
      return Reaction::unavailable;
  }
}

void raise(int error, const std::string& what) {
  const auto text = what + ": " + rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(error));
  if (reaction_to(error) == Reaction::misconfigured) throw Misconfigured(text);
  throw Unavailable(text);
}

void Trouble::say(Level level, const std::string& text) {
  const auto now = std::chrono::steady_clock::now();
  {
    const std::lock_guard lock(mutex_);
    if (text == last_said_ && now < said_at_ + kSameAgain) return;
    last_said_ = text;
    said_at_ = now;
  }
  context_.bulletin(level, text);
}

void Trouble::error(int code, const std::string& text) {
  if (reaction_to(code) == Reaction::misconfigured) {
    set_fatal(text);
  } else if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
    away(text);
  } else {
    if (code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__RESOLVE) {
      const std::lock_guard lock(mutex_);
      in_doubt_ = true;
    }
    context_.log(Level::info, text);
  }
  context_.wake();
}

void Trouble::away(const std::string& text) {
  bool news = false;
  {
    const std::lock_guard lock(mutex_);
    news = what_.empty();
    what_ = "no broker can be reached (" + text + ")";
  }
  if (news) say(Level::warning, what());
  context_.not_ready(what());
}

bool Trouble::in_doubt() const {
  const std::lock_guard lock(mutex_);
  return in_doubt_ || !what_.empty();
}

void Trouble::over() {
  bool news = false;
  {
    const std::lock_guard lock(mutex_);
    in_doubt_ = false;
    if (what_.empty() && !fresh_) return;
    news = !what_.empty();
    fresh_ = false;
    what_.clear();
    last_said_.clear();
  }
  if (news) context_.bulletin(Level::info, "the brokers can be reached again");
  context_.ready();
}

std::string Trouble::what() const {
  const std::lock_guard lock(mutex_);
  return what_;
}

std::string Trouble::fatal() const {
  const std::lock_guard lock(mutex_);
  return fatal_;
}

void Trouble::set_fatal(std::string why) {
  {
    const std::lock_guard lock(mutex_);
    if (!fatal_.empty()) return;
    fatal_ = std::move(why);
  }
  context_.wake();
}

Configuration::Configuration(const ConnectionSettings& settings, Trouble& trouble) : conf_(rd_kafka_conf_new()) {
  rd_kafka_conf_set_opaque(conf_.get(), &trouble);
  rd_kafka_conf_set_log_cb(conf_.get(), log);
  rd_kafka_conf_set_error_cb(conf_.get(), error);
  rd_kafka_conf_set_socket_cb(conf_.get(), open_socket);
  auto& context = trouble.context();
  set("bootstrap.servers", settings.brokers);
  set("client.id", settings.client_id.empty()
                       ? "weir-" + std::string(context.flow()) + "-" + std::string(context.name())
                       : settings.client_id);
  set("client.software.name", "weir");
  set("log.connection.close", "false");
  set("reconnect.backoff.max.ms", "5000");
  set("socket.connection.setup.timeout.ms", "10000");
  set("security.protocol", std::string(settings.sasl ? "SASL_" : "") + (settings.tls    ? "SSL"
                                                                        : settings.sasl ? "PLAINTEXT"
                                                                                        : "PLAINTEXT"));
  if (settings.tls) {
    if (!settings.tls->ca.empty()) set("ssl.ca.location", settings.tls->ca);
    if (!settings.tls->cert.empty()) set("ssl.certificate.location", settings.tls->cert);
    if (!settings.tls->key.empty()) set("ssl.key.location", settings.tls->key);
    if (!settings.tls->key_password.empty()) set("ssl.key.password", settings.tls->key_password);
    set("ssl.endpoint.identification.algorithm", settings.tls->verify ? "https" : "none");
    if (!settings.tls->verify) set("enable.ssl.certificate.verification", "false");
  }
  if (settings.sasl) {
    set("sasl.mechanism", settings.sasl->mechanism);
    set("sasl.username", settings.sasl->user);
    set("sasl.password", settings.sasl->password);
  }
}

void Configuration::set(const std::string& name, const std::string& value) {
  char text[512];
  if (rd_kafka_conf_set(conf_.get(), name.c_str(), value.c_str(), text, sizeof text) != RD_KAFKA_CONF_OK)
    throw Misconfigured(name + ": " + text);
}

void Configuration::set(const Options& options) {
  for (const auto& [name, value] : options) set(name, value);
}

Owned<rd_kafka_s> Configuration::make(Role role) && {
  char text[512];
  auto* client =
      rd_kafka_new(role == Role::consumer ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, conf_.get(), text, sizeof text);
  if (client == nullptr) throw Misconfigured(std::string("librdkafka refuses the settings: ") + text);
  static_cast<void>(conf_.release());  // it is the client's now
  return Owned<rd_kafka_s>(client);
}

}  // namespace weir::kafka
