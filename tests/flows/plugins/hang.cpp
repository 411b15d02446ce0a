// A processor that does not return from a call as long as a file is there, as one whose far side has gone and who knows
// no timeout. For the tests of what an operator can do then.
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "weir/plugin.h"

namespace {

constexpr std::uint32_t kSuccess = 0;

struct Settings {
  std::string file;
  std::string in;
};

const auto kHang = weir::Spec<Settings>{"Hang", "Passes on, but not while a file is there."}
                       .property("file", &Settings::file, {.help = "The file.", .required = true})
                       .property("in", &Settings::in,
                                 {.help = "The call.", .required = true, .choices = {"start", "step", "flush", "stop"}})
                       .relationship({"success", "What has passed."});

class Hang final : public weir::Processor {
 public:
  explicit Hang(Settings settings) : settings_(std::move(settings)) {}

  void start(weir::Context& context) override {
    context_ = context;
    hang("start");
  }
  void process(weir::FlowFile file, weir::Session& session) override {
    const auto state = session.state("passed");
    hang("step");
    context_.counter("hang_passed_total", "Passed on.").add(1);
    session.set_state("passed", std::to_string((state ? std::stoull(std::string(*state)) : 0) + 1));
    if (settings_.in == "flush") {
      session.hold(file);
    } else {
      session.transfer(file, kSuccess);
    }
  }
  void flush(weir::Session& session) override {
    hang("flush");
    for (std::uint32_t i = 0; i < session.held_count(); ++i) session.transfer(session.take_held(i), kSuccess);
  }
  void stop() override { hang("stop"); }

 private:
  void hang(const char* call) {
    if (settings_.in != call || !std::filesystem::exists(settings_.file)) return;
    context_.bulletin(weir::Level::info, "hangs in " + settings_.in);
    while (std::filesystem::exists(settings_.file)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    context_.bulletin(weir::Level::info, "hangs no more");
  }

  const Settings settings_;
  weir::Context context_;
};

}  // namespace

WEIR_PLUGIN(weir::type<Hang>(kHang))
