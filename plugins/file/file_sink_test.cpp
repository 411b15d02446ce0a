#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <random>

#include "file_sink.h"
#include "file_sink_test.h"

using namespace weir::file;
using weir::testkit::Options;
using weir::testkit::Runner;

namespace {

/// All that the files of a directory hold, unpacked, in the order of their names.
std::string everything(const TestDirectory& dir) {
  std::string all;
  for (const auto& [name, content] : dir.files()) {
    const auto path = "'" + dir / name + "'";
    if (name.ends_with(".gz")) {
      all += output_of("gzip -dc " + path);
    } else if (name.ends_with(".zst")) {
      all += output_of("zstd -dcq " + path);
    } else {
      all += content;
    }
  }
  return all;
}

using Names = std::vector<std::string>;
Names names(const TestDirectory& dir) {
  Names result;
  for (const auto& [name, content] : dir.files()) result.push_back(name);
  return result;
}

}  // namespace

TEST_CASE("content is appended as it comes, each FlowFile ended by a line's end") {
  const TestDirectory dir;
  Runner runner(type(), "path: " + dir / "sub/dir/out.log");
  runner.push("one");
  runner.push("two\n");
  runner.push("");
  runner.push("three\r\n");
  runner.run();
  CHECK(runner.held() == 4);
  runner.durable();
  CHECK(dir.read("sub/dir/out.log") == "one\ntwo\nthree\r\n");
  CHECK(runner.held() == 0);
  CHECK(runner.dropped().size() == 4);
  CHECK(runner.events().at(0).type == "SEND");
  CHECK(runner.events().at(0).transit_uri == "file://" + dir.path() + "/sub/dir/out.log");
}

TEST_CASE("without a separator bytes are only put together") {
  const TestDirectory dir;
  Runner runner(type(), "path: " + dir / "out" + "\nseparator: none");
  runner.push("one");
  runner.push(std::string("\0\xff", 2));
  end(runner);
  CHECK(dir.read("out") == std::string("one\0\xff", 5));
}

TEST_CASE("what a file held before stays, and its last line is ended first") {
  const TestDirectory dir;
  dir.write("out", "before");
  Runner runner(type(), "path: " + dir / "out");
  runner.push("after");
  end(runner);
  CHECK(dir.read("out") == "before\nafter\n");
  runner.push("more");
  end(runner);
  CHECK(dir.read("out") == "before\nafter\nmore\n");
}

TEST_CASE("large content passes in pieces") {
  const TestDirectory dir;
  std::string large(40'000'000, 'x');
  large += '\n';
  for (const std::string name : {"out", "out.gz", "out.zst"}) {
    const TestDirectory sub;
    Runner runner(type(), "path: " + sub / name);
    runner.push("first");
    runner.push(large);
    end(runner);
    CHECK(everything(sub) == "first\n" + large);
  }
}

TEST_CASE("a crash takes back what was written since the last epoch, and it is written again") {
  for (const std::string name : {"out.log", "out.log.gz", "out.log.zst"}) {
    CAPTURE(name);
    const TestDirectory dir;
    Runner runner(type(), "path: " + dir / name, {.exactly_once = true});
    std::string expected;
    for (int epoch = 0; epoch < 8; ++epoch) {
      const auto text = readings(50, epoch * 50);
      expected += text;
      runner.push(text);
      runner.run();
      if (epoch % 3 == 0) runner.flush();  // the bytes are on disk, their epoch is not
      if (epoch % 2 == 0) {
        runner.crash();
        runner.run();
      }
      if (epoch != 4) runner.durable();
    }
    end(runner);
    CHECK(names(dir) == Names{name});
    CHECK(everything(dir) == expected);
  }
}

TEST_CASE("what a crash leaves of files that no epoch knows is removed or cut off") {
  const TestDirectory dir;
  dir.write("old.log", "before\n");
  for (const std::string name : {"new.log", "old.log", "new.gz"}) {
    Runner runner(type(), "path: " + dir / name);
    runner.push("never durable");
    runner.run();
    runner.flush();
    CHECK(dir.files().size() == (name == "old.log" ? 1 : 2));
    runner.crash();
    runner.run();
    CHECK(dir.files() == std::map<std::string, std::string>{{"old.log", "before\n"}});
  }
}

