#include "producer.h"

#include <librdkafka/rdkafka.h>

#include "weir/errors.h"

namespace weir::kafka {
namespace {

constexpr auto kLook = std::chrono::seconds(2);
constexpr int kLookFor = 500;  ///< milliseconds
constexpr int kAbandon = 100;  ///< milliseconds

}  // namespace

struct Producer::Callbacks {
  static void delivered(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
    auto& self = *static_cast<Producer*>(static_cast<Trouble*>(opaque));
    if (self.closing_) return;
    --self.in_flight_;
    self.bytes_ -= message->len + message->key_len;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) self.over();
    self.report_(reinterpret_cast<std::uintptr_t>(message->_private), message->err, rd_kafka_topic_name(message->rkt));
  }
  /// From librdkafka's thread: there is something to poll.
  static void ready(rd_kafka_t*, void* opaque) { static_cast<Producer*>(opaque)->context().wake(); }
};

Producer::Producer(const ProducerSettings& settings, Context context, Report report)
    : Trouble(context), report_(std::move(report)) {
  Configuration configuration(settings.connection, *this);
  configuration.set("enable.idempotence", settings.acks == "all" ? "true" : "false");
  configuration.set("acks", settings.acks);
  configuration.set("compression.codec", settings.compression);
  configuration.set("linger.ms", std::to_string(settings.linger.count()));
  // The sink holds what is not delivered, and bounds it; librdkafka tries for as long as it takes, so that nothing is
  // sent again out of order.
  configuration.set("message.timeout.ms", "0");
  configuration.set("queue.buffering.max.messages", "1000000");
  configuration.set("topic.metadata.propagation.max.ms", "5000");
  configuration.set("partitioner", "murmur2_random");  // as Kafka's own clients
  if (!settings.transactional_id.empty()) configuration.set("transactional.id", settings.transactional_id);
  configuration.set(settings.connection.options);
  if (settings.one_by_one) configuration.set("batch.num.messages", "1");
  // Nothing overtakes a batch that was refused and whose messages are sent again.
  const bool plain = settings.transactional_id.empty() && settings.acks == "all";
  if (plain && !settings.one_by_one) configuration.set("enable.gapless.guarantee", "true");
  rd_kafka_conf_set_dr_msg_cb(configuration.get(), Callbacks::delivered);
  client_ = std::move(configuration).make(Role::producer);
  const Owned<rd_kafka_queue_s> queue(rd_kafka_queue_get_main(client_.get()));
  rd_kafka_queue_cb_event_enable(queue.get(), Callbacks::ready, this);
}

