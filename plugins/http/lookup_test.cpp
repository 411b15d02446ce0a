// What HttpLookup promises, against a real server.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <thread>

#include "plugins/http/test_server.h"
#include "weir/errors.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

namespace {

using namespace std::chrono_literals;
using weir::http::testing::Call;
using weir::http::testing::Reply;
using weir::http::testing::TestServer;
using weir::testkit::Output;
using weir::testkit::Runner;

Runner lookup(const std::string& url, const std::string& properties = "") {
  return Runner(weir::testkit::find_type(weir_plugin_abi_1(), "HttpLookup"), "url: \"" + url + "\"\n" + properties);
}

std::string enrich(Runner& runner, const std::string& content) {
  runner.push(content);
  runner.run();
  std::string text;
  for (const auto& output : runner.take("success")) text += output.content;
  return text;
}

std::string message(Runner& runner) {
  const auto failed = runner.take("failure");
  return failed.empty() ? "nothing failed" : failed[0].attributes.at("error.message");
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Answers its own path.
Reply echo(const Call& call) {
  return {200, "{\"path\": \"" + call.target + "\",\n \"deep\": {\"n\": 1.50}}", {}};
}

/// Requests of one FlowFile go out together, and arrive in any order.
bool asked(const TestServer& server, const std::string& target) {
  const auto calls = server.calls();
  return std::any_of(calls.begin(), calls.end(), [&](const Call& call) { return call.target == target; });
}

}  // namespace

TEST_CASE("The answer, or fields of it, become a member of the record; its other bytes stay") {
  TestServer server(echo);
  auto whole = lookup(server.url("/u/$(id)"));
  CHECK(enrich(whole, "{ \"id\" : 7.0 }") ==
        "{ \"id\" : 7.0 ,\"lookup\":{\"path\": \"/u/7.0\",\"deep\": {\"n\": 1.50}}}");
  auto fields = lookup(server.url("/u/$(id)?k=v"), "into: unit\nfields: {n: /deep/n, none: /x}");
  CHECK(enrich(fields, "{\"id\":\"a b\",\"unit\":1,\"z\":2}\n{\"id\":\"c\"}\n") ==
        "{\"id\":\"a "
        "b\",\"unit\":{\"n\":1.50,\"none\":null},\"z\":2}\n{\"id\":\"c\",\"unit\":{\"n\":1.50,\"none\":null}}\n");
  CHECK(asked(server, "/u/a%20b?k=v"));
  CHECK(fields.events().back().type == "FETCH");
  CHECK(enrich(fields, "[]") == "[]");
  CHECK(enrich(fields, "[{\"id\":\"a b\"}]") == "[{\"id\":\"a b\",\"unit\":{\"n\":1.50,\"none\":null}}]");
}

TEST_CASE("An address is asked once for all its records, and again when its time is over") {
  TestServer server(echo);
  auto runner = lookup(server.url("/$(id)"), "ttl: 10s");
  CHECK(has(enrich(runner, "{\"id\":1}\n{\"id\":2}\n{\"id\":1}\n"), "/2"));
  CHECK(server.calls().size() == 2);
  enrich(runner, "{\"id\":1}");
  CHECK(server.calls().size() == 2);
  runner.advance(10s);
  enrich(runner, "{\"id\":1}");
  CHECK(server.calls().size() == 3);
  auto always = lookup(server.url("/$(id)"), "ttl: 0s");
  enrich(always, "{\"id\":1}\n{\"id\":1}\n");
  enrich(always, "{\"id\":1}");
  CHECK(server.calls().size() == 5);
}

TEST_CASE("The cache keeps what was wanted last, and no batch is too large for it") {
  TestServer server(echo);
  auto runner = lookup(server.url("/$(id)"), "cache_size: 2");
  CHECK(has(enrich(runner, "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n{\"id\":4}\n"), "/4"));
  CHECK(server.calls().size() == 4);
  enrich(runner, "{\"id\":5}");  // of 1 to 5, two stay
  enrich(runner, "{\"id\":5}\n{\"id\":4}\n");
  CHECK(server.calls().size() == 5);
  enrich(runner, "{\"id\":1}");
  CHECK(server.calls().size() == 6);
}

TEST_CASE("Several requests are under way at once, and records leave in their order") {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t at_once = 0;
  std::size_t most = 0;
  TestServer server([&](const Call& call) {
    std::unique_lock lock(mutex);
    most = std::max(most, ++at_once);
    changed.notify_all();
    changed.wait_for(lock, 5s, [&] { return most >= 4; });
    --at_once;
    return Reply{200, call.target.substr(1), {}};
  });
  auto runner = lookup(server.url("/$(id)"), "in_flight: 4");
  for (int i = 0; i < 40; ++i) runner.push("{\"id\":" + std::to_string(i) + "}");
  runner.run();
  const auto outputs = runner.take("success");
  REQUIRE(outputs.size() == 40);
  for (std::size_t i = 0; i < 40; ++i)
    CHECK(outputs[i].content == "{\"id\":" + std::to_string(i) + ",\"lookup\":" + std::to_string(i) + "}");
  CHECK(most == 4);
}

TEST_CASE("No more requests a second are made than rate allows") {
  TestServer server(echo);
  auto runner = lookup(server.url("/$(id)"), "rate: 20/s\nin_flight: 20");
  std::string records;
  for (int i = 0; i < 11; ++i) records += "{\"id\":" + std::to_string(i) + "}\n";
  const auto begin = std::chrono::steady_clock::now();
  CHECK(has(enrich(runner, records), "/10"));
  CHECK(std::chrono::steady_clock::now() - begin >= 500ms);  // ten intervals of 50 ms
  CHECK(server.calls().size() == 11);
}

TEST_CASE("A slow server blocks no step for long, and is asked once") {
  std::mutex slow;
  std::unique_lock busy(slow);
  TestServer server([&](const Call& call) {
    const std::lock_guard wait(slow);
    return echo(call);
  });
  auto runner = lookup(server.url("/$(id)"));
  runner.push("{\"id\":1}");
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i) runner.step();
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
  CHECK(runner.queued() == 1);
  busy.unlock();
  runner.run();
  CHECK(runner.take("success").size() == 1);
  CHECK(server.calls().size() == 1);
}