TEST_CASE("a file that is closed and opened again within an epoch is whole after a crash") {
  const TestDirectory dir;
  Runner runner(type(), "path: " + dir / "out" + "\nclose_idle: 1s", {.exactly_once = true});
  runner.push("one");
  runner.run();
  runner.durable();
  runner.push("two");
  runner.run();
  runner.durable();
  runner.advance(std::chrono::seconds(2));  // closed: the next epoch's state has no entry for it
  runner.durable();
  CHECK(runner.state().count("g/" + dir / "out") == 0);
  runner.push("three");
  runner.run();
  runner.flush();
  runner.crash();
  runner.run();
  runner.durable();
  CHECK(dir.read("out") == "one\ntwo\nthree\n");
}

TEST_CASE("a compressed file has its name only when it is complete and durable") {
  const TestDirectory dir;
  Runner runner(type(), "path: " + dir / "out.gz");
  runner.push("one");
  runner.run();
  runner.durable();
  CHECK(names(dir) == Names{".out.gz.part"});
  runner.finish();
  CHECK(names(dir) == Names{".out.gz.part"});
  runner.durable();
  runner.run();
  CHECK(names(dir) == Names{"out.gz"});
  CHECK(everything(dir) == "one\n");
  CHECK(runner.state().size() == 1);  // only the number of the last intent
}

TEST_CASE("a rename that a crash prevented, or that state did not hear of, is made up for") {
  const TestDirectory dir;
  const auto runner = std::make_unique<Runner>(type(), "path: " + dir / "out.gz");
  runner->push("one");
  runner->run();
  runner->finish();
  runner->durable();
  runner->crash();  // before it could rename
  runner->run();
  runner->durable();
  runner->run();
  CHECK(names(dir) == Names{"out.gz"});
  runner->crash();  // after it, but before an epoch that knows
  runner->run();
  runner->durable();
  runner->run();
  CHECK(names(dir) == Names{"out.gz"});
  CHECK(runner->state().size() == 1);
  CHECK(runner->bulletins().empty());
  CHECK(everything(dir) == "one\n");
}

TEST_CASE("stop gives complete files their names") {
  const TestDirectory dir;
  {
    Runner runner(type(), "path: " + dir / "out.gz");
    runner.push("one");
    runner.run();
    runner.finish();
    runner.durable();
  }
  CHECK(names(dir) == Names{"out.gz"});
}

TEST_CASE("an incomplete file is gone on with after a stop") {
  const TestDirectory dir;
  for (const std::string name : {"out.gz", "out.zst"}) {
    Runner runner(type(), "path: " + dir / name);
    runner.push("one");
    runner.run();
    runner.restart();
    runner.push("two");
    end(runner);
    CHECK(everything(dir) == "one\ntwo\n");
    std::filesystem::remove(dir / name);
  }
}

TEST_CASE("files roll by size, by count and by age, with numbers that go on") {
  const TestDirectory dir;
  {
    Runner runner(type(), "path: " + dir / "out.log" + "\nroll_count: 2");
    for (const auto* text : {"1", "2", "3", "4", "5"}) runner.push(text);
    end(runner);
    CHECK(dir.files() == std::map<std::string, std::string>{
                             {"out-000001.log", "1\n2\n"}, {"out-000002.log", "3\n4\n"}, {"out-000003.log", "5\n"}});
  }
  {
    Runner runner(type(), "path: " + dir / "out.log" + "\nroll_size: 10B");
    for (int i = 0; i < 4; ++i) runner.push("12345");
    end(runner);
    CHECK(dir.read("out-000004.log") == "12345\n12345\n");
    CHECK(dir.read("out-000005.log") == "12345\n12345\n");
  }
  Runner runner(type(), "path: " + dir / "out.log" + "\nroll_age: 1m");
  runner.push("old");
  runner.run();
  runner.durable();
  runner.advance(std::chrono::seconds(59));
  runner.push("still");
  runner.run();
  runner.durable();
  CHECK(!dir.has("out-000006.log"));
  runner.advance(std::chrono::seconds(2));
  runner.durable();
  runner.run();
  CHECK(dir.read("out-000006.log") == "old\nstill\n");
}

