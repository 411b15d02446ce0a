// The test kit keeps the promises that processors' tests lean on.
#include <doctest/doctest.h>

#include <string>

#include "weir/plugin.h"
#include "weir/testkit.h"

namespace {

using weir::testkit::Runner;

struct Settings {
  std::string mode = "pass";
  std::uint64_t limit = weir::KiB;
};

const auto spec = weir::Spec<Settings>{"Probe", "Does what its mode says."}
                      .property("mode", &Settings::mode,
                                {.help = "What to do.",
                                 .choices = {"pass", "split", "hold", "reject", "penalize", "partial", "count", "group",
                                             "broken", "unavailable", "forget", "wake"}})
                      .property("limit", &Settings::limit, {.help = "A size.", .unit = weir::Unit::bytes, .max = 1e6})
                      .relationship({"success", "What goes on."})
                      .relationship({"failure", "What is rejected."});

class Probe final : public weir::Processor {
 public:
  explicit Probe(Settings settings) : mode_(std::move(settings.mode)) {}

  void start(weir::Context& context) override { context_ = context; }

  void step(weir::Batch batch, weir::Session& session) override {
    if (mode_ == "wake" && batch.empty()) session.transfer(session.create(), 0);
    if (mode_ == "unavailable") throw weir::Unavailable("the far side is down");
    if (mode_ == "broken" && batch.size() > 1) throw weir::Rejected("one of these is bad");
    Processor::step(batch, session);
  }

  void process(weir::FlowFile file, weir::Session& session) override {
    if (mode_ == "pass") {
      session.set(file, "seen", "yes");
      session.transfer(file, 0);
    } else if (mode_ == "split") {
      for (std::size_t i = 0; i < file.size(); ++i) {
        auto part = session.create(file);
        session.share(part, file, i, 1);
        session.transfer(part, 0);
      }
    } else if (mode_ == "wake") {  // as what it sent may be answered before the step ends
      session.drop(file, "");
      context_.wake();
    } else if (mode_ == "hold") {
      session.hold(file);
    } else if (mode_ == "reject" || mode_ == "broken") {
      if (file.content() == "bad") {
        session.transfer(session.create(file), 0);
        throw weir::Rejected("it is bad");
      }
      session.transfer(file, 0);
    } else if (mode_ == "penalize") {
      session.penalize(file, std::chrono::seconds(5));
      mode_ = "pass";
    } else if (mode_ == "partial") {
      auto part = session.create(file);
      session.share(part, file, file.offset(), 2);
      session.transfer(part, 0);
      if (file.offset() + 2 < file.size()) session.consume_until(file, file.offset() + 2);
    } else if (mode_ == "count") {
      const auto before = session.state("count").value_or("");
      session.set_state("count", std::string(before) + "i");
      session.drop(file, "counted");
      session.when_durable(7);
    } else if (mode_ == "group") {
      session.contribute(file, 1);
      session.drop(file, "");
      session.tick_at(session.now() + 1'000'000'000);
    }
  }
  void tick(weir::Session& session) override {
    auto mean = session.create();
    session.created_from_group(mean, 1);
    session.append(mean, "mean");
    session.transfer(mean, 0);
  }
  void flush(weir::Session& session) override {
    for (std::uint32_t i = 0; i < session.held_count(); ++i) session.drop(session.take_held(i), "");
    session.event("SEND", "test://there");
  }

 private:
  std::string mode_;
  weir::Context context_;
};

struct CountSettings {
  std::uint64_t count = 3;
};
const auto source_spec = weir::Spec<CountSettings>{"Counter", "Emits numbers."}
                             .property("count", &CountSettings::count, {.help = "How many."})
                             .relationship({"success", "The numbers."})
                             .source();

class Counter final : public weir::Source {
 public:
  explicit Counter(CountSettings settings) : count_(settings.count) {}
  void poll(weir::Session& session) override {
    const auto at = std::stoull(std::string(session.state("at").value_or("0")));
    if (at == count_) return session.finished();
    auto file = session.create();
    session.append(file, std::to_string(at));
    session.transfer(file, 0);
    session.set_state("at", std::to_string(at + 1));
    session.again();
  }