TEST_CASE("A server that does not answer is not said to be out of reach, on whatever connection it was asked") {
  std::atomic<bool> ended{false};
  TestServer server([&](const Call& call) -> Reply {
    while (call.target == "/2" && !ended) std::this_thread::sleep_for(5ms);
    return echo(call);
  });
  auto runner = lookup(server.url("/$(id)"), "on_failure: fail\nattempts: 1\ntimeout: 300ms");
  CHECK(has(enrich(runner, "{\"id\":1}"), "/1"));  // and the connection is kept
  runner.push("{\"id\":2}");
  CHECK(runner.run_until([&] { return runner.queued() == 0; }, 10s));
  CHECK(has(message(runner), "no answer within 300ms"));
  ended = true;
}

TEST_CASE("A passing failure is tried again before it counts") {
  std::atomic<int> troubles = 2;
  TestServer server([&](const Call& call) { return troubles-- > 0 ? Reply{503, "", {}} : echo(call); });
  auto runner = lookup(server.url("/$(id)"), "on_failure: fail");
  CHECK(has(enrich(runner, "{\"id\":1}"), "/1"));
  CHECK(server.calls().size() == 3);
}

TEST_CASE("When the API is in trouble: wait, fail, null, or what was known before") {
  std::atomic<int> status = 500;
  TestServer server([&](const Call& call) { return status == 200 ? echo(call) : Reply{status, "boom", {}}; });
  const auto with = [&](const std::string& on_failure) {
    return lookup(server.url("/$(id)"), "attempts: 1\nfields: {n: /deep/n}\nttl: 10s\non_failure: " + on_failure);
  };
  SUBCASE("wait") {
    auto runner = with("wait");
    runner.push("{\"id\":1}");
    CHECK_THROWS_WITH_AS(runner.run(), doctest::Contains("500 Internal Server Error: boom"), weir::Unavailable);
    CHECK(runner.queued() == 1);
    status = 200;
    runner.advance(6s);
    CHECK(runner.take("success").size() == 1);
  }
  SUBCASE("wait: what came before it passes") {
    auto runner = with("wait");
    status = 200;
    enrich(runner, "{\"id\":1}");
    status = 500;
    runner.push("{\"id\":1}");
    runner.push("{\"id\":2}");
    CHECK_THROWS_AS(runner.run(), weir::Unavailable);
    CHECK(runner.take("success").size() == 1);
    CHECK(runner.queued() == 1);
  }
  SUBCASE("fail") {
    auto runner = with("fail");
    CHECK(enrich(runner, "{\"id\":1}").empty());
    CHECK(has(message(runner), "/1 answers 500 Internal Server Error: boom"));
  }
  SUBCASE("set_null") {
    auto runner = with("set_null");
    CHECK(enrich(runner, "{\"id\":1}") == "{\"id\":1,\"lookup\":null}");
  }
  SUBCASE("stale") {
    auto runner = with("stale");
    status = 200;
    enrich(runner, "{\"id\":1}");
    status = 500;
    runner.advance(10s);
    CHECK(enrich(runner, "{\"id\":1}\n{\"id\":2}\n") == "{\"id\":1,\"lookup\":{\"n\":1.50}}\n");
    CHECK(has(message(runner), "/2 answers 500"));
    CHECK(server.calls().size() == 3);
  }
}

