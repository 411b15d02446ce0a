// What HttpSource promises, against a real server.
#include <doctest/doctest.h>

#include <atomic>

#include "plugins/http/test_server.h"
#include "weir/errors.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

namespace {

using namespace std::chrono_literals;
using weir::http::testing::Call;
using weir::http::testing::Certificates;
using weir::http::testing::Reply;
using weir::http::testing::TestServer;
using weir::testkit::Options;
using weir::testkit::Runner;

Runner source(const std::string& url, const std::string& properties = "", Options options = {}) {
  return Runner(weir::testkit::find_type(weir_plugin_abi_1(), "HttpSource"), "url: \"" + url + "\"\n" + properties,
                std::move(options));
}

/// One poll, to its end.
std::string poll(Runner& runner) {
  runner.run();
  std::string content;
  for (const auto& output : runner.take("success")) content += output.content;
  return content;
}

/// What a poll throws, with its kind.
std::string failure(Runner& runner) {
  try {
    runner.run();
  } catch (const weir::Unavailable& error) {
    return std::string("unavailable: ") + error.what();
  } catch (const weir::Misconfigured& error) {
    return std::string("misconfigured: ") + error.what();
  }
  return "nothing";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("An array becomes lines, each element as it was, with what it came with") {
  TestServer server([](const Call&) {
    return Reply{200,
                 "[{\"id\": 1,\n  \"t\": 80.10},\n {\"id\": 2}]",
                 {{"ETag", "\"v1\""}, {"Content-Type", "application/json"}}};
  });
  auto runner = source(server.url("/readings?key=secret"));
  runner.run();
  const auto outputs = runner.take("success");
  REQUIRE(outputs.size() == 1);
  CHECK(outputs[0].content == "{\"id\": 1,\"t\": 80.10}\n{\"id\": 2}\n");
  CHECK(outputs[0].records == 2);
  CHECK(outputs[0].attributes.at("http.url") == server.url("/readings"));
  CHECK(outputs[0].attributes.at("http.status") == "200");
  CHECK(outputs[0].attributes.at("http.etag") == "\"v1\"");
  CHECK(outputs[0].attributes.at("mime.type") == "application/x-ndjson");
  REQUIRE(runner.events().size() == 1);
  CHECK(runner.events()[0].type == "FETCH");
  CHECK(runner.events()[0].transit_uri == server.url("/readings"));
  CHECK(server.calls()[0].target == "/readings?key=secret");
}

TEST_CASE("Elements can be a FlowFile each, and lie deep in the answer; a body can be left as it is") {
  TestServer server([](const Call&) { return Reply{200, R"({"data": {"it/ems": [1, {"a": [2]}, "x"]}})", {}}; });
  auto each = source(server.url(), "emit: each\nitems: /data/it~1ems");
  each.run();
  const auto outputs = each.take("success");
  REQUIRE(outputs.size() == 3);
  CHECK(outputs[1].content == "{\"a\": [2]}");
  auto body = source(server.url(), "emit: body");
  CHECK(poll(body) == R"({"data": {"it/ems": [1, {"a": [2]}, "x"]}})");
}

TEST_CASE("A byte-order mark before the JSON is no part of it") {
  TestServer server([](const Call&) { return Reply{200, "\xEF\xBB\xBF{\"data\":[1,2]}", {}}; });
  auto marked = source(server.url(), "items: /data");
  CHECK(poll(marked) == "1\n2\n");
}

TEST_CASE("A large answer becomes FlowFiles of about 1 MiB of whole lines") {
  std::string array = "[";
  for (int i = 0; i < 30000; ++i)
    array += (i == 0 ? "" : ",") + ("{\"n\":" + std::to_string(i) + ",\"pad\":\"" + std::string(80, 'x') + "\"}");
  TestServer server([&](const Call&) { return Reply{200, array + "]", {}}; });
  auto runner = source(server.url());
  runner.run();
  const auto outputs = runner.take("success");
  CHECK(outputs.size() == 3);
  std::size_t lines = 0;
  for (const auto& output : outputs) {
    CHECK(output.content.size() < 1100 * 1024);
    lines += static_cast<std::size_t>(std::count(output.content.begin(), output.content.end(), '\n'));
  }
  CHECK(lines == 30000);
}

TEST_CASE("What is unchanged is not fetched again, not after a crash either") {
  TestServer server([](const Call& call) {
    const auto known = call.headers.find("if-none-match");
    if (known != call.headers.end() && known->second == "\"v1\"") return Reply{304, {}, {}};
    return Reply{200, "[1]", {{"ETag", "\"v1\""}, {"Last-Modified", "Tue, 15 Nov 1994 12:45:26 GMT"}}};
  });
  auto runner = source(server.url());
  CHECK(poll(runner) == "1\n");
  runner.durable();
  CHECK(poll(runner).empty());
  runner.crash();
  CHECK(poll(runner).empty());
  CHECK(server.calls()[2].headers.at("if-modified-since") == "Tue, 15 Nov 1994 12:45:26 GMT");
  auto always = source(server.url(), "conditional: false");
  CHECK(poll(always) == "1\n");
  CHECK(poll(always) == "1\n");
}

TEST_CASE("What was not durable is fetched again after a crash") {
  TestServer server([](const Call& call) {
    return call.headers.count("if-none-match") != 0 ? Reply{304, {}, {}} : Reply{200, "[1]", {{"ETag", "\"v1\""}}};
  });
  auto runner = source(server.url());
  CHECK(poll(runner) == "1\n");
  runner.crash();
  CHECK(poll(runner) == "1\n");
}

TEST_CASE("Pages follow the Link header, a counter or a cursor to the last") {
  const auto number = [](const Call& call, const std::string& parameter) {
    const auto at = call.target.find(parameter + "=");
    return at == std::string::npos ? 1 : std::stoi(call.target.substr(at + parameter.size() + 1));
  };
  SUBCASE("link") {
    TestServer server([&](const Call& call) {
      const auto page = number(call, "p");
      Reply reply{200, "[" + std::to_string(page) + "]", {}};
      if (page < 3)
        reply.headers["Link"] = "</readings?p=1>; rel=\"first\", <?p=" + std::to_string(page + 1) +
                                "&a=\"x,;y\">; title=\"a, b\"; rel=\"prev next\"";
      return reply;
    });
    auto runner = source(server.url("/readings"), "paging: {by: link}");
    CHECK(poll(runner) == "1\n2\n3\n");
    CHECK(poll(runner) == "1\n2\n3\n");
  }
  SUBCASE("counter") {
    TestServer server([&](const Call& call) {
      const auto offset = number(call, "offset");
      return Reply{200, offset < 30 ? "[" + std::to_string(offset) + "]" : "[]", {}};
    });
    auto runner =
        source(server.url("/readings?offset=7&x=y"), "paging: {by: page, parameter: offset, first: 0, step: 10}");
    CHECK(poll(runner) == "0\n10\n20\n");
    CHECK(server.calls()[1].target == "/readings?x=y&offset=10");
  }
  SUBCASE("cursor") {
    TestServer server([&](const Call& call) {
      const auto page = number(call, "after");
      const auto next = page < 3 ? std::to_string(page + 1) : std::string("null");
      return Reply{200, "{\"items\": [" + std::to_string(page) + "], \"meta\": {\"next\": " + next + "}}", {}};
    });
    auto runner = source(server.url(), "items: /items\npaging: {by: cursor, cursor: /meta/next, parameter: after}");
    CHECK(poll(runner) == "1\n2\n3\n");
  }
  SUBCASE("a cursor that is an address") {
    TestServer server([&](const Call& call) {
      const auto page = number(call, "p");
      const auto next = page < 3 ? "\"/other?p=" + std::to_string(page + 1) + "\"" : std::string("\"\"");
      return Reply{200, "{\"items\": [" + std::to_string(page) + "], \"next\": " + next + "}", {}};
    });
    auto runner = source(server.url(), "items: /items\npaging: {by: cursor, cursor: /next}");
    CHECK(poll(runner) == "1\n2\n3\n");
  }
}

TEST_CASE("After a crash between pages it goes on with the page it was at") {
  std::atomic<bool> down = false;
  TestServer server([&](const Call& call) {
    const auto page = call.target.back() - '0';
    if (page == 3 && down) return Reply{503, "later", {}};
    return Reply{200, page < 5 ? "[" + std::to_string(page) + "]" : "[]", {}};
  });
  auto runner = source(server.url(), "paging: {by: page, parameter: p}");
  down = true;
  CHECK(has(failure(runner), "503"));
  CHECK(runner.take("success").size() == 2);
  runner.durable();
  runner.crash();
  down = false;
  CHECK(poll(runner) == "3\n4\n");
  CHECK(poll(runner) == "1\n2\n3\n4\n");
}

TEST_CASE("A kept cursor brings what is new since the poll before, also after a crash") {
  std::atomic<int> newest = 2;
  TestServer server([&](const Call& call) {
    const auto at = call.target.find("since=");
    const int since = at == std::string::npos ? 0 : std::stoi(call.target.substr(at + 6));
    if (since >= newest) return Reply{200, "{\"items\": [], \"last\": " + std::to_string(since) + "}", {}};
    return Reply{
        200, "{\"items\": [" + std::to_string(since + 1) + "], \"last\": " + std::to_string(since + 1) + "}", {}};
  });
  auto runner =
      source(server.url(), "items: /items\npaging: {by: cursor, cursor: /last, parameter: since, keep: true}");
  CHECK(poll(runner) == "1\n2\n");
  CHECK(poll(runner).empty());
  runner.durable();
  runner.crash();
  newest = 4;
  CHECK(poll(runner) == "3\n4\n");
}

TEST_CASE("A server that asks for time gets it, and whoever refuses is named with what it says") {
  std::atomic<int> status = 429;
  TestServer server(
      [&](const Call&) { return Reply{status, status == 200 ? "[1]" : "no\nsuch \"key\"", {{"Retry-After", "7"}}}; });
  auto runner = source(server.url("/x"));
  CHECK(failure(runner) == "unavailable: " + server.url("/x") + " answers 429 Too Many Requests: no such \"key\"");
  status = 200;
  CHECK(poll(runner).empty());
  CHECK(server.calls().size() == 1);
  runner.advance(6s);
  CHECK(server.calls().size() == 1);
  runner.advance(1s);
  CHECK(server.calls().size() > 1);
  CHECK(poll(runner).starts_with("1\n"));
  status = 401;
  CHECK(has(failure(runner), "misconfigured: " + server.url("/x") + " answers 401 Unauthorized"));
  status = 404;
  CHECK(has(failure(runner), "check the url"));
  status = 500;
  CHECK(has(failure(runner), "unavailable: "));
}

TEST_CASE("Retry-After as a date is understood too, and one in the past is no pause") {
  TestServer server([&](const Call&) { return Reply{503, "", {{"Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT"}}}; });
  auto runner = source(server.url());
  CHECK(has(failure(runner), "503"));
  CHECK(has(failure(runner), "503"));
  CHECK(server.calls().size() == 2);
}

TEST_CASE("A server that is not there, hangs up or is too slow is tried again") {
  std::uint16_t port = 0;
  {
    TestServer gone([](const Call&) { return Reply{}; });
    port = gone.port();
  }
  auto runner = source("http://127.0.0.1:" + std::to_string(port) + "/");
  CHECK(has(failure(runner), "unavailable: http://127.0.0.1:" + std::to_string(port) + "/: "));

  TestServer rude([](const Call&) { return Reply{.hang_up = true}; });
  auto second = source(rude.url());
  CHECK(has(failure(second), "unavailable: "));

  std::mutex slow;
  std::unique_lock busy(slow);
  TestServer sleepy([&](const Call&) {
    const std::lock_guard wait(slow);
    return Reply{200, "[1]", {}};
  });
  auto third = source(sleepy.url(), "timeout: 200ms");
  CHECK(has(failure(third), "unavailable: "));
  busy.unlock();
}

TEST_CASE("An answer that is too large, is no JSON or has nothing at items is refused") {
  TestServer server([](const Call& call) {
    return Reply{200, call.target == "/big" ? std::string(5000, ' ') + "[]" : "<html>", {}};
  });
  auto big = source(server.url("/big"), "max_body: 4KiB");
  CHECK(has(failure(big), "misconfigured: " + server.url("/big") + ": the answer is larger than 4KiB (max_body)"));
  auto html = source(server.url());
  CHECK(has(failure(html), "answers no JSON"));
  TestServer other([](const Call&) { return Reply{200, "{\"error\": \"x\"}", {}}; });
  auto nothing = source(other.url(), "items: /data");
  CHECK(has(failure(nothing), "answers nothing at /data: 200: {\"error\": \"x\"}"));
}

TEST_CASE("Redirects are followed on the same host; another gets a request only if it is allowed, and never the keys") {
  TestServer other([](const Call&) { return Reply{200, "[2]", {}}; });
  TestServer server([&](const Call& call) {
    if (call.target == "/near") return Reply{302, "", {{"Location", "/here"}}};
    if (call.target == "/far") return Reply{302, "", {{"Location", other.url("/there")}}};
    if (call.target == "/loop") return Reply{302, "", {{"Location", "/loop"}}};
    if (call.target == "/file") return Reply{302, "", {{"Location", "file:///etc/passwd"}}};
    return Reply{200, "[1]", {}};
  });
  const std::string keys = "headers: {X-Api-Key: k}\nauth: {bearer: t}\n";
  auto near = source(server.url("/near"), keys);
  CHECK(poll(near) == "1\n");
  CHECK(server.calls().back().headers.at("x-api-key") == "k");
  CHECK(server.calls().back().headers.at("authorization") == "Bearer t");
  auto far = source(server.url("/far"), keys);
  CHECK(has(failure(far), "it leads to another host, " + other.url("/there")));
  auto loop = source(server.url("/loop"));
  CHECK(has(failure(loop), "after 5 others"));
  auto file = source(server.url("/file"));
  CHECK(has(failure(file), "no http or https address"));
  CHECK(other.calls().empty());
  auto allowed = source(server.url("/far"), keys + "allowed_hosts: ['127.0.0.1:" + std::to_string(other.port()) + "']");
  CHECK(poll(allowed) == "2\n");
  CHECK(other.calls().back().headers.count("x-api-key") == 0);
  CHECK(other.calls().back().headers.count("authorization") == 0);
}

TEST_CASE("From an allowed host a redirect may lead back, and still no keys are sent") {
  std::string home;
  TestServer other([&](const Call&) { return Reply{302, "", {{"Location", home}}}; });
  TestServer server([&](const Call& call) {
    if (call.target == "/away") return Reply{302, "", {{"Location", other.url("/there")}}};
    return Reply{200, "[1]", {}};
  });
  home = server.url("/back");
  auto back = source(server.url("/away"),
                     "headers: {X-Api-Key: k}\nallowed_hosts: ['127.0.0.1:" + std::to_string(other.port()) + "']");
  CHECK(poll(back) == "1\n");
  CHECK(server.calls().back().headers.count("x-api-key") == 0);
}

TEST_CASE("The next page may not lead elsewhere either, nor to itself") {
  TestServer other([](const Call&) { return Reply{200, "[2]", {}}; });
  TestServer server([&](const Call& call) {
    return Reply{200, "[1]", {{"Link", "<" + (call.target == "/far" ? other.url() : call.target) + ">; rel=next"}}};
  });
  auto far = source(server.url("/far"), "paging: {by: link}");
  CHECK(has(failure(far), "another host"));
  CHECK(other.calls().empty());
  auto self = source(server.url("/self"), "paging: {by: link}");
  CHECK(has(failure(self), "names itself as the next page"));
}

TEST_CASE("A next page on an allowed host is fetched without the keys") {
  TestServer other([](const Call&) { return Reply{200, R"({"data":[2]})", {}}; });
  const auto there = "['127.0.0.1:" + std::to_string(other.port()) + "']";
  const std::string keys = "headers: {X-Api-Key: k, Accept: application/json}\nauth: {bearer: t}\nitems: /data\n";
  const auto check = [&] {
    REQUIRE(!other.calls().empty());
    CHECK(other.calls().back().headers.count("x-api-key") == 0);
    CHECK(other.calls().back().headers.count("authorization") == 0);
    CHECK(other.calls().back().headers.at("accept") == "application/json");
  };
  TestServer server([&](const Call& call) {
    Reply reply{200, R"({"data":[1],"next":")" + other.url("/cursor") + "\"}", {}};
    if (call.target == "/link") reply.headers = {{"Link", "<" + other.url("/link") + ">; rel=next"}};
    return reply;
  });
  SUBCASE("by the Link header") {
    auto pages = source(server.url("/link"), keys + "allowed_hosts: " + there + "\npaging: {by: link}");
    CHECK(poll(pages) == "1\n2\n");
    check();
  }
  SUBCASE("by a cursor") {
    auto pages =
        source(server.url("/cursor"), keys + "allowed_hosts: " + there + "\npaging: {by: cursor, cursor: /next}");
    CHECK(poll(pages) == "1\n2\n");
    check();
  }
}

TEST_CASE("TLS is checked by the authority given, basic authentication and POST are sent") {
  const Certificates certificates;
  TestServer server([](const Call& call) { return Reply{200, "[" + call.body + "]", {}}; }, &certificates);
  auto runner = source(server.url(),
                       "method: POST\nbody: '7'\nauth: {user: me, password: pw}\ntls: {ca: " + certificates.ca() + "}");
  CHECK(poll(runner) == "7\n");
  CHECK(server.calls()[0].headers.at("authorization") == "Basic bWU6cHc=");
  auto wrong = source(server.url(), "tls: {ca: " + certificates.other_ca() + "}");
  CHECK(has(failure(wrong), "unavailable: " + server.url()));
  CHECK(server.calls().size() == 1);
}

TEST_CASE("In batch mode it ends after one poll") {
  TestServer server([](const Call&) { return Reply{200, "[1]", {}}; });
  auto runner = source(server.url(), "", {.until_idle = true});
  CHECK(poll(runner) == "1\n");
  CHECK(runner.finished());
}

TEST_CASE("Settings that cannot work are refused at the start") {
  const auto refused = [](const std::string& url, const std::string& properties) {
    try {
      auto runner = source(url, properties);
    } catch (const std::exception& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  const std::string url = "http://localhost/";
  CHECK(has(refused("ftp://localhost/", ""), "is no address"));
  CHECK(has(refused(url, "headers: {'a b': c}"), "is no name of a header"));
  CHECK(has(refused(url, "headers: {a: \"c\\nd: e\"}"), "line break"));
  CHECK(has(refused(url, "auth: {user: a, bearer: b}"), "either"));
  CHECK(has(refused(url, "tls: {ca: /nowhere/ca.pem}"), "cannot read"));
  CHECK(has(refused(url, "items: data"), "begins with /"));
  CHECK(has(refused(url, "paging: {by: page}"), "needs `parameter`"));
  CHECK(has(refused(url, "body: x"), "method: POST"));
  for (const char* host : {"http://other/", "other/x", "", "other:99999", "other:", "a b"})
    CHECK(has(refused(url, "allowed_hosts: ['" + std::string(host) + "']"), "is no host; expected HOST"));
  CHECK(refused(url, "allowed_hosts: [Other, 'other:8080', '127.0.0.1:80', '[::1]', '[::1]:8080']") == "accepted");
}
