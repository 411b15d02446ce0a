// Whether a broker is there and lets this client in, as a client of another id that subscribes to nothing.

#include <unistd.h>

#include <condition_variable>
#include <mutex>

#include "client.h"
#include "sink.h"
#include "source.h"
#include "weir/check.h"

namespace weir::mqtt {
namespace {

constexpr auto kPatience = std::chrono::seconds(5);

struct Waiting final : Listener {
  std::mutex mutex;
  std::condition_variable news;
  int changes = 0;
  void changed() override {
    {
      const std::lock_guard lock(mutex);
      ++changes;
    }
    news.notify_all();
  }
};

std::string reach(const ConnectionSettings& settings) {
  check_files(settings);
  QuietContext context;
  Waiting waiting;
  Client::Options options;
  options.connection = settings;
  options.connection.will.reset();
  options.client_id = "weir-check-" + std::to_string(::getpid());
  options.clean = true;
  Client client(std::move(options), Context(&context), waiting);
  client.resume();
  std::unique_lock lock(waiting.mutex);
  waiting.news.wait_for(lock, kPatience, [&] { return waiting.changes > 0; });
  lock.unlock();
  if (client.up()) return parse_url(settings.url).display;
  if (const auto why = client.fatal(); !why.empty()) throw Misconfigured(why);
  throw Unavailable(client.trouble());
}

}  // namespace
}  // namespace weir::mqtt

WEIR_CHECKS(weir::check(weir::mqtt::source_spec, weir::mqtt::reach),
            weir::check(weir::mqtt::sink_spec, weir::mqtt::reach))
