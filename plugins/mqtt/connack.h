#pragma once
// What a broker's refusal to connect means.

namespace weir::mqtt {

/// Why trying again cannot mend what the broker answered in its CONNACK; null if it can, or if there was no answer
/// (MQTT 3.1.1, table 3.1; MQTT 5.0, section 3.2.2.2). The code is paho's: above 0 it is the broker's.
const char* lasting_refusal(int code, bool version_5);

}  // namespace weir::mqtt
