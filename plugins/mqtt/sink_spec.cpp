// What MqttSink declares of itself.
#include "sink.h"

namespace weir::mqtt {
namespace {

Spec<SinkSettings> make_spec() {
  Spec<SinkSettings> spec("MqttSink", "Publishes FlowFiles to an MQTT broker.");
  spec.description(
      "Each FlowFile's content is published as one message. The FlowFile is held until the broker has acknowledged it "
      "(PUBACK at QoS 1, PUBCOMP at QoS 2), and published again if the connection is lost before: nothing is lost, and "
      "the broker may get a message twice. At QoS 0 nobody acknowledges: what is under way when the connection breaks "
      "is gone.\n\n"
      "Messages are published in the order of the input. A message that the broker refuses (MQTT 5), a topic that is "
      "none, and content beyond MQTT's 256 MiB go to `failure`. While the broker is away the input waits.");
  spec.example("url: mqtt://localhost:1883\ntopic: means/$(sensor_id)\nqos: 1\n");
  spec.property(
          "topic", &SinkSettings::topic,
          {.help = "The topic to publish to. $(SQL) is evaluated for each FlowFile, over its first record and its "
                   "attributes; what it gives is one level of the topic, never more.",
           .example = "means/$(sensor_id)",
           .required = true,
           .kind = Kind::templated,
           .encoding = Encoding::topic_level})
      .property("qos", &SinkSettings::qos,
                {.help = "Quality of service: 0 at most once, 1 at least once, 2 exactly once on each connection.",
                 .min = 0,
                 .max = 2})
      .property("retain", &SinkSettings::retain,
                {.help = "Whether the broker keeps the last message of each topic for later subscribers."})
      .property("max_inflight", &SinkSettings::max_inflight,
                {.help = "Most publications that are under way at once. By default 1000, at QoS 2 20: mosquitto takes "
                         "no more unless its max_inflight_messages says so.",
                 .example = "100",
                 .min = 1,
                 .max = 60000})
      .property("expiry", &SinkSettings::expiry,
                {.help = "MQTT 5: the broker drops a message that it could not deliver for this long.",
                 .example = "1h",
                 .min = 1e9})
      .property("content_type", &SinkSettings::content_type,
                {.help = "MQTT 5: the content type of the messages.", .example = "application/json"});
  add_connection_properties(spec);
  spec.relationship({"failure", "What cannot be published, or is refused by the broker."}).per_flowfile().blocking();
  return spec;
}

}  // namespace

const Spec<SinkSettings> sink_spec = make_spec();

}  // namespace weir::mqtt