Producer::~Producer() {
  closing_ = true;
  const Owned<rd_kafka_queue_s> queue(rd_kafka_queue_get_main(client_.get()));
  rd_kafka_queue_cb_event_enable(queue.get(), nullptr, nullptr);
  // A client that is destroyed while it has partitions to add to a transaction may abort the whole process: the request
  // fails before librdkafka has counted it (txn_req_cnt > 0 in rdkafka_txnmgr.c, in 2.0 as in 2.15). To abort the
  // transaction forgets them first; whether it ends in time does not matter, as whoever takes its id next ends it.
  if (in_transaction_) const Owned<rd_kafka_error_s> ignored(rd_kafka_abort_transaction(client_.get(), kAbandon));
  rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

int Producer::produce(const Outgoing& message) {
  std::vector<rd_kafka_vu_t> parts;
  const auto add = [&](rd_kafka_vtype_t type) -> rd_kafka_vu_t& {
    auto& part = parts.emplace_back();
    part.vtype = type;
    return part;
  };
  const auto bytes = [](std::string_view text) { return const_cast<char*>(text.data() == nullptr ? "" : text.data()); };
  const std::string topic(message.topic);
  add(RD_KAFKA_VTYPE_TOPIC).u.cstr = topic.c_str();
  if (message.value) add(RD_KAFKA_VTYPE_VALUE).u.mem = {bytes(*message.value), message.value->size()};
  if (message.key) add(RD_KAFKA_VTYPE_KEY).u.mem = {bytes(*message.key), message.key->size()};
  if (message.partition) add(RD_KAFKA_VTYPE_PARTITION).u.i32 = *message.partition;
  if (message.timestamp) add(RD_KAFKA_VTYPE_TIMESTAMP).u.i64 = *message.timestamp;
  add(RD_KAFKA_VTYPE_MSGFLAGS).u.i = RD_KAFKA_MSG_F_COPY;
  add(RD_KAFKA_VTYPE_OPAQUE).u.ptr = reinterpret_cast<void*>(static_cast<std::uintptr_t>(message.tag));
  for (const auto& [name, value] : message.headers)
    add(RD_KAFKA_VTYPE_HEADER).u.header = {name.c_str(), value.data(), static_cast<ssize_t>(value.size())};
  const Owned<rd_kafka_error_s> error(rd_kafka_produceva(client_.get(), parts.data(), parts.size()));
  if (error) return rd_kafka_error_code(error.get());
  ++in_flight_;
  bytes_ += (message.value ? message.value->size() : 0) + (message.key ? message.key->size() : 0);
  return 0;
}

void Producer::poll(std::chrono::milliseconds wait) {
  rd_kafka_poll(client_.get(), static_cast<int>(wait.count()));
}

void Producer::flush(std::chrono::milliseconds wait) {
  rd_kafka_flush(client_.get(), static_cast<int>(wait.count()));
}

bool Producer::look_for_brokers() {
  poll();
  if (!in_doubt()) return false;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_look_) return true;
  const rd_kafka_metadata_t* metadata = nullptr;
  const auto error = rd_kafka_metadata(client_.get(), 0, nullptr, &metadata, kLookFor);
  next_look_ = std::chrono::steady_clock::now() + kLook;
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    away(rd_kafka_err2str(error));
    return true;
  }
  rd_kafka_metadata_destroy(metadata);
  over();
  return false;
}

std::string Producer::broken() const {
  if (!broken_.empty()) return broken_;
  char text[512];
  return rd_kafka_fatal_error(client_.get(), text, sizeof text) == RD_KAFKA_RESP_ERR_NO_ERROR ? std::string() : text;
}

void Producer::check(rd_kafka_error_s* raw, const char* what) {
  if (raw == nullptr) return;
  const Owned<rd_kafka_error_s> error(raw);
  const int code = rd_kafka_error_code(error.get());
  const auto text = std::string(what) + ": " + rd_kafka_error_string(error.get());
  if (reaction_to(code) == Reaction::misconfigured) throw Misconfigured(text);
  if (rd_kafka_error_is_fatal(error.get()) != 0 || rd_kafka_error_txn_requires_abort(error.get()) != 0 ||
      rd_kafka_error_is_retriable(error.get()) == 0)
    broken_ = text;
  throw Unavailable(text);
}

void Producer::init_transactions(std::chrono::milliseconds wait) {
  check(rd_kafka_init_transactions(client_.get(), static_cast<int>(wait.count())),
        "joining as a transactional producer");
}

void Producer::begin() {
  check(rd_kafka_begin_transaction(client_.get()), "beginning a transaction");
  in_transaction_ = true;
}

void Producer::commit(std::chrono::milliseconds wait) {
  check(rd_kafka_commit_transaction(client_.get(), static_cast<int>(wait.count())), "committing the transaction");
  in_transaction_ = false;
}

bool Producer::abort(std::chrono::milliseconds wait) {
  if (!broken().empty()) return false;
  const Owned<rd_kafka_error_s> error(rd_kafka_abort_transaction(client_.get(), static_cast<int>(wait.count())));
  if (error) return false;
  in_transaction_ = false;
  return in_flight_ == 0;
}

}  // namespace weir::kafka