TEST_CASE("a clock that is set back leaves no file open, and nothing unsynced, for so much longer") {
  const TestDirectory dir;
  for (const std::string setting : {"roll_age: 1m", "close_idle: 1m"}) {
    Runner runner(type(), "path: " + dir / "$(attr('k')).log.gz" + "\nsync_every: 10s\n" + setting);
    for (int i = 0; i < 40; ++i) runner.push("x", {{"k", setting.substr(0, 4) + std::to_string(i)}});
    runner.run();
    runner.durable();
    runner.advance(-std::chrono::hours(1));
    runner.advance(std::chrono::seconds(21));
    runner.durable();
    CHECK(runner.held() == 0);
    runner.advance(std::chrono::seconds(61));
    for (int i = 0; i < 3; ++i) {
      runner.durable();
      runner.advance(std::chrono::seconds(1));
    }
    const auto numbered = setting.starts_with("roll") ? "-000001" : "";
    CHECK(dir.has(setting.substr(0, 4) + "7" + numbered + ".log.gz"));
  }
}

TEST_CASE("a path that is complete already gets a numbered sibling, never overwritten") {
  const TestDirectory dir;
  for (const auto* text : {"one", "two", "three"}) {
    Runner runner(type(), "path: " + dir / "out.log.gz");
    runner.push(text);
    end(runner);
  }
  CHECK(names(dir) == Names{"out-000002.log.gz", "out-000003.log.gz", "out.log.gz"});
  CHECK(output_of("gzip -dc " + dir / "out.log.gz") == "one\n");
  CHECK(output_of("gzip -dc " + dir / "out-000003.log.gz") == "three\n");
}

TEST_CASE("records become lines or one array, whatever form they come in") {
  const TestDirectory dir;
  const auto run = [&](const std::string& properties) {
    Runner runner(type(), properties);
    runner.push("{\"a\":1.10}\n{\"a\":2}\n");
    runner.push("[{\"a\":3},\n {\"a\":4}]");
    runner.push("{\n  \"a\": 5\n}");
    runner.push("[{\"a\":6}, {\"a\"");
    end(runner);
    const auto failed = runner.take("failure");
    REQUIRE(failed.size() == 1);
    CHECK(failed[0].content == "[{\"a\":6}, {\"a\"");
    CHECK(failed[0].attributes.at("error.message").find("ends inside its array") != std::string::npos);
  };
  run("path: " + dir / "out.ndjson" + "\nformat: ndjson");
  CHECK(dir.read("out.ndjson") == "{\"a\":1.10}\n{\"a\":2}\n{\"a\":3}\n{\"a\":4}\n{\"a\": 5}\n");
  run("path: " + dir / "out.json" + "\nformat: json_array");
  CHECK(dir.read("out.json") == "[\n{\"a\":1.10},\n{\"a\":2},\n{\"a\":3},\n{\"a\":4},\n{\"a\": 5}\n]\n");
}

TEST_CASE("an array without records adds none") {
  const TestDirectory dir;
  Runner runner(type(), "path: " + dir / "out" + "\nformat: ndjson");
  runner.push("[]", {}, 0);
  runner.push("{\"a\":1}");
  end(runner);
  CHECK(dir.read("out") == "{\"a\":1}\n");
}

TEST_CASE("a JSON array goes on after a crash and stays one array") {
  const TestDirectory dir;
  Runner runner(type(), "path: " + dir / "out.json" + "\nformat: json_array", {.exactly_once = true});
  for (int i = 0; i < 4; ++i) {
    runner.push("{\"a\":" + std::to_string(i) + "}");
    runner.run();
    if (i != 1) runner.durable();
    runner.crash();
  }
  end(runner);
  CHECK(dir.read("out.json") == "[\n{\"a\":0},\n{\"a\":1},\n{\"a\":2},\n{\"a\":3}\n]\n");
}

