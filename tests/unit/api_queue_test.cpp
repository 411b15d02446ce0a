// Queues and state in an operator's hands, over a real server: look, download, drop, redrive, clear.
#include <doctest/doctest.h>

#include <atomic>
#include <boost/json.hpp>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "store/provenance.h"
#include "tests/unit/api_fixture.h"

namespace {

using namespace weir::test;

constexpr const char* kIn = "/connections/test/source/success/act";
constexpr const char* kDead = "/connections/test/act/failure/dead";

/// source -> act -> sink, and what act rejects to dead. `act` and `dead` begin as the test says.
struct Queues {
  Queues() {
    scripts().clear();
    const std::lock_guard lock(collected().mutex);
    collected().contents.clear();
  }
  void open() {
    const auto keep = scripts_;
    FlowBuilder flow;
    flow.processor("source", "Count");
    flow.processor("act", "Do", [this](auto& act) {
      act.dropped = {2};
      act.exactly_once = exactly_once;
    });
    flow.processor("sink", "Collect").processor("dead", "Collect");
    flow.connect("source", "success", "act").connect("act", "success", "sink").connect("act", "failure", "dead");
    scripts() = keep;
    run = std::make_unique<Run>(folder.path(), flow, false);
    run->start();
    served = std::make_unique<Served>(*run);
  }
  void close() {
    served.reset();
    run.reset();
  }
  void stop(const std::string& name) {
    REQUIRE(served->post("/flows/test/processors/" + name + "/stop").status == 202);
    REQUIRE(eventually([&] { return served->get("/flows/test/processors/" + name).at("status") == "stopped"; }));
  }
  void start(const std::string& name) {
    REQUIRE(served->post("/flows/test/processors/" + name + "/start").status == 202);
  }
  void give(std::string_view content, const std::map<std::string, std::string>& attributes = {}) {
    run->engine->give(0, 0, content, attributes, 1);
  }
  std::string sequences(const std::string& target) {
    std::string text;
    const auto listing = served->get(target);
    for (const auto& file : listing.at("flowfiles").as_array())
      text += std::to_string(file.at("sequence").to_number<int>()) + " ";
    return text;
  }
  boost::json::value posted(const std::string& target, const std::string& body = "{}", int status = 200) {
    const auto answer = served->post(target, body);
    INFO(target << " -> " << answer.body);
    REQUIRE(answer.status == status);
    return boost::json::parse(answer.body);
  }
  bool arrive(const std::string& where, std::size_t count) {
    return eventually([&] { return collected().of(where).size() == count; });
  }
  bool durable(std::uint64_t sequence) {
    return eventually([&] {
      bool is = false;
      run->engine->inspect([&](const auto&, const auto& all, const auto&) { is = all[0]->durable_next() > sequence; });
      return is;
    });
  }

  std::map<std::string, Script> scripts_;
  bool exactly_once = false;
  TemporaryFolder folder;
  std::unique_ptr<Run> run;
  std::unique_ptr<Served> served;
};

}  // namespace

TEST_CASE_FIXTURE(Queues, "a queue is listed in order, page by page, with what each FlowFile is") {
  open();
  stop("act");
  for (int i = 0; i < 7; ++i) give("content " + std::to_string(i), {{"n", std::to_string(i)}});
  const auto first = served->get(std::string(kIn) + "/flowfiles?limit=3");
  CHECK(first.at("queued") == 7);
  CHECK(first.at("more") == true);
  CHECK(first.at("next_after") == 2);
  const auto& file = first.at("flowfiles").as_array()[1].as_object();
  CHECK(file.at("sequence") == 1);
  CHECK(file.at("flowfile") == "test/source/success/act:1");
  CHECK(file.at("state") == "queued");
  CHECK(file.at("size") == 9);
  CHECK(file.at("attributes").at("n") == "1");
  CHECK(file.at("preview").at("text") == "content 1");
  CHECK(file.at("age_seconds").to_number<double>() >= 0);
  CHECK(sequences(std::string(kIn) + "/flowfiles?limit=3&after=2") == "3 4 5 ");
  CHECK(sequences(std::string(kIn) + "/flowfiles?after=5") == "6 ");
  CHECK(sequences(std::string(kIn) + "/flowfiles?after=100").empty());
  CHECK(served->get(std::string(kIn) + "/flowfiles/4?preview=3").at("preview").at("text") == "con");
  CHECK(served->status_of(std::string(kIn) + "/flowfiles/9") == 404);
  CHECK(served->status_of(std::string(kIn) + "/flowfiles/x") == 400);
  CHECK(served->status_of(std::string(kIn) + "/flowfiles?limit=501") == 400);
  CHECK(served->status_of("/connections/test/source/success/nobody/flowfiles") == 404);
}

