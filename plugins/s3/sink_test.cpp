// S3Sink against a server that verifies signatures.

#include "sink.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "store_test.h"
#include "weir/plugin.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

using namespace weir::s3;
using weir::file::readings;
using weir::testing::Versitygw;
using weir::testkit::Options;
using weir::testkit::Runner;

namespace {

const auto* type() {
  return weir::testkit::find_type(weir_plugin_abi_1(), "S3Sink");
}

/// What a batch run does at its end: until the store has everything.
void end(Runner& runner) {
  runner.run();
  const auto empty = [&] { return runner.state().lower_bound("c/") == runner.state().lower_bound("c0"); };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(40);
  while (std::chrono::steady_clock::now() < deadline) {
    runner.finish();
    runner.durable();
    if (empty()) return;
  }
  std::string left;
  for (const auto& [key, value] : runner.state()) left += key + " = " + value + '\n';
  for (const auto& bulletin : runner.bulletins()) left += bulletin.message + '\n';
  FAIL("objects were not uploaded:\n" << left);
}

bool warned(const Runner& runner, const std::string& text) {
  const auto bulletins = runner.bulletins();
  return std::any_of(bulletins.begin(), bulletins.end(),
                     [&](const auto& b) { return b.message.find(text) != std::string::npos; });
}

std::string sorted_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  std::string result;
  for (const auto& line : lines) result += line + '\n';
  return result;
}

std::size_t files_in(const Runner& runner) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(runner.folder() + "/objects")) ++count;
  return count;
}

/// The key without label and number: both are of six digits at least and stand before the extension.
std::string plain(const std::string& key) {
  const auto dot = key.find('.', key.rfind('/') + 1);
  return key.substr(0, key.rfind('-', key.rfind('-', dot) - 1)) + key.substr(dot);
}

}  // namespace

TEST_CASE("FlowFiles become an object, once the epoch that ends it is durable") {
  if (!Versitygw::available()) return;
  const TestStore store;
  Runner runner(type(), store.properties() + "key: raw/out.log");
  runner.push("one");
  runner.push("two\n");
  runner.run();
  CHECK(runner.held() == 2);
  runner.durable();
  CHECK(runner.held() == 0);
  CHECK(store.objects().empty());
  CHECK(runner.events().at(0).type == "SEND");
  CHECK(runner.events().at(0).transit_uri.starts_with("s3://lake/raw/out-"));
  end(runner);
  const auto objects = store.objects();
  REQUIRE(objects.size() == 1);
  CHECK(plain(objects.begin()->first) == "raw/out.log");
  CHECK(objects.begin()->second == "one\ntwo\n");
  CHECK(runner.events().at(0).transit_uri == "s3://lake/" + objects.begin()->first);
  runner.durable();
  runner.run();
  CHECK(files_in(runner) == 0);
  CHECK(runner.metric("s3_objects_written") == 1);
}

TEST_CASE("records are partitioned by a key over their fields, and data adds no segment") {
  if (!Versitygw::available()) return;
  const TestStore store;
  Runner runner(type(), store.properties() + "key: raw/sensor=$(id)/x.ndjson");
  runner.push("{\"id\":\"a/b\",\"n\":1}\n{\"id\":\"ü %\",\"n\":2}\n{\"id\":null,\"n\":3}\n{\"id\":\"a/b\",\"n\":4}\n",
              {}, 4);
  end(runner);
  std::map<std::string, std::string> found;
  for (const auto& [key, content] : store.objects()) found[plain(key)] = content;
  CHECK(found.size() == 2);
  CHECK(found["raw/sensor=a%2Fb/x.ndjson"] == "{\"id\":\"a/b\",\"n\":1}\n{\"id\":\"a/b\",\"n\":4}\n");
  CHECK(found["raw/sensor=ü %25/x.ndjson"] == "{\"id\":\"ü %\",\"n\":2}\n");
  CHECK(runner.take("failure").at(0).content == "{\"id\":null,\"n\":3}");
}

