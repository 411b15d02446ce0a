// S3Source against a server that verifies signatures.

#include "source.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "store_test.h"
#include "weir/plugin.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

using namespace weir::s3;
using weir::file::gzipped;
using weir::file::readings;
using weir::file::zstd_packed;
using weir::testing::Versitygw;
using weir::testkit::Runner;

namespace {

const auto* type() {
  return weir::testkit::find_type(weir_plugin_abi_1(), "S3Source");
}

/// All that was emitted since the last time.
std::string taken(Runner& runner) {
  std::string all;
  for (const auto& output : runner.take("success")) all += output.content;
  return all;
}

/// Past the interval at which it lists.
void look_again(Runner& runner) {
  runner.advance(std::chrono::seconds(31));
}

bool warned(const Runner& runner, const std::string& text) {
  const auto bulletins = runner.bulletins();
  return std::any_of(bulletins.begin(), bulletins.end(),
                     [&](const auto& b) { return b.message.find(text) != std::string::npos; });
}

}  // namespace

TEST_CASE("objects under a prefix are read by lines, and say where they come from") {
  if (!Versitygw::available()) return;
  const TestStore store;
  store.put("raw/a b/1.ndjson", readings(3));
  store.put("other/1.ndjson", readings(1));
  Runner runner(type(), store.properties() + "prefix: raw/\nformat: ndjson");
  runner.run();
  const auto outputs = runner.take("success");
  REQUIRE(outputs.size() == 1);
  CHECK(outputs[0].content == readings(3));
  CHECK(outputs[0].records == 3);
  CHECK(outputs[0].attributes.at("s3.key") == "raw/a b/1.ndjson");
  CHECK(outputs[0].attributes.at("s3.bucket") == "lake");
  CHECK(outputs[0].attributes.at("filename") == "1.ndjson");
  CHECK(outputs[0].attributes.at("s3.offset") == "0");
  CHECK(runner.events().at(0).type == "FETCH");
  CHECK(runner.events().at(0).transit_uri == "s3://lake/raw/a b/1.ndjson");
}

TEST_CASE("compressed objects are unpacked, arrays taken apart, and whole objects stay whole") {
  if (!Versitygw::available()) return;
  const TestStore store;
  store.put("1.gz", gzipped(readings(1000)));
  store.put("2.zst", zstd_packed(readings(1000, 1000)));
  store.put("3.txt", readings(10, 2000));
  store.put("4", "");
  Runner lines(type(), store.properties());
  lines.run();
  CHECK(taken(lines) == readings(2010));
  Runner whole(type(), store.properties() + "format: whole\ndecompress: false\nmatch: '*.gz'");
  whole.run();
  CHECK(taken(whole) == gzipped(readings(1000)));
  store.put("5.json", "[{\"a\":1},\n {\"a\":2}]");
  Runner array(type(), store.properties() + "format: json_array\nmatch: '*.json'\nemit: each");
  array.run();
  CHECK(array.take("success").size() == 2);
}

