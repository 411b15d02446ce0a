#pragma once
// What paho asks to have kept for messages at QoS 2, kept in the inbox.
//
// At MQTT 3.1.1 paho acknowledges a QoS 2 message (PUBREC) before the application sees it (which is at PUBREL), and
// at any version it forgets, over a restart, what it has acknowledged. But before it acknowledges, it hands the packet
// to the client's persistence. So the message is taken from there: put() appends it to the inbox, once for each open
// exchange, and the later callback is ignored. remove(), which comes with PUBREL, or when the broker has lost the
// session, ends the exchange. After a restart paho is told of the exchanges that are open, so that it completes them.
//
// paho does not heed an error from put(): it acknowledges all the same. Who cannot store has to cut the connection.
#include <MQTTAsync.h>
#include <MQTTClientPersistence.h>

#include <functional>

#include "inbox.h"

namespace weir::mqtt {

class Persistence {
 public:
  /// `received` stores a message at QoS 2 (Inbox::append_once, and what to do when there is no room). Called on
  /// paho's thread.
  Persistence(Inbox& inbox, bool version_5, std::function<void(const Message&)> received);
  Persistence(const Persistence&) = delete;
  Persistence& operator=(const Persistence&) = delete;
  /// For MQTTAsync_create; has to outlive the client.
  MQTTClient_persistence* functions() { return &functions_; }

 private:
  static int open(void** handle, const char* client, const char* server, void* context);
  static int close(void* handle);
  static int put(void* handle, char* key, int count, char** buffers, int* sizes);
  static int get(void* handle, char* key, char** buffer, int* size);
  static int remove(void* handle, char* key);
  static int keys(void* handle, char*** keys, int* count);
  static int clear(void* handle);
  static int contains(void* handle, char* key);

  Inbox& inbox_;
  const bool version_5_;
  std::function<void(const Message&)> received_;
  MQTTClient_persistence functions_{};
};

}  // namespace weir::mqtt
