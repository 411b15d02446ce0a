// What a sink in a lane refuses (weir/rejected.h).
#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "weir/plugin.h"
#include "weir/rejected.h"
#include "weir/testkit.h"

namespace {

struct Settings {
  bool whole = false;
};

const auto spec = weir::Spec<Settings>{"Refuse", "Refuses the records that are odd."}
                      .property("whole", &Settings::whole, {.help = "Refuses whole FlowFiles."})
                      .relationship({"failure", "What is refused."});

bool breaks = false;  ///< the next session, once all is said

class Refuse final : public weir::Processor {
 public:
  explicit Refuse(Settings settings) : whole_(settings.whole) {}
  void start(weir::Context& context) override {
    records_ = weir::Query(context).column("NULL").prepare();
    numbers_ = weir::Query(context).column("n", weir::As::text).prepare();
  }
  void process(weir::FlowFile file, weir::Session& session) override { session.hold(file); }
  void flush(weir::Session& session) override {
    refusals_.match(session);
    std::size_t sent = 0;
    std::vector<weir::FlowFile> files;
    for (std::uint32_t i = 0; i < session.held_count(); ++i) {
      const auto file = session.take_held(i);
      std::vector<weir::RejectedRecord> rejected;
      numbers_.run(session, file, [&](const weir::Row& row) {
        const auto number = weir::view(row.values[0].text);
        if ((number.back() - '0') % 2 == 1) rejected.push_back({row.record, "odd"});
      });
      sent += refusals_.send(session, file, "queue", whole_ ? nullptr : &records_, rejected);
      files.push_back(file);
    }
    if (std::exchange(breaks, false)) throw std::runtime_error("broken");
    for (const auto file : files) sent > 0 ? session.hold(file) : session.drop(file, {});
  }

 private:
  const bool whole_;
  weir::Statement records_;
  weir::Statement numbers_;
  weir::LaneRefusals refusals_;
};

const auto type = weir::type<Refuse>(spec);

std::string failed(weir::testkit::Runner& runner) {
  std::string all;
  for (const auto& output : runner.take("failure")) all += output.content + ";";
  return all;
}

}  // namespace

TEST_CASE("what is refused goes to failure once, and the round is held until then") {
  weir::testkit::Runner runner(&type, "");
  runner.push("{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
  runner.push("{\"n\":5}");
  runner.run();
  runner.flush();
  CHECK(failed(runner) == "{\"n\":1}\n{\"n\":3}\n;{\"n\":5};");
  CHECK(runner.held() == 2);
  runner.flush();
  CHECK(failed(runner).empty());
  CHECK(runner.held() == 0);
}

TEST_CASE("what a session that was rolled back had refused is refused again") {
  weir::testkit::Runner runner(&type, "");
  for (int round = 0; round < 2; ++round) {
    runner.push("{\"n\":1}\n{\"n\":2}\n");
    runner.run();
    breaks = true;
    CHECK_THROWS(runner.flush());
    CHECK(failed(runner).empty());
    runner.flush();
    CHECK(failed(runner) == "{\"n\":1}\n;");
    runner.flush();
    CHECK(runner.held() == 0);
  }
}

TEST_CASE("a FlowFile that goes as a whole goes with its attributes") {
  weir::testkit::Runner runner(&type, "whole: true");
  runner.push("{\"n\":1}", {{"a", "b"}});
  runner.run();
  runner.flush();
  const auto outputs = runner.take("failure");
  REQUIRE(outputs.size() == 1);
  CHECK(outputs[0].content == "{\"n\":1}");
  CHECK(outputs[0].attributes.at("a") == "b");
  CHECK(outputs[0].attributes.at("error.message") == "odd");
  CHECK(runner.held() == 1);
}
