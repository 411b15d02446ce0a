// FileSink where the file system does not do as it should: full, forbidden, or changed by somebody else.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <string>

#include "file_sink_test.h"
#include "weir/errors.h"

using namespace weir::file;
using weir::testkit::Runner;

TEST_CASE("a full disk makes it wait with a clear message, and nothing is lost or there twice") {
  const TestDirectory dir;
  Runner runner(type(), "path: " + dir / "out.log");
  runner.push(readings(100));
  runner.run();
  runner.durable();
  const auto large = readings(30'000, 100);
  runner.push("before\n");
  runner.push(large);
  runner.push("after\n");
  {
    const FullDisk full;
    for (int attempt = 0; attempt < 3; ++attempt)
      CHECK_THROWS_WITH_AS(runner.run(), doctest::Contains(("cannot write to " + dir / "out.log").c_str()),
                           weir::Unavailable);
  }
  runner.run();
  runner.durable();
  CHECK(dir.read("out.log") == readings(100) + "before\n" + large + "after\n");
}

TEST_CASE("what it held when the disk became full is written by whatever step comes first when there is room") {
  const auto large = readings(30'000);
  for (const std::string mode : {"append", "file_each"}) {
    for (const std::string first : {"input", "flush", "tick", "finish"}) {
      CAPTURE(mode);
      CAPTURE(first);
      const TestDirectory dir;
      Runner runner(type(), "path: " + dir / "$(attr('n')).log" + "\nmode: " + mode);
      runner.push("held\n", {{"n", "1"}});
      runner.run();
      CHECK(runner.held() == 1);
      runner.push(large, {{"n", "2"}});
      {
        const FullDisk full;
        CHECK_THROWS_AS(runner.run(), weir::Unavailable);
      }
      if (first == "flush") runner.durable();
      if (first == "tick") runner.tick();
      if (first == "finish") runner.finish();
      runner.run();
      runner.durable();
      end(runner);
      CHECK(dir.files() == std::map<std::string, std::string>{{"1.log", "held\n"}, {"2.log", large}});
    }
  }
}

TEST_CASE("a disk that is full when an epoch is cut makes the epoch's flush wait, and it works once there is room") {
  const TestDirectory dir;
  Runner runner(type(), "path: " + dir / "out.log");
  runner.push("durable\n");
  runner.run();
  runner.durable();
  runner.push("buffered\n");
  runner.run();
  {
    const FullDisk full(8);
    for (int attempt = 0; attempt < 3; ++attempt)
      CHECK_THROWS_WITH_AS(runner.flush(), doctest::Contains(("cannot write to " + dir / "out.log").c_str()),
                           weir::Unavailable);
  }
  runner.flush();  // with no step before it
  CHECK(runner.held() == 0);
  CHECK(dir.read("out.log") == "durable\nbuffered\n");
}

TEST_CASE("a file that cannot be written names the path and the reason") {
  const TestDirectory dir;
  dir.write("file", "");
  Runner runner(type(), "path: " + dir / "file/out.log");
  runner.push("x");
  CHECK_THROWS_WITH_AS(runner.run(), doctest::Contains((dir / "file").c_str()), weir::Unavailable);
  if (::geteuid() == 0) {
    Runner proc(type(), "path: /proc/no/out.log");
    proc.push("x");
    CHECK_THROWS_WITH_AS(proc.run(), doctest::Contains("/proc/no"), weir::Unavailable);
  } else {
    std::filesystem::permissions(dir.path(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
    Runner denied(type(), "path: " + dir / "out.log");
    denied.push("x");
    CHECK_THROWS_WITH_AS(denied.run(), doctest::Contains("Permission denied"), weir::Unavailable);
    std::filesystem::permissions(dir.path(), std::filesystem::perms::owner_all);
  }
}

TEST_CASE("two writers of one file are kept apart") {
  const TestDirectory dir;
  Runner first(type(), "path: " + dir / "out.log");
  first.push("one");
  first.run();
  Runner second(type(), "path: " + dir / "out.log");
  second.push("two");
  CHECK_THROWS_WITH_AS(second.run(), doctest::Contains("written by another"), weir::Unavailable);
}

TEST_CASE("a file cut shorter than what counts stops it; one that was removed is begun anew") {
  const TestDirectory dir;
  Runner runner(type(), "path: " + dir / "out.log");
  runner.push("one\n");
  runner.run();
  runner.durable();
  REQUIRE(::truncate((dir / "out.log").c_str(), 2) == 0);
  runner.crash();
  runner.push("two\n");
  CHECK_THROWS_WITH_AS(runner.run(), doctest::Contains("has 2 bytes, but 4 were finished"), weir::Misconfigured);
  std::filesystem::remove(dir / "out.log");
  runner.run();
  runner.durable();
  CHECK(dir.read("out.log") == "two\n");
  CHECK(warned(runner, "out.log is gone"));
}

TEST_CASE("a file that is moved away while it is open is not written to any more") {
  const TestDirectory dir;
  Runner runner(type(), "path: " + dir / "out.log");
  runner.push("one\n");
  runner.run();
  runner.durable();
  std::filesystem::rename(dir / "out.log", dir / "out.log.1");
  runner.push("two\n");
  runner.run();
  runner.durable();
  runner.push("three\n");
  runner.run();
  runner.durable();
  CHECK(dir.read("out.log.1") == "one\n");
  CHECK(dir.read("out.log") == "two\nthree\n");
}