TEST_CASE_FIXTURE(Queues, "what only the disk holds is listed too, after a restart") {
  open();
  stop("act");
  for (int i = 0; i < 5; ++i) give(std::string(100, static_cast<char>('a' + i)), {{"n", std::to_string(i)}});
  REQUIRE(durable(4));
  close();
  open();
  CHECK(sequences(std::string(kIn) + "/flowfiles") == "0 1 2 3 4 ");
  const auto file = served->get(std::string(kIn) + "/flowfiles/3");
  CHECK(file.at("size") == 100);
  CHECK(file.at("attributes").at("n") == "3");
  CHECK(file.at("preview").at("text").as_string() == std::string(100, 'd'));
}

TEST_CASE_FIXTURE(Queues, "held FlowFiles and those tried again are listed as such") {
  std::atomic<bool> open_gate = false;
  scripts_["act"].process = [&](weir::FlowFile file, weir::Session& session) {
    if (file.content() == "hold") return session.hold(file);
    session.penalize(file, std::chrono::hours(1));
  };
  open();
  give("hold");
  give("later");
  REQUIRE(eventually([&] { return served->get(kIn).at("held") == 1 && served->get(kIn).at("retry") == 1; }));
  const auto listing = served->get(std::string(kIn) + "/flowfiles");
  const auto& files = listing.at("flowfiles").as_array();
  REQUIRE(files.size() == 2);
  CHECK(files[0].at("state") == "held");
  CHECK(files[0].at("preview").at("text") == "hold");
  CHECK(files[1].at("state") == "retry");
  CHECK(files[1].at("due").is_string());
  CHECK(files[1].at("preview").at("text") == "later");
}

TEST_CASE_FIXTURE(Queues, "content comes as a download that no browser shows, byte for byte") {
  open();
  stop("act");
  const std::string hostile = std::string("<script>alert(1)</script>\0\xff\xfe", 28);
  give(hostile, {{"<b>\"\xff", "</script>\n\xc3"}});
  const auto answer = http(served->port, "GET", std::string("/api/v1") + kIn + "/flowfiles/0/content");
  CHECK(answer.status == 200);
  CHECK(answer.body == hostile);
  CHECK(answer.header.find("Content-Type: application/octet-stream\r\n") != std::string::npos);
  CHECK(answer.header.find("Content-Disposition: attachment; filename=\"test_source_success_act-0\"\r\n") !=
        std::string::npos);
  CHECK(answer.header.find("X-Content-Type-Options: nosniff\r\n") != std::string::npos);
  const auto part = http(served->port, "GET", std::string("/api/v1") + kIn + "/flowfiles/0/content?offset=1&length=6");
  CHECK(part.body == "script");
  const auto file = served->get(std::string(kIn) + "/flowfiles/0");
  CHECK(file.at("preview").as_object().contains("base64"));
  CHECK(file.at("attributes").at("<b>\"\xEF\xBF\xBD") == "</script>\n\xEF\xBF\xBD");
}

