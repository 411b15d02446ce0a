#include "api/lineage_poster.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cstdlib>
#include <future>
#include <stdexcept>
#include <utility>

#include "api/byte_stream.h"
#include "engine/log.h"

namespace weir::api {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

namespace {

constexpr std::string_view kPlain = "http://";
constexpr std::string_view kSecure = "https://";
constexpr auto kFirstRetry = std::chrono::seconds(1);
constexpr auto kLastRetry = std::chrono::seconds(60);
constexpr auto kLastWord = std::chrono::seconds(2);  ///< an end waits for no more of what waits
constexpr auto kLookUp = std::chrono::seconds(2);    ///< for addresses; the next try finds what came later

struct Target {
  std::string host, port, path;
  bool secure = false;
};

Target target_of(const std::string& url) {
  const auto fail = [&](const char* why) {
    return std::invalid_argument(
        fmt::format("OpenLineage: '{}' {}; expected http://HOST:PORT/PATH or https://, such as "
                    "http://localhost:5000/api/v1/lineage",
                    url, why));
  };
  Target target;
  target.secure = url.starts_with(kSecure);
  if (!target.secure && !url.starts_with(kPlain)) throw fail("is no http:// or https:// URL");
  const auto rest = url.substr((target.secure ? kSecure : kPlain).size());
  const auto slash = std::min(rest.find('/'), rest.size());
  auto authority = rest.substr(0, slash);
  if (const auto at = authority.rfind('@'); at != std::string::npos)  // it would stand in the log
    throw std::invalid_argument(fmt::format(
        "OpenLineage: the URL of {} has a user in it; OPENLINEAGE_API_KEY takes the key", authority.substr(at + 1)));
  target.path = slash == rest.size() ? "/api/v1/lineage" : rest.substr(slash);
  const auto colon = authority.rfind(':');
  const bool has_port = colon != std::string::npos && authority.find(']', colon) == std::string::npos;
  target.port = has_port ? authority.substr(colon + 1) : target.secure ? "443" : "80";
  target.host = authority.substr(0, has_port ? colon : authority.size());
  if (target.host.starts_with('[') && target.host.ends_with(']'))
    target.host = target.host.substr(1, target.host.size() - 2);
  if (target.host.empty() || target.port.empty()) throw fail("names no host");
  return target;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

}  // namespace

/// The system's resolver knows no deadline: it is asked on a thread that nobody waits for.
struct LineagePoster::LookUp {
  std::future<asio::ip::tcp::resolver::results_type> addresses;

