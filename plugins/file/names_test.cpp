// Which files are read, how they are known again, and what is written is called.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "discover.h"
#include "intents.h"
#include "plugins/common/test_files.h"
#include "position.h"

using namespace weir::file;

namespace {

std::vector<std::string> found(const TestDirectory& dir, Search search) {
  std::vector<std::string> problems;
  std::vector<std::string> names;
  for (const auto& file : find_files(search, problems)) names.push_back(file.path.substr(dir.path().size() + 1));
  CHECK(problems.empty());
  return names;
}

}  // namespace

TEST_CASE("a path is a file, a directory or a glob") {
  using List = std::vector<std::string>;
  const TestDirectory dir;
  for (const auto* name : {"b.log", "a.log", "a.txt", ".hidden.log", "sub/c.log", "sub/deep/d.log", "x[1].log"})
    dir.write(name, "x");
  CHECK(found(dir, {.path = dir / "a.log"}) == List{"a.log"});
  CHECK(found(dir, {.path = dir.path()}) == List{"a.log", "a.txt", "b.log", "x[1].log"});
  CHECK(found(dir, {.path = dir.path(), .recursive = true}) ==
        List{"a.log", "a.txt", "b.log", "sub/c.log", "sub/deep/d.log", "x[1].log"});
  CHECK(found(dir, {.path = dir / "?.log"}) == List{"a.log", "b.log"});
  CHECK(found(dir, {.path = dir / "*/*.log"}) == List{"sub/c.log"});
  CHECK(found(dir, {.path = dir / "**/[cd].log"}) == List{"sub/c.log", "sub/deep/d.log"});
  CHECK(found(dir, {.path = dir / "**/*.log", .ignore_hidden = false}).size() == 6);
  CHECK(found(dir, {.path = dir / "x[1].log"}) == List{"x[1].log"});
  CHECK(found(dir, {.path = dir / "none*"}).empty());
}

TEST_CASE("files can be taken in the order they were written to") {
  const TestDirectory dir;
  const struct timespec old[2] = {{1000, 0}, {1000, 0}};
  dir.write("a", "new");
  ::utimensat(AT_FDCWD, dir.write("b", "old").c_str(), old, 0);
  CHECK(found(dir, {.path = dir.path(), .by_modified = true}) == std::vector<std::string>{"b", "a"});
}

TEST_CASE("links to directories are not followed on the way down, so that a circle of them ends") {
  const TestDirectory dir;
  dir.write("a", "x");
  std::filesystem::create_directory_symlink(dir.path(), dir / "loop");
  CHECK(found(dir, {.path = dir.path(), .recursive = true}) == std::vector<std::string>{"a"});
  CHECK(found(dir, {.path = dir / "**/a"}) == std::vector<std::string>{"a"});
}

TEST_CASE("a file that grew, was rewritten or was replaced is told apart") {
  const TestDirectory dir;
  const auto path = dir.write("log", "first line\n");
  const auto look = [&](const Position& position) {
    const auto fd = open_file(path, O_RDONLY);
    return judge(position, status(fd, path), fingerprint(fd, path, position.start.length));
  };
  const auto take = [&] {
    const auto fd = open_file(path, O_RDONLY);
    const auto s = status(fd, path);
    return Position{.device = s.st_dev,
                    .inode = s.st_ino,
                    .start = fingerprint(fd, path),
                    .offset = static_cast<std::uint64_t>(s.st_size),
                    .size = static_cast<std::uint64_t>(s.st_size),
                    .modified = modified(s)};
  };
  const auto position = take();
  CHECK(look(position) == Verdict::unchanged);
  dir.append("log", "second line\n");
  CHECK(look(position) == Verdict::grown);
  ::truncate(path.c_str(), 0);
  CHECK(look(position) == Verdict::rewritten);
  dir.append("log", "another first line, longer than the one before\n");
  CHECK(look(position) == Verdict::rewritten);
  std::filesystem::rename(path, dir / "log.1");
  dir.write("log", "first line\n");
  CHECK(look(position) == Verdict::replaced);
}

TEST_CASE("a position survives its encoding, and nothing else is taken for one") {
  const Position position{.device = 1,
                          .inode = ~0ULL,
                          .start = {1024, 77},
                          .offset = 5,
                          .size = 6,
                          .modified = -7,
                          .line = 8,
                          .done = true};
  const auto again = Position::decode(position.encode());
  REQUIRE(again);
  CHECK(again->encode() == position.encode());
  CHECK(again->inode == ~0ULL);
  CHECK(!Position::decode(""));
  CHECK(!Position::decode("2 1 1 1 1 1 1 1 1 1"));
  CHECK(!Position::decode(position.encode() + " 1"));
}

TEST_CASE("the intent log gives back what was synced, in order, and goes on counting") {
  const TestDirectory dir;
  {
    IntentLog log(dir.path());
    log.add(true, 0, "a b/c");
    log.add(false, 42, "d");
    log.sync();
  }
  dir.append("intents", "3 new 0 torn li");
  IntentLog log(dir.path());
  REQUIRE(log.entries().size() == 2);
  CHECK(log.entries()[0].path == "a b/c");
  CHECK(log.entries()[0].created);
  CHECK(log.entries()[1].length == 42);
  CHECK(log.last() == 2);
  log.add(true, 0, "e");
  log.sync();
  log.covered(2);
  CHECK(log.entries().size() == 1);
  CHECK(IntentLog(dir.path()).entries().back().path == "e");
}
