#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "weir/errors.h"
#include "weir/plugin.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

namespace {

using weir::testkit::Runner;

/// A file of regions, removed at the end.
struct RegionFile {
  RegionFile() : path(std::filesystem::temp_directory_path() / ("weir-geo-" + std::to_string(getpid()) + ".geojson")) {
    write("north");
  }
  ~RegionFile() { std::filesystem::remove(path); }
  /// A large square with the name, a small one within, and one beside that has no name.
  void write(const std::string& name) const {
    replace(R"({"type":"FeatureCollection","features":[
      {"type":"Feature","id":"F1","properties":{"name":")" +
            name + R"(","size":8.50,"more":{
         "a":1}},
       "geometry":{"type":"Polygon","coordinates":[[[0,0],[10,0],[10,10],[0,10],[0,0]]]}},
      {"type":"Feature","id":2,"properties":{"name":"inner"},
       "geometry":{"type":"Polygon","coordinates":[[[4,4],[6,4],[6,6],[4,6],[4,4]]]}},
      {"type":"Feature","properties":{"size":1},
       "geometry":{"type":"Polygon","coordinates":[[[20,0],[30,0],[30,10],[20,10],[20,0]]]}}]})");
  }
  void replace(const std::string& text) const { std::ofstream(path, std::ios::binary) << text; }
  std::filesystem::path path;
};

struct Tag : Runner {
  explicit Tag(const RegionFile& file, const std::string& more = "set: {region: name}\n",
               const std::string& record = "")
      : Runner(weir::testkit::find_type(weir_plugin_abi_1(), "GeoTag"), "regions: " + file.path.string() + "\n" + more,
               {.record = record}) {}
  std::string all(std::string_view relationship) {
    std::string text;
    for (const auto& output : take(relationship)) text += output.content;
    return text;
  }
  std::string tagged(const std::string& record) {
    push(record);
    run();
    return all("success");
  }
};

TEST_CASE("a record gets what is known of its region, and its other bytes stay") {
  const RegionFile file;
  Tag tag(file, "set: {region: name, size: size, code: id, more: more}\n");
  CHECK(tag.tagged(R"({ "lat" : 1.0, "lon":2.50 ,"t":[1, 2] })") ==
        R"({ "lat" : 1.0, "lon":2.50 ,"t":[1, 2] ,"region":"north","size":8.50,"code":"F1","more":{         "a":1}})");
}

TEST_CASE("fields that are there are replaced, a property that the region lacks is null") {
  const RegionFile file;
  Tag tag(file, "set: {region: name, size: size}\n");
  CHECK(tag.tagged(R"({"size":{"old":1},"lat":1,"region":"?","lon":25})") ==
        R"({"size":1,"lat":1,"region":null,"lon":25})");
}

TEST_CASE("where regions overlap, the first, the smallest or all") {
  const RegionFile file;
  const std::string record = R"({"lat":5,"lon":5})";
  CHECK(Tag(file).tagged(record) == R"({"lat":5,"lon":5,"region":"north"})");
  CHECK(Tag(file, "set: {region: name}\nseveral: smallest\n").tagged(record) ==
        R"({"lat":5,"lon":5,"region":"inner"})");
  CHECK(Tag(file, "set: {region: name, size: size}\nseveral: all\n").tagged(record) ==
        R"({"lat":5,"lon":5,"region":["north","inner"],"size":[8.50,null]})");
}