TEST_CASE("a large object is read in pieces, in bounded sessions") {
  if (!Versitygw::available()) return;
  const TestStore store;
  const auto all = readings(200'000);
  store.put("large", all);
  store.put("large.gz", gzipped(all));
  Runner runner(type(), store.properties() + "piece_size: 1MiB");
  runner.run();
  CHECK(taken(runner) == all + all);
  CHECK(runner.metric("s3_bytes_read") > static_cast<double>(all.size()));
  CHECK(runner.metric("s3_objects_read") == 2);
}

TEST_CASE("new and replaced objects are read, and nothing twice, also after a restart") {
  if (!Versitygw::available()) return;
  const TestStore store;
  store.put("b", "1\n");
  Runner runner(type(), store.properties());
  runner.run();
  CHECK(taken(runner) == "1\n");
  look_again(runner);
  CHECK(taken(runner).empty());
  store.put("a", "2\n");
  store.put("c", "3\n");
  look_again(runner);
  CHECK(taken(runner) == "2\n3\n");
  store.put("b", "4\n");
  look_again(runner);
  CHECK(taken(runner) == "4\n");
  runner.restart();
  runner.run();
  CHECK(taken(runner).empty());
  store.client().remove("a");
  look_again(runner);
  CHECK(runner.state().count("k/a") == 0);
  CHECK(runner.state().count("k/b") == 1);
}

TEST_CASE("with track: last_key only the last key is remembered") {
  if (!Versitygw::available()) return;
  const TestStore store;
  for (const std::string day : {"01", "02", "03"}) store.put("day=" + day, day + "\n");
  Runner runner(type(), store.properties() + "track: last_key");
  runner.run();
  CHECK(taken(runner) == "01\n02\n03\n");
  CHECK(runner.state().size() <= 2);
  store.put("day=04", "04\n");
  runner.restart();
  runner.run();
  CHECK(taken(runner) == "04\n");
}

TEST_CASE("more than 1,000 objects are listed page by page") {
  if (!Versitygw::available()) return;
  TestStore store;
  // Straight into the server's folder: what is asked here is how they are listed.
  std::filesystem::create_directories(store.server().object("many"));
  for (int i = 0; i < 2'300; ++i) std::ofstream(store.server().object("many/" + std::to_string(i))) << i << '\n';
  Runner runner(type(), store.properties() + "prefix: many/");
  runner.run();
  auto outputs = runner.take("success");
  CHECK(outputs.size() == 2'300);
  std::set<std::string> contents;
  for (const auto& output : outputs) contents.insert(output.content);
  CHECK(contents.size() == 2'300);
  look_again(runner);
  CHECK(runner.take("success").empty());
}

TEST_CASE("whenever it is killed, it goes on where the durable state says") {
  if (!Versitygw::available()) return;
  const TestStore store;
  store.put("1", readings(50'000));
  store.put("2.gz", gzipped(readings(50'000, 50'000)));
  Runner runner(type(), store.properties() + "chunk_size: 64KiB\npiece_size: 64KiB");
  std::string durable;
  for (int i = 0; i < 30; ++i) {
    runner.step();
    const auto now = taken(runner);
    if (i % 3 != 2) {
      durable += now;
      runner.durable();
    } else {
      runner.crash();  // what came since the epoch comes again
    }
  }
  runner.run();
  durable += taken(runner);
  CHECK(durable == readings(100'000));
}

TEST_CASE("objects that were read can be deleted, once that is durable") {
  if (!Versitygw::available()) return;
  const TestStore store;
  store.put("a", "1\n");
  store.put("b", "2\n");
  Runner runner(type(), store.properties() + "after: delete");
  runner.run();
  CHECK(taken(runner) == "1\n2\n");
  CHECK(store.objects().size() == 2);
  runner.crash();
  runner.run();
  CHECK(taken(runner) == "1\n2\n");  // no epoch had them
  runner.durable();
  runner.run();
  CHECK(store.objects().empty());
  CHECK(runner.state().lower_bound("k/") == runner.state().lower_bound("k0"));
}

TEST_CASE("with a schedule it lists when it is polled, reads to the end, and deletes what is durable in between") {
  if (!Versitygw::available()) return;
  const TestStore store;
  store.put("a", "1\n");
  store.put("b", "2\n");
  Runner runner(type(), store.properties() + "after: delete\ninterval: 10s", {.scheduled = true});
  runner.run();  // polled at its time
  CHECK(taken(runner) == "1\n2\n");
  CHECK(runner.next_tick() == runner.now() + 1'000'000'000);
  runner.durable();
  runner.advance(std::chrono::seconds(1));
  CHECK(store.objects().empty());
  CHECK(runner.next_tick() == 0);
  store.put("c", "3\n");
  runner.run();  // though no ten seconds have passed
  CHECK(taken(runner) == "3\n");
}

TEST_CASE("a store that is down is waited for, and a missing bucket is said at start") {
  if (!Versitygw::available()) return;
  TestStore store;
  store.put("a", "1\n");
  Runner runner(type(), store.properties());
  store.server().kill();
  CHECK_THROWS_AS(runner.run(), weir::Unavailable);
  CHECK_THROWS_AS(Runner(type(), store.properties()), weir::Unavailable);
  store.server().start();
  runner.run();
  CHECK(taken(runner) == "1\n");
  auto properties = store.properties();
  properties.replace(properties.find("bucket: lake"), 12, "bucket: none");
  CHECK_THROWS_AS(Runner(type(), properties), weir::Misconfigured);
}

TEST_CASE("a damaged object gives what stands before the damage") {
  if (!Versitygw::available()) return;
  const TestStore store;
  const auto packed = gzipped(readings(1000));
  store.put("cut.gz", packed.substr(0, packed.size() / 2));
  store.put("whole", "fine\n");
  Runner runner(type(), store.properties());
  runner.run();
  const auto all = taken(runner);
  CHECK(all.starts_with(readings(10)));
  CHECK(all.ends_with("fine\n"));
  CHECK(warned(runner, "s3://lake/cut.gz"));
}
