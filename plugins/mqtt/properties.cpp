#include "properties.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace weir::mqtt {
namespace {

/// Reads big-endian fields off the front of a view; good() turns false when it runs short.
class Reader {
 public:
  explicit Reader(std::string_view data) : data_(data) {}
  bool good() const { return good_; }
  bool at_end() const { return data_.empty(); }
  std::string_view rest() const { return data_; }
  std::string_view take(std::size_t size) {
    if (size > data_.size()) good_ = false;
    const auto taken = data_.substr(0, good_ ? size : 0);
    data_.remove_prefix(taken.size());
    return taken;
  }
  std::uint32_t integer(std::size_t bytes) {
    std::uint32_t value = 0;
    for (const char byte : take(bytes)) value = value << 8 | static_cast<unsigned char>(byte);
    return value;
  }
  std::string_view text() { return take(integer(2)); }
  std::uint32_t variable() {
    std::uint32_t value = 0;
    for (unsigned shift = 0; shift < 28; shift += 7) {
      const auto byte = integer(1);
      value |= (byte & 0x7fU) << shift;
      if ((byte & 0x80U) == 0) return value;
    }
    good_ = false;
    return value;
  }

 private:
  std::string_view data_;
  bool good_ = true;
};

void put_integer(std::string& wire, std::uint32_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) wire.push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

void put_text(std::string& wire, const MQTTLenString& text) {
  const auto size = std::clamp(text.len, 0, 0xffff);
  put_integer(wire, static_cast<std::uint32_t>(size), 2);
  if (size > 0) wire.append(text.data, static_cast<std::size_t>(size));
}

std::string hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    text.push_back(digits[static_cast<unsigned char>(byte) >> 4]);
    text.push_back(digits[static_cast<unsigned char>(byte) & 15]);
  }
  return text;
}

}  // namespace

void append_properties(const MQTTProperties& properties, std::string& wire) {
  for (int i = 0; i < properties.count; ++i) {
    const auto& property = properties.array[i];
    const auto id = static_cast<char>(property.identifier);
    switch (property.identifier) {
      case MQTTPROPERTY_CODE_PAYLOAD_FORMAT_INDICATOR:
        wire.push_back(id);
        wire.push_back(static_cast<char>(property.value.byte));
        break;
      case MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL:
        wire.push_back(id);
        put_integer(wire, property.value.integer4, 4);
        break;
      case MQTTPROPERTY_CODE_CONTENT_TYPE:
      case MQTTPROPERTY_CODE_RESPONSE_TOPIC:
      case MQTTPROPERTY_CODE_CORRELATION_DATA:
        wire.push_back(id);
        put_text(wire, property.value.data);
        break;
      case MQTTPROPERTY_CODE_USER_PROPERTY:
        wire.push_back(id);
        put_text(wire, property.value.data);
        put_text(wire, property.value.value);
        break;
      default:
        break;
    }
  }
}

void visit_properties(std::string_view wire, const std::function<void(std::string_view, std::string_view)>& visit) {
  Reader reader(wire);
  while (!reader.at_end()) {
    const auto id = reader.variable();
    std::string_view name;
    std::string value;
    std::string user;
    switch (id) {
      case MQTTPROPERTY_CODE_PAYLOAD_FORMAT_INDICATOR:
        name = "mqtt.payload_format";
        value = reader.integer(1) == 1 ? "text" : "binary";
        break;
      case MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL:
        name = "mqtt.expiry";
        value = std::to_string(reader.integer(4));
        break;
      case MQTTPROPERTY_CODE_CONTENT_TYPE:
        name = "mqtt.content_type";
        value = reader.text();
        break;
      case MQTTPROPERTY_CODE_RESPONSE_TOPIC:
        name = "mqtt.response_topic";
        value = reader.text();
        break;
      case MQTTPROPERTY_CODE_CORRELATION_DATA:
        name = "mqtt.correlation_data";
        value = hex(reader.text());
        break;
      case MQTTPROPERTY_CODE_USER_PROPERTY:
        user = "mqtt.user." + std::string(reader.text());
        name = user;
        value = reader.text();
        break;
      case MQTTPROPERTY_CODE_SUBSCRIPTION_IDENTIFIER:
        reader.variable();
        break;
      case MQTTPROPERTY_CODE_TOPIC_ALIAS:
        reader.integer(2);
        break;
      default:
        return;
    }
    if (!reader.good()) return;
    if (!name.empty()) visit(name, value);
  }
}

bool parse_publish(std::string_view body, bool version_5, Publish* publish) {
  Reader reader(body);
  publish->topic = reader.text();
  publish->packet_id = static_cast<std::uint16_t>(reader.integer(2));
  publish->properties = version_5 ? reader.take(reader.variable()) : std::string_view();
  publish->payload = reader.rest();
  return reader.good();
}

}  // namespace weir::mqtt
