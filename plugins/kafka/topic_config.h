#pragma once
// What the brokers have set for a topic.
#include <map>
#include <string>

namespace weir::kafka {

class Producer;

/// All settings of the topic, by name. Nothing if they cannot be had: the brokers are away, or this client may not ask.
std::map<std::string, std::string> topic_config(Producer& producer, const std::string& topic);

}  // namespace weir::kafka