TEST_CASE_FIXTURE(Queues, "a preview that cuts a character is text all the same") {
  open();
  stop("act");
  give("ab\xC3\xA9\xE2\x82\xAC");
  CHECK(served->get(std::string(kIn) + "/flowfiles/0?preview=3").at("preview").at("text") == "ab");
  CHECK(served->get(std::string(kIn) + "/flowfiles/0?preview=6").at("preview").at("text") == "ab\xC3\xA9");
  const auto whole = served->get(std::string(kIn) + "/flowfiles/0?preview=7").at("preview").as_object();
  CHECK(whole.at("text") == "ab\xC3\xA9\xE2\x82\xAC");
  CHECK_FALSE(whole.contains("truncated"));
}

TEST_CASE_FIXTURE(Queues, "a drop is told first, then done: what came between stays, and each has its event") {
  open();
  stop("act");
  for (int i = 0; i < 2'500; ++i) give(std::to_string(i));
  const auto asked = posted(std::string(kIn) + "/drop");
  CHECK(asked.at("flowfiles") == 2'500);
  give("came later");
  const std::string body = "{\"token\":\"" + std::string(asked.at("token").as_string()) + "\"}";
  CHECK(posted(std::string(kIn) + "/drop", body).at("dropped") == 2'500);
  posted(std::string(kIn) + "/drop", body, 409);  // used
  CHECK(sequences(std::string(kIn) + "/flowfiles") == "2500 ");
  weir::store::Provenance provenance(folder.path());
  weir::store::EventFilter filter;
  filter.type = weir::store::EventType::drop;
  std::uint64_t dropped = 0;
  provenance.events(filter, [&](const auto& event) {
    CHECK(event.details == "dropped by 127.0.0.1");
    dropped += event.inputs.count;
    return true;
  });
  CHECK(dropped == 2'500);
  close();
  open();
  CHECK(sequences(std::string(kIn) + "/flowfiles") == "2500 ");
  start("act");
  CHECK(arrive("sink", 1));
}

TEST_CASE_FIXTURE(Queues, "what a session has is not dropped, and what waits behind it is when that has ended") {
  std::atomic<bool> has_begun = false;  // a session that is only about to begin takes what comes until then
  std::atomic<bool> open_gate = false;
  scripts_["act"].process = [&](weir::FlowFile file, weir::Session& session) {
    has_begun = true;
    open_gate.wait(false);
    session.transfer(file, 0);
  };
  open();
  give("first");
  REQUIRE(eventually([&] { return has_begun.load(); }));
  CHECK(served->get("/flows/test/processors/act").at("active") == 1);
  for (int i = 0; i < 3; ++i) give("behind");
  CHECK(served->get(std::string(kIn) + "/flowfiles/0").at("state") == "active");
  const auto asked = posted(std::string(kIn) + "/drop");
  const std::string body = "{\"token\":\"" + std::string(asked.at("token").as_string()) + "\"}";
  auto dropped = std::async(std::launch::async, [&] { return posted(std::string(kIn) + "/drop", body); });
  CHECK(eventually([&] { return served->get(std::string(kIn) + "/flowfiles/3").at("state") == "active"; }));
  open_gate = true;
  open_gate.notify_all();
  CHECK(dropped.get().at("dropped") == 3);
  give("after");
  REQUIRE(arrive("sink", 2));
  CHECK(collected().of("sink")[0] == "first");
  CHECK(collected().of("sink")[1] == "after");
}

TEST_CASE_FIXTURE(Queues, "after the last sequence that there can be, nothing follows") {
  open();
  stop("act");
  give("a");
  CHECK(sequences(std::string(kIn) + "/flowfiles?after=18446744073709551614").empty());
  CHECK(served->status_of(std::string(kIn) + "/flowfiles?after=18446744073709551615") == 400);
}

TEST_CASE_FIXTURE(Queues, "nothing is taken out of a queue whose consumer delivers exactly once") {
  exactly_once = true;
  open();
  stop("act");
  give("a");
  posted(std::string(kIn) + "/drop", "{}", 409);
  CHECK(sequences(std::string(kIn) + "/flowfiles") == "0 ");
}

TEST_CASE_FIXTURE(Queues, "how old a queue is is known after a restart, too, and of what waits to be tried again") {
  open();
  stop("act");
  give("a");
  give("b");
  REQUIRE(durable(1));
  const auto before = served->get(kIn).at("oldest");
  REQUIRE(before.is_string());
  close();
  open();
  CHECK(served->get(kIn).at("queued") == 2);
  CHECK(served->get(kIn).at("oldest") == before);
  CHECK(http(served->port, "GET", "/metrics")
            .body.find("weir_queue_oldest_age_seconds{flow=\"test\",from=\"source\","
                       "relationship=\"success\",to=\"act\"} 0\n") == std::string::npos);
  CHECK(posted(std::string(kIn) + "/redrive").at("kept") == 2);  // puts them aside
  CHECK(served->get(kIn).at("retry") == 2);
  CHECK(served->get(kIn).at("oldest") == before);
}

TEST_CASE_FIXTURE(Queues, "a drop needs a token that is its own") {
  open();
  stop("act");
  give("a");
  posted(std::string(kIn) + "/drop", R"({"token":"none"})", 409);
  posted(std::string(kIn) + "/drop", R"({"token":1})", 400);
  const auto other = posted(std::string(kDead) + "/drop").at("token");
  posted(std::string(kIn) + "/drop", "{\"token\":\"" + std::string(other.as_string()) + "\"}", 409);
  posted("/connections/test/source/success/nobody/drop", "{}", 404);
  CHECK(sequences(std::string(kIn) + "/flowfiles") == "0 ");
}

TEST_CASE_FIXTURE(Queues, "dead letters say why, and go back to where they failed once the cause is mended") {
  std::atomic<bool> mended = false;
  scripts_["act"].process = [&](weir::FlowFile file, weir::Session& session) {
    if (!mended && file.content() != "good") throw weir::Rejected("no unit <b>");
    session.transfer(file, 0);
  };
  open();
  stop("dead");
  for (const auto* content : {"bad 1", "good", "bad 2"}) give(content, {{"topic", "t"}});
  REQUIRE(eventually([&] { return served->get(kDead).at("queued") == 2; }));
  const auto dead = served->get("/flows/test/dead-letters");
  CHECK(dead.at("connections").as_array()[0].at("id") == "test/act/failure/dead");
  const auto& letter = dead.at("flowfiles").as_array()[0].as_object();
  CHECK(letter.at("error").at("message") == "no unit <b>");
  CHECK(letter.at("error").at("kind") == "rejected");
  CHECK(letter.at("error").at("processor") == "act");
  CHECK(letter.at("error").at("connection") == "test/source/success/act");
  CHECK(letter.at("redrivable") == true);
  CHECK(letter.at("preview").at("text") == "bad 1");
  mended = true;
  const auto first = posted(std::string(kDead) + "/redrive", R"({"limit":1})");
  CHECK(first.at("redriven") == 1);
  CHECK(first.at("to").at("test/source/success/act") == 1);
  CHECK(posted(std::string(kDead) + "/redrive").at("redriven") == 1);
  CHECK(posted(std::string(kDead) + "/redrive").at("redriven") == 0);
  REQUIRE(arrive("sink", 3));
  CHECK(served->get(kDead).at("queued") == 0);
  CHECK(collected().of("dead").empty());
  // The lineage leads from where it arrived over its failure to where it came from.
  REQUIRE(durable(4));
  weir::store::Provenance provenance(folder.path());
  std::string ways;
  provenance.ancestors({"test/source/success/act", 4}, [&](const auto& step) {
    ways += step.event.in_connection + "->" + step.event.out_connection + " " + step.event.details + "|";
    return true;
  });
  CHECK(ways.starts_with("test/act/failure/dead->test/source/success/act redriven by 127.0.0.1|"));
  CHECK(ways.find("test/source/success/act->test/act/failure/dead") != std::string::npos);
}

TEST_CASE_FIXTURE(Queues, "what does not say where it failed stays, and the rest goes") {
  std::atomic<bool> mended = false;
  scripts_["act"].process = [&](weir::FlowFile file, weir::Session& session) {
    if (file.content() == "odd") return session.transfer(file, 1);  // to failure, without a word
    if (!mended) throw weir::Rejected("not yet");
    session.transfer(file, 0);
  };
  open();
  stop("dead");
  for (const auto* content : {"odd", "bad", "odd", "bad"}) give(content);
  REQUIRE(eventually([&] { return served->get(kDead).at("queued") == 4; }));
  mended = true;
  const auto result = posted(std::string(kDead) + "/redrive");
  CHECK(result.at("redriven") == 2);
  CHECK(result.at("kept") == 2);
  REQUIRE(arrive("sink", 2));
  CHECK(served->get(kDead).at("queued") == 2);
  const auto dead = served->get("/flows/test/dead-letters");
  CHECK(dead.at("flowfiles").as_array()[0].at("redrivable") == false);
}

TEST_CASE_FIXTURE(Queues,
                  "what cannot go back is not in the way of what can, however much it is, and keeps its place") {
  constexpr std::size_t kOdd = 1'500;  // more than a redrive looks at in one go
  std::atomic<bool> mended = false;
  scripts_["act"].process = [&](weir::FlowFile file, weir::Session& session) {
    if (std::string_view(file.content()).starts_with("odd")) return session.transfer(file, 1);
    if (!mended) throw weir::Rejected("not yet");
    session.transfer(file, 0);
  };
  open();
  stop("dead");
  for (std::size_t i = 0; i < kOdd; ++i) give("odd " + std::to_string(i));
  give("bad");
  REQUIRE(eventually([&] { return served->get(kDead).at("queued") == kOdd + 1; }));
  mended = true;
  const auto result = posted(std::string(kDead) + "/redrive");
  CHECK(result.at("redriven") == 1);
  CHECK(result.at("kept") == kOdd);
  REQUIRE(arrive("sink", 1));
  give("odd last");
  REQUIRE(eventually([&] { return served->get(kDead).at("queued") == kOdd + 1; }));
  start("dead");
  REQUIRE(arrive("dead", kOdd + 1));
  const auto order = collected().of("dead");
  CHECK(order.front() == "odd 0");
  CHECK(order.back() == "odd last");
  CHECK(served->get(kDead).at("queued") == 0);
}

TEST_CASE_FIXTURE(Queues, "a redrive asks for a consumer that is stopped") {
  open();
  posted(std::string(kDead) + "/redrive", "{}", 409);
  posted(std::string(kDead) + "/redrive", R"({"limit":0})", 400);
}

TEST_CASE_FIXTURE(Queues, "state is listed page by page, and cleared for good, only while the processor is stopped") {
  scripts_["act"].process = [](weir::FlowFile file, weir::Session& session) {
    for (int i = 0; i < 5; ++i) session.set_state("k" + std::to_string(i), std::string(2'000, 'v'));
    session.set_state(std::string("\xff\0", 2), "x");
    session.drop(file, "counted");
  };
  open();
  give("a");
  const std::string target = "/flows/test/processors/act/state";
  REQUIRE(eventually([&] { return served->get(target).at("total") == 6; }));
  const auto page = served->get(target + "?limit=2");
  CHECK(page.at("more") == true);
  CHECK(page.at("entries").as_array()[1].at("key").at("text") == "k1");
  CHECK(page.at("entries").as_array()[1].at("size") == 2'000);
  CHECK(page.at("entries").as_array()[1].at("value").at("truncated") == true);
  const auto next = std::string(page.at("next_after").as_string());
  const auto rest = served->get(target + "?after=" + next);
  CHECK(rest.at("entries").as_array().size() == 4);
  CHECK(rest.at("entries").as_array()[3].at("key").at("base64") == "/wA=");
  CHECK(rest.at("more") == false);
  posted(target + "/clear", "{}", 409);
  stop("act");
  CHECK(posted(target + "/clear").at("cleared") == 6);
  CHECK(served->get(target).at("total") == 0);
  close();
  open();
  CHECK(served->get(target).at("total") == 0);
  CHECK(served->status_of("/flows/test/processors/nobody/state") == 404);
  CHECK(served->status_of(target + "?after=xy") == 400);
}
