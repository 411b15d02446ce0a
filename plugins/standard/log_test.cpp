#include <doctest/doctest.h>

#include <string>

#include "printable.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

using namespace weir::testkit;

namespace {

Runner log(const std::string& properties) {
  return Runner(find_type(weir_plugin_abi_1(), "Log"), properties);
}

std::string printable(std::string_view text) {
  std::string to;
  weir::standard::append_printable(to, text);
  return to;
}

}  // namespace

TEST_CASE("nothing in a line can end it or pretend to be something else") {
  CHECK(printable("plain ä € 😀") == "plain ä € 😀");
  CHECK(printable("a\nb\rc\td\\e") == "a\\nb\\rc\\td\\\\e");
  CHECK(printable(std::string_view("\x1b[31m\0\x7f", 7)) == "\\x1b[31m\\x00\\x7f");
  CHECK(printable("\xc2\x85\xe2\x80\xa8") == "\\xc2\\x85\\xe2\\x80\\xa8");
  CHECK(printable("\xff\xc3(\xed\xa0\x80\xe2\x82") == "\\xff\\xc3(\\xed\\xa0\\x80\\xe2\\x82");
}

TEST_CASE("a line has the FlowFile's number, its attributes and the beginning of its content") {
  auto runner = log("max_bytes: 5B");
  runner.push("{\"a\":1}\n", {{"k", "v\n"}});
  runner.run();
  const auto lines = runner.logs();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].level == weir::abi::Level::info);
  CHECK(lines[0].message == runner.connection() + ":0, 8 bytes k='v\\n' content: {\"a\":…");
  const auto outputs = runner.take("success");
  REQUIRE(outputs.size() == 1);
  CHECK(outputs[0].content == "{\"a\":1}\n");
  CHECK(outputs[0].attributes == Attributes{{"k", "v\n"}});
}

TEST_CASE("the message is the author's, and what is shown can be chosen") {
  auto runner =
      log("{level: warning, message: \"hot: $(temperature) at $(attr('site'))\", attributes: 'si.*', max_bytes: 0B}");
  runner.push(R"({"temperature":80.10})", {{"site", "n"}, {"other", "o"}});
  runner.run();
  REQUIRE(runner.logs().size() == 1);
  CHECK(runner.logs()[0].level == weir::abi::Level::warning);
  CHECK(runner.logs()[0].message == "hot: 80.10 at n site='n'");
}

TEST_CASE("a message that cannot be computed is logged with its reason, and the FlowFile passes") {
  auto runner = log("{message: '$(temperature)', attributes: ''}");
  runner.push("garbage");
  runner.run();
  REQUIRE(runner.logs().size() == 1);
  CHECK(runner.logs()[0].message.starts_with("(message: "));
  CHECK(runner.logs()[0].message.ends_with(" content: garbage"));
  CHECK(runner.take("success").size() == 1);
}

TEST_CASE("a sample logs every so many-th and passes all") {
  auto runner = log("{sample: 10, attributes: ''}");
  for (int i = 0; i < 25; ++i) runner.push(std::to_string(i));
  runner.run();
  const auto lines = runner.logs();
  REQUIRE(lines.size() == 3);
  CHECK(lines[1].message.ends_with("content: 10"));
  CHECK(runner.take("success").size() == 25);
}

TEST_CASE("Discard takes everything") {
  Runner runner(find_type(weir_plugin_abi_1(), "Discard"), "");
  for (int i = 0; i < 2500; ++i) runner.push("x");
  runner.run();
  CHECK(runner.queued() == 0);
  CHECK(runner.held() == 0);
}

TEST_CASE("an expression for attributes that is none is refused") {
  CHECK_THROWS_WITH(log("attributes: '['"), doctest::Contains("attributes is no regular expression"));
}
