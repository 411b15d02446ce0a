#pragma once
// MQTT 5 properties of a PUBLISH, in their wire format (MQTT 5.0, section 2.2.2.2): kept so in the inbox, since
// reading them can wait until the message is delivered.
#include <MQTTAsync.h>

#include <functional>
#include <string>
#include <string_view>

namespace weir::mqtt {

/// Appends the wire format of those that belong to the message (not to its transport), without the total length.
void append_properties(const MQTTProperties& properties, std::string& wire);

/// Calls visit(attribute, value) for each property that becomes an attribute: mqtt.content_type, mqtt.user.<name>, …
/// Stops at what is malformed.
void visit_properties(std::string_view wire, const std::function<void(std::string_view, std::string_view)>& visit);

/// What a PUBLISH packet holds after its fixed header.
struct Publish {
  std::string_view topic;
  std::string_view properties;
  std::string_view payload;
  std::uint16_t packet_id = 0;
};

/// Reads a PUBLISH at QoS 1 or 2. False if it is malformed.
bool parse_publish(std::string_view body, bool version_5, Publish* publish);

}  // namespace weir::mqtt
