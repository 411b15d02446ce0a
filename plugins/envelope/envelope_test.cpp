#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

using namespace weir::testkit;
using namespace std::string_literals;

namespace {

const char* const kFields = "fields: {reason: error.message, topic: mqtt.topic}";

Output wrapped(const std::string& content, const Attributes& attributes = {}, const std::string& yaml = kFields) {
  Runner runner(find_type(weir_plugin_abi_1(), "Envelope"), yaml);
  runner.push(content, attributes);
  runner.run();
  return runner.take("success").at(0);
}

}  // namespace

TEST_CASE("the record says what the attributes say, in the author's order, and holds the content as text") {
  const auto made = wrapped("{\"sensor_id\":", {{"error.message", "the text ends"}, {"mqtt.topic", "sensors/a"}});
  CHECK(made.content == R"({"reason":"the text ends","topic":"sensors/a","content":"{\"sensor_id\":"})");
  CHECK(made.parents == std::vector<std::uint64_t>{0});
  CHECK(made.attributes.at("mqtt.topic") == "sensors/a");
}

TEST_CASE("an attribute that is missing is null, and empty content is an empty text") {
  CHECK(wrapped("").content == R"({"reason":null,"topic":null,"content":""})");
}

TEST_CASE("control characters, quotes and backslashes are escaped; UTF-8 stays as it is") {
  CHECK(wrapped("a\"b\\c\nd\r\t\0é€😀"s, {}, "{}").content ==
        "{\"content\":\"a\\\"b\\\\c\\nd\\u000d\\u0009\\u0000é€😀\"}");
}

TEST_CASE("content that is not UTF-8 is kept byte for byte as base64") {
  CHECK(wrapped("\xff", {}, "{}").content == R"({"content_base64":"/w=="})");
  CHECK(wrapped("\xff\xfe", {}, "{}").content == R"({"content_base64":"//4="})");
  CHECK(wrapped("ab\xc3", {}, "content: raw").content == R"({"raw_base64":"YWLD"})");
}

TEST_CASE("so is an attribute that is not UTF-8, and the content stays text") {
  CHECK(wrapped("text", {{"error.message", "\xff"}}).content ==
        R"({"reason_base64":"/w==","topic":null,"content":"text"})");
}

TEST_CASE("content beyond max_size goes to failure, unchanged, with the reason") {
  Runner runner(find_type(weir_plugin_abi_1(), "Envelope"), "max_size: 4B");
  runner.push("12345");
  runner.push("1234");
  runner.run();
  CHECK(runner.take("success").size() == 1);
  const auto refused = runner.take("failure");
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].content == "12345");
  CHECK(refused[0].attributes.at("error.message") == "the content has 5B, more than max_size, 4B");
}

TEST_CASE("a field that takes the content's name is refused") {
  const auto* type = find_type(weir_plugin_abi_1(), "Envelope");
  CHECK_THROWS_WITH_AS(Runner(type, "fields: {content: mqtt.topic}"),
                       doctest::Contains("'content' is the content's field"), std::runtime_error);
  CHECK_THROWS_AS(Runner(type, "fields: {content_base64: mqtt.topic}"), std::runtime_error);
}
