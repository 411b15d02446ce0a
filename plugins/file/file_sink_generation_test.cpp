// FileSink's files that are replaced by those of a higher generation, and how files begin.

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>

#include "file_sink_test.h"

using namespace weir::file;
using weir::testkit::Runner;

namespace {

/// Everything pushed so far is complete and has its name.
void complete(Runner& runner) {
  runner.run();
  runner.durable();
  runner.advance(std::chrono::seconds(30));
  runner.run();
  runner.durable();
  runner.run();
  runner.durable();
}

std::string settings(const TestDirectory& dir, const std::string& name = "$(attr('day')).csv") {
  return "path: " + dir / name + "\ngeneration: $(attr('import'))\nheader: $(attr('columns'))\nclose_idle: 10s";
}

std::map<std::string, std::string> file(const std::string& day, const std::string& import) {
  return {{"day", day}, {"import", import}, {"columns", "id,name"}};
}

}  // namespace

TEST_CASE("a file of a higher generation takes the place of the one before when it is complete, in one step") {
  const TestDirectory dir;
  Runner runner(type(), settings(dir));
  runner.push("1,a\n2,b\n", file("mon", "1"));
  runner.push("3,c\n", file("mon", "1"));
  runner.push("1,a\n", file("tue", "1"));
  complete(runner);
  CHECK(dir.read("mon.csv") == "id,name\n1,a\n2,b\n3,c\n");
  CHECK(dir.read("tue.csv") == "id,name\n1,a\n");
  runner.push("1,A\n", file("mon", "2"));
  runner.run();
  runner.durable();
  CHECK(dir.read("mon.csv") == "id,name\n1,a\n2,b\n3,c\n");  // still being written
  runner.push("2,B\n", file("mon", "2"));
  complete(runner);
  CHECK(dir.read("mon.csv") == "id,name\n1,A\n2,B\n");
  CHECK(dir.read("tue.csv") == "id,name\n1,a\n");
  CHECK(dir.files().size() == 2);
}

TEST_CASE("the same generation goes on in its file, also after it was complete, after a crash and a restart") {
  for (const std::string name : {"out.csv", "out.csv.gz", "out.csv.zst"}) {
    CAPTURE(name);
    const TestDirectory dir;
    Runner runner(type(), settings(dir, name), {.exactly_once = true});
    const auto whole = [&] {
      if (name == "out.csv") return dir.read(name);
      return output_of((name == "out.csv.gz" ? "gzip -dc '" : "zstd -dcq '") + dir / name + "'");
    };
    runner.push("1,a\n", file("mon", "1"));
    complete(runner);
    CHECK(whole() == "id,name\n1,a\n");
    runner.push("2,b\n", file("mon", "1"));
    runner.run();
    runner.crash();
    complete(runner);
    CHECK(whole() == "id,name\n1,a\n2,b\n");
    runner.restart();
    runner.push("3,c\n", file("mon", "1"));
    end(runner);
    CHECK(whole() == "id,name\n1,a\n2,b\n3,c\n");
    CHECK(dir.files().size() == 1);
  }
}

TEST_CASE("an array of one generation is one array, also gone on with after it was complete") {
  const TestDirectory dir;
  Runner runner(type(), "path: " + dir / "a.json" + "\nformat: json_array\ngeneration: $(attr('v'))\nclose_idle: 10s");
  runner.push("{\"x\":1}\n{\"x\":2}\n", {{"v", "1"}}, 2);
  complete(runner);
  CHECK(dir.read("a.json") == "[\n{\"x\":1},\n{\"x\":2}\n]\n");
  runner.push("{\"x\":3}", {{"v", "1"}});
  complete(runner);
  CHECK(dir.read("a.json") == "[\n{\"x\":1},\n{\"x\":2},\n{\"x\":3}\n]\n");
  runner.push("[]", {{"v", "2"}}, 0);
  complete(runner);
  CHECK(dir.read("a.json") == "[]\n");
  runner.push("{\"x\":4}", {{"v", "2"}});
  complete(runner);
  CHECK(dir.read("a.json") == "[\n{\"x\":4}\n]\n");
}

TEST_CASE("what comes of a generation that is over is left out, with a bulletin, after a restart too") {
  const TestDirectory dir;
  Runner runner(type(), settings(dir));
  runner.push("new\n", file("mon", "2"));
  complete(runner);
  runner.restart();
  runner.push("old\n", file("mon", "1"));
  complete(runner);
  CHECK(runner.held() == 0);
  CHECK(dir.read("mon.csv") == "id,name\nnew\n");
  REQUIRE(!runner.bulletins().empty());
  CHECK(runner.bulletins().back().message.find("holds generation 2: what comes of 1, an older one, is left out") !=
        std::string::npos);
}

TEST_CASE("an empty FlowFile begins a generation: then the file is its header") {
  const TestDirectory dir;
  Runner runner(type(), settings(dir));
  runner.push("1,a\n", file("mon", "1"));
  complete(runner);
  runner.push("", file("mon", "2"));
  complete(runner);
  CHECK(dir.read("mon.csv") == "id,name\n");
}

TEST_CASE("several generations of a path within one epoch leave the last") {
  const TestDirectory dir;
  Runner runner(type(), settings(dir));
  for (const char* import : {"1", "2", "3"}) runner.push(std::string(import) + "\n", file("mon", import));
  end(runner);
  CHECK(dir.read("mon.csv") == "id,name\n3\n");
  CHECK(dir.files().size() == 1);
}

