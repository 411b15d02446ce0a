// HttpSource, HttpListen and HttpSink keep the promises of every source and sink.

#include <doctest/doctest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>
#include <thread>

#include "test_server.h"
#include "tests/servers/process.h"
#include "weir/conformance.h"

namespace {

namespace conformance = weir::conformance;
using weir::http::testing::Call;
using weir::http::testing::Reply;
using weir::http::testing::TestServer;

constexpr const char* kBasic = "Basic d2VpcjpzZWNyZXQ=";  // weir:secret

/// A web service that asks for a password, dies and comes back with what it had.
class Service : public conformance::Server, public conformance::Login {
 public:
  void stop_server() override { server_.reset(); }
  void start_server() override { server_.emplace(answer(), nullptr, port_); }
  std::string with_secret(const std::string& wrong) override { return processor_with(wrong); }

 protected:
  Service() { start_server(); }
  virtual std::string processor_with(const std::string& secret) = 0;
  virtual Reply reply(const Call& call) = 0;
  std::string connection(const std::string& secret) const {
    return "url: http://127.0.0.1:" + std::to_string(port_) + "/readings\nauth: {user: weir, password: " + secret +
           "}\nconnect_timeout: 1s\n";
  }
  std::mutex lock_;  ///< of what the service has

 private:
  TestServer::Handler answer() {
    return [this](const Call& call) {
      const auto login = call.headers.find("authorization");
      if (login == call.headers.end() || login->second != kBasic) return Reply{401, "who is there?", {}};
      const std::lock_guard lock(lock_);
      return reply(call);
    };
  }

  std::optional<TestServer> server_;
  const std::uint16_t port_ = weir::testing::free_port();
};

/// A growing list, page by page behind a cursor.
class Endpoint final : public conformance::Source, public Service {
 public:
  ~Endpoint() override { stop_server(); }
  std::string processor() override { return processor_with("secret"); }
  void publish(std::int64_t first, std::int64_t count) override {
    const std::lock_guard lock(lock_);
    have_ = first + count;
  }

 private:
  static constexpr std::int64_t kPage = 100;

  std::string processor_with(const std::string& secret) override {
    return "type: HttpSource\n" + connection(secret) +
           "schedule: {every: 50ms}\nitems: /items\n"
           "paging: {by: cursor, cursor: /next, parameter: since, keep: true}";
  }
  Reply reply(const Call& call) override {
    const auto at = call.target.find("since=");
    const std::int64_t since = at == std::string::npos ? 0 : std::stoll(call.target.substr(at + 6));
    const auto end = std::min(since + kPage, have_);
    std::string items;
    for (auto n = since; n < end; ++n) items += (n == since ? "" : ",") + conformance::record(n);
    return {200,
            "{\"items\":[" + items + "],\"next\":" + (end > since ? '"' + std::to_string(end) + '"' : "null") + "}",
            {}};
  }

  std::int64_t have_ = 0;
};

/// A service that counts a request once by its Idempotency-Key.
class Intake final : public conformance::Sink, public conformance::ExactlyOnce, public Service {
 public:
  ~Intake() override { stop_server(); }
  std::string processor() override { return processor_with("secret"); }
  std::vector<std::int64_t> arrived() override {
    const std::lock_guard lock(lock_);
    return numbers_;
  }

 private:
  std::string processor_with(const std::string& secret) override {
    return "type: HttpSink\n" + connection(secret) + "send: records\nbatch: 100\nformat: lines";
  }
  Reply reply(const Call& call) override {
    if (const auto key = call.headers.find("idempotency-key"); key != call.headers.end()) {
      if (!keys_.insert(key->second).second) return {200, "known", {}};
    }
    std::istringstream lines(call.body);
    for (std::string line; std::getline(lines, line);) numbers_.push_back(conformance::number_of(line));
    return {200, "taken", {}};
  }

  std::set<std::string> keys_;
  std::vector<std::int64_t> numbers_;
};

/// Somebody who posts until it is answered 200.
class Poster final : public conformance::Source {
 public:
  std::string processor() override {
    return "type: HttpListen\nlisten: 127.0.0.1:" + std::to_string(port_) + "\nmax_wait: 200ms";
  }
  void publish(std::int64_t first, std::int64_t count) override {
    for (auto n = first; n < first + count; n += kTogether) {
      std::string lines;
      for (auto i = n; i < std::min(n + kTogether, first + count); ++i) lines += conformance::record(i) + '\n';
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
      while (post(lines) != 200) {
        if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("no request is answered 200");
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    }
  }
  bool once() const override { return false; }  // an answer that was lost: it is posted again

 private:
  static constexpr std::int64_t kTogether = 100;

  /// The status of the answer; 0 without one.
  int post(const std::string& body) const {
    namespace beast = boost::beast;
    using boost::asio::ip::tcp;
    boost::asio::io_context context;
    tcp::socket socket(context);
    beast::error_code error;
    socket.connect({boost::asio::ip::make_address("127.0.0.1"), port_}, error);
    if (error) return 0;
    beast::http::request<beast::http::string_body> request(beast::http::verb::post, "/", 11, body);
    request.set(beast::http::field::host, "127.0.0.1");
    request.prepare_payload();
    beast::http::write(socket, request, error);
    beast::flat_buffer buffer;
    beast::http::response<beast::http::string_body> response;
    if (!error) beast::http::read(socket, buffer, response, error);
    return error ? 0 : response.result_int();
  }

  const std::uint16_t port_ = weir::testing::free_port();
};

WEIR_CONFORMANCE(Endpoint)
WEIR_CONFORMANCE(Intake)
WEIR_CONFORMANCE(Poster)

}  // namespace