TEST_CASE("objects are rolled by size, count and age, and compressed") {
  if (!Versitygw::available()) return;
  const TestStore store;
  SUBCASE("count, gzip") {
    Runner runner(type(), store.properties() + "key: x.ndjson.gz\nformat: ndjson\nroll_count: 100");
    for (int i = 0; i < 10; ++i) runner.push(readings(50, i * 50), {}, 50);
    end(runner);
    CHECK(store.objects().size() == 5);
    CHECK(store.everything() == readings(500));
  }
  SUBCASE("size, zstd") {
    Runner runner(type(), store.properties() + "key: x.ndjson.zst\nroll_size: 100KiB");
    std::mt19937 random(1);
    std::string all;
    for (int i = 0; i < 50; ++i) {
      std::string line;
      while (line.size() < 20'000) line += std::to_string(random());
      runner.push(line);
      all += line + '\n';
    }
    end(runner);
    CHECK(store.objects().size() > 2);
    CHECK(store.everything() == all);
  }
  SUBCASE("age") {
    Runner runner(type(), store.properties() + "key: x.ndjson\nroll_age: 10s\nclose_idle: 0s");
    runner.push("1");
    runner.run();
    runner.durable();
    runner.advance(std::chrono::seconds(11));
    runner.durable();
    CHECK(runner.run_until([&] { return store.objects().size() == 1; }, std::chrono::seconds(20)));
  }
}

TEST_CASE("with object_each the key is the author's own, and what is there is replaced") {
  if (!Versitygw::available()) return;
  const TestStore store;
  Runner runner(type(), store.properties() + "key: in/$(attr('filename'))\nmode: object_each");
  runner.push("first", {{"filename", "a.txt"}});
  end(runner);
  runner.push("", {{"filename", "empty"}});
  runner.push("second", {{"filename", "a.txt"}});
  end(runner);
  CHECK(store.objects() == std::map<std::string, std::string>{{"in/a.txt", "second"}, {"in/empty", ""}});
}

TEST_CASE("large objects are uploaded in parts, with what the settings say of objects") {
  if (!Versitygw::available()) return;
  const TestStore store;
  for (const std::string checksum : {"md5", "sha256"}) {
    Runner runner(type(), store.properties() + "key: " + checksum +
                              "\nmode: object_each\npart_size: 5MiB\nmultipart_from: 5MiB\nmetadata: {team: plant-7}\n"
                              "content_type: text/plain\nchecksum: " +
                              checksum);
    std::string large(12'000'000, 'x');
    for (std::size_t i = 0; i < large.size(); i += 1000) large[i] = static_cast<char>('a' + i / 1000 % 26);
    runner.push(large);
    end(runner);
    CHECK(store.objects()[checksum] == large);
    const auto head = store.client().head(checksum);
    CHECK(head->meta("team") == "plant-7");
    CHECK(head->etag.find("-3") != std::string::npos);  // of three parts
  }
}

TEST_CASE("whenever it is killed, everything arrives and nothing twice") {
  if (!Versitygw::available()) return;
  std::mt19937 random(7);
  for (int round = 0; round < 6; ++round) {
    CAPTURE(round);
    const TestStore store;
    Runner runner(type(), store.properties() + "key: s=$(sensor_id)/x.ndjson.gz\nroll_count: 20\nmax_open: 7",
                  {.exactly_once = true, .batch = 3});
    for (int i = 0; i < 40; ++i) {
      runner.push(readings(10, i * 10), {}, 10);
      switch (random() % 4) {
        case 0:
          runner.run();
          break;
        case 1:
          runner.step();
          runner.durable();
          break;
        case 2:
          runner.run();
          runner.flush();
          break;
        default:
          runner.crash();
      }
      if (random() % 3 == 0) runner.durable();
    }
    end(runner);
    CHECK(sorted_lines(store.everything()) == sorted_lines(readings(400)));
    runner.durable();
    runner.run();
    CHECK(files_in(runner) == 0);
  }
}

TEST_CASE("an object that was uploaded before a crash is known again, and not written twice") {
  if (!Versitygw::available()) return;
  const TestStore store;
  Runner runner(type(), store.properties() + "key: x.ndjson\nroll_count: 1");
  runner.push("1");
  runner.run();
  runner.durable();  // the manifest; the upload follows
  CHECK(runner.run_until([&] { return runner.metric("s3_objects_written") == 1; }, std::chrono::seconds(20)));
  const auto before = store.objects();
  runner.crash();
  runner.push("2");
  end(runner);
  CHECK(store.objects().size() == 2);
  CHECK(store.everything() == "1\n2\n");
  CHECK(store.objects().begin()->first == before.begin()->first);
}

TEST_CASE("an object of somebody else's is left alone: ours gets another key") {
  if (!Versitygw::available()) return;
  const TestStore store;
  Runner runner(type(), store.properties() + "key: x.log\nroll_count: 1");
  runner.push("1");
  end(runner);
  auto key = store.objects().begin()->first;
  const auto at = key.find("000001");
  key.replace(at, 6, "000002");
  store.put(key, "foreign");
  runner.push("2");
  end(runner);
  CHECK(store.objects()[key] == "foreign");
  CHECK(store.objects().size() == 3);
  CHECK(store.everything().find("2\n") != std::string::npos);
  CHECK(warned(runner, "belongs to somebody else"));
}

TEST_CASE("a wrong secret stops it at start, with a clear message") {
  if (!Versitygw::available()) return;
  const TestStore store;
  auto properties = store.properties();
  properties.replace(properties.find("secret_key: "), std::string::npos, "secret_key: wrong\nkey: x\n");
  std::string message;
  try {
    Runner runner(type(), properties);
  } catch (const std::exception& error) {
    message = error.what();
  }
  CHECK(message.find("the secret_key does not belong to the access_key") != std::string::npos);
}

TEST_CASE("a store that is down at start is waited for") {
  if (!Versitygw::available()) return;
  TestStore store;
  store.server().kill();
  CHECK_THROWS_AS(Runner(type(), store.properties() + "key: x"), weir::Unavailable);
  store.server().start();
  Runner runner(type(), store.properties() + "key: x");
}

TEST_CASE("a store that dies midway gets everything when it is back, and a full backlog stops the input until then") {
  if (!Versitygw::available()) return;
  TestStore store;
  Runner runner(type(), store.properties() + "key: x.log\nroll_count: 1\nmax_backlog: 1000B\nconnect_timeout: 1s");
  runner.push("before");
  runner.run();
  runner.durable();
  REQUIRE(runner.run_until([&] { return store.objects().size() == 1; }, std::chrono::seconds(20)));
  store.server().kill();
  runner.push(std::string(2000, 'x'));
  runner.run();
  runner.durable();
  REQUIRE(runner.run_until([&] { return runner.metric("s3_upload_failures") > 0; }, std::chrono::seconds(20)));
  CHECK(warned(runner, "trying again"));
  runner.push("later");
  CHECK_THROWS_AS(runner.run(), weir::Unavailable);
  CHECK(runner.queued() == 1);
  store.server().start();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(40);
  for (bool taken = false; !taken && std::chrono::steady_clock::now() < deadline;) {
    try {  // as the engine does, with its pauses
      runner.run();
      taken = true;
    } catch (const weir::Unavailable&) {
    }
  }
  end(runner);
  CHECK(store.everything() == "before\n" + std::string(2000, 'x') + "\nlater\n");
}

TEST_CASE("a full disk makes it wait with a clear message, and nothing is lost or there twice") {
  if (!Versitygw::available()) return;
  const TestStore store;
  Runner runner(type(), store.properties() + "key: out.log\nroll_size: 2MiB\n", Options{.exactly_once = true});
  runner.push(readings(100));
  runner.run();
  runner.durable();
  const auto large = readings(30'000, 100);
  for (const auto& content : {std::string("before\n"), large, std::string("after\n")}) runner.push(content);
  {
    const weir::file::FullDisk full;
    for (int attempt = 0; attempt < 3; ++attempt) {
      CHECK_THROWS_WITH_AS(
          {
            runner.run();
            runner.durable();
          },
          doctest::Contains(("cannot write to " + runner.folder() + "/objects").c_str()), weir::Unavailable);
    }
  }
  end(runner);
  CHECK(sorted_lines(store.everything()) == sorted_lines(readings(100) + "before\n" + large + "after\n"));
}

TEST_CASE("what the store is asked to do with objects is in the request's headers") {
  SinkSettings s;
  s.object_key = "a/x.ndjson";
  s.storage_class = "STANDARD_IA";
  s.encryption = "kms";
  s.kms_key = "key-1";
  s.acl = "bucket-owner-full-control";
  s.metadata = {{"team", "plant-7"}};
  CHECK(object_options(s).headers == Pairs{{"Content-Type", "application/x-ndjson"},
                                           {"x-amz-storage-class", "STANDARD_IA"},
                                           {"x-amz-acl", "bucket-owner-full-control"},
                                           {"x-amz-server-side-encryption", "aws:kms"},
                                           {"x-amz-server-side-encryption-aws-kms-key-id", "key-1"},
                                           {"x-amz-meta-team", "plant-7"}});
  s.encryption = "s3";
  CHECK_THROWS_WITH_AS(object_options(s), "kms_key has no effect without encryption: kms or kms_dsse",
                       weir::Misconfigured);
  s.kms_key.reset();
  s.customer_key = "x";
  CHECK_THROWS_AS(object_options(s), weir::Misconfigured);
  s.customer_key.reset();
  s.metadata = {{"bad name", "x"}};
  CHECK_THROWS_AS(object_options(s), weir::Misconfigured);
}

TEST_CASE("a key that no object can have is refused") {
  const auto bad = [](const std::string& key) { return !objection_to_key(key, 0).empty(); };
  CHECK(!bad("a/b c/date=1/ü"));
  CHECK(bad("a//b"));
  CHECK(bad("a/../b"));
  CHECK(bad("a/\n"));
  CHECK(bad(std::string(1000, 'x')));
}
