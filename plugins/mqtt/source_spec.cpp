// What MqttSource declares of itself.
#include "source.h"

namespace weir::mqtt {
namespace {

constexpr Relationship kSuccess{"success", "The messages."};

Spec<SourceSettings> make_spec() {
  Spec<SourceSettings> spec("MqttSource", "Receives messages from an MQTT broker.");
  spec.description(
      "Speaks MQTT 3.1.1 and 5, at QoS 0 to 2, over TCP, TLS and WebSockets. A topic filter may have the wildcards "
      "`+` and `#`, and may be a shared subscription (`$share/group/filter`), by which several Weirs share the "
      "messages.\n\n"
      "**Nothing acknowledged is lost.** A message is acknowledged to the broker only after it is in the *inbox*, "
      "files in the data directory that survive any death of the process, by `kill -9` too; with `durability: power` "
      "also a power cut, at the price of a disk sync a message. It leaves the inbox when a durable epoch has it. When "
      "the inbox holds `inbox_max` (because what follows is slower) the source disconnects, and the broker keeps the "
      "rest in the session, until half of it is drained. So the broker must be told to keep enough: mosquitto drops "
      "beyond 1,000 messages unless `max_queued_messages 0`. At QoS 0 the broker keeps nothing for a client that is "
      "away.\n\n"
      "At QoS 1 the broker may deliver twice what it has not seen acknowledged: use Deduplicate where that matters. At "
      "QoS 2 each message becomes one FlowFile, also over a crash of this process.\n\n"
      "A broker that is away is tried again for as long as it takes. One that refuses the user, the client id or the "
      "subscription stops the processor.\n\n"
      "An MQTT source never ends by itself; for batch runs, `end_after_idle` ends it.");
  spec.example("url: mqtt://localhost:1883\ntopic: sensors/+/readings\nqos: 1\n");
  spec.property("topic", &SourceSettings::topic,
                {.help = "The topic filter to subscribe to.", .example = "sensors/+/readings"})
      .property("topics", &SourceSettings::topics, {.help = "Several topic filters, instead of or beside `topic`."})
      .property("qos", &SourceSettings::qos,
                {.help = "Quality of service: 0 at most once, 1 at least once, 2 exactly once.", .min = 0, .max = 2})
      .property("session", &SourceSettings::session,
                {.help = "`persistent`: the broker keeps messages while this client is away. `clean`: it forgets the "
                         "client at once; what is published meanwhile is not received.",
                 .choices = {"persistent", "clean"}})
      .property("session_expiry", &SourceSettings::session_expiry,
                {.help = "MQTT 5: how long the broker keeps the session of a client that is away. By default for ever.",
                 .example = "7d",
                 .above = 0})
      .property("durability", &SourceSettings::durability,
                {.help = "What an acknowledged message survives: `process` (any death of the process) or `power` (a "
                         "power cut too; some thousand messages a second).",
                 .choices = {"process", "power"}})
      .property("inbox_max", &SourceSettings::inbox_max,
                {.help = "Received but not yet in a durable epoch: beyond this the source disconnects, and connects "
                         "again when half of it is drained.",
                 .unit = Unit::bytes,
                 .min = 4096})
      .property("max_message_size", &SourceSettings::max_message_size,
                {.help = "A message with a larger payload is acknowledged and dropped, with a bulletin (MQTT 5: the "
                         "broker is told not to send it). By default all are taken, up to MQTT's own 256 MiB.",
                 .example = "1MiB",
                 .unit = Unit::bytes,
                 .min = 1})
      .property("emit", &SourceSettings::emit,
                {.help = "`each`: a FlowFile a message. `batch`: the messages that came together as the lines of one "
                         "FlowFile (NDJSON), which costs less; it has no attributes of single messages. A message that "
                         "is empty or holds a line break still becomes a FlowFile of its own.",
                 .choices = {"each", "batch"}})
      .property("linger", &SourceSettings::linger,
                {.help = "While messages come, they are collected for this long before they are passed on together; "
                         "the first after a pause is passed on at once.",
                 .min = 0,
                 .max = 1e9})
      .property("end_after_idle", &SourceSettings::end_after_idle,
                {.help = "The source ends when it is connected and no message has come for this long: for batch runs "
                         "(--until-idle). By default it never ends.",
                 .example = "5s",
                 .above = 0});
  add_connection_properties(spec);
  spec.relationship(kSuccess)
      .writes("mqtt.topic", "The topic the message was published to.")
      .writes("mqtt.topic.1", "Its first level; mqtt.topic.2 the second, and so on.")
      .writes("mqtt.qos", "0, 1 or 2.")
      .writes("mqtt.retain", "true if it was kept by the broker from before the subscription.")
      .writes("mqtt.duplicate", "true if the broker delivers it again.")
      .writes("mqtt.content_type", "MQTT 5: the content type.")
      .writes("mqtt.payload_format", "MQTT 5: text (UTF-8) or binary.")
      .writes("mqtt.response_topic", "MQTT 5: where an answer is expected.")
      .writes("mqtt.correlation_data", "MQTT 5: the correlation data, in hexadecimal.")
      .writes("mqtt.expiry", "MQTT 5: seconds until the message expires.")
      .writes("mqtt.user.<name>", "MQTT 5: a user property; of several with one name, the last.")
      .state("How far the inbox has been passed on.")
      .source();
  return spec;
}

}  // namespace

const Spec<SourceSettings> source_spec = make_spec();

}  // namespace weir::mqtt