TEST_CASE("what lies nowhere is unmatched and unchanged, or gets null") {
  const RegionFile file;
  const std::string records = "{\"lat\":50,\"lon\":5}\n{\"lat\":null,\"lon\":5}\n{\"lon\":5}\n{\"lat\":1,\"lon\":1}\n";
  Tag tag(file);
  CHECK(tag.tagged(records) == "{\"lat\":1,\"lon\":1,\"region\":\"north\"}\n");
  CHECK(tag.all("unmatched") == "{\"lat\":50,\"lon\":5}\n{\"lat\":null,\"lon\":5}\n{\"lon\":5}\n");
  CHECK(tag.metric("geo_matched") == 1);
  CHECK(tag.metric("geo_unmatched") == 3);
  CHECK(Tag(file, "set: {region: name}\nno_match: \"null\"\n").tagged(R"({"lat":50,"lon":5})") ==
        R"({"lat":50,"lon":5,"region":null})");
  CHECK(Tag(file, "set: {region: name}\nno_match: null\n").tagged(R"({"lat":50,"lon":5})") ==  // as YAML reads it
        R"({"lat":50,"lon":5,"region":null})");
}

TEST_CASE("the fields of the position are the author's, expressions too") {
  const RegionFile file;
  Tag tag(file, "set: {region: name}\nlatitude: y / 1000.0\nlongitude: x\n");
  CHECK(tag.tagged(R"({"x":5,"y":1000})") == R"({"x":5,"y":1000,"region":"north"})");
}

TEST_CASE("a position that is none is a failure") {
  const RegionFile file;
  Tag tag(file);
  tag.push("{\"lat\":91,\"lon\":5}\n{\"lat\":1,\"lon\":361}\n{\"lat\":\"x\",\"lon\":5}\nnonsense\n");
  tag.run();
  const auto bad = tag.take("failure");
  REQUIRE(bad.size() == 4);
  CHECK(bad[0].attributes.at("error.message") == "the latitude lat is not within -90 to 90 degrees");
  CHECK(bad[1].attributes.at("error.message") == "the longitude lon is not within -360 to 360 degrees");
  CHECK(bad[0].content == "{\"lat\":91,\"lon\":5}\n");
}

TEST_CASE(
    "a file that changes is read again; a broken or missing one leaves the regions as they were, and says so once") {
  const RegionFile file;
  const std::string record = R"({"lat":1,"lon":1})";
  Tag tag(file);
  CHECK(tag.tagged(record) == R"({"lat":1,"lon":1,"region":"north"})");
  file.write("southern");
  tag.advance(std::chrono::seconds(1));
  CHECK(tag.tagged(record) == R"({"lat":1,"lon":1,"region":"southern"})");
  file.replace("{broken");
  for (int i = 0; i < 3; ++i) {
    tag.advance(std::chrono::seconds(1));
    CHECK(tag.tagged(record) == R"({"lat":1,"lon":1,"region":"southern"})");
  }
  CHECK(tag.bulletins().size() == 1);
  CHECK(tag.bulletins()[0].message.find("the regions stay as they were") != std::string::npos);
  std::filesystem::remove(file.path);
  for (int i = 0; i < 3; ++i) {
    tag.advance(std::chrono::seconds(1));
    CHECK(tag.tagged(record) == R"({"lat":1,"lon":1,"region":"southern"})");
  }
  CHECK(tag.bulletins().size() == 2);
  file.write("back");
  tag.advance(std::chrono::seconds(1));
  CHECK(tag.tagged(record) == R"({"lat":1,"lon":1,"region":"back"})");
  CHECK(tag.bulletins().size() == 2);
}

TEST_CASE("regions that cannot be used are refused with the file and what is wrong") {
  const RegionFile file;
  const auto place = "regions: " + file.path.string() + ": ";
  CHECK_THROWS_WITH_AS(Tag(file, "set: {region: nom}\n"),
                       (place + "no feature has a property 'nom'; the first has name, size, more").c_str(),
                       weir::Misconfigured);
  file.replace(R"({"type":"Feature","geometry":{"type":"Point"}})");
  CHECK_THROWS_WITH_AS(
      Tag{file},
      (place + "feature 1: its geometry is of type \"Point\"; a region is a Polygon or a MultiPolygon").c_str(),
      weir::Misconfigured);
  file.replace("");
  CHECK_THROWS_AS(Tag{file}, weir::Misconfigured);
  std::filesystem::remove(file.path);
  CHECK_THROWS_AS(Tag{file}, weir::Unavailable);
}

}  // namespace