  explicit LookUp(const Target& target) {
    std::packaged_task<asio::ip::tcp::resolver::results_type()> task([host = target.host, port = target.port] {
      asio::io_context context;
      boost::system::error_code error;
      auto found = asio::ip::tcp::resolver(context).resolve(host, port, error);
      if (error) throw std::runtime_error(error.message());
      return found;
    });
    addresses = task.get_future();
    std::thread(std::move(task)).detach();
  }
};

LineageOptions LineageOptions::from(const std::string& url) {
  LineageOptions options;
  options.url = url.empty() ? environment("OPENLINEAGE_URL") : url;
  if (options.url.empty()) return options;
  static_cast<void>(target_of(options.url));
  if (const auto name = environment("OPENLINEAGE_NAMESPACE"); !name.empty()) options.name_space = name;
  options.api_key = environment("OPENLINEAGE_API_KEY");
  options.authorities = environment("OPENLINEAGE_CA");
  if (const auto seconds = environment("OPENLINEAGE_INTERVAL"); !seconds.empty()) {
    const auto value = std::atoi(seconds.c_str());
    if (value < 1 || value > 86'400)
      throw std::invalid_argument("OPENLINEAGE_INTERVAL is a number of seconds, from 1 to 86400");
    options.interval = std::chrono::seconds(value);
  }
  return options;
}

LineagePoster::LineagePoster(const engine::Engine& engine, const Catalogue& catalogue, std::string version,
                             LineageOptions options)
    : engine_(engine), catalogue_(catalogue), version_(std::move(version)), options_(std::move(options)) {
  if (target_of(options_.url).secure) tls_ = tls::library().client(options_.authorities);
  thread_ = std::thread([this] { loop(); });
}

LineagePoster::~LineagePoster() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  awake_.notify_all();
  thread_.join();
  const auto fatal = engine_.fatal();
  tell(fatal.empty() ? "COMPLETE" : "FAIL", fatal);
  static_cast<void>(send_waiting(kLastWord, std::chrono::steady_clock::now() + kLastWord));
}

void LineagePoster::loop() {
  using Clock = std::chrono::steady_clock;
  tell("START", {});
  auto next_event = Clock::now() + options_.interval;
  auto next_try = Clock::now();
  auto pause = std::chrono::duration_cast<std::chrono::seconds>(kFirstRetry);
  std::unique_lock lock(mutex_);
  while (!over_) {
    lock.unlock();
    if (!waiting_.empty() && Clock::now() >= next_try) {
      if (send_waiting(std::chrono::seconds(10))) {
        pause = kFirstRetry;
      } else {
        next_try = Clock::now() + pause;
        pause = std::min(2 * pause, std::chrono::duration_cast<std::chrono::seconds>(kLastRetry));
      }
    }
    lock.lock();
    const auto until = waiting_.empty() ? next_event : std::min(next_event, next_try);
    if (awake_.wait_until(lock, until, [this] { return over_; })) return;
    if (Clock::now() < next_event) continue;
    next_event = Clock::now() + options_.interval;
    lock.unlock();
    tell("RUNNING", {});
    lock.lock();
  }
}

void LineagePoster::tell(const std::string& type, const std::string& why) {
  for (const auto& flow : catalogue_.flow_names()) {
    const auto event = catalogue_.lineage(flow, type, why, options_.name_space, version_);
    if (event) waiting_.push_back(boost::json::serialize(*event));
    if (waiting_.size() > kMostWaiting) waiting_.pop_front();
  }
}

bool LineagePoster::send_waiting(std::chrono::milliseconds patience, std::chrono::steady_clock::time_point until) {
  try {
    while (!waiting_.empty() && std::chrono::steady_clock::now() < until) {
      post(waiting_.front(), patience);
      waiting_.pop_front();
    }
    if (std::exchange(complained_, false))
      engine::log_line(abi::Level::info, nullptr, "OpenLineage: " + options_.url + " answers again");
    return true;
  } catch (const std::exception& error) {
    if (!std::exchange(complained_, true))
      engine::log_line(
          abi::Level::warning, nullptr,
          fmt::format("OpenLineage: {} ({}); events wait, at most {}", options_.url, error.what(), kMostWaiting));
    return false;
  }
}

void LineagePoster::post(const std::string& body, std::chrono::milliseconds patience) {
  const auto target = target_of(options_.url);
  if (!look_up_) look_up_ = std::make_unique<LookUp>(target);
  if (look_up_->addresses.wait_for(std::min<std::chrono::milliseconds>(patience, kLookUp)) != std::future_status::ready)
    throw std::runtime_error("the address of " + target.host + " is not known yet");
  const auto found = std::exchange(look_up_, nullptr)->addresses.get();
  asio::io_context context;
  ByteStream stream(context);
  boost::system::error_code error;
  // The deadline is of the whole exchange.
  const auto run = [&](const auto& start) {
    context.restart();
    start([&error](const boost::system::error_code& result) { error = result; });
    context.run();
    if (error) throw std::runtime_error(error.message());
  };
  stream.tcp().expires_after(patience);
  run([&](auto done) { stream.tcp().async_connect(found, [done](auto e, const auto&) { done(e); }); });
  if (tls_) {
    stream.encrypt(tls_->connect(target.host));
    try {
      run([&](auto done) { stream.async_handshake(done); });
    } catch (const std::exception& failure) {
      throw std::runtime_error("no TLS: " + (stream.problem().empty() ? failure.what() : stream.problem()));
    }
  }
  http::request<http::string_body> request(http::verb::post, target.path, 11);
  request.set(http::field::host, target.host + ":" + target.port);
  request.set(http::field::content_type, "application/json");
  if (!options_.api_key.empty()) request.set(http::field::authorization, "Bearer " + options_.api_key);
  request.keep_alive(false);
  request.body() = body;
  request.prepare_payload();
  run([&](auto done) { http::async_write(stream, request, [done](auto e, std::size_t) { done(e); }); });
  http::response_parser<http::string_body> parser;
  parser.body_limit(1 << 20);
  beast::flat_buffer buffer;
  run([&](auto done) { http::async_read(stream, buffer, parser, [done](auto e, std::size_t) { done(e); }); });
  const auto status = parser.get().result_int();
  // What the endpoint does not like it will not like later either.
  if (status >= 500 || status == 429) throw std::runtime_error(fmt::format("it answers {}", status));
  if (status >= 400)
    engine::log_line(abi::Level::warning, nullptr,
                     fmt::format("OpenLineage: {} refuses an event: {} {}", options_.url, status,
                                 parser.get().body().substr(0, 200)));
}

}  // namespace weir::api
