#include "message_attributes.h"

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <string>

namespace weir::kafka {

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80                   ? 1
                               : lead >= 0xc2 && lead < 0xe0 ? 2
                               : lead >= 0xe0 && lead < 0xf0 ? 3
                               : lead >= 0xf0 && lead < 0xf5 ? 4
                                                             : 0;
    if (length == 0 || i + length > text.size()) return false;
    for (std::size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0U) != 0x80U) return false;
    }
    // Overlong forms, surrogates, and beyond U+10FFFF.
    const auto second = length > 1 ? static_cast<unsigned char>(text[i + 1]) : 0U;
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) || (lead == 0xf0 && second < 0x90) ||
        (lead == 0xf4 && second > 0x8f))
      return false;
    i += length;
  }
  return true;
}

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    text += digits[static_cast<unsigned char>(byte) >> 4U];
    text += digits[static_cast<unsigned char>(byte) & 15U];
  }
  return text;
}

void set_attributes(Session& session, FlowFile file, const rd_kafka_message_s& message) {
  session.set(file, "kafka.topic", rd_kafka_topic_name(message.rkt));
  session.set(file, "kafka.partition", std::to_string(message.partition));
  session.set(file, "kafka.offset", std::to_string(message.offset));
  rd_kafka_timestamp_type_t type{};
  if (const auto timestamp = rd_kafka_message_timestamp(&message, &type); type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE)
    session.set(file, "kafka.timestamp", std::to_string(timestamp));
  if (message.key != nullptr) {
    const std::string_view key(static_cast<const char*>(message.key), message.key_len);
    is_utf8(key) ? session.set(file, "kafka.key", key) : session.set(file, "kafka.key.hex", to_hex(key));
  }
  if (message.payload == nullptr) session.set(file, kTombstone, "true");
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
       ++i) {
    const std::string_view text(static_cast<const char*>(value), value == nullptr ? 0 : size);
    const auto attribute = std::string(kHeaderPrefix) + name;
    is_utf8(text) ? session.set(file, attribute, text) : session.set(file, attribute + ".hex", to_hex(text));
  }
}

}  // namespace weir::kafka
