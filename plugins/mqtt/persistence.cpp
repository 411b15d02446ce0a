#include "persistence.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "properties.h"

namespace weir::mqtt {
namespace {

constexpr std::string_view kReceived = "r-";  // paho's MQTTPersistence.h
constexpr std::string_view kReceived5 = "r5-";

/// The packet id in the key of a received message; nothing for any other key (a command, a message that is sent).
std::optional<std::uint16_t> received_id(std::string_view key) {
  if (key.starts_with(kReceived5)) {
    key.remove_prefix(kReceived5.size());
  } else if (key.starts_with(kReceived)) {
    key.remove_prefix(kReceived.size());
  } else {
    return std::nullopt;
  }
  std::uint16_t id = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
  if (error != std::errc{} || end != key.data() + key.size()) return std::nullopt;
  return id;
}

/// paho frees what it is given with its own allocator.
char* copy_for_paho(std::string_view bytes) {
  auto* copy = static_cast<char*>(MQTTAsync_malloc(bytes.size()));
  if (copy != nullptr) std::memcpy(copy, bytes.data(), bytes.size());
  return copy;
}

}  // namespace

Persistence::Persistence(Inbox& inbox, bool version_5, std::function<void(const Message&)> received)
    : inbox_(inbox), version_5_(version_5), received_(std::move(received)) {
  functions_ = {this, open, close, put, get, remove, keys, clear, contains};
}

int Persistence::open(void** handle, const char*, const char*, void* context) {
  *handle = context;
  return 0;
}

int Persistence::close(void*) {
  return 0;
}

int Persistence::put(void* handle, char* key, int count, char** buffers, int* sizes) {
  auto& self = *static_cast<Persistence*>(handle);
  // The fixed header, and the rest of the packet: so paho hands over a PUBLISH that comes in. Subscriptions and other
  // commands need no keeping: they are repeated at every start.
  if (!received_id(key) || count != 2) return 0;
  Publish publish;
  if (!parse_publish({buffers[1], static_cast<std::size_t>(sizes[1])}, self.version_5_, &publish)) return 0;
  const auto flags = static_cast<unsigned char>(buffers[0][0]);
  self.received_({.topic = publish.topic,
                  .properties = publish.properties,
                  .payload = publish.payload,
                  .packet_id = publish.packet_id,
                  .qos = 2,
                  .retain = (flags & 0x01U) != 0,
                  .duplicate = (flags & 0x08U) != 0});
  return 0;
}

int Persistence::get(void* handle, char* key, char** buffer, int* size) {
  const auto& self = *static_cast<Persistence*>(handle);
  const auto id = received_id(key);
  if (!id) return MQTTCLIENT_PERSISTENCE_ERROR;
  // The message itself is in the inbox: a PUBLISH with the packet id is enough for paho to know the exchange.
  std::string packet = {'\x34', 0, 0, 1, '-', static_cast<char>(*id >> 8), static_cast<char>(*id & 0xff)};
  if (self.version_5_) packet.push_back(0);
  packet[1] = static_cast<char>(packet.size() - 2);
  *buffer = copy_for_paho(packet);
  *size = static_cast<int>(packet.size());
  return *buffer == nullptr ? MQTTCLIENT_PERSISTENCE_ERROR : 0;
}

int Persistence::remove(void* handle, char* key) {
  auto& self = *static_cast<Persistence*>(handle);
  const auto id = received_id(key);
  return !id || self.inbox_.release(*id) ? 0 : MQTTCLIENT_PERSISTENCE_ERROR;
}

int Persistence::keys(void* handle, char*** keys, int* count) {
  const auto& self = *static_cast<Persistence*>(handle);
  const auto ids = self.inbox_.open_exchanges();
  *keys = nullptr;
  *count = static_cast<int>(ids.size());
  if (ids.empty()) return 0;
  *keys = static_cast<char**>(MQTTAsync_malloc(ids.size() * sizeof(char*)));
  if (*keys == nullptr) return MQTTCLIENT_PERSISTENCE_ERROR;
  const auto prefix = std::string(self.version_5_ ? kReceived5 : kReceived);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto key = prefix + std::to_string(ids[i]);
    (*keys)[i] = copy_for_paho({key.c_str(), key.size() + 1});
  }
  return 0;
}

int Persistence::clear(void* handle) {
  auto& inbox = static_cast<Persistence*>(handle)->inbox_;
  const auto ids = inbox.open_exchanges();
  return std::ranges::all_of(ids, [&](auto id) { return inbox.release(id); }) ? 0 : MQTTCLIENT_PERSISTENCE_ERROR;
}

int Persistence::contains(void* handle, char* key) {
  const auto id = received_id(key);
  if (!id) return MQTTCLIENT_PERSISTENCE_ERROR;
  const auto ids = static_cast<Persistence*>(handle)->inbox_.open_exchanges();
  return std::ranges::find(ids, *id) != ids.end() ? 0 : MQTTCLIENT_PERSISTENCE_ERROR;
}

}  // namespace weir::mqtt