TEST_CASE("generations of records are told apart record by record") {
  const TestDirectory dir;
  Runner runner(type(), "path: " + dir / "$(day).ndjson" + "\ngeneration: $(version)");
  runner.push(
      "{\"day\":\"a\",\"version\":\"1\",\"x\":1}\n{\"day\":\"b\",\"version\":\"1\",\"x\":2}\n"
      "{\"day\":\"a\",\"version\":\"2\",\"x\":3}\n{\"day\":\"a\",\"x\":4}\n",
      {}, 4);
  end(runner);
  CHECK(dir.read("a.ndjson") == "{\"day\":\"a\",\"version\":\"2\",\"x\":3}\n");
  CHECK(dir.read("b.ndjson") == "{\"day\":\"b\",\"version\":\"1\",\"x\":2}\n");
  const auto failed = runner.take("failure");
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].attributes.at("error.message") == "$(version) is NULL");
}

TEST_CASE("a complete file that was removed is begun anew, with a bulletin") {
  const TestDirectory dir;
  Runner runner(type(), settings(dir));
  runner.push("1\n", file("mon", "1"));
  complete(runner);
  std::filesystem::remove(dir / "mon.csv");
  runner.push("2\n", file("mon", "1"));
  complete(runner);
  CHECK(dir.read("mon.csv") == "id,name\n2\n");
  CHECK(!runner.bulletins().empty());
}

TEST_CASE("with more paths than max_open each file is whole") {
  const TestDirectory dir;
  Runner runner(type(), settings(dir) + "\nmax_open: 2");
  for (int round = 0; round < 3; ++round) {
    for (const char* day : {"a", "b", "c", "d"}) runner.push(std::to_string(round) + "\n", file(day, "1"));
  }
  end(runner);
  for (const char* day : {"a", "b", "c", "d"}) CHECK(dir.read(std::string(day) + ".csv") == "id,name\n0\n1\n2\n");
}

TEST_CASE("every file of those that are rolled has its header, and one that is gone on with no second") {
  const TestDirectory dir;
  dir.write("there.csv", "id\n0\n");
  Runner rolled(type(), "path: " + dir / "rolled.csv" + "\nheader: id\nroll_count: 2");
  for (const char* row : {"1", "2", "3"}) rolled.push(row);
  end(rolled);
  CHECK(dir.read("rolled-000001.csv") == "id\n1\n2\n");
  CHECK(dir.read("rolled-000002.csv") == "id\n3\n");
  Runner there(type(), "path: " + dir / "there.csv" + "\nheader: id");
  there.push("1");
  end(there);
  CHECK(dir.read("there.csv") == "id\n0\n1\n");
  Runner each(type(), "path: " + dir / "each-$(attr('n')).csv" + "\nheader: id\nmode: file_each");
  each.push("7\n", {{"n", "1"}});
  end(each);
  CHECK(dir.read("each-1.csv") == "id\n7\n");
}

TEST_CASE("a random history of generations, crashes and restarts leaves of each path its highest, whole and once") {
  for (const std::string suffix : {".csv", ".csv.gz"}) {
    for (unsigned seed = 0; seed < 12; ++seed) {
      CAPTURE(suffix);
      CAPTURE(seed);
      const TestDirectory dir;
      std::mt19937 random(seed);
      Runner runner(type(), settings(dir, "$(attr('day'))" + suffix) + "\nmax_open: 2",
                    {.exactly_once = true, .batch = 3});
      std::map<std::string, std::pair<int, std::string>> expected;
      for (int i = 0; i < 200; ++i) {
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
            runner.advance(std::chrono::seconds(random() % 20));
            break;
          case 5:
            runner.step();
            break;
          default: {
            const std::string day(1, static_cast<char>('a' + random() % 3));
            auto& [import, content] = expected[day];
            int next = import + (random() % 5 == 0 ? 1 : 0);
            if (next > 1 && random() % 10 == 0) --next;  // late
            const auto row = std::to_string(i) + '\n';
            if (next > import) content.clear();
            if (next >= import) content += row, import = next;
            runner.push(row, file(day, std::to_string(100 + next)));
          }
        }
      }
      end(runner);
      REQUIRE(runner.held() == 0);
      for (const auto& [day, what] : expected) {
        const auto path = dir / (day + suffix);
        CHECK(output_of((suffix == ".csv" ? "cat '" : "gzip -dc '") + path + "'") == "id,name\n" + what.second);
      }
      CHECK(dir.files().size() == expected.size());
    }
  }
}

TEST_CASE("what generations do not go with is refused with the reason") {
  const auto refused = [](const std::string& properties, const char* part) {
    CHECK_THROWS_WITH_AS(Runner(type(), properties), doctest::Contains(part), std::runtime_error);
  };
  refused("path: a\ngeneration: $(attr('v'))\nroll_count: 1", "roll_size");
  refused("path: a\ngeneration: $(attr('v'))\nmode: file_each", "never replaces");
  refused("path: a.gz\ngeneration: $(attr('v'))\nformat: json_array", "compressed array");
  refused("path: a\nheader: x\nformat: json_array", "no header");
}
