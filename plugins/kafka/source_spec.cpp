// What KafkaSource declares of itself.
#include "source.h"

namespace weir::kafka {
namespace {

Spec<SourceSettings> make_spec() {
  Spec<SourceSettings> spec("KafkaSource", "Reads messages from topics of Kafka, as a member of a consumer group.");
  spec.description(
      "**Nothing is lost, and over a crash nothing comes twice.** How far each partition was read is part of the "
      "durable epoch, together with what was read; it is committed to Kafka only afterwards. When a partition is "
      "assigned, reading goes on at the larger of the two: after a crash that is the epoch's, which is ahead of what "
      "was committed; when another member had the partition in between, it is the group's. If the group is behind an "
      "offset that Kafka had confirmed, somebody has reset it to have messages read again: that is obeyed, with a "
      "bulletin. Where neither is known, `start` decides.\n\n"
      "Several Weirs with the same `group` share the partitions by cooperative-sticky, so that what stays with one is "
      "not taken from it while they share out the rest; where librdkafka is older than 2.10 (Debian 12's and 13's are; "
      "docs/deploying.md) by `range`, which takes all of them away for a moment. Before one gives a partition up "
      "it waits, 2 s at most, until what it has read is durable and committed. If it dies instead, or the group takes "
      "the partition away from it, the next owner reads again what was not yet committed (once a second). After a "
      "crash the group "
      "waits for the dead member until its session is over (45 s); with `options: {group.instance.id: NAME}`, a name "
      "for each Weir, the restarted one gets its partitions back at once. Windows, Deduplicate and other state by key "
      "do not move with a partition: several Weirs share a flow that has windows by `scale_out: true` "
      "(docs/scaling-out.md), and one that has the others runs in one Weir.\n\n"
      "While what follows is slower, up to `buffer_max` is held and then the partitions are paused; the member stays "
      "in the group. A broker that is away is tried again for as long as it takes. Where an offset is not there any "
      "more (retention deleted it, or the topic was made anew), an error bulletin says what is missing, and reading "
      "goes on where the partition begins. A topic that was made anew and already has as many messages as were read "
      "of the old one looks like the old one: give it another name, or reset the group.\n\n"
      "With `--until-idle` it has finished when all its partitions were read to their ends.");
  spec.example("brokers: localhost:9092\ntopic: readings\ngroup: lake\n");
  spec.property("topic", &SourceSettings::topic, {.help = "The topic to read.", .example = "readings"})
      .property("topics", &SourceSettings::topics, {.help = "Several topics, instead of or beside `topic`."})
      .property("pattern", &SourceSettings::pattern,
                {.help = "A regular expression (POSIX, extended) that matches whole names of topics; new ones are "
                         "noticed within 30 s.",
                 .example = "sensors\\..*"})
      .property("group", &SourceSettings::group,
                {.help = "The consumer group. By default weir-<flow>-<processor>.", .example = "lake"})
      .property("start", &SourceSettings::start,
                {.help = "Where to begin in a partition that neither this flow nor the group has read: `earliest`, "
                         "`latest`, or the first message since a time.",
                 .example = "2024-02-29T12:00:00Z"})
      .property("isolation", &SourceSettings::isolation,
                {.help = "`read_committed`: of transactions only what was committed. `read_uncommitted`: everything.",
                 .choices = {"read_committed", "read_uncommitted"}})
      .property("emit", &SourceSettings::emit,
                {.help = "`each`: a FlowFile a message. `chunk`: the messages of a partition that came together as the "
                         "lines of one FlowFile (NDJSON), which costs less; it has no attributes of single messages. "
                         "A message that is empty or holds a line break still becomes a FlowFile of its own.",
                 .choices = {"each", "chunk"}})
      .property("chunk_size", &SourceSettings::chunk_size,
                {.help = "Bytes of lines in a chunk, at most (unless one message is longer).",
                 .unit = Unit::bytes,
                 .min = 4096,
                 .max = 8.0 * static_cast<double>(MiB)})
      .property("buffer_max", &SourceSettings::buffer_max,
                {.help = "Received and not yet in the flow: beyond this the partitions are paused. What is on its way "
                         "then comes on top: up to 8 MiB from each broker (librdkafka's option fetch.max.bytes).",
                 .unit = Unit::bytes,
                 .min = 4096});
  add_connection_properties(spec);
  spec.relationship({"success", "The messages."})
      .writes("kafka.topic", "The topic.")
      .writes("kafka.partition", "The partition.")
      .writes("kafka.offset", "The offset; of a chunk, that of its first message.")
      .writes("kafka.offset.last", "Of a chunk: the offset of its last message.")
      .writes("kafka.timestamp", "The message's timestamp, milliseconds since 1970. Not of a chunk.")
      .writes("kafka.key", "The key, where it is UTF-8; otherwise kafka.key.hex. Not of a chunk.")
      .writes("kafka.header.<name>",
              "A header, where it is UTF-8; otherwise with .hex at the end. Of several with "
              "one name, the last. Not of a chunk.")
      .writes("kafka.tombstone", "true if the message has no value (which deletes its key in a compacted topic).")
      .state("For each partition the offset to go on at, and the one that Kafka confirmed.")
      .source();
  return spec;
}

}  // namespace

const Spec<SourceSettings> source_spec = make_spec();

}  // namespace weir::kafka