TEST_CASE("file_each writes a file a FlowFile, under a name of its attributes") {
  const TestDirectory dir;
  Runner runner(type(), "path: " + dir / "$(attr('filename'))" + "\nmode: file_each", {.exactly_once = true});
  runner.push("one", {{"filename", "a.txt"}});
  runner.push("two", {{"filename", "b.txt"}});
  runner.push("three", {{"filename", "a.txt"}});
  runner.run();
  runner.crash();
  end(runner);
  CHECK(dir.files() ==
        std::map<std::string, std::string>{{"a.txt", "one"}, {"b.txt", "two"}, {"a-000002.txt", "three"}});
}

TEST_CASE("file_each keeps up with more files than descriptors") {
  const TestDirectory dir;
  Runner runner(type(), "path: " + dir / "x" + "\nmode: file_each");
  for (int i = 0; i < 1500; ++i) runner.push(std::to_string(i));
  end(runner);
  CHECK(dir.files().size() == 1500);
}

TEST_CASE("records go where their fields say, and those without a path to failure with their own bytes") {
  const TestDirectory dir;
  Runner runner(type(), "path: " + dir / "day=$(day)/$(sensor).ndjson", {.exactly_once = true});
  runner.push(
      "{\"day\":1,\"sensor\":\"a\",\"v\":1.0}\n{\"day\":1,\"sensor\":\"b\"}\n{\"day\":2,\"sensor\":\"a\"}\n"
      "{\"day\":1,\"sensor\":null}\n{\"day\":1,\"sensor\":\"a\"}\n",
      {}, 5);
  runner.push("{\"sensor\":\"no day\"}");
  runner.run();
  runner.crash();
  runner.run();
  runner.durable();
  CHECK(dir.files() == std::map<std::string, std::string>{
                           {"day=1/a.ndjson", "{\"day\":1,\"sensor\":\"a\",\"v\":1.0}\n{\"day\":1,\"sensor\":\"a\"}\n"},
                           {"day=1/b.ndjson", "{\"day\":1,\"sensor\":\"b\"}\n"},
                           {"day=2/a.ndjson", "{\"day\":2,\"sensor\":\"a\"}\n"}});
  auto failed = runner.take("failure");  // twice each: what went there before the crash stays to be read
  REQUIRE(failed.size() == 4);
  CHECK(failed[2].content == "{\"day\":1,\"sensor\":null}");
  CHECK(failed[3].content == "{\"sensor\":\"no day\"}");
}

TEST_CASE("data that would leave its directory stays in it, or goes to failure") {
  const TestDirectory dir;
  Runner runner(type(), "path: " + dir / "in/$(name).log");
  const Names hostile = {"../../up",   "/etc/passwd",        "a/b", "..", ".", "", "nul\\u0000",
                         "new\\nline", std::string(400, 'x')};
  for (const auto& name : hostile) runner.push("{\"name\":\"" + name + "\"}");
  end(runner);
  const auto rejected = runner.take("failure").size();
  CHECK(rejected >= 1);
  CHECK(dir.files().size() == hostile.size() - rejected);
  for (const auto& [name, content] : dir.files()) {
    CHECK(std::filesystem::path(name).parent_path() == "in");
    CHECK(std::none_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20; }));
  }
}

TEST_CASE("with more partitions than max_open all of them are whole, also after a crash") {
  for (const std::string suffix : {".ndjson", ".ndjson.gz"}) {
    CAPTURE(suffix);
    const TestDirectory dir;
    Runner runner(type(), "path: " + dir / "$(k)" + suffix + "\nmax_open: 3\nsync_every: 0s", {.exactly_once = true});
    std::map<std::string, std::string> expected;
    for (int i = 0; i < 200; ++i) {
      const auto key = std::to_string(i * 7 % 10);
      const auto record = "{\"k\":\"" + key + "\",\"n\":" + std::to_string(i) + "}";
      expected[key] += record + "\n";
      runner.push(record);
      if (i % 10 == 9) runner.run();
      if (i % 50 == 49) runner.durable();
      if (i % 70 == 69) runner.crash();
    }
    end(runner);
    std::map<std::string, std::string> got;
    auto order = names(dir);  // the plain name came first, then the numbered ones
    std::stable_partition(order.begin(), order.end(), [](const auto& name) { return name[1] == '.'; });
    for (const auto& name : order) {
      CHECK(name.front() != '.');
      got[name.substr(0, 1)] += suffix == ".ndjson" ? dir.read(name) : output_of("gzip -dc " + dir / name);
    }
    CHECK(got.size() == expected.size());
    for (const auto& [key, lines] : expected) CHECK(got[key] == lines);
  }
}

