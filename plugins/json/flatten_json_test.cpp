#include <doctest/doctest.h>

#include "weir/plugin.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

namespace {

using weir::testkit::Runner;

struct Flatten : Runner {
  explicit Flatten(const std::string& properties = "")
      : Runner(weir::testkit::find_type(weir_plugin_abi_1(), "FlattenJson"), properties) {}
  std::string all(std::string_view relationship) {
    std::string text;
    for (const auto& output : take(relationship)) text += output.content;
    return text;
  }
};

std::string flat(const std::string& properties, const std::string& record) {
  Flatten flatten(properties);
  flatten.push(record);
  flatten.run();
  CHECK(flatten.all("failure").empty());
  return flatten.all("success");
}

std::string refused(const std::string& properties, const std::string& record) {
  Flatten flatten(properties);
  flatten.push(record);
  flatten.run();
  CHECK(flatten.all("success").empty());
  const auto bad = flatten.take("failure");
  REQUIRE(bad.size() == 1);
  CHECK(bad[0].content == record);
  return bad[0].attributes.at("error.message");
}

const char* const kCustomers = R"(
children:
  orders:
    path: orders
    keys: {customer_id: id}
  items:
    path: orders.items
    keys: {customer_id: id, order_id: orders.id, city: home.city}
    index: position
)";

TEST_CASE("nested objects become fields named by the way to them, with their bytes") {
  CHECK(flat("", R"({"id":1.50,"home":{"city":"Os\u006co","at":{"lat":5.0E1}},"none":{},"x":null})") ==
        R"({"id":1.50,"home_city":"Os\u006co","home_at_lat":5.0E1,"none":{},"x":null})");
  CHECK(flat("separator: .", R"({"a":{"b\"c":1}})") == R"({"a.b\"c":1})");
  CHECK(flat("", R"({})") == "{}");
}

TEST_CASE("records keep the form they came in, one line each") {
  CHECK(flat("", "[{\"a\":{\"b\":1}},{\"a\":{\"b\":[1,\n2]}}]") == "[{\"a_b\":1},{\"a_b\":[1,2]}]");
  CHECK(flat("", "{\"a\":{\"b\":1}}\n{\"c\":2}\n") == "{\"a_b\":1}\n{\"c\":2}\n");
  CHECK(flat("", "[]") == "[]");
}

TEST_CASE("arrays are kept, or become fields by place") {
  const std::string record = R"({"tags":["x",{"y":[1,[2]]},[]],"e":[]})";
  CHECK(flat("", record) == record);
  CHECK(flat("arrays: index", record) == R"({"tags_0":"x","tags_1_y_0":1,"tags_1_y_1_0":2,"tags_2":[],"e":[]})");
}

TEST_CASE("what is nested deeper than max_depth stays JSON") {
  const std::string record = R"({"a":{"b":{"c":1}},"l":[[1]]})";
  CHECK(flat("max_depth: 1", record) == record);
  CHECK(flat("max_depth: 2", record) == R"({"a_b":{"c":1},"l":[[1]]})");
  CHECK(flat("max_depth: 2\narrays: index", record) == R"({"a_b":{"c":1},"l_0":[1]})");
  CHECK(flat("max_depth: 3", record) == R"({"a_b_c":1,"l":[[1]]})");
}

TEST_CASE("as deep as JSON goes is no trouble, and deeper is a failure") {
  std::string deep = "1";
  for (int i = 0; i < 1000; ++i) deep = "{\"a\":" + deep + "}";
  CHECK(flat("", deep).size() == 2 + 1999 + 2 + 2);
  for (int i = 0; i < 100; ++i) deep = "{\"a\":" + deep + "}";
  CHECK(refused("", deep).find("1024") != std::string::npos);
}

TEST_CASE("names that meet fail the record, or the last counts where it is told to") {
  const std::string record = R"({"a_b":1,"a":{"b":2},"c":3})";
  CHECK(refused("", record) == "two fields would be called 'a_b' once the record is flat");
  CHECK(flat("collisions: last", record) == R"({"a_b":2,"c":3})");
  CHECK(refused("children: {c: {path: l, keys: {id: id}}}", R"({"id":1,"l":[{"id":2}]})") ==
        "two fields would be called 'id' once the record is flat");
}

TEST_CASE("of members with the same name the last counts, with all that is in it") {
  CHECK(flat("", R"({"a":{"x":1},"b":0,"a":{"y":2}})") == R"({"a_y":2,"b":0})");
  std::string many = "{";
  std::string expected = "{";
  for (int i = 0; i < 40; ++i) {
    many += "\"m" + std::to_string(i) + "\":{\"x\":1},";
    expected += "\"m" + std::to_string(i) + (i == 30 ? "_y\":2" : "_x\":1") + (i < 39 ? "," : "}");
  }
  CHECK(flat("", many + "\"m30\":{\"y\":2}}") == expected);
}

