// What KafkaSink declares of itself.
#include "sink.h"

namespace weir::kafka {
namespace {

Spec<SinkSettings> make_spec() {
  using S = SinkSettings;
  Spec<S> spec("KafkaSink", "Sends records, or whole FlowFiles, as messages to topics of Kafka.");
  spec.description(
      "A FlowFile is held until the brokers have all of its messages. Messages of one partition arrive in the order of "
      "the input (idempotent producer, `acks: all`); only what is refused goes to `failure`: content that is too "
      "large, a record that makes no message, a partition that does not exist, a topic that the data named and that "
      "does not exist. A topic that the flow names and that is missing is waited for, and so are brokers.\n\n"
      "**At least once** is the default: when brokers die midway, or Weir does, what was not confirmed is sent "
      "again.\n\n"
      "**`delivery: exactly_once`** sends in transactions, one an epoch, each with how far this sink is, in the "
      "compacted topic `progress_topic`. After a crash, a consumer with `read_committed` finds every message once. The "
      "transactional id is made of the data directory's identity, the flow and the processor, so that an instance "
      "that was thought dead is shut out. Deleting or trimming the progress topic makes the next start forget what is "
      "there already.");
  spec.example("brokers: localhost:9092\ntopic: readings\nkey: sensor_id\n");
  spec.property("topic", static_cast<std::string S::*>(&S::topic),
                {.help = "The topic. $(SQL) is evaluated for each message.",
                 .example = "readings-$(kind)",
                 .required = true,
                 .kind = Kind::templated})
      .property("message", static_cast<std::string S::*>(&S::message),
                {.help = "`record`: a message for each record of a FlowFile. `flowfile`: one message with its content, "
                         "whatever it is; SQL then sees its first record, if it has one, and its attributes.",
                 .choices = {"record", "flowfile"}})
      .property("key", static_cast<std::string S::*>(&S::key),
                {.help = "The key: a field, or an SQL expression. Messages with the same key go to the same partition "
                         "and stay in order. NULL fails the record. By default there is none.",
                 .example = "sensor_id",
                 .kind = Kind::field})
      .property("partition", static_cast<std::string S::*>(&S::partition),
                {.help = "The partition's number: an SQL expression. By default, and where it is NULL, the key decides "
                         "as in Kafka's own clients (murmur2), and without a key chance does.",
                 .example = "line_nr % 6",
                 .kind = Kind::expression})
      .property("timestamp", static_cast<std::string S::*>(&S::timestamp),
                {.help = "The message's time: a field, or an SQL expression. By default when it is sent. One that is "
                         "further from "
                         "the brokers' own than the topic takes (Kafka 4: an hour ahead) sends the record to failure.",
                 .example = "timestamp",
                 .kind = Kind::field})
      .property("headers", static_cast<std::vector<std::pair<std::string, std::string>> S::*>(&S::headers),
                {.help = "Headers, with $(SQL) evaluated for each message.",
                 .example = "{source: plant-7, kind: $(kind)}",
                 .kind = Kind::templated})
      .property("header_attributes", static_cast<std::vector<std::string> S::*>(&S::header_attributes),
                {.help = "Attributes to send as headers, by name; with * at the end, all that begin so. Of those that "
                         "KafkaSource made of headers, kafka.header. is left out.",
                 .example = "[kafka.header.*, trace]"})
      .property("compression", &S::compression,
                {.help = "How batches are compressed.", .choices = {"lz4", "zstd", "snappy", "gzip", "none"}})
      .property(
          "acks", &S::acks,
          {.help = "Who has to have a message before it counts as sent: `all` replicas in sync, the leader (`1`), "
                   "or nobody (`0`). Only with `all` is the order kept when brokers fail.",
           .choices = {"all", "1", "0"}})
      .property("linger", &S::linger,
                {.help = "How long messages wait for others to share a batch with.", .min = 0, .max = 60e9})
      .property("max_inflight", &S::max_inflight,
                {.help = "Sent and not yet confirmed, at most; input waits beyond.", .unit = Unit::bytes, .min = 65536})
      .property(
          "progress_topic", &S::progress_topic,
          {.help =
               "With exactly once: the topic that keeps how far this sink is. Sinks and Weirs can share it. "
               "It is made if it is missing: one partition, cleanup.policy=compact, three replicas where there are so "
               "many brokers. One that is not compacted is refused."});
  add_connection_properties(spec);
  spec.relationship({"failure", "Records, or FlowFiles, that make no message or are refused by Kafka."})
      .reads("kafka.tombstone", "With `message: flowfile`: true and no content sends a message without a value.")
      .exactly_once()
      .blocking();
  return spec;
}

}  // namespace

const Spec<SinkSettings> sink_spec = make_spec();

}  // namespace weir::kafka