TEST_CASE("What does not exist is null and remembered, or fails; so does what is refused or no JSON") {
  std::atomic<int> status = 404;
  TestServer server([&](const Call&) { return Reply{status, "text", {}}; });
  auto runner = lookup(server.url("/$(id)"));
  CHECK(enrich(runner, "{\"id\":1}") == "{\"id\":1,\"lookup\":null}");
  CHECK(enrich(runner, "{\"id\":1}") == "{\"id\":1,\"lookup\":null}");
  CHECK(server.calls().size() == 1);
  auto strict = lookup(server.url("/$(id)"), "on_missing: fail");
  CHECK(enrich(strict, "{\"id\":1}").empty());
  CHECK(has(message(strict), "there is no such thing"));
  status = 200;
  CHECK(enrich(runner, "{\"id\":2}").empty());
  CHECK(has(message(runner), "answers no JSON"));
  status = 422;
  CHECK(enrich(runner, "{\"id\":3}\nbroken\n{\"id\":1}\n") == "{\"id\":1,\"lookup\":null}\n");
  CHECK(runner.take("failure").size() == 2);
  auto small = lookup(server.url("/$(id)"), "max_body: 2B");
  status = 200;
  CHECK(enrich(small, "{\"id\":1}").empty());
  CHECK(has(message(small), "larger than 2B"));
}

TEST_CASE("Wrong credentials and redirects that lead away stop it, and the data waits") {
  TestServer other(echo);
  TestServer server([&](const Call& call) {
    return call.target == "/far" ? Reply{302, "", {{"Location", other.url("/x")}}} : Reply{401, "who?", {}};
  });
  for (const std::string id : {"far", "near"}) {
    auto runner = lookup(server.url("/$(id)"));
    runner.push("{\"id\":\"" + id + "\"}");
    CHECK_THROWS_AS(runner.run(), weir::Misconfigured);
    CHECK(runner.queued() == 1);
  }
  CHECK(other.calls().empty());
}

TEST_CASE("Redirects without end, or to no address, fail the lookup of their records alone") {
  TestServer server([](const Call& call) {
    if (call.target == "/loop") return Reply{302, "", {{"Location", "/loop"}}};
    if (call.target == "/file") return Reply{302, "", {{"Location", "file:///etc/passwd"}}};
    return echo(call);
  });
  const std::string records = "{\"id\":\"loop\"}\n{\"id\":\"a\"}\n{\"id\":\"file\"}\n";
  auto strict = lookup(server.url("/$(id)"), "fields: {p: /path}");
  CHECK(enrich(strict, records) == "{\"id\":\"a\",\"lookup\":{\"p\":\"/a\"}}\n");
  const auto failed = strict.take("failure");
  REQUIRE(failed.size() == 2);
  CHECK(failed[0].content == "{\"id\":\"loop\"}\n");
  CHECK(has(failed[0].attributes.at("error.message"), "after 5 others (max_redirects)"));
  CHECK(has(failed[1].attributes.at("error.message"), "no http or https address"));
  auto lenient = lookup(server.url("/$(id)"), "fields: {p: /path}\non_failure: set_null");
  CHECK(enrich(lenient, records) ==
        "{\"id\":\"loop\",\"lookup\":null}\n{\"id\":\"a\",\"lookup\":{\"p\":\"/a\"}}\n"
        "{\"id\":\"file\",\"lookup\":null}\n");
}

TEST_CASE("Settings that cannot work are refused at the start") {
  CHECK_THROWS_WITH(lookup("http://$(host)/x"), doctest::Contains("data must not choose the host"));
  CHECK_THROWS_WITH(lookup("http://localhost/$(id)", "fields: {a: b}"), doctest::Contains("begins with /"));
}
