// What HttpListen promises its clients.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <future>

#include "plugins/http/client.h"
#include "plugins/http/test_server.h"
#include "weir/errors.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

namespace {

using namespace std::chrono_literals;
using weir::http::Client;
using weir::http::Request;
using weir::http::Response;
using weir::http::testing::Certificates;
using weir::testkit::Output;
using weir::testkit::Runner;

struct Listener {
  Runner runner;
  explicit Listener(const std::string& properties = "", const std::string& listen = "127.0.0.1:0")
      : runner(weir::testkit::find_type(weir_plugin_abi_1(), "HttpListen"), "listen: '" + listen + "'\n" + properties) {
  }
  std::uint16_t port() const { return static_cast<std::uint16_t>(runner.metric("http_listen_port")); }
  std::string url(const std::string& path = "/") const { return "http://127.0.0.1:" + std::to_string(port()) + path; }
  /// Steps and cuts epochs until a request has its answer.
  Response answer(std::future<Response>& response) {
    runner.run_until([&] {
      runner.durable();
      return response.wait_for(0ms) == std::future_status::ready;
    });
    REQUIRE(response.wait_for(0ms) == std::future_status::ready);
    return response.get();
  }
};

std::future<Response> send(Client& client, Request request) {
  auto promise = std::make_shared<std::promise<Response>>();
  auto future = promise->get_future();
  client.submit(std::move(request), [promise](Response response) { promise->set_value(std::move(response)); });
  return future;
}

Request post(const std::string& url, const std::string& body, weir::http::Headers headers = {}) {
  return {.method = "POST", .url = url, .headers = std::move(headers), .body = body};
}

std::string gzip(const std::string& text) {
  z_stream z{};
  REQUIRE(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string packed(deflateBound(&z, text.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(packed.data());
  z.avail_out = static_cast<uInt>(packed.size());
  REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
  packed.resize(z.total_out);
  deflateEnd(&z);
  return packed;
}

/// A client that writes what it likes.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    const timeval patience{10, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~RawClient() { ::close(socket_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  void write(const std::string& text) { CHECK(::send(socket_, text.data(), text.size(), MSG_NOSIGNAL) > 0); }
  /// The next piece; empty when the server has hung up (or 10 s have passed).
  std::string read() {
    std::array<char, 4096> buffer;
    const auto size = ::recv(socket_, buffer.data(), buffer.size(), 0);
    return size <= 0 ? std::string() : std::string(buffer.data(), static_cast<std::size_t>(size));
  }
  std::string read_all() {
    std::string all;
    for (auto part = read(); !part.empty(); part = read()) all += part;
    return all;
  }

 private:
  int socket_;
};

}  // namespace

TEST_CASE("A body becomes a FlowFile with what came with it, and 200 waits for the epoch") {
  Listener listener("path: /in/*\nheaders: [X-Device]");
  Client client({});
  auto future =
      send(client, post(listener.url("/in/a%20b?q=1"), "hello",
                        {{"X-Device", "d7"}, {"Content-Type", "text/plain; charset=utf-8"}, {"X-Other", "no"}}));
  std::vector<Output> outputs;
  REQUIRE(listener.runner.run_until([&] {
    for (auto& output : listener.runner.take("success")) outputs.push_back(std::move(output));
    return !outputs.empty();
  }));
  CHECK(outputs[0].content == "hello");
  CHECK(outputs[0].attributes == weir::testkit::Attributes{{"http.method", "POST"},
                                                           {"http.path", "/in/a%20b"},
                                                           {"http.query", "q=1"},
                                                           {"http.remote", "127.0.0.1"},
                                                           {"http.header.x-device", "d7"},
                                                           {"mime.type", "text/plain"}});
  CHECK(listener.runner.events()[0].type == "RECEIVE");
  CHECK(future.wait_for(50ms) == std::future_status::timeout);
  listener.runner.durable();
  REQUIRE(future.wait_for(10s) == std::future_status::ready);
  CHECK(future.get().status == 200);
}

TEST_CASE("Many requests on many connections arrive whole, each once") {
  Listener listener("path: /*");
  Client client({});
  std::vector<std::future<Response>> futures;
  for (int i = 0; i < 200; ++i)
    futures.push_back(
        send(client, post(listener.url("/" + std::to_string(i)), std::string(static_cast<std::size_t>(i) * 100, 'x'))));
  for (auto& future : futures) CHECK(listener.answer(future).status == 200);
  auto outputs = listener.runner.take("success");
  CHECK(outputs.size() == 200);
  for (const auto& output : outputs)
    CHECK(output.content.size() ==
          static_cast<std::size_t>(std::stoi(output.attributes.at("http.path").substr(1))) * 100);
}

TEST_CASE("What is not taken here is refused, and says why") {
  Listener listener("path: /in\nmethods: [POST]\nmax_body: 1KiB\nmax_header: 1KiB\nauth: {user: me, password: 'p w'}");
  Client stranger({});
  auto future = send(stranger, post(listener.url("/in"), "x"));
  const auto unauthorized = listener.answer(future);
  CHECK(unauthorized.status == 401);
  CHECK(*unauthorized.header("www-authenticate") == "Basic realm=\"weir\"");
  Client wrong({.user = "me", .password = "p W"});
  future = send(wrong, post(listener.url("/in"), "x"));
  CHECK(listener.answer(future).status == 401);

  Client client({.user = "me", .password = "p w"});
  future = send(client, post(listener.url("/other"), "x"));
  CHECK(listener.answer(future).status == 404);
  future = send(client, {.method = "PUT", .url = listener.url("/in"), .body = "x"});
  const auto not_allowed = listener.answer(future);
  CHECK(not_allowed.status == 405);
  CHECK(*not_allowed.header("allow") == "POST");
  future = send(client, post(listener.url("/in"), std::string(1025, 'x')));
  const auto large = listener.answer(future);
  CHECK(large.status == 413);
  CHECK(large.body == "the body is too large\n");
  future = send(client, post(listener.url("/in"), "x", {{"X-Long", std::string(1100, 'h')}}));
  CHECK(listener.answer(future).status == 431);
  future = send(client, post(listener.url("/in"), "x", {{"Content-Encoding", "br"}}));
  CHECK(listener.answer(future).status == 415);
  future = send(client, post(listener.url("/in"), std::string(1024, 'x')));
  CHECK(listener.answer(future).status == 200);
  CHECK(listener.runner.take("success").size() == 1);
  CHECK(listener.runner.metric("http_refused_requests") == 7);
}

TEST_CASE("A bearer token lets in, whatever the case of the word Bearer") {
  Listener listener("auth: {bearer: s3cret}");
  Client client({.bearer = "s3cret"});
  auto future = send(client, post(listener.url(), "x"));
  CHECK(listener.answer(future).status == 200);
  Client plain({});
  future = send(plain, post(listener.url(), "x", {{"Authorization", "bEaReR s3cret"}}));
  CHECK(listener.answer(future).status == 200);
  future = send(plain, post(listener.url(), "x", {{"Authorization", "Bearer s3cres"}}));
  CHECK(listener.answer(future).status == 401);
}

TEST_CASE("Gzip is unpacked, up to max_body; what is none is refused") {
  Listener listener("max_body: 1MiB");
  Client client({});
  const std::string text(1 << 20, 'a');
  auto future = send(client, post(listener.url(), gzip(text), {{"Content-Encoding", "gzip"}}));
  CHECK(listener.answer(future).status == 200);
  CHECK(listener.runner.take("success").at(0).content == text);
  future = send(client, post(listener.url(), gzip("one ") + gzip("two"), {{"Content-Encoding", "GZIP"}}));
  CHECK(listener.answer(future).status == 200);
  CHECK(listener.runner.take("success").at(0).content == "one two");
  future = send(client, post(listener.url(), gzip(text + "a"), {{"Content-Encoding", "gzip"}}));
  CHECK(listener.answer(future).status == 413);
  future = send(client, post(listener.url(), "plain", {{"Content-Encoding", "gzip"}}));
  CHECK(listener.answer(future).status == 400);
  const auto whole = gzip("cut off");
  future = send(client, post(listener.url(), whole.substr(0, whole.size() - 5), {{"Content-Encoding", "gzip"}}));
  CHECK(listener.answer(future).status == 400);
  CHECK(listener.runner.take("success").empty());
}

TEST_CASE("When the flow is behind, clients get 429 with Retry-After, and lose nothing by it") {
  Listener listener("max_pending: 2\nmax_wait: 200ms");
  Client client({});
  std::vector<std::future<Response>> futures;
  for (int i = 0; i < 3; ++i) futures.push_back(send(client, post(listener.url(), std::to_string(i))));
  // Nothing polls: one finds no room, the others are not taken in time.
  for (auto& future : futures) {
    REQUIRE(future.wait_for(10s) == std::future_status::ready);
    const auto response = future.get();
    CHECK(response.status == 429);
    REQUIRE(response.header("retry-after") != nullptr);
  }
  listener.runner.run();
  CHECK(listener.runner.take("success").empty());  // what was refused is not taken after all
  auto again = send(client, post(listener.url(), "again"));
  CHECK(listener.answer(again).status == 200);
}

TEST_CASE("Bytes are bounded too: a body that finds no room is refused before it is sent") {
  Listener listener("max_pending_bytes: 1KiB\nmax_wait: 10s");
  Client client({});
  auto first = send(client, post(listener.url(), std::string(1000, 'x')));
  RawClient second(listener.port());
  CHECK(listener.runner.run_until([&] { return listener.runner.metric("http_pending_bytes") == 1000; }));
  second.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n");
  CHECK(second.read_all().starts_with("HTTP/1.1 429 "));
  CHECK(listener.answer(first).status == 200);
}

TEST_CASE("What gzip unpacks to has to find room too") {
  Listener listener("max_pending_bytes: 1MiB\nmax_wait: 10s");
  Client client({});
  const auto packed = gzip(std::string(600'000, 'a'));
  auto first = send(client, post(listener.url(), packed, {{"Content-Encoding", "gzip"}}));
  CHECK(listener.runner.run_until([&] { return listener.runner.metric("http_pending_bytes") == 600'000; }));
  auto second = send(client, post(listener.url(), packed, {{"Content-Encoding", "gzip"}}));
  REQUIRE(second.wait_for(10s) == std::future_status::ready);  // though nothing makes the first one durable
  CHECK(second.get().status == 429);
  CHECK(listener.answer(first).status == 200);
  CHECK(listener.runner.take("success").size() == 1);
  second = send(client, post(listener.url(), packed, {{"Content-Encoding", "gzip"}}));
  CHECK(listener.answer(second).status == 200);
}

TEST_CASE("Bodies that do not say how large they are take the room that they need") {
  Listener listener("max_body: 1MiB\nmax_pending_bytes: 1MiB\nmax_wait: 10s");
  const std::string begin = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(std::make_unique<RawClient>(listener.port()));
    clients.back()->write(begin + "3\r\nabc\r\n");
  }
  for (auto& client : clients) client->write("0\r\n\r\n");
  std::size_t taken = 0;
  REQUIRE(listener.runner.run_until([&] {
    taken += listener.runner.take("success").size();
    return taken == clients.size();
  }));
  listener.runner.durable();
  for (auto& client : clients) CHECK(client->read().starts_with("HTTP/1.1 200 "));
  // And not more than there is.
  const std::string half = "96000\r\n" + std::string(0x96000, 'x') + "\r\n";
  clients[0]->write(begin + half + "0\r\n\r\n");
  CHECK(listener.runner.run_until([&] { return listener.runner.metric("http_pending_bytes") == 0x96000; }));
  clients[1]->write(begin + half);
  CHECK(clients[1]->read().starts_with("HTTP/1.1 429 "));
}

TEST_CASE("A client that expects 100 Continue gets it, and may go on with the connection") {
  Listener listener;
  RawClient client(listener.port());
  for (int i = 0; i < 2; ++i) {
    client.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    CHECK(client.read() == "HTTP/1.1 100 Continue\r\n\r\n");
    client.write("abc");
    REQUIRE(listener.runner.run_until([&] { return !listener.runner.take("success").empty(); }));
    listener.runner.durable();
    CHECK(client.read().starts_with("HTTP/1.1 200 "));
  }
}

TEST_CASE("A chunked body is taken; what is no HTTP gets 400") {
  Listener listener;
  RawClient client(listener.port());
  client.write("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
  std::vector<Output> outputs;
  REQUIRE(listener.runner.run_until([&] { return !(outputs = listener.runner.take("success")).empty(); }));
  CHECK(outputs[0].content == "abc");
  RawClient garbage(listener.port());
  garbage.write("\x16\x03\x01 garbage\r\n\r\n");
  CHECK(garbage.read_all().starts_with("HTTP/1.1 400 "));
}

TEST_CASE("A slow client is hung up on, whether it dawdles with the header or the body, and frees its place") {
  Listener listener("timeout: 200ms\nmax_pending: 1");
  for (const std::string part : {"POST / HT", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"}) {
    RawClient slow(listener.port());
    slow.write(part);
    CHECK(slow.read_all().empty());
  }
  Client client({});
  auto future = send(client, post(listener.url(), "x"));
  CHECK(listener.answer(future).status == 200);
}

TEST_CASE("More than max_connections are answered 503") {
  Listener listener("max_connections: 1");
  RawClient first(listener.port());
  first.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  CHECK(first.read().starts_with("HTTP/1.1 100 "));
  RawClient second(listener.port());
  CHECK(second.read_all().starts_with("HTTP/1.1 503 "));
}

TEST_CASE("TLS with its own certificate; client certificates where they are asked for") {
  const Certificates certificates;
  const std::string tls = "tls: {cert: " + certificates.certificate() + ", key: " + certificates.key();
  Listener listener(tls + "}");
  const auto url = "https://localhost:" + std::to_string(listener.port()) + "/";
  Client client({.ca = certificates.ca()});
  auto future = send(client, post(url, "x"));
  CHECK(listener.answer(future).status == 200);
  Client distrustful({.ca = certificates.other_ca()});
  future = send(distrustful, post(url, "x"));
  CHECK(listener.answer(future).outcome == Response::Outcome::unreachable);

  Listener strict(tls + ", client_ca: " + certificates.ca() + "}");
  const auto strict_url = "https://localhost:" + std::to_string(strict.port()) + "/";
  future = send(client, post(strict_url, "x"));
  CHECK(strict.answer(future).outcome == Response::Outcome::unreachable);
  Client known({.ca = certificates.ca(), .cert = certificates.certificate(), .key = certificates.key()});
  future = send(known, post(strict_url, "x"));
  CHECK(strict.answer(future).status == 200);
}

TEST_CASE("Who still waits when it stops is told to send it again") {
  Client client({});
  std::future<Response> future;
  {
    Listener listener;
    future = send(client, post(listener.url(), "x"));
    REQUIRE(listener.runner.run_until([&] { return !listener.runner.take("success").empty(); }));
  }
  REQUIRE(future.wait_for(10s) == std::future_status::ready);
  CHECK(future.get().status == 503);
}

TEST_CASE("In batch mode it ends when no request has come for a while") {
  Listener listener("end_after_idle: 5s");
  listener.runner.run();
  CHECK_FALSE(listener.runner.finished());
  Client client({});
  auto future = send(client, post(listener.url(), "x"));
  CHECK(listener.answer(future).status == 200);
  listener.runner.advance(4s);
  CHECK_FALSE(listener.runner.finished());
  REQUIRE(listener.runner.run_until([&] {
    listener.runner.advance(6s);
    return listener.runner.finished();
  }));
}

TEST_CASE("Settings that cannot work are refused at the start") {
  const auto refused = [](const std::string& properties, const std::string& listen) {
    try {
      Listener listener(properties, listen);
    } catch (const std::exception& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  const auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  CHECK(has(refused("", "8088"), "is no HOST:PORT"));
  CHECK(has(refused("", "0.0.0.0:0"), "could put data into this flow"));
  CHECK(refused("auth: {bearer: x}", "0.0.0.0:0") == "accepted");
  CHECK(refused("allow_anonymous_network: true", "0.0.0.0:0") == "accepted");
  CHECK(has(refused("path: in", "127.0.0.1:0"), "does not begin with /"));
  CHECK(has(refused("tls: {cert: /nowhere, key: /nowhere}", "127.0.0.1:0"), "cannot read"));
  CHECK(has(refused("tls: {cert: /etc/hostname, key: /etc/hostname}", "127.0.0.1:0"), "cannot use the certificate"));
  Listener first;
  CHECK(has(refused("", "127.0.0.1:" + std::to_string(first.port())), "cannot listen on"));
}
