#include "file_source.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>

#include "plugins/common/test_files.h"
#include "weir/plugin.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

using namespace weir::file;
using weir::testkit::Options;
using weir::testkit::Output;
using weir::testkit::Runner;

namespace {

const auto* type() {
  return weir::testkit::find_type(weir_plugin_abi_1(), "FileSource");
}

std::string joined(const std::vector<Output>& outputs) {
  std::string all;
  for (const auto& output : outputs) all += output.content;
  return all;
}

std::vector<std::string> contents(const std::vector<Output>& outputs) {
  std::vector<std::string> all;
  for (const auto& output : outputs) all.push_back(output.content);
  return all;
}

/// Makes a file look as if it was last written to long ago, or at a given second.
void set_modified(const std::string& path, std::int64_t seconds) {
  const struct timespec times[2] = {{seconds, 0}, {seconds, 0}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}

bool warned(const Runner& runner, const std::string& text) {
  const auto bulletins = runner.bulletins();
  return std::any_of(bulletins.begin(), bulletins.end(),
                     [&](const auto& b) { return b.message.find(text) != std::string::npos; });
}

using List = std::vector<std::string>;

}  // namespace

TEST_CASE("lines come in chunks of whole lines, byte for byte") {
  const TestDirectory dir;
  const auto text = readings(5000) + "\r\nlast, without an end";
  Runner runner(type(), "path: " + dir.write("a.log", text) + "\nchunk_size: 8KiB", {.until_idle = true});
  runner.run();
  const auto out = runner.take("success");
  CHECK(joined(out) == text);
  CHECK(out.size() > 20);
  for (std::size_t i = 0; i + 1 < out.size(); ++i) {
    REQUIRE(out[i].content.size() <= 8192);
    REQUIRE(out[i].content.back() == '\n');
  }
  CHECK(std::accumulate(out.begin(), out.end(), 0U, [](auto sum, auto& o) { return sum + o.records; }) == 5002);
  CHECK(out[0].attributes.at("filename") == "a.log");
  CHECK(out[0].attributes.at("absolute.path") == dir.path() + "/");
  CHECK(out[0].attributes.at("path") == "./");
  CHECK(out[0].attributes.at("file.size") == std::to_string(text.size()));
  CHECK(out[1].attributes.at("file.offset") == std::to_string(out[0].content.size()));
  CHECK(runner.finished());
  CHECK(runner.events().at(0).type == "RECEIVE");
  CHECK(runner.events().at(0).transit_uri == "file://" + dir.path() + "/a.log");
}

TEST_CASE("with emit: each every line is a FlowFile without its end") {
  const TestDirectory dir;
  Runner runner(type(), "path: " + dir.write("a.log", "one\r\n\ntwo\nthree") + "\nemit: each", {.until_idle = true});
  runner.run();
  const auto out = runner.take("success");
  CHECK(contents(out) == List{"one", "", "two", "three"});
  CHECK(out[2].attributes.at("filename") == "a.log");
}

TEST_CASE("ndjson skips a byte order mark and empty lines") {
  const TestDirectory dir;
  const auto path = dir.write("a.ndjson", "\xef\xbb\xbf{\"a\":1}\n\n\r\n{\"a\":2}\n\n");
  Runner chunks(type(), "path: " + path + "\nformat: ndjson", {.until_idle = true});
  chunks.run();
  const auto out = chunks.take("success");
  CHECK(joined(out) == "{\"a\":1}\n{\"a\":2}\n");
  CHECK(out.at(0).records == 2);
  Runner each(type(), "path: " + path + "\nformat: ndjson\nemit: each", {.until_idle = true});
  each.run();
  CHECK(contents(each.take("success")) == List{"{\"a\":1}", "{\"a\":2}"});
}

TEST_CASE("whole files pass in one FlowFile, whatever their size") {
  const TestDirectory dir;
  const std::string large(20'000'000, 'x');
  dir.write("a", "");
  dir.write("b", "small");
  dir.write("c", large);
  Runner runner(type(), "path: " + dir.path() + "\nformat: whole", {.until_idle = true});
  runner.run();
  CHECK(contents(runner.take("success")) == List{"", "small", large});
}

TEST_CASE("a line longer than a chunk is one FlowFile, one longer than max_line goes to failure whole") {
  const TestDirectory dir;
  const std::string longer(100'000, 'a');
  const std::string too_long(300'000, 'b');
  const auto path = dir.write("a.log", "x\n" + longer + "\ny\n" + too_long + "\nz\n" + too_long);
  Runner runner(type(), "path: " + path + "\nchunk_size: 4KiB\nmax_line: 200000B", {.until_idle = true});
  runner.run();
  CHECK(contents(runner.take("success")) == List{"x\n", longer + "\n", "y\n", "z\n"});
  const auto failed = runner.take("failure");
  CHECK(contents(failed) == List{too_long + "\n", too_long});
  CHECK(failed[0].attributes.at("error.message").find("line 4 of") != std::string::npos);
}

TEST_CASE("with emit: each a line longer than a chunk is without its end too") {
  const TestDirectory dir;
  for (std::size_t size = 8'190; size < 8'196; ++size) {
    CAPTURE(size);
    const auto path = dir.write("a.log", std::string(size, 'a') + "\r\n" + std::string(size, 'b') + "\nc\n");
    Runner runner(type(), "path: " + path + "\nchunk_size: 4KiB\nemit: each", {.until_idle = true});
    runner.run();
    const auto got = runner.take("success");
    CHECK((contents(got) == List{std::string(size, 'a'), std::string(size, 'b'), "c"}));
    CHECK(got.at(0).attributes == got.at(2).attributes);
  }
}

TEST_CASE("what follows a line that is longer than a chunk is read, however near the end of the file is") {
  const TestDirectory dir;
  const std::string longer(100'000, 'a');
  for (const auto& behind : List{"", "y\n", "y\nz", "\n", "y\n" + std::string(4'096, 'z') + "\nend\n"}) {
    for (const std::string emit : {"chunk", "each"}) {
      for (const bool tail : {false, true}) {
        CAPTURE(behind.substr(0, 4));
        const auto text = "x\n" + longer + "\n" + behind + (tail ? "\n" : "");
        const auto path = dir.write("a.log", text);
        Runner runner(type(),
                      "path: " + path + "\nchunk_size: 4KiB\nemit: " + emit + "\ntail: " + (tail ? "true" : "false"));
        runner.run();
        std::string got;
        for (const auto& content : contents(runner.take("success")))
          got += content + (emit == "chunk" && content.ends_with('\n') ? "" : "\n");
        CHECK(got.size() == text.size() + (text.ends_with('\n') ? 0 : 1));
        CHECK((got.substr(0, text.size()) == text));
      }
    }
    // Where compressed data breaks off, all that was whole before it counts, and the rest goes to failure.
    const auto text = longer + "\n" + behind + readings(1'000);
    dir.write("b.gz", gzipped(longer + "\n" + behind) + gzipped(readings(1'000)).substr(0, 200));
    Runner runner(type(), "path: " + dir.path() + "/b.gz\nchunk_size: 4KiB", {.until_idle = true});
    runner.run();
    const auto got = joined(runner.take("success"));
    const auto rest = joined(runner.take("failure"));
    CHECK(got.ends_with('\n'));
    CHECK(text.starts_with(got + rest));
    CHECK((got + rest).size() >= longer.size() + 1 + behind.size());
    CHECK(rest.find('\n') == std::string::npos);
    CHECK(warned(runner, "b.gz ends in the middle of its compressed data"));
    CHECK(runner.finished());
  }
}

TEST_CASE("compressed files are read transparently, with several members, and one that was cut off says where") {
  const TestDirectory dir;
  dir.write("a.gz", gzipped(readings(100)) + gzipped(readings(100, 100)));
  dir.write("b.zst", zstd_packed(readings(100, 200)));
  const auto packed = gzipped(readings(20'000, 300));
  dir.write("c.gz", packed.substr(0, packed.size() / 2));
  Runner runner(type(), "path: " + dir.path() + "\nformat: ndjson", {.until_idle = true});
  runner.run();
  const auto got = joined(runner.take("success"));
  const auto rest = joined(runner.take("failure"));
  const auto all = readings(20'300);
  CHECK(got.size() > 1000);
  CHECK(got.back() == '\n');
  CHECK(all.compare(0, got.size(), got) == 0);
  CHECK(all.compare(got.size(), rest.size(), rest) == 0);
  CHECK(rest.find('\n') == std::string::npos);
  CHECK(warned(runner, "c.gz ends in the middle of its compressed data"));
}

TEST_CASE("after a crash, reading goes on at the durable position: nothing is missing, nothing twice") {
  const TestDirectory dir;
  const auto text = readings(400'000);  // about 25 MB: several sessions
  dir.write("1.plain", text);
  dir.write("2.gz", gzipped(text));
  dir.write("3.zst", zstd_packed(text));
  for (const std::string emit : {"chunk", "each"}) {
    CAPTURE(emit);
    Runner runner(type(), "path: " + dir.path() + "\nformat: ndjson\nemit: " + emit, {.until_idle = true});
    std::string durable;
    for (int round = 0; !runner.finished(); ++round) {
      for (int i = 0; i < 3; ++i) runner.step();
      auto outputs = runner.take("success");
      if (round % 2 == 0) {
        runner.crash();  // what came since the last durable() is lost with the queues
        continue;
      }
      for (const auto& output : outputs) durable += output.content + (emit == "each" ? "\n" : "");
      runner.durable();
    }
    CHECK(durable.size() == 3 * text.size());
    CHECK(durable == text + text + text);
  }
}

TEST_CASE("a JSON array is taken apart into lines, and into the same ones after a crash in the middle") {
  const TestDirectory dir;
  std::string json = "[\n";
  std::string expected;
  for (int i = 0; i < 50'000; ++i) {
    json += std::string(i == 0 ? "" : ",\n") + "  {\n    \"n\": " + std::to_string(i) + ",\n    \"v\": 80.10\n  }";
    expected += "{\"n\": " + std::to_string(i) + ",\"v\": 80.10}\n";
  }
  json += "\n]\n";
  Runner runner(type(), "path: " + dir.write("a.json", json) + "\nformat: json_array\nchunk_size: 16KiB",
                {.until_idle = true});
  runner.run();
  CHECK(joined(runner.take("success")) == expected);
  CHECK(runner.take("failure").empty());
}

TEST_CASE("of a broken array what stands before the break is emitted, and the rest goes to failure") {
  const TestDirectory dir;
  for (const std::string rest : {",{\"a\":3]}, {\"a\":4}]", ",{\"a\":3", "", "]garbage"}) {
    CAPTURE(rest);
    const auto path = dir.write("a.json", "[{\"a\":1},{\"a\":2}" + rest);
    Runner runner(type(), "path: " + path + "\nformat: json_array", {.until_idle = true});
    runner.run();
    CHECK(joined(runner.take("success")) == "{\"a\":1}\n{\"a\":2}\n");
    CHECK(joined(runner.take("failure")) == (rest == "]garbage" ? "garbage" : rest));
    CHECK(warned(runner, "a.json"));
    CHECK(runner.finished());
  }
  Runner runner(type(), "path: " + dir.write("b.json", "{\"no\":\"array\"}") + "\nformat: json_array",
                {.until_idle = true});
  runner.run();
  CHECK(runner.take("success").empty());
  CHECK(joined(runner.take("failure")) == "{\"no\":\"array\"}");
}

TEST_CASE("tail follows what is appended, and waits for the end of a line") {
  const TestDirectory dir;
  const auto path = dir.write("a.log", "one\ntw");
  Runner runner(type(), "path: " + path + "\ntail: true\ninterval: 1s");
  runner.run();
  CHECK(joined(runner.take("success")) == "one\n");
  dir.append("a.log", "o\nthree\n");
  runner.advance(std::chrono::seconds(1));
  CHECK(joined(runner.take("success")) == "two\nthree\n");
  runner.advance(std::chrono::seconds(5));
  CHECK(runner.take("success").empty());
  runner.durable();
  runner.crash();
  dir.append("a.log", "four\n");
  runner.run();
  CHECK(joined(runner.take("success")) == "four\n");
}

TEST_CASE("what stands behind a line too large for memory is read byte for byte") {
  const TestDirectory dir;
  const auto text = "one\n" + std::string(9 * weir::MiB, 'x') + "\nthree\n";
  Runner runner(type(), "path: " + dir.write("a.log", text), {.until_idle = true});
  runner.run();
  CHECK((joined(runner.take("success")) == text));
}

TEST_CASE("an element of an array may be too large for memory") {
  const TestDirectory dir;
  const auto large = "\"" + std::string(9 * weir::MiB, 'x') + "\"";
  const auto path = dir.write("a.json", "[1,\n" + large + ", {\"three\": 3}]");
  Runner chunks(type(), "path: " + path + "\nformat: json_array", {.until_idle = true});
  chunks.run();
  const auto out = chunks.take("success");
  CHECK((joined(out) == "1\n" + large + "\n{\"three\": 3}\n"));
  CHECK(std::accumulate(out.begin(), out.end(), 0U, [](auto sum, auto& o) { return sum + o.records; }) == 3);
  CHECK(out.back().attributes.at("fragment.index") == std::to_string(3 - out.back().records));
  Runner each(type(), "path: " + path + "\nformat: json_array\nemit: each", {.until_idle = true});
  each.run();
  CHECK((contents(each.take("success")) == List{"1", large, "{\"three\": 3}"}));
}

TEST_CASE("the end of a line too large for memory may be in two blocks") {
  const TestDirectory dir;
  const std::string large(9 * weir::MiB - 1, 'x');
  Runner runner(type(), "path: " + dir.write("a.log", large + "\r\ntwo\r\n") + "\nemit: each", {.until_idle = true});
  runner.run();
  CHECK((contents(runner.take("success")) == List{large, "two"}));
}

TEST_CASE("with a schedule it looks when it is polled, reads what it finds to the end, and asks for nothing more") {
  const TestDirectory dir;
  dir.write("a.log", "one\n");
  const auto large = readings(200'000);  // several sessions
  dir.write("b.log", large);
  Runner runner(type(), "path: " + dir.path() + "\nchunk_size: 4KiB\nemit: each\ninterval: 1s", {.scheduled = true});
  runner.run();  // polled at its time
  std::string got;
  for (const auto& content : contents(runner.take("success"))) got += content + '\n';
  CHECK((got == "one\n" + large));
  CHECK(runner.next_tick() == 0);
  dir.write("c.log", "three\n");
  runner.run();
  CHECK(contents(runner.take("success")) == List{"three"});
}

TEST_CASE("a clock that is set back does not keep it from looking") {
  const TestDirectory dir;
  const auto path = dir.write("a.log", "one\n");
  Runner runner(type(), "path: " + path + "\ntail: true\ninterval: 1s");
  runner.run();
  dir.append("a.log", "two\n");
  runner.advance(-std::chrono::hours(1));
  runner.advance(std::chrono::seconds(1));
  CHECK(joined(runner.take("success")) == "one\ntwo\n");
}

TEST_CASE("tail follows a rotation by rename: the old file to its end, then the new one") {
  const TestDirectory dir;
  const auto path = dir.write("a.log", "one\n");
  for (const bool restarted : {false, true}) {
    CAPTURE(restarted);
    dir.write("a.log", "one\n");
    Runner runner(type(), "path: " + path + "\ntail: true\ninterval: 1s");
    runner.run();
    CHECK(joined(runner.take("success")) == "one\n");
    runner.durable();
    dir.append("a.log", "two\nthree, without an end");
    std::filesystem::rename(path, dir / "a.log.1");
    dir.write("a.log", "new\n");
    if (restarted) runner.crash();
    runner.advance(std::chrono::seconds(3));
    CHECK(joined(runner.take("success")) == "two\nthree, without an endnew\n");
    dir.append("a.log", "more\n");
    runner.advance(std::chrono::seconds(1));
    CHECK(joined(runner.take("success")) == "more\n");
    CHECK(runner.bulletins().empty());
    std::filesystem::remove(dir / "a.log.1");
  }
}

TEST_CASE("tail of a glob knows a rotated file by its inode and does not read it again") {
  const TestDirectory dir;
  dir.write("a.log", "one\n");
  Runner runner(type(), "path: " + dir / "a.log*" + "\ntail: true\ninterval: 1s");
  runner.run();
  runner.take("success");
  std::filesystem::rename(dir / "a.log", dir / "a.log.1");
  dir.append("a.log.1", "two\n");
  dir.write("a.log", "new\n");
  runner.advance(std::chrono::seconds(3));
  auto got = contents(runner.take("success"));
  std::sort(got.begin(), got.end());
  CHECK(got == List{"new\n", "two\n"});
}

TEST_CASE("tail reads a rotated file that was deleted as long as it is open") {
  const TestDirectory dir;
  const auto path = dir.write("a.log", "one\n");
  Runner runner(type(), "path: " + path + "\ntail: true\ninterval: 1s");
  runner.run();
  runner.take("success");
  dir.append("a.log", "two\n");
  std::filesystem::remove(path);
  dir.write("a.log", "new\n");
  runner.advance(std::chrono::seconds(3));
  CHECK(joined(runner.take("success")) == "two\nnew\n");
}

TEST_CASE("tail notices a truncation, also when the file has already grown past where it was") {
  const TestDirectory dir;
  const auto path = dir.write("a.log", "one\ntwo\n");
  Runner runner(type(), "path: " + path + "\ntail: true\ninterval: 1s");
  runner.run();
  runner.take("success");
  REQUIRE(::truncate(path.c_str(), 0) == 0);
  dir.append("a.log", "new\n");
  runner.advance(std::chrono::seconds(1));
  CHECK(joined(runner.take("success")) == "new\n");
  REQUIRE(::truncate(path.c_str(), 0) == 0);
  dir.append("a.log", "a third beginning\nand more of it\n");
  runner.advance(std::chrono::seconds(1));
  CHECK(joined(runner.take("success")) == "a third beginning\nand more of it\n");
  CHECK(warned(runner, "truncated"));
}

TEST_CASE("without tail a changed file is read again, an unchanged or renamed one is not") {
  const TestDirectory dir;
  dir.write("a.log", "one\n");
  Runner runner(type(), "path: " + dir.path() + "\ninterval: 1s");
  runner.run();
  CHECK(joined(runner.take("success")) == "one\n");
  std::filesystem::rename(dir / "a.log", dir / "b.log");
  runner.advance(std::chrono::seconds(2));
  CHECK(runner.take("success").empty());
  dir.append("b.log", "two\n");
  dir.write("c.log", "three\n");
  runner.advance(std::chrono::seconds(2));
  CHECK(joined(runner.take("success")) == "one\ntwo\nthree\n");
  runner.durable();
  runner.crash();
  runner.advance(std::chrono::seconds(2));
  CHECK(runner.take("success").empty());
}

TEST_CASE("files are deleted or moved only once what was read of them is durable, and not if they changed since") {
  const TestDirectory dir;
  for (const std::string after : {"delete", "move"}) {
    CAPTURE(after);
    dir.write("in/a.log", "one\n");
    dir.write("in/b.log", "two\n");
    const auto move = after == "move" ? "\nmove_to: " + dir / "done" : "";
    Runner runner(type(), "path: " + dir / "in" + "\ninterval: 1s\nafter: " + after + move);
    runner.run();
    CHECK(joined(runner.take("success")) == "one\ntwo\n");
    CHECK(dir.has("in/a.log"));
    runner.crash();  // nothing was durable: read again
    runner.run();
    CHECK(joined(runner.take("success")) == "one\ntwo\n");
    dir.append("in/b.log", "more\n");
    runner.durable();
    runner.run();
    CHECK(!dir.has("in/a.log"));
    CHECK(dir.has("in/b.log"));
    CHECK(dir.has("done/a.log") == (after == "move"));
    runner.advance(std::chrono::seconds(2));
    CHECK(joined(runner.take("success")) == "two\nmore\n");
    runner.durable();
    runner.run();
    CHECK(!dir.has("in/b.log"));
    CHECK(runner.state().count("f/" + dir / "in/b.log") == 0);
  }
  dir.write("in/a.log", "another of that name\n");
  Runner runner(type(), "path: " + dir / "in" + "\nafter: move\nmove_to: " + dir / "done", {.until_idle = true});
  runner.run();
  CHECK(!runner.finished());
  runner.durable();
  runner.run();
  CHECK(runner.finished());
  CHECK(dir.read("done/a.log") == "one\n");
  CHECK(dir.read("done/a-2.log") == "another of that name\n");
}

TEST_CASE("a file that was done with before a restart is still cleared away") {
  const TestDirectory dir;
  dir.write("a.log", "one\n");
  Runner runner(type(), "path: " + dir.path() + "\nafter: delete");
  runner.run();
  runner.durable();
  runner.crash();
  runner.run();
  runner.durable();
  runner.run();
  CHECK(!dir.has("a.log"));
  CHECK(joined(runner.take("success")) == "one\n");
}

TEST_CASE("min_age leaves files alone that are still being written, sort and ignore_hidden choose among the others") {
  const TestDirectory dir;
  const auto start = Options{}.start / 1'000'000'000;
  set_modified(dir.write("a", "young\n"), start - 5);
  set_modified(dir.write("b", "old\n"), start - 100);
  set_modified(dir.write("c", "older\n"), start - 200);
  set_modified(dir.write(".d", "hidden\n"), start - 300);
  Runner runner(type(), "path: " + dir.path() + "\nmin_age: 10s\nsort: mtime\ninterval: 1h");
  runner.run();
  CHECK(contents(runner.take("success")) == List{"older\n", "old\n"});
  runner.advance(std::chrono::seconds(6));
  CHECK(contents(runner.take("success")) == List{"young\n"});
}

TEST_CASE("a file that does not exist is an error at start; of a glob or a directory it is a warning") {
  const TestDirectory dir;
  CHECK_THROWS_WITH_AS(Runner(type(), "path: " + dir / "none.log"), doctest::Contains("none.log does not exist"),
                       std::runtime_error);
  Runner glob(type(), "path: " + dir / "*.log", {.until_idle = true});
  glob.run();
  CHECK(glob.finished());
  CHECK(warned(glob, "no file matches"));
  Runner empty(type(), "path: " + dir.path(), {.until_idle = true});
  empty.run();
  CHECK(empty.finished());
  CHECK(warned(empty, "no file matches: there is none in the directory " + dir.path()));
  Runner waiting(type(), "path: " + dir.path());
  waiting.run();
  CHECK(warned(waiting, "those that come into it will be read"));
  dir.write("a", "came\n");
  waiting.advance(std::chrono::minutes(1));
  CHECK(contents(waiting.take("success")) == List{"came\n"});
}

TEST_CASE("settings that contradict one another are refused with what to do") {
  const TestDirectory dir;
  dir.write("a", "");
  const auto refused = [&](const std::string& properties, const char* part) {
    CHECK_THROWS_WITH_AS(Runner(type(), "path: " + dir / "a" + "\n" + properties), doctest::Contains(part),
                         std::runtime_error);
  };
  refused("after: move", "move_to");
  refused("move_to: x", "after: move");
  refused("tail: true\nafter: delete", "tail");
  refused("tail: true\nformat: whole", "format");
  refused("format: csv", "csv");
}

TEST_CASE("hostile names are read and named as they are") {
  const TestDirectory dir;
  const List names = {"a b.log", "na\"me.log", "new\nline.log", "\xff\xfe.log", "%41.log", "~.log"};
  for (const auto& name : names) dir.write(name, name + "\n");
  Runner runner(type(), "path: " + dir.path() + "\nformat: whole", {.until_idle = true});
  runner.run();
  List got;
  for (const auto& output : runner.take("success")) got.push_back(output.attributes.at("filename"));
  auto expected = names;
  std::sort(expected.begin(), expected.end());
  std::sort(got.begin(), got.end());
  CHECK(got == expected);
  CHECK(runner.events().at(0).transit_uri.find('\n') == std::string::npos);
}
