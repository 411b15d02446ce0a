// The HTTP server, seen from raw sockets: what the protocol asks, and that no client can hold it up.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <list>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "api/server.h"

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using weir::api::Options;
using weir::api::Request;
using weir::api::Response;
using weir::api::Server;

constexpr auto kPatience = milliseconds(20'000);

Response echo(const Request& request) {
  if (request.path == "/throws") throw std::runtime_error("it broke");
  if (request.path == "/large") return {200, {}, std::string(32 << 20, 'x'), {}};
  return {200, {}, request.method + " " + request.path + "\n", {}};
}

Options any_port() {
  Options options;
  options.listen.port = 0;
  return options;
}

class Client {
 public:
  explicit Client(const Server& server) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server.port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// False if the server has hung up.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  /// Reads until `text` has come, or the server hangs up; returns all that has come so far.
  std::string read_until(std::string_view text) {
    while (read_.find(text) == std::string::npos && read_some(kPatience)) {
    }
    return read_;
  }
  /// Reads until the server hangs up.
  std::string read_all() { return read_until({"\0never\0", 7}); }
  bool closed_within(milliseconds limit) {
    const auto until = steady_clock::now() + limit;
    while (true) {
      const auto left = std::chrono::duration_cast<milliseconds>(until - steady_clock::now());
      if (left <= milliseconds::zero()) return false;
      if (!read_some(left)) return ended_;
    }
  }

 private:
  bool read_some(milliseconds limit) {
    pollfd ready{fd_, POLLIN, 0};
    if (::poll(&ready, 1, static_cast<int>(limit.count())) <= 0) return false;
    char buffer[65536];
    const auto size = ::recv(fd_, buffer, sizeof buffer, 0);
    ended_ = size <= 0;
    if (!ended_) read_.append(buffer, static_cast<std::size_t>(size));
    return !ended_;
  }

  int fd_;
  std::string read_;
  bool ended_ = false;
};

std::string ask(const Server& server, std::string_view request) {
  Client client(server);
  client.send(request);
  return client.read_all();
}

std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

std::string status_of(std::string_view reply) {
  return std::string(reply.substr(0, reply.find("\r\n")));
}

}  // namespace

