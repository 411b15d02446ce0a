// Who may call, and the history: tokens, roles, sessions of browsers, and what is kept of each minute.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <boost/json.hpp>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "api/access.h"
#include "api/history.h"
#include "api/sha256.h"
#include "tests/unit/api_fixture.h"

namespace {

using namespace weir::test;
using weir::api::Access;
using weir::api::History;
using weir::api::Role;
using weir::api::TokenFile;

struct Flow {
  Flow() : run(folder.path(), flow(), false) { run.start(); }
  static FlowBuilder flow() {
    FlowBuilder flow;
    flow.processor("source", "Count").processor("sink", "Collect").connect("source", "success", "sink");
    return flow;
  }
  HttpAnswer get(const Served& served, const std::string& target, const HttpHeaders& headers) {
    return http(served.port, "GET", target, {}, headers);
  }

  TemporaryFolder folder;
  Run run;
};

HttpHeaders bearer(const std::string& token) {
  return {{"Authorization", "Bearer " + token}};
}

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

constexpr std::int64_t kSomeMinute = 29'000'000 * History::kMinute;

}  // namespace

TEST_CASE("SHA-256 gives what FIPS 180-4 says") {
  using weir::api::sha256;
  CHECK(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256(std::string(1'000'000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("a token is told once, and only its hash is kept, for its owner's eyes") {
  const TemporaryFolder folder;
  const TokenFile file(folder.path());
  CHECK(file.read().empty());
  const auto token = file.add("alice", Role::op);
  CHECK(token.size() == 69);
  CHECK(file.add("bob", Role::viewer) != token);
  CHECK(text_of(file.path()).find(token) == std::string::npos);
  struct stat status{};
  REQUIRE(::stat(file.path().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777U) == 0600);
  Access access(folder.path());
  CHECK(access.required());
  CHECK(access.of_token(token)->name == "alice");
  CHECK(access.of_token(token)->role == Role::op);
  CHECK_FALSE(access.of_token(token + "0"));
  CHECK_FALSE(access.of_token(""));
  const auto another = file.add("alice", Role::viewer);  // in its place
  CHECK(file.read().size() == 2);
  CHECK_FALSE(Access(folder.path()).of_token(token));
  CHECK(Access(folder.path()).of_token(another)->role == Role::viewer);
  CHECK(file.remove("alice"));
  CHECK_FALSE(file.remove("alice"));
  CHECK(file.read().size() == 1);
}

TEST_CASE("a file of tokens that is damaged lets nobody in, and says what to do") {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "tokens.json") << "[{\"name\":";
  CHECK_THROWS_WITH_AS(Access(folder.path()), doctest::Contains("is no list of tokens"), std::runtime_error);
}

TEST_CASE_FIXTURE(Flow, "without tokens everybody on this machine is an operator") {
  Served served(run);
  CHECK(served.get("/session").at("role") == "operator");
  CHECK(served.post("/flows/test/processors/sink/stop").status == 202);
}

TEST_CASE_FIXTURE(Flow, "with tokens every page asks for one, and changing something for an operator's") {
  const TokenFile file(folder.path());
  const auto viewer = file.add("viv", Role::viewer);
  const auto op = file.add("oscar", Role::op);
  Served served(run);
  for (const auto* path : {"/", "/metrics", "/api/v1/status", "/api/v1/flows", "/api/v1/events", "/api/v1/openapi.json",
                           "/api/v1/nowhere", "/api/v1/session"}) {
    CAPTURE(path);
    CHECK(get(served, path, {}).status == 401);
    CHECK(get(served, path, {}).header.find("WWW-Authenticate: Bearer") != std::string::npos);
    CHECK(get(served, path, bearer("weir_0")).status == 401);
    CHECK(get(served, path, bearer("")).status == 401);
    CHECK(get(served, path, {{"Authorization", viewer}}).status == 401);
    if (std::string(path) != "/api/v1/events")
      CHECK(get(served, path, bearer(viewer)).status == (std::string(path) == "/api/v1/nowhere" ? 404 : 200));
  }
  CHECK(get(served, "/healthz", {}).status == 200);
  CHECK(get(served, "/readyz", {}).status == 200);
  const std::string stop = "/api/v1/flows/test/processors/sink/stop";
  CHECK(post(served.port, stop).status == 401);
  CHECK(post(served.port, stop, "{}", bearer(viewer)).status == 403);
  CHECK(post(served.port, stop, "{}", bearer(op)).status == 202);
  const auto sink = boost::json::parse(get(served, "/api/v1/flows/test/processors/sink", bearer(viewer)).body);
  CHECK(sink.at("stopped_by").at("who") == "oscar");
  EventStream stream(served.port, "/api/v1/events", bearer(viewer));
  CHECK(stream.next("snapshot"));
}

TEST_CASE_FIXTURE(Flow, "in an open network everyone may read, and changing something takes an operator's token") {
  const weir::api::Server server(weir::api::pages(*run.engine, "1.2.3", true), any_free_port());
  const std::string stop = "/api/v1/flows/test/processors/sink/stop";
  CHECK(http(server.port(), "GET", "/api/v1/flows").status == 200);
  CHECK(http(server.port(), "GET", "/api/v1/session").body.find("viewer") != std::string::npos);
  CHECK(post(server.port(), stop).status == 403);
  const auto token = TokenFile(folder.path()).add("oscar", Role::op);
  CHECK(eventually([&] { return post(server.port(), stop, "{}", bearer(token)).status == 202; }));
  CHECK(post(server.port(), stop).status == 401);
}

TEST_CASE_FIXTURE(Flow, "a browser changes its token for a cookie that no script and no other site can use") {
  const auto token = TokenFile(folder.path()).add("viv", Role::viewer);
  Served served(run);
  CHECK(served.post("/session", R"({"token":"weir_wrong"})").status == 401);
  CHECK(served.post("/session", "{}").status == 400);
  const auto answer = served.post("/session", "{\"token\":\"" + token + "\"}");
  CHECK(answer.status == 200);
  CHECK(boost::json::parse(answer.body).at("role") == "viewer");
  CHECK(answer.header.find("Set-Cookie: weir_token=" + token + "; Path=/; HttpOnly; SameSite=Strict\r\n") !=
        std::string::npos);
  CHECK(get(served, "/api/v1/flows", {{"Cookie", "a=b; weir_token=" + token}}).status == 200);
  CHECK(get(served, "/api/v1/flows", {{"Cookie", "weir_token=x"}}).status == 401);
  CHECK(get(served, "/api/v1/flows", {{"Cookie", "xweir_token=" + token}}).status == 401);
  CHECK(served.post("/session/end").header.find("weir_token=; ") != std::string::npos);
}

TEST_CASE_FIXTURE(Flow, "the first token, made while Weir runs, closes the door") {
  Served served(run);
  CHECK(get(served, "/api/v1/flows", {}).status == 200);
  const auto token = TokenFile(folder.path()).add("viv", Role::viewer);
  CHECK(eventually([&] { return get(served, "/api/v1/flows", {}).status == 401; }));
  CHECK(get(served, "/api/v1/flows", bearer(token)).status == 200);
  std::filesystem::remove(TokenFile(folder.path()).path());
  CHECK(eventually([&] { return get(served, "/api/v1/flows", bearer(token)).status == 401; }));
  CHECK(get(served, "/api/v1/flows", {}).status == 401);  // tokens that are gone open nothing
}

TEST_CASE_FIXTURE(Flow, "the history has a column for what passed in each minute, and goes on after a restart") {
  const auto arrived = [&](std::uint64_t count) {
    return eventually([&] {
      std::uint64_t in = 0;
      run.engine->inspect([&](const auto& all, const auto&, const auto&) { in = all[1]->statistics.in.records; });
      return in == count;
    });
  };
  {
    History history(*run.engine, folder.path(), false);
    run.engine->give(0, 0, "a", {}, 3);
    REQUIRE(arrived(3));
    history.note(kSomeMinute);
    history.note(kSomeMinute + History::kMinute);
    run.engine->give(0, 0, "b", {}, 2);
    REQUIRE(arrived(5));
    history.note(kSomeMinute + 2 * History::kMinute);
  }
  std::ofstream(folder.path() / "history.ndjson", std::ios::app) << "{\"t\": 174000";  // cut by a crash
  History history(*run.engine, folder.path(), false);
  history.note(kSomeMinute + 5 * History::kMinute);
  const auto read = history.read(0, kSomeMinute + 9 * History::kMinute, std::nullopt);
  REQUIRE(read.at("times").as_array().size() == 4);
  const auto& sink = read.at("processors").at("test/sink").as_object();
  CHECK(sink.at("in_records").as_array()[0] == 3);
  CHECK(sink.at("in_records").as_array()[1] == 0);
  CHECK(sink.at("in_records").as_array()[2] == 2);
  CHECK(sink.at("errors").as_array().size() == 4);
  CHECK(history.read(kSomeMinute + 1, kSomeMinute + 3 * History::kMinute, "test").at("times").as_array().size() == 2);
  CHECK(history.read(0, kSomeMinute + 9 * History::kMinute, "tes").at("processors").as_object().empty());
  Served served(run);
  CHECK(served.get("/history?from=2000-01-01&to=2100-01-01").at("times").as_array().size() == 4);
  CHECK(served.status_of("/history?from=soon") == 400);
}

TEST_CASE_FIXTURE(Flow, "the history keeps a day, and then forgets") {
  History history(*run.engine, folder.path(), false);
  for (int i = 0; i < 3'000; ++i) history.note(kSomeMinute + i * History::kMinute);
  const auto end = kSomeMinute + 3'000 * History::kMinute;
  const auto kept = history.read(0, end, std::nullopt).at("times").as_array().size();
  CHECK(kept >= 1'440);
  CHECK(kept <= 2'880);
  CHECK(history.read(end - History::kKept, end, std::nullopt).at("times").as_array().size() == 1'440);
}