TEST_CASE("little data for many files is held and synced once in sync_every") {
  const TestDirectory dir;
  Runner runner(type(), "path: " + dir / "$(attr('k'))" + "\nsync_every: 10s");
  for (int i = 0; i < 100; ++i) runner.push("x", {{"k", std::to_string(i)}});
  runner.run();
  runner.durable();
  CHECK(runner.held() == 100);
  runner.advance(std::chrono::seconds(11));
  CHECK(runner.held() == 0);
  CHECK(dir.files().size() == 100);
}

TEST_CASE("a random history of steps, flushes, epochs, crashes and restarts loses and repeats nothing") {
  for (const std::string name :
       {"out.log", "out.log.gz", "out.log.zst", "out.log\nroll_size: 3000B", "out.log.gz\nroll_count: 40"}) {
    for (unsigned seed = 0; seed < 6; ++seed) {
      CAPTURE(name);
      CAPTURE(seed);
      const TestDirectory dir;
      std::mt19937 random(seed);
      Runner runner(type(), "path: " + dir / name + "\nclose_idle: 20s", {.exactly_once = true, .batch = 7});
      std::string expected;
      for (int i = 0, seq = 0; i < 150; ++i) {
        switch (random() % 8) {
          case 0:
            runner.flush();
            break;
          case 1:
            runner.durable();
            break;
          case 2:
            runner.crash();
            break;
          case 3:
            if (random() % 4 == 0) runner.restart();
            break;
          case 4:
            runner.advance(std::chrono::seconds(random() % 30));
            break;
          case 5:
            runner.step();
            break;
          default:
            const int count = 1 + static_cast<int>(random() % 5);
            for (int n = 0; n < count; ++n, ++seq) {
              expected += readings(3, seq * 3);
              runner.push(readings(3, seq * 3), {}, 3);
            }
        }
      }
      end(runner);
      REQUIRE(runner.held() == 0);
      std::string got = everything(dir);
      // A plain name comes before the numbered ones in time, behind them in order.
      const auto lines = [](const std::string& text) {
        std::vector<std::string> result;
        std::istringstream in(text);
        for (std::string line; std::getline(in, line);) result.push_back(line);
        std::sort(result.begin(), result.end());
        return result;
      };
      CHECK(lines(got) == lines(expected));
      for (const auto& [file, content] : dir.files()) CHECK(file.front() != '.');
    }
  }
}

TEST_CASE("kill -9 between a write and the epoch's commit leaves files that recovery makes right") {
  const TestDirectory dir;
  // The child writes and dies; the parent's runner has the state of before, as an epoch that was never cut leaves it.
  Runner runner(type(), "path: " + dir / "out.log", {.exactly_once = true});
  runner.push("durable");
  runner.run();
  runner.durable();
  runner.push("in flight");
  const auto child = ::fork();
  if (child == 0) {
    runner.run();
    runner.flush();
    ::kill(::getpid(), SIGKILL);
  }
  int result = 0;
  REQUIRE(::waitpid(child, &result, 0) == child);
  REQUIRE(WIFSIGNALED(result));
  CHECK(dir.read("out.log") == "durable\nin flight\n");
  runner.crash();
  runner.run();
  runner.durable();
  CHECK(dir.read("out.log") == "durable\nin flight\n");
}

TEST_CASE("settings that contradict one another are refused with what to do") {
  const auto refused = [](const std::string& properties, const char* part) {
    CHECK_THROWS_WITH_AS(Runner(type(), properties), doctest::Contains(part), std::runtime_error);
  };
  refused("path: dir/", "name a file");
  refused("path: a\nmode: file_each\nroll_count: 1", "roll_size");
  refused("path: a/$(id)\nmode: file_each", "attr(");
  refused("path: a\nformat: csv", "csv");
}
