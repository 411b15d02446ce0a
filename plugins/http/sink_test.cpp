// What HttpSink promises, against a real server.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>

#include "plugins/http/test_server.h"
#include "weir/errors.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

namespace {

using namespace std::chrono_literals;
using weir::http::testing::Call;
using weir::http::testing::Reply;
using weir::http::testing::TestServer;
using weir::testkit::Runner;

Runner sink(const std::string& url, const std::string& properties = "", bool exactly_once = false) {
  return Runner(weir::testkit::find_type(weir_plugin_abi_1(), "HttpSink"), "url: \"" + url + "\"\n" + properties,
                {.exactly_once = exactly_once});
}

/// Runs until all input has its outcome; pauses pass at once.
bool drain(Runner& runner) {
  return runner.run_until([&] {
    runner.advance(1s);
    runner.durable();
    return runner.queued() == 0 && runner.held() == 0;
  });
}

std::string bodies(const TestServer& server) {
  std::string text;
  for (const auto& call : server.calls()) text += (text.empty() ? "" : "|") + call.body;
  return text;
}

std::string failure(const std::function<void()>& work) {
  try {
    work();
  } catch (const weir::Misconfigured& error) {
    return std::string("misconfigured: ") + error.what();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("FlowFiles are sent in order, each with its type, and held until they are answered") {
  TestServer server([](const Call&) { return Reply{201, "", {}}; });
  auto runner = sink(server.url("/in"));
  for (int i = 0; i < 20; ++i) runner.push(std::to_string(i), {{"mime.type", "text/plain"}});
  REQUIRE(drain(runner));
  const auto calls = server.calls();
  REQUIRE(calls.size() == 20);
  for (std::size_t i = 0; i < 20; ++i) {
    CHECK(calls[i].body == std::to_string(i));
    CHECK(calls[i].method == "POST");
    CHECK(calls[i].headers.at("content-type") == "text/plain");
    CHECK(calls[i].headers.count("idempotency-key") == 0);
  }
  CHECK(runner.dropped().size() == 20);
  CHECK(runner.events().back().type == "SEND");
  CHECK(runner.events().back().transit_uri == server.url("/in"));
}

TEST_CASE("Url and headers are computed from the record, and data adds neither a segment nor a line") {
  TestServer server([](const Call&) { return Reply{}; });
  auto runner = sink(server.url("/s/$(id)?q=$(id)"), "method: PUT\nheaders: {X-Id: \"<$(name)>\", X-Fix: f}");
  runner.push(R"({"id": "a/../b c", "name": "n"})");
  runner.push(R"({"id": "..", "name": "n"})");
  runner.push(R"({"id": "x", "name": "a\nb"})");
  runner.push(R"({"id": null, "name": "n"})");
  runner.push("no json");
  REQUIRE(drain(runner));
  REQUIRE(server.calls().size() == 1);
  CHECK(server.calls()[0].target == "/s/a%2F..%2Fb%20c?q=a%2F..%2Fb%20c");
  CHECK(server.calls()[0].method == "PUT");
  CHECK(server.calls()[0].headers.at("x-id") == "<n>");
  CHECK(server.calls()[0].headers.at("x-fix") == "f");
  CHECK(runner.take("failure").size() == 4);
}

TEST_CASE("Records go one by one, or in batches of one address, as an array or as lines") {
  const std::string content =
      "{\"s\":1,\"v\":1.0}\n{\"s\":1,\"v\":2}\n{\"s\":2,\"v\":3}\n{\"s\":2,\"v\":4}\n{\"s\":2,\"v\":5}\n";
  const auto sent = [&](const std::string& properties) {
    TestServer server([](const Call&) { return Reply{}; });
    auto runner = sink(server.url("/$(s)"), "send: records\n" + properties);
    runner.push(content);
    REQUIRE(drain(runner));
    return bodies(server);
  };
  CHECK(sent("") == R"({"s":1,"v":1.0}|{"s":1,"v":2}|{"s":2,"v":3}|{"s":2,"v":4}|{"s":2,"v":5})");
  CHECK(sent("batch: 2") == R"([{"s":1,"v":1.0},{"s":1,"v":2}]|[{"s":2,"v":3},{"s":2,"v":4}]|[{"s":2,"v":5}])");
  CHECK(sent("batch: 9\nformat: lines") ==
        "{\"s\":1,\"v\":1.0}\n{\"s\":1,\"v\":2}\n|{\"s\":2,\"v\":3}\n{\"s\":2,\"v\":4}\n{\"s\":2,\"v\":5}\n");
}

TEST_CASE("What the server refuses goes to failure with its words; the other records of the FlowFile are through") {
  TestServer server(
      [](const Call& call) { return has(call.body, "bad") ? Reply{422, "{\"error\": \"bad\nvalue\"}", {}} : Reply{}; });
  auto runner = sink(server.url("/r"), "send: records");
  runner.push("{\"v\":1}\n{\"v\":\"bad\"}\nbroken\n{\"v\":2}\n");
  runner.push("{\"v\":\"bad\"}");
  REQUIRE(drain(runner));
  const auto failed = runner.take("failure");
  REQUIRE(failed.size() == 3);
  CHECK(failed[0].content == "{\"v\":\"bad\"}\n");
  CHECK(failed[0].attributes.at("error.message") ==
        server.url("/r") + " answers 422 Unprocessable Content: {\"error\": \"bad value\"}");
  CHECK(failed[1].content == "broken\n");
  CHECK(failed[2].content == "{\"v\":\"bad\"}");
  CHECK(bodies(server) == "{\"v\":1}|{\"v\":\"bad\"}|{\"v\":2}|{\"v\":\"bad\"}");
}

TEST_CASE("A server in trouble is tried again with growing pauses, in order") {
  std::atomic<int> troubles = 5;
  TestServer server([&](const Call&) { return troubles-- > 0 ? Reply{503, "busy", {}} : Reply{}; });
  auto runner = sink(server.url());
  runner.push("1");
  runner.push("2");
  REQUIRE(runner.run_until([&] { return server.calls().size() == 1 && runner.metric("http_failed_requests") == 1; }));
  runner.advance(100ms);
  runner.flush();
  CHECK(server.calls().size() == 1);  // not before its pause is over
  REQUIRE(drain(runner));
  CHECK(bodies(server) == "1|1|1|1|1|1|2");
  REQUIRE(runner.bulletins().size() == 1);
  CHECK(runner.bulletins()[0].message ==
        server.url() + " answers 503 Service Unavailable: busy; trying again (attempt 1)");
  CHECK(runner.take("failure").empty());
}

TEST_CASE("Retry-After is respected") {
  std::atomic<bool> first = true;
  TestServer server(
      [&](const Call&) { return first.exchange(false) ? Reply{429, "", {{"Retry-After", "100"}}} : Reply{}; });
  auto runner = sink(server.url());
  runner.push("1");
  REQUIRE(runner.run_until([&] { return runner.metric("http_failed_requests") == 1; }));
  runner.advance(99s);
  CHECK(server.calls().size() == 1);
  REQUIRE(drain(runner));
  CHECK(server.calls().size() == 2);
}

TEST_CASE("A server that was not there gets everything once it is") {
  std::uint16_t port = 0;
  {
    TestServer gone([](const Call&) { return Reply{}; });
    port = gone.port();
  }
  auto runner = sink("http://127.0.0.1:" + std::to_string(port) + "/");
  for (int i = 0; i < 5; ++i) runner.push(std::to_string(i));
  REQUIRE(runner.run_until([&] { return runner.metric("http_failed_requests") > 0; }));
  TestServer server([](const Call&) { return Reply{}; }, nullptr, port);
  REQUIRE(drain(runner));
  CHECK(bodies(server) == "0|1|2|3|4");
}

TEST_CASE("What was sent to log in is not told, though the server repeats it") {
  TestServer server([](const Call& call) {
    return Reply{
        400, "you sent " + call.headers.at("authorization") + " twice: " + call.headers.at("authorization"), {}};
  });
  auto runner = sink(server.url("/r"), "auth: {user: weir, password: secret}");
  runner.push("{\"v\":1}");
  REQUIRE(drain(runner));
  const auto failed = runner.take("failure");
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].attributes.at("error.message") ==
        server.url("/r") + " answers 400 Bad Request: you sent Basic *** twice: Basic ***");
}

TEST_CASE("After max_attempts answers a request goes to failure, and the next has its turn") {
  TestServer server([](const Call& call) { return call.body == "poison" ? Reply{500, "boom", {}} : Reply{}; });
  auto runner = sink(server.url(), "max_attempts: 3");
  runner.push("poison");
  runner.push("fine");
  REQUIRE(drain(runner));
  CHECK(bodies(server) == "poison|poison|poison|fine");
  CHECK(
      has(runner.take("failure").at(0).attributes.at("error.message"), "500 Internal Server Error: boom (attempt 3)"));
}

TEST_CASE("Several are under way at once, and those of one key stay in order") {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t at_once = 0;
  std::size_t most = 0;
  TestServer server([&](const Call&) {
    std::unique_lock lock(mutex);
    most = std::max(most, ++at_once);
    changed.notify_all();
    changed.wait_for(lock, 5s, [&] { return most >= 3; });
    --at_once;
    return Reply{};
  });
  auto runner = sink(server.url("/$(k)"), "in_flight: 3\nkey: k");
  for (int i = 0; i < 30; ++i) runner.push("{\"k\":" + std::to_string(i % 3) + ",\"n\":" + std::to_string(i) + "}");
  REQUIRE(drain(runner));
  CHECK(most == 3);
  std::map<std::string, std::vector<std::string>> by_key;
  for (const auto& call : server.calls()) by_key[call.target].push_back(call.body);
  for (const auto& [key, sent] : by_key) {
    REQUIRE(sent.size() == 10);
    for (std::size_t i = 0; i < 10; ++i)
      CHECK(sent[i] == "{\"k\":" + key.substr(1) + ",\"n\":" +
                           std::to_string(i * 3 + static_cast<std::size_t>(std::stoi(key.substr(1)))) + "}");
  }
}

TEST_CASE("More than it holds at once passes through all the same") {
  TestServer server([](const Call&) { return Reply{}; });
  auto runner = sink(server.url(), "in_flight: 8");
  for (int i = 0; i < 2500; ++i) runner.push(std::to_string(i));
  REQUIRE(drain(runner));
  CHECK(server.calls().size() == 2500);
  CHECK(runner.dropped().size() == 2500);
}

TEST_CASE("With exactly once each request has a key of its own, the same when it is sent again") {
  std::atomic<int> troubles = 1;
  TestServer server([&](const Call&) { return troubles-- > 0 ? Reply{503, "busy", {}} : Reply{}; });
  auto runner = sink(server.url(), "", true);
  runner.push("1");
  runner.push("2");
  REQUIRE(drain(runner));
  runner.push("3");
  REQUIRE(runner.run_until([&] { return server.calls().size() == 4; }));
  runner.crash();  // before it is durable that the server has it
  REQUIRE(drain(runner));
  CHECK(bodies(server) == "1|1|2|3|3");
  const auto key = [&](std::size_t i) { return server.calls()[i].headers.at("idempotency-key"); };
  const std::string connection = "00000000-0000-4000-8000-000000000001/flow/input/success/processor/";
  CHECK(key(0) == connection + "0");
  CHECK(key(1) == connection + "0");
  CHECK(key(2) == connection + "1");
  CHECK(key(3) == connection + "2");
  CHECK(key(4) == connection + "2");
  auto records = sink(server.url(), "send: records\nbatch: 2\nidempotency_header: X-Key", true);
  records.push("{\"v\":1}\n{\"v\":2}\n{\"v\":3}\n");
  REQUIRE(drain(records));
  CHECK(server.calls()[5].headers.at("x-key") == connection + "0/0-1");
  CHECK(server.calls()[6].headers.at("x-key") == connection + "0/2-2");
}

TEST_CASE("Other statuses can be the success") {
  std::atomic<int> status = 409;
  TestServer server([&](const Call&) { return Reply{status, "", {}}; });
  auto runner = sink(server.url(), "success: [2xx, '409']");
  runner.push("1");
  REQUIRE(drain(runner));
  status = 202;
  runner.push("2");
  REQUIRE(drain(runner));
  CHECK(runner.take("failure").empty());
  status = 410;
  runner.push("3");
  REQUIRE(drain(runner));
  CHECK(runner.take("failure").size() == 1);
}

TEST_CASE("Wrong credentials and redirects that lead away stop it, and the data waits") {
  TestServer other([](const Call&) { return Reply{}; });
  TestServer server([&](const Call& call) {
    if (call.target == "/far") return Reply{307, "", {{"Location", other.url()}}};
    if (call.target == "/get") return Reply{302, "", {{"Location", "/ok"}}};
    if (call.target == "/near") return Reply{308, "", {{"Location", "/ok"}}};
    return Reply{call.target == "/ok" ? 200 : 401, "who?", {}};
  });
  const auto stops = [&](const std::string& path) {
    auto runner = sink(server.url(path));
    runner.push("1");
    const auto why = failure([&] { drain(runner); });
    CHECK(runner.queued() + runner.held() == 1);
    return why;
  };
  CHECK(has(stops("/login"), "misconfigured: " + server.url("/login") + " answers 401 Unauthorized: who?"));
  CHECK(has(stops("/far"), "it leads to another host"));
  CHECK(has(stops("/get"), "would lose its body"));
  CHECK(other.calls().empty());
  auto near = sink(server.url("/near"));
  near.push("kept");
  REQUIRE(drain(near));
  CHECK(server.calls().back().body == "kept");
}

TEST_CASE("Redirects without end refuse what was sent there, and nothing else") {
  TestServer server(
      [](const Call& call) { return call.target == "/loop" ? Reply{307, "", {{"Location", "/loop"}}} : Reply{}; });
  auto runner = sink(server.url("/$(target)"), "send: records");
  runner.push("{\"target\":\"loop\"}\n{\"target\":\"ok\"}\n");
  REQUIRE(drain(runner));
  CHECK(server.calls().back().target == "/ok");
  const auto failed = runner.take("failure");
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].content == "{\"target\":\"loop\"}\n");
  CHECK(has(failed[0].attributes.at("error.message"), "after 5 others (max_redirects)"));
}

TEST_CASE("What is too large is refused before it is sent; batches stay below") {
  TestServer server([](const Call&) { return Reply{}; });
  auto runner = sink(server.url(), "max_body: 1KiB");
  runner.push(std::string(1025, 'x'));
  REQUIRE(drain(runner));
  CHECK(has(runner.take("failure").at(0).attributes.at("error.message"), "max_body"));
  auto batches = sink(server.url(), "max_body: 1KiB\nsend: records\nbatch: 100");
  std::string records;
  for (int i = 0; i < 5; ++i) records += "{\"v\":\"" + std::string(400, 'y') + "\"}\n";
  batches.push(records);
  REQUIRE(drain(batches));
  CHECK(server.calls().size() == 3);
}

TEST_CASE("Settings that cannot work are refused at the start") {
  const auto refused = [](const std::string& url, const std::string& properties) {
    return failure([&] { sink(url, properties); });
  };
  CHECK(has(refused("http://$(host)/", ""), "data must not choose the host"));
  CHECK(has(refused("http://localhost$(port)", ""), "data must not choose the host"));
  CHECK(has(refused("http://localhost/", "success: [ok]"), "is no status"));
  CHECK(has(refused("http://localhost/", "batch: 5"), "send: records"));
}