TEST_CASE("it answers at its URL, and says how long the answer is") {
  Server server(echo, any_port());
  CHECK(server.url() == "http://127.0.0.1:" + std::to_string(server.port()));
  const auto reply = ask(server, "GET /a?b=c HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  CHECK(status_of(reply) == "HTTP/1.1 200 OK");
  CHECK(reply.find("Content-Length: 7\r\n") != std::string::npos);
  CHECK(reply.ends_with("\r\n\r\nGET /a\n"));
}

TEST_CASE("an HTTP/1.0 client gets its answer and is hung up on; it needs no Host header") {
  Server server(echo, any_port());
  const auto reply = ask(server, "GET / HTTP/1.0\r\n\r\n");
  CHECK(status_of(reply) == "HTTP/1.0 200 OK");
  CHECK(reply.ends_with("GET /\n"));
}

TEST_CASE("pipelined requests are answered in order, on one connection") {
  Server server(echo, any_port());
  Client client(server);
  std::string requests;
  for (int i = 0; i < 50; ++i) requests += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  client.send(requests);
  const auto replies = client.read_until("GET /49\n");
  CHECK(count_of(replies, "HTTP/1.1 200 OK") == 50);
  std::size_t last = 0;
  for (int i = 0; i < 50; ++i) {
    const auto at = replies.find("GET /" + std::to_string(i) + "\n");
    REQUIRE(at != std::string::npos);
    CHECK(at >= last);
    last = at;
  }
}

TEST_CASE("a request that comes byte by byte is put together") {
  Server server(echo, any_port());
  Client client(server);
  for (const char c : std::string_view("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")) client.send({&c, 1});
  CHECK(client.read_until("GET /slow\n").ends_with("GET /slow\n"));
}

TEST_CASE("HEAD gets the header that GET would get, and no body") {
  Server server(echo, any_port());
  const auto reply = ask(server, "HEAD /abc HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  CHECK(reply.find("Content-Length: 10\r\n") != std::string::npos);
  CHECK(reply.ends_with("\r\n\r\n"));
}

TEST_CASE("garbage is answered with 400 and a reason, then hung up on") {
  Server server(echo, any_port());
  for (const std::string_view garbage :
       {std::string_view("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n"),
        std::string_view("hello there\r\n\r\n"), std::string_view("GET / HTTP/9.9\r\n\r\n"),
        std::string_view("GET / HTTP/1.1\r\nHost\r\n\r\n"), std::string_view("\0\0\0\0\r\n\r\n", 8),
        std::string_view("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n")}) {
    const auto reply = ask(server, garbage);
    CAPTURE(garbage);
    CHECK(status_of(reply) == "HTTP/1.1 400 Bad Request");
    CHECK(reply.find("cannot read this request") != std::string::npos);
  }
}

TEST_CASE("a header beyond the limit is answered with 431, even while the client still sends") {
  Server server(echo, any_port());
  const auto reply = ask(server, "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(10 * 1024, 'x') + "\r\n\r\n");
  CHECK(status_of(reply).starts_with("HTTP/1.1 431 "));
  CHECK(reply.ends_with("too large\n"));
}

TEST_CASE("a body is read within its limit, and beyond it answered with 413") {
  Server server(echo, any_port());
  const std::string head = "POST /p HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ";
  CHECK(ask(server, head + "5\r\n\r\nhello").ends_with("POST /p\n"));
  CHECK(status_of(ask(server, head + "999999999\r\n\r\nhello")).starts_with("HTTP/1.1 413 "));
  const std::string chunk = "ffff\r\n" + std::string(0xffff, 'x') + "\r\n";
  CHECK(status_of(ask(server, "POST /p HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk +
                                  chunk + "0\r\n\r\n"))
            .starts_with("HTTP/1.1 413 "));
}

TEST_CASE("a page that throws is a 500, and the server lives on") {
  Server server(echo, any_port());
  const auto reply = ask(server, "GET /throws HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  CHECK(status_of(reply) == "HTTP/1.1 500 Internal Server Error");
  CHECK(reply.ends_with("this page failed: it broke\n"));
  CHECK(ask(server, "GET / HTTP/1.0\r\n\r\n").ends_with("GET /\n"));
}

TEST_CASE("on loopback, a foreign Host header is refused: a web page cannot reach it by DNS rebinding") {
  Server server(echo, any_port());
  const auto with_host = [&](const std::string& host) {
    return status_of(ask(server, "GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n"));
  };
  for (const auto* host :
       {"localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:99", "127.1.2.3", "[::1]", "[::1]:80"})
    CHECK(with_host(host) == "HTTP/1.1 200 OK");
  for (const auto* host : {"evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example",
                           "127.0.0.256", "127.1", "10.0.0.1", "", "localhost:evil", "[::1", "[::2]"}) {
    CAPTURE(host);
    CHECK(with_host(host).starts_with("HTTP/1.1 421 "));
  }
  CHECK(status_of(ask(server, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n")).starts_with("HTTP/1.1 400 "));
  for (const auto* both : {"localhost\r\nHost: evil.example", "evil.example\r\nHost: localhost"})
    CHECK(with_host(both).starts_with("HTTP/1.1 400 "));
  CHECK(status_of(ask(server, "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
            .starts_with("HTTP/1.1 421 "));
  CHECK(ask(server, "GET http://localhost/x?y HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .ends_with("GET /x\n"));
}

TEST_CASE("beyond loopback it listens only when told to, and then under names that no foreign site can have") {
  auto options = any_port();
  options.listen.host = "0.0.0.0";
  CHECK_THROWS_WITH_AS(Server(echo, options), doctest::Contains("--allow-unauthenticated-network"), std::runtime_error);
  options.allow_unauthenticated_network = true;
  options.host_names = {"Weir.example"};
  const auto with_host = [](const Server& server, const std::string& host) {
    return status_of(ask(server, "GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n"));
  };
  {
    Server server(echo, options);
    for (const auto* host : {"weir.example", "WEIR.example:99", "weir", "weir:8080", "10.0.0.7:8080", "[fd00::7]:80"})
      CHECK(with_host(server, host) == "HTTP/1.1 200 OK");
    for (const auto* host : {"evil.example", "evil.example:8080", "10.0.0.7.evil.example", "weir.example.evil.example",
                             "weir:evil", "", "[::1.evil.example]"}) {
      CAPTURE(host);
      CHECK(with_host(server, host).starts_with("HTTP/1.1 421 "));
    }
    CHECK(ask(server, "GET / HTTP/1.0\r\n\r\n").ends_with("GET /\n"));
  }
  options.authenticated = true;  // a foreign page has no token
  CHECK(with_host(Server(echo, options), "evil.example") == "HTTP/1.1 200 OK");
}

TEST_CASE("an address that is taken is refused with what to do") {
  Server first(echo, any_port());
  auto options = any_port();
  options.listen.port = first.port();
  CHECK_THROWS_WITH_AS(Server(echo, options), doctest::Contains("--listen HOST:PORT"), std::runtime_error);
  options.listen.host = "no-such-host.invalid";
  CHECK_THROWS_WITH_AS(Server(echo, options), doctest::Contains("no-such-host.invalid"), std::runtime_error);
}

TEST_CASE("clients that dawdle are hung up on, whatever they dawdle over") {
  auto options = any_port();
  options.timeout = milliseconds(200);
  Server server(echo, options);

  SUBCASE("one that says nothing") {
    Client client(server);
    CHECK(client.closed_within(kPatience));
  }
  SUBCASE("one that sends a header line now and then, each in time") {
    Client client(server);
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\n");
    const auto begin = steady_clock::now();
    bool open = true;
    while (open && steady_clock::now() < begin + kPatience) {
      open = client.send("X-Drip: 1\r\n") && !client.closed_within(milliseconds(20));
    }
    CHECK_FALSE(open);
    CHECK(steady_clock::now() - begin < kPatience / 2);
  }
  SUBCASE("one that keeps its connection after an answer") {
    Client client(server);
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    CHECK(client.read_until("GET /\n").ends_with("GET /\n"));
    CHECK(client.closed_within(kPatience));
  }
  SUBCASE("one that does not take its answer") {
    Client client(server);
    client.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    // Others are served meanwhile, and its place is free again: all but one connection can be had at once.
    Server* held = &server;
    CHECK(ask(*held, "GET / HTTP/1.0\r\n\r\n").ends_with("GET /\n"));
    const auto until = steady_clock::now() + kPatience;
    bool hung_up = false;
    while (!hung_up && steady_clock::now() < until) {  // sending fails once the server has closed its side
      ask(*held, "GET / HTTP/1.0\r\n\r\n");
      hung_up = !client.send("X");
    }
    CHECK(hung_up);
  }
}

TEST_CASE("clients beyond the limit are told so at once, and served when others have left") {
  auto options = any_port();
  options.max_connections = 2;
  options.timeout = kPatience;
  Server server(echo, options);
  {
    Client first(server);
    Client second(server);
    first.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    second.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    first.read_until("HTTP/1.1 200");  // and no further
    second.read_until("HTTP/1.1 200");
    Client third(server);
    const auto reply = third.read_all();
    CHECK(status_of(reply) == "HTTP/1.1 503 Service Unavailable");
    CHECK(reply.ends_with("too many open connections.\n"));
  }
  const auto until = steady_clock::now() + kPatience;
  std::string reply;
  while (!reply.ends_with("GET /\n") && steady_clock::now() < until) reply = ask(server, "GET / HTTP/1.0\r\n\r\n");
  CHECK(reply.ends_with("GET /\n"));
}

TEST_CASE("clients that do not say what they want lose their places to those who do") {
  Server server(echo, any_port());
  std::vector<std::unique_ptr<Client>> slow;
  for (int i = 0; i < 300; ++i) {
    slow.push_back(std::make_unique<Client>(server));
    slow.back()->send("GET / HTTP/1.1\r\nX");
  }
  for (int round = 0; round < 5; ++round) {
    for (const auto& client : slow) client->send("y");
    const auto asked = steady_clock::now();
    CHECK(ask(server, "GET / HTTP/1.0\r\n\r\n").ends_with("GET /\n"));
    CHECK(steady_clock::now() - asked < milliseconds(1000));
  }
  CHECK(slow.front()->closed_within(kPatience));
  // Who came last still has its place.
  slow.back()->send(": z\r\nHost: localhost\r\n\r\n");
  CHECK(slow.back()->read_until("GET /\n").ends_with("GET /\n"));
}

TEST_CASE("clients that do not take their answers lose their places after a moment, and no sooner") {
  auto options = any_port();
  options.max_connections = 2;
  options.timeout = kPatience;
  Server server(echo, options);
  Client first(server);
  first.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
  first.read_until("HTTP/1.1 200");
  Client second(server);
  second.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
  second.read_until("HTTP/1.1 200");
  const auto begun = steady_clock::now();
  std::string reply;
  while (!reply.ends_with("GET /\n") && steady_clock::now() < begun + kPatience / 2)
    reply = ask(server, "GET / HTTP/1.0\r\n\r\n");
  CHECK(reply.ends_with("GET /\n"));
  CHECK(first.read_all().size() < std::size_t{32} << 20);
}

TEST_CASE("stopping hangs up on everyone and frees the port") {
  Server server(echo, any_port());
  Client idle(server);
  idle.send("GET / HTTP/1.1\r\n");
  const auto port = server.port();
  server.stop();
  CHECK(idle.closed_within(kPatience));
  server.stop();
  auto options = any_port();
  options.listen.port = port;
  Server again(echo, options);
  CHECK(ask(again, "GET / HTTP/1.0\r\n\r\n").ends_with("GET /\n"));
}

TEST_CASE("an endpoint is read as it is written on the command line") {
  const auto text = [](std::string_view written) {
    const auto endpoint = weir::api::parse_endpoint(written);
    return endpoint.host + " " + std::to_string(endpoint.port);
  };
  CHECK(text("127.0.0.1:8080") == "127.0.0.1 8080");
  CHECK(text("[::1]:0") == "::1 0");
  CHECK(text(":9090") == "127.0.0.1 9090");
  CHECK(text("weir.example:65535") == "weir.example 65535");
  for (const auto* bad : {"", "8080", "localhost", "localhost:", "localhost:65536", "localhost:-1", "localhost:x",
                          "::1", "::1:8080", "[::1]", "[]:80", "[::1:80"}) {
    CAPTURE(bad);
    CHECK_THROWS_WITH_AS(weir::api::parse_endpoint(bad), doctest::Contains("HOST:PORT"), std::invalid_argument);
  }
  CHECK(weir::api::authority("::1", 80) == "[::1]:80");
  CHECK(weir::api::authority("127.0.0.1", 80) == "127.0.0.1:80");
}

TEST_CASE("a page of another site cannot call it, whatever the method") {
  Server server(echo, any_port());
  const auto from = [&](const std::string& method, const std::string& header) {
    return status_of(ask(server, method + " / HTTP/1.1\r\nHost: localhost:8080\r\n" + header +
                                     "Content-Length: 0\r\nConnection: close\r\n\r\n"));
  };
  CHECK(from("POST", "Origin: http://localhost:8080\r\n") == "HTTP/1.1 200 OK");
  CHECK(from("POST", "Origin: https://LOCALHOST:8080\r\n") == "HTTP/1.1 200 OK");
  CHECK(from("POST", "Sec-Fetch-Site: same-origin\r\n") == "HTTP/1.1 200 OK");
  CHECK(from("GET", "Sec-Fetch-Site: cross-site\r\n") == "HTTP/1.1 200 OK");  // a link to it
  for (const auto* origin : {"http://evil.example", "null", "http://localhost:8081",
                             "http://localhost:8080.evil.example", "http://localhost", "ftp://localhost:8080", ""}) {
    CAPTURE(origin);
    CHECK(from("POST", "Origin: " + std::string(origin) + "\r\n") == "HTTP/1.1 403 Forbidden");
    CHECK(from("GET", "Origin: " + std::string(origin) + "\r\n") == "HTTP/1.1 403 Forbidden");
  }
  CHECK(from("POST", "Sec-Fetch-Site: cross-site\r\n") == "HTTP/1.1 403 Forbidden");
  CHECK(from("POST", "Sec-Fetch-Site: same-site\r\n") == "HTTP/1.1 403 Forbidden");
}

TEST_CASE("every answer says that it is what it says, and that nothing in it may run") {
  Server server(echo, any_port());
  for (const auto* path : {"/", "/throws"}) {
    const auto reply =
        ask(server, "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    CHECK(reply.find("X-Content-Type-Options: nosniff\r\n") != std::string::npos);
    CHECK(reply.find("Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n") != std::string::npos);
  }
}

TEST_CASE("wishes that wait, however many, keep no slow page from being shown") {
  std::promise<void> open;
  auto opened = open.get_future().share();
  Server server(
      [opened](const Request& request) -> Response {
        Response response;
        response.later = [opened, wishes = request.method == "POST"]() -> Response {
          if (wishes) opened.wait();
          return {200, {}, "at last\n"};
        };
        return response;
      },
      any_port());
  std::list<Client> wishes;
  for (int i = 0; i < 8; ++i) {
    wishes.emplace_back(server).send(
        "POST /drop HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  }
  CHECK(ask(server, "GET /queue HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ends_with("at last\n"));
  open.set_value();
  for (auto& wish : wishes) CHECK(wish.read_all().ends_with("at last\n"));
}

TEST_CASE("an answer that takes time holds up nobody else") {
  std::promise<void> open;
  auto opened = open.get_future().share();
  Server server(
      [opened](const Request& request) -> Response {
        if (request.path != "/slow") return echo(request);
        Response response;
        response.later = [opened]() -> Response {
          opened.wait();
          return {200, {}, "at last\n"};
        };
        return response;
      },
      any_port());
  Client slow(server);
  slow.send("GET /slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  CHECK(ask(server, "GET /quick HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ends_with("GET /quick\n"));
  open.set_value();
  CHECK(slow.read_all().ends_with("at last\n"));
}
