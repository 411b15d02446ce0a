// floor_mqtt: the floor of W4. A subscriber on paho's asynchronous client, as Weir's MqttSource is, that only counts
// what arrives at QoS 1 on a persistent session, until it has --count messages or nothing has come for --idle seconds.
#include <MQTTAsync.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <thread>

#include "tests/bench/measure.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string url = "tcp://127.0.0.1:1883";
  std::string topic = "sensors/+/readings";
  std::string client_id = "floor-mqtt";
  std::uint64_t count = 1'000'000;
  double idle_seconds = 10;
};

/// Written by paho's network thread, read by main.
struct Arrivals {
  std::atomic<std::uint64_t> messages = 0;
  std::atomic<std::uint64_t> bytes = 0;
  std::atomic<Clock::rep> first = 0;
  std::atomic<Clock::rep> last = 0;
};

/// How the last connect or subscribe ended; paho calls back on its own thread.
struct Outcome {
  std::binary_semaphore done{0};
  int code = 0;

  void await(const char* what) {
    done.acquire();
    if (code != 0) throw std::runtime_error(std::string(what) + " failed, paho says " + std::to_string(code));
  }
};

struct Destroy {
  void operator()(void* client) const { MQTTAsync_destroy(&client); }
};
using Client = std::unique_ptr<void, Destroy>;

void check(int code, const char* what) {
  if (code != MQTTASYNC_SUCCESS) throw std::runtime_error(std::string(what) + ": " + MQTTAsync_strerror(code));
}

int on_message(void* context, char* topic, int, MQTTAsync_message* message) {
  auto& arrivals = *static_cast<Arrivals*>(context);
  const auto now = Clock::now().time_since_epoch().count();
  if (arrivals.messages.load(std::memory_order_relaxed) == 0) arrivals.first = now;
  arrivals.last.store(now, std::memory_order_relaxed);
  arrivals.bytes.fetch_add(static_cast<std::uint64_t>(message->payloadlen), std::memory_order_relaxed);
  arrivals.messages.fetch_add(1, std::memory_order_release);
  MQTTAsync_freeMessage(&message);
  MQTTAsync_free(topic);
  return 1;
}

void on_success(void* context, MQTTAsync_successData*) {
  static_cast<Outcome*>(context)->done.release();
}

void on_failure(void* context, MQTTAsync_failureData* data) {
  auto& outcome = *static_cast<Outcome*>(context);
  outcome.code = data ? data->code : MQTTASYNC_FAILURE;
  outcome.done.release();
}

Client make_client(const Options& options, Arrivals& arrivals) {
  MQTTAsync handle = nullptr;
  check(MQTTAsync_create(&handle, options.url.c_str(), options.client_id.c_str(), MQTTCLIENT_PERSISTENCE_NONE, nullptr),
        "create");
  Client client(handle);
  check(MQTTAsync_setCallbacks(handle, &arrivals, nullptr, on_message, nullptr), "set callbacks");
  return client;
}

void subscribe(MQTTAsync client, const Options& options) {
  Outcome connected;
  MQTTAsync_connectOptions connect = MQTTAsync_connectOptions_initializer;
  connect.cleansession = 0;
  connect.onSuccess = on_success;
  connect.onFailure = on_failure;
  connect.context = &connected;
  check(MQTTAsync_connect(client, &connect), "connect");
  connected.await("connect");

  Outcome subscribed;
  MQTTAsync_responseOptions respond = MQTTAsync_responseOptions_initializer;
  respond.onSuccess = on_success;
  respond.onFailure = on_failure;
  respond.context = &subscribed;
  check(MQTTAsync_subscribe(client, options.topic.c_str(), 1, &respond), "subscribe");
  subscribed.await("subscribe");
}

/// Waits for the last message, or until none has come for a while.
void await_messages(const Options& options, const Arrivals& arrivals) {
  std::uint64_t seen = 0;
  auto changed = Clock::now();
  while (seen < options.count) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const auto messages = arrivals.messages.load(std::memory_order_acquire);
    if (messages != seen) changed = Clock::now();
    seen = messages;
    if (std::chrono::duration<double>(Clock::now() - changed).count() > options.idle_seconds) break;
  }
}

void disconnect(MQTTAsync client) {
  Outcome gone;
  MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer;
  options.onSuccess = on_success;
  options.onFailure = on_failure;
  options.context = &gone;
  check(MQTTAsync_disconnect(client, &options), "disconnect");
  gone.await("disconnect");
}

}  // namespace

int main(int argc, char** argv) try {
  Options options;
  CLI::App app{"Counts the messages of an MQTT subscription at QoS 1."};
  app.add_option("--url", options.url)->capture_default_str();
  app.add_option("--topic", options.topic)->capture_default_str();
  app.add_option("--client-id", options.client_id)->capture_default_str();
  app.add_option("--count", options.count, "Messages to wait for")->capture_default_str();
  app.add_option("--idle", options.idle_seconds, "Seconds without a message after which to give up")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  Arrivals arrivals;
  const auto client = make_client(options, arrivals);
  subscribe(client.get(), options);
  const weir::bench::Measurement measurement;
  await_messages(options, arrivals);
  const auto cpu = measurement.cpu_seconds();
  disconnect(client.get());

  const auto messages = arrivals.messages.load();
  const std::chrono::duration<double> wall = Clock::duration(arrivals.last - arrivals.first);
  std::printf(R"({"name":"mqtt","count":%llu,"bytes":%llu,"wall_s":%.4f,"cpu_s":%.4f,"rate":%.0f,"peak_rss_kib":%lld})"
              "\n",
              static_cast<unsigned long long>(messages), static_cast<unsigned long long>(arrivals.bytes.load()),
              wall.count(), cpu, messages > 1 ? static_cast<double>(messages) / wall.count() : 0,
              static_cast<long long>(weir::bench::peak_rss_kib()));
  return messages == options.count ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << "floor_mqtt: " << error.what() << '\n';
  return 1;
}