 private:
  std::uint64_t count_;
};

const auto probe = weir::type<Probe>(spec);
const auto counter = weir::type<Counter>(source_spec);

std::string thrown_by(const std::string& yaml) {
  try {
    Runner runner(&probe, yaml);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("what wakes a processor in its step is taken up by the next") {
  Runner runner(&probe, "mode: wake");
  runner.push("a");
  runner.run();
  CHECK(runner.take("success").size() == 1);
}

TEST_CASE("what passes through keeps its content, and carries what the processor wrote") {
  Runner runner(&probe, "mode: pass");
  runner.push("hello", {{"a", "1"}, {"z", "2"}}, 4);
  runner.run();
  const auto out = runner.take("success");
  REQUIRE(out.size() == 1);
  CHECK(out[0].content == "hello");
  CHECK(out[0].attributes == weir::testkit::Attributes{{"a", "1"}, {"seen", "yes"}, {"z", "2"}});
  CHECK(out[0].records == 4);
  CHECK(out[0].parents == std::vector<std::uint64_t>{0});
  CHECK(runner.queued() == 0);
  CHECK(runner.take("success").empty());
}

TEST_CASE("children name their parents") {
  Runner runner(&probe, "mode: split");
  runner.push("ab");
  runner.push("c");
  runner.run();
  const auto out = runner.take("success");
  REQUIRE(out.size() == 3);
  CHECK(out[1].content == "b");
  CHECK(out[1].parents == std::vector<std::uint64_t>{0});
  CHECK(out[2].parents == std::vector<std::uint64_t>{1});
}

TEST_CASE("a rejected FlowFile goes to failure with the reason, and what it had made is taken back") {
  Runner runner(&probe, "mode: reject");
  for (const auto* content : {"good", "bad", "good"}) runner.push(content);
  runner.run();
  CHECK(runner.take("success").size() == 2);
  const auto bad = runner.take("failure");
  REQUIRE(bad.size() == 1);
  CHECK(bad[0].content == "bad");
  CHECK(bad[0].attributes.at("error.message") == "it is bad");
}

TEST_CASE("a batch that is rejected as a whole is tried again one by one") {
  Runner runner(&probe, "mode: broken");
  for (const auto* content : {"good", "bad", "good"}) runner.push(content);
  runner.run();
  CHECK(runner.take("success").size() == 2);
  CHECK(runner.take("failure").size() == 1);
}

TEST_CASE("what the far side refuses for now stays queued") {
  Runner runner(&probe, "mode: unavailable");
  runner.push("x");
  CHECK_THROWS_AS(runner.run(), weir::Unavailable);
  CHECK(runner.queued() == 1);
}

TEST_CASE("held FlowFiles are finished by a flush, and are queued again after a crash before it") {
  Runner runner(&probe, "mode: hold");
  runner.push("x");
  runner.durable();
  runner.run();
  CHECK(runner.held() == 1);
  runner.crash();
  CHECK(runner.held() == 0);
  CHECK(runner.queued() == 1);
  runner.run();
  runner.durable();
  CHECK(runner.held() == 0);
  CHECK(runner.events().at(0).type == "SEND");
  runner.crash();
  CHECK(runner.queued() == 0);
}

TEST_CASE("a penalized FlowFile comes again when its time is up") {
  Runner runner(&probe, "mode: penalize");
  runner.push("x");
  runner.run();
  CHECK(runner.take("success").empty());
  runner.advance(std::chrono::seconds(4));
  CHECK(runner.take("success").empty());
  runner.advance(std::chrono::seconds(1));
  CHECK(runner.take("success").size() == 1);
}

TEST_CASE("a partly consumed input goes on where it stopped") {
  Runner runner(&probe, "mode: partial");
  runner.push("aabbc ");
  runner.push("dd");
  runner.run();
  std::string all;
  for (const auto& out : runner.take("success")) all += out.content + "|";
  CHECK(all == "aa|bb|c |dd|");
}

TEST_CASE("state is as of the last durable epoch after a crash") {
  Runner runner(&probe, "mode: count");
  runner.push("a");
  runner.run();
  runner.durable();
  runner.push("b");
  runner.run();
  CHECK(runner.state().at("count") == "ii");
  runner.crash();
  CHECK(runner.state().at("count") == "i");
  CHECK(runner.dropped().at(0).reason == "counted");
}

TEST_CASE("what came from a group names everything that took part in it") {
  Runner runner(&probe, "mode: group");
  for (int i = 0; i < 3; ++i) runner.push("x");
  runner.run();
  runner.advance(std::chrono::seconds(2));
  const auto out = runner.take("success");
  REQUIRE(out.size() == 1);
  CHECK(out[0].parents == std::vector<std::uint64_t>{0, 1, 2});
}

TEST_CASE("a FlowFile that is forgotten is a defect") {
  Runner runner(&probe, "mode: forget");
  runner.push("x");
  CHECK_THROWS_WITH(runner.run(), doctest::Contains("neither transferred"));
}

TEST_CASE("properties are validated as a flow's are, and all problems are told at once") {
  const auto problems = thrown_by("moed: pass\nlimit: 5 MB");
  CHECK(problems.find("Probe has no property 'moed'; did you mean 'mode'?") != std::string::npos);
  CHECK(problems.find("properties:2:8: error: 'limit'") != std::string::npos);
  CHECK(thrown_by("limit: 3MiB").find("is too large; expected at most 1000000B") != std::string::npos);
  CHECK(thrown_by("mode: pas").find("did you mean 'pass'?") != std::string::npos);
}

TEST_CASE("a source is polled until it has no more, and goes on from its state") {
  Runner runner(&counter, "count: 4");
  REQUIRE(runner.step());
  runner.durable();
  runner.step();
  runner.crash();
  runner.run();
  CHECK(runner.finished());
  std::string all;
  for (const auto& out : runner.take("success")) all += out.content;
  CHECK(all == "01123");  // 1 was emitted twice: its epoch was lost
}