TEST_CASE("child arrays go to relationships of their own with their parents' keys, and leave the parent") {
  Flatten flatten(kCustomers);
  flatten.push(
      R"({"id":"c1","home":{"city":"Oslo"},"orders":[{"id":1,"items":[{"sku":"a"},{"sku":"b","d":{"w":2}}]},{"id":2}]})"
      "\n"
      R"({"id":"c2","home":{"city":"Bern"},"orders":[]})"
      "\n"
      R"({"id":"c3","home":{"city":"Rome"},"orders":{"id":3,"items":["x",null]}})"
      "\n");
  flatten.run();
  CHECK(flatten.all("success") ==
        "{\"id\":\"c1\",\"home_city\":\"Oslo\"}\n{\"id\":\"c2\",\"home_city\":\"Bern\"}\n"
        "{\"id\":\"c3\",\"home_city\":\"Rome\"}\n");
  const auto orders = flatten.take("orders");
  REQUIRE(orders.size() == 1);
  CHECK(orders[0].records == 3);
  CHECK(orders[0].parents == std::vector<std::uint64_t>{0});
  CHECK(orders[0].content ==
        "{\"customer_id\":\"c1\",\"id\":1}\n{\"customer_id\":\"c1\",\"id\":2}\n{\"customer_id\":\"c3\",\"id\":3}\n");
  CHECK(flatten.all("items") ==
        "{\"customer_id\":\"c1\",\"order_id\":1,\"city\":\"Oslo\",\"position\":0,\"sku\":\"a\"}\n"
        "{\"customer_id\":\"c1\",\"order_id\":1,\"city\":\"Oslo\",\"position\":1,\"sku\":\"b\",\"d_w\":2}\n"
        "{\"customer_id\":\"c3\",\"order_id\":3,\"city\":\"Rome\",\"position\":0,\"value\":\"x\"}\n"
        "{\"customer_id\":\"c3\",\"order_id\":3,\"city\":\"Rome\",\"position\":1,\"value\":null}\n");
}

TEST_CASE("a child without its key fails its record, and no other child of it leaves") {
  Flatten flatten(kCustomers);
  const std::string good = R"({"id":1,"home":{"city":"Oslo"},"orders":[{"id":1,"items":[1]}]})";
  const std::string missing = R"({"id":2,"home":{"city":"Oslo"},"orders":[{"items":[1]}]})";
  const std::string nested = R"({"id":{"n":3},"orders":[{"id":1}]})";
  const std::string null = R"({"id":null,"orders":[{"id":1}]})";
  flatten.push(missing + "\n" + good + "\n" + nested + "\n" + null + "\n");
  flatten.run();
  CHECK(flatten.all("success") == "{\"id\":1,\"home_city\":\"Oslo\"}\n");
  CHECK(flatten.all("orders") == "{\"customer_id\":1,\"id\":1}\n");
  const auto bad = flatten.take("failure");
  REQUIRE(bad.size() == 3);
  CHECK(bad[0].content == missing + "\n");
  CHECK(bad[0].attributes.at("error.message") == "the key order_id of items is missing");
  CHECK(bad[1].attributes.at("error.message") == "the key customer_id of orders is no single value");
  CHECK(bad[2].attributes.at("error.message") == "the key customer_id of orders is null");
}

TEST_CASE("explode repeats the record for each element, and keeps one that has none") {
  const std::string record =
      R"({"id":1,"o":[{"n":1,"i":[{"s":"a"},{"s":"b"}]},{"n":2,"i":[]},{"n":3,"i":["x"]}],"z":9})";
  CHECK(flat("explode: o", "[" + record + "]") ==
        R"([{"id":1,"o_n":1,"o_i":[{"s":"a"},{"s":"b"}],"z":9},{"id":1,"o_n":2,"o_i":[],"z":9},)"
        R"({"id":1,"o_n":3,"o_i":["x"],"z":9}])");
  CHECK(flat("explode: o.i", "[" + record + "]") ==
        R"([{"id":1,"o_n":1,"o_i_s":"a","z":9},{"id":1,"o_n":1,"o_i_s":"b","z":9},{"id":1,"o_n":2,"z":9},)"
        R"({"id":1,"o_n":3,"o_i":"x","z":9}])");
  CHECK(flat("explode: o", R"({"id":1,"o":[]})") == R"({"id":1})");
  CHECK(flat("explode: o", R"({"id":1,"o":null})") == R"({"id":1})");
  CHECK(flat("explode: o", R"({"id":1})") == R"({"id":1})");
}

TEST_CASE("a JSON Pointer reaches names with dots, and a child may lie in an object") {
  Flatten flatten("children: {list: {path: /a.b~1c/list, keys: {k: /a.b~1c/k}}}");
  flatten.push(R"({"a.b/c":{"k":7,"list":[{"v":1}]}})");
  flatten.run();
  CHECK(flatten.all("list") == R"({"k":7,"v":1})");
  CHECK(flatten.all("success") == R"({"a.b/c_k":7})");
}

TEST_CASE("what is no JSON object goes to failure with its bytes, the rest proceed") {
  Flatten flatten;
  flatten.push("{\"a\":{\"b\":1}}\n{\"a\":01}\nnonsense\n{\"a\":{\"b\":2}}\n");
  flatten.run();
  CHECK(flatten.all("success") == "{\"a_b\":1}\n{\"a_b\":2}\n");
  CHECK(flatten.take("failure").size() == 2);
}

TEST_CASE("settings that cannot work are refused") {
  CHECK_THROWS_WITH(Flatten("explode: a..b"),
                    "explode: 'a..b' has an empty name in it; names joined by dots are expected, as in orders.items, "
                    "or a JSON Pointer, as in /orders/items");
  CHECK_THROWS_WITH(Flatten("children: {a: {path: x}, b: {path: x}}"),
                    "children.b.path: 'x' is the path of another child already");
  CHECK_THROWS_WITH(Flatten("explode: x\nchildren: {a: {path: x}}"),
                    "children.a.path: 'x' is exploded; it cannot be a child as well");
}

}  // namespace
