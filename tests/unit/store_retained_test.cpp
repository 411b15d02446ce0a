// Content that is kept for replay: it is there after a start and a kill, within its bounds, never of an epoch that was
// not, and nothing else depends on it.

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "store/check.h"
#include "store/database.h"
#include "store/provenance.h"
#include "store/replay.h"
#include "tests/crash/powercut_disk.h"
#include "tests/unit/store_fixture.h"

namespace weir::store::test {
namespace {

constexpr const char* kLeft = "f/source/success/left";
constexpr const char* kRight = "f/source/success/right";

/// A source whose two connections are consumed at once: each epoch appends nothing and retains everything.
struct Source {
  explicit Source(const Options& options, const Retention& retention = {}) : store(Store::open(options)) {
    left = store->connection_number(kLeft);
    right = store->connection_number(kRight);
    processor = store->processor_number("f/source");
    store->retain(processor, retention);
    for (const auto& each : store->connections()) {
      if (each.connection == left) next = each.next;
    }
  }
  /// The right connection's sequences are 1,000 ahead.
  Epoch epoch(const BatchRef& batch) {
    const auto count = batch->items.size();
    Epoch result;
    result.number = store->last_epoch() + 1;
    result.connections.push_back({left, next + count, next + count, 0, {}, {}, {}});
    result.connections.push_back({right, next + count + 1000, next + count + 1000, 0, {}, {}, {}});
    result.retained.push_back(
        {processor, batch, 0, static_cast<std::uint32_t>(count), {{left, next}, {right, next + 1000}}});
    LineageRow row;
    row.type = EventType::receive;
    row.processor = processor;
    row.out_connection = left;
    row.out_first = next;
    row.out_count = count;
    row.time = 1;
    result.lineage.push_back(row);
    return result;
  }
  void write(const BatchRef& batch) {
    store->write(epoch(batch));
    next += batch->items.size();
  }
  void write(const std::vector<std::string>& contents) {
    BatchBuilder builder;
    for (const auto& content : contents) builder.add(content);
    write(builder.build());
  }
  /// Its content, or why it is not there.
  std::string content(std::uint64_t sequence, std::optional<std::uint32_t> connection = {}) {
    try {
      return content_of(store->retained(connection.value_or(left), sequence)->items.at(0));
    } catch (const NotRetained& error) {
      return std::string("NotRetained: ") + error.what();
    }
  }
  std::uint64_t kept() {
    std::uint64_t count = 0;
    for (std::uint64_t i = 0; i < next; ++i) count += content(i).starts_with("NotRetained") ? 0 : 1;
    return count;
  }

  std::unique_ptr<Store> store;
  std::uint32_t left = 0, right = 0, processor = 0;
  std::uint64_t next = 0;
};

std::vector<std::filesystem::path> files_in(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> result;
  if (!std::filesystem::exists(directory / "retained")) return result;
  for (const auto& file : std::filesystem::directory_iterator(directory / "retained")) result.push_back(file.path());
  std::sort(result.begin(), result.end());
  return result;
}

std::uint64_t bytes_in(const std::filesystem::path& directory) {
  std::uint64_t bytes = 0;
  for (const auto& file : files_in(directory)) bytes += std::filesystem::file_size(file);
  return bytes;
}

std::string check_of(const std::filesystem::path& directory, int expected) {
  std::ostringstream out;
  CHECK(run_check(directory, out) == expected);
  return out.str();
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("what a source put out can be had again, with all that it was, at each place it went to, after a start too") {
  const Folder folder;
  const std::string large(3'000'000, 'L');
  const std::string huge(9'000'000, 'H');
  {
    Source source(options_for(folder.path()));
    BatchBuilder builder;
    builder.add("one", {{"a", "1"}, {"b", "x"}}, 1'700'000'000'000'000'000, 3);
    builder.add("", {{"a", "1"}}, 7);
    builder.add(large, {{"name", "large"}}, 8, 30'000);
    for (const auto& content : {std::string("in a file"), huge}) {
      auto writer = source.store->write_content();
      writer->append(content);
      builder.add(writer->finish(), {{"name", "external"}});
    }
    source.write(builder.build());
    CHECK(source.content(0) == "one");
    source.write({"six", "seven"});
  }
  Source source(options_for(folder.path()));
  source.write({"eight"});
  for (const auto shift : {0, 1000}) {
    const auto connection = shift == 0 ? source.left : source.right;
    const auto at = [&](std::uint64_t sequence) {
      return source.content(sequence + static_cast<std::uint64_t>(shift), connection);
    };
    CHECK(at(0) == "one");
    CHECK(at(1).empty());
    CHECK(at(2) == large);
    CHECK(at(3) == "in a file");
    CHECK(at(4) == huge);
    CHECK(at(6) == "seven");
    CHECK(at(7) == "eight");
  }
  const auto first = source.store->retained(source.left, 0);
  REQUIRE(first->items.size() == 1);
  CHECK(attributes_of(first->items[0]) == Attributes{{"a", "1"}, {"b", "x"}});
  CHECK(first->items[0].born == 1'700'000'000'000'000'000);
  CHECK(first->items[0].records == 3);
  const auto third = source.store->retained(source.left, 2);
  CHECK(attributes_of(third->items[0]) == Attributes{{"name", "large"}});
  CHECK(third->items[0].records == 30'000);
  CHECK((third->items[0].flags & abi::kExternal) == 0);
  source.store->maintain();  // what was huge came by a content segment, which nobody has now
  source.store.reset();
  CHECK(check_of(folder.path(), 0) == folder.path().string() + " is well\n");
}

TEST_CASE("what is not there is said, and why") {
  const Folder folder;
  Source source(options_for(folder.path()), {0, 512 << 10});
  const auto other = source.store->connection_number("f/left/success/end");
  CHECK(contains(source.content(0), "there is no FlowFile f/source/success/left:0 yet: nothing has come"));
  source.write({"a"});
  CHECK(contains(source.content(1), "there is no FlowFile f/source/success/left:1 yet: the last one was 0"));
  CHECK_THROWS_AS(source.store->retained(99, 0), std::invalid_argument);
  Epoch epoch;
  epoch.number = source.store->last_epoch() + 1;
  epoch.connections.push_back({other, 5, 5, 0, {}, {}, {}});
  source.store->write(epoch);
  CHECK(contains(source.content(0, other), "is not kept: Weir keeps content where it leaves a source"));
  CHECK(contains(source.content(0, other), "`weir provenance ancestors f/left/success/end:0`"));
  source.write({std::string(65 << 20, 'x')});  // too large
  source.write({"c"});
  CHECK(contains(source.content(1), "was not kept: it came faster"));
  CHECK(source.content(2) == "c");
  for (int i = 0; i < 40; ++i) source.write({std::string(60'000, 'f')});
  CHECK(contains(source.content(0), "is no longer there: what is kept of it begins at"));
}

TEST_CASE("a FlowFile too large to be kept costs its neighbours nothing") {
  const Folder folder;
  Source source(options_for(folder.path()));
  source.write({"a", std::string(65 << 20, 'x'), "c"});
  CHECK(source.content(0) == "a");
  CHECK(contains(source.content(1), "was larger than 64 MiB"));
  CHECK(source.content(2) == "c");
  source.store.reset();
  CHECK(check_of(folder.path(), 0) == folder.path().string() + " is well\n");
}

TEST_CASE("no more than the bound is kept, the newest of it, and files go a few at a time") {
  const Folder folder;
  constexpr std::uint64_t kBound = 2 << 20;
  std::size_t files = 0;
  {
    Source source(options_for(folder.path()), {0, kBound});
    for (int i = 0; i < 300; ++i) {
      source.write({std::to_string(i) + std::string(30'000, '.')});
      CHECK(bytes_in(folder.path()) <= kBound + 31'000);
      CHECK(source.store->retained_bytes() == bytes_in(folder.path()));
    }
    files = files_in(folder.path()).size();
    CHECK(files > 5);
    CHECK(files < 12);
    CHECK(source.content(299).starts_with("299"));
    const auto kept = source.kept();
    CHECK(kept > kBound / 31'000 * 3 / 4);
    CHECK(source.content(300 - kept).starts_with(std::to_string(300 - kept)));
    CHECK(contains(source.content(300 - kept - 1), "is no longer there"));
  }
  {
    Source source(options_for(folder.path()), {0, 64 << 10});  // the flow asks for less
    source.write({"next"});
    CHECK(files_in(folder.path()).size() >= files - 4);
    for (int i = 0; i < 5; ++i) source.write({"next"});
    CHECK(files_in(folder.path()).size() <= 2);
    CHECK(source.content(305) == "next");
  }
  Source source(options_for(folder.path()), {0, 0});  // and for nothing
  source.write({"last"});
  source.write({"last"});
  CHECK(files_in(folder.path()).empty());
  CHECK(contains(source.content(306), "is not kept"));
}

TEST_CASE("what is older than the bound goes, also where its source puts out nothing any more") {
  const Folder folder;
  constexpr std::int64_t kTime = 200'000'000;
  Source source(options_for(folder.path()), {kTime, 1 << 20});
  source.write({"old"});
  CHECK(source.content(0) == "old");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!files_in(folder.path()).empty() && std::chrono::steady_clock::now() < deadline) {
    Epoch epoch;  // of somebody else
    epoch.number = source.store->last_epoch() + 1;
    epoch.bulletins.push_back({0, 0, 0, "something"});
    source.store->write(epoch);
  }
  CHECK(files_in(folder.path()).empty());
  source.write({"new"});
  CHECK(source.content(1) == "new");
}

Failpoint kill_at;

TEST_CASE(
    "a process killed at any step of an epoch keeps what durable epochs hold, and nothing of the one that was not") {
  for (auto step = Failpoint::before_content; step <= Failpoint::after_cleanup;
       step = static_cast<Failpoint>(static_cast<int>(step) + 1)) {
    CAPTURE(static_cast<int>(step));
    const Folder folder;
    const auto child = ::fork();
    if (child == 0) {
      try {
        Source source(options_for(folder.path()));
        source.write({"first", std::string(100'000, 'a')});
        kill_at = step;
        source.store->failpoint = [](Failpoint at) {
          if (at == kill_at) ::_exit(17);
        };
        source.write({"second", std::string(100'000, 'b')});
      } catch (...) {
      }
      ::_exit(1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) == 17);
    CHECK(check_of(folder.path(), 0).find("damaged") == std::string::npos);
    const auto committed = step >= Failpoint::after_commit;
    {
      Source source(options_for(folder.path()));
      REQUIRE(source.next == (committed ? 4 : 2));
      CHECK(source.content(0) == "first");
      CHECK(source.content(1) == std::string(100'000, 'a'));
      if (committed) {
        CHECK(source.content(2) == "second");
        CHECK(source.content(3) == std::string(100'000, 'b'));
      } else {
        source.store->retain(source.processor, {0, 0});
        source.write({"third, not kept"});  // takes the sequence that "second" would have had
        CHECK(source.content(2).starts_with("NotRetained"));
        source.store->retain(source.processor, {});
      }
      source.write({"fourth"});
      CHECK(source.content(source.next - 1) == "fourth");
    }
    CHECK(check_of(folder.path(), 0) == folder.path().string() + " is well\n");
  }
}

TEST_CASE("a full disk takes what is kept for replay first, and stops no epoch because of it") {
  const Folder folder;
  RecordingDisk disk(folder.path());
  auto options = options_for(folder.path());
  options.files = &disk.files();
  {
    Source source(options, {0, 1 << 20});
    for (int i = 0; i < 20; ++i) source.write({std::string(50'000, 'x')});
    REQUIRE(files_in(folder.path()).size() > 4);
    const auto before = files_in(folder.path()).size();
    disk.fault = [](DiskWrite::Kind kind, std::string_view file) {
      return kind == DiskWrite::Kind::write && file.starts_with("retained/") ? ENOSPC : 0;
    };
    source.write({"no room"});  // does not throw
    CHECK(files_in(folder.path()).size() < before);
    CHECK(source.content(20).starts_with("NotRetained"));
    disk.fault = nullptr;
    source.write({"room"});
    CHECK(source.content(21) == "room");
  }
  // No room at all: below the reserve nothing is kept, and the oldest goes with each epoch.
  options.reserve = 1ULL << 62;
  Source source(options, {0, 1 << 20});
  auto files = files_in(folder.path()).size();
  while (files > 0) {
    source.write({"not kept"});
    REQUIRE(files_in(folder.path()).size() < files);
    files = files_in(folder.path()).size();
  }
  source.write({"not kept"});
  CHECK(source.content(source.next - 1).starts_with("NotRetained"));
  source.store.reset();
  CHECK(check_of(folder.path(), 0) == folder.path().string() + " is well\n");
}

TEST_CASE("an epoch without room is written with what it kept, once there is room") {
  const Folder folder;
  {
    RecordingDisk disk(folder.path());
    auto options = options_for(folder.path());
    options.vfs = RecordingDisk::kVfs;
    options.files = &disk.files();
    Source source(options);
    source.write({"one"});
    disk.fault = [](DiskWrite::Kind kind, std::string_view file) {
      return kind == DiskWrite::Kind::write && file.ends_with("-wal") ? ENOSPC : 0;
    };
    BatchBuilder builder;
    const auto epoch = source.epoch(builder.add("two").build());
    CHECK_THROWS_AS(source.store->write(epoch), DiskFull);
    CHECK_THROWS_AS(source.store->write(epoch), DiskFull);
    CHECK(contains(source.content(1), "there is no FlowFile"));
    disk.fault = nullptr;
    source.store->write(epoch);
    ++source.next;
    CHECK(source.content(1) == "two");
    source.write({"three"});
  }
  Source source(options_for(folder.path()));
  CHECK(source.content(2) == "three");
}

TEST_CASE("a file that is damaged or missing is lost for replay, which is said, and stops nothing") {
  const Folder folder;
  {
    Source source(options_for(folder.path()));
    source.write({"one", std::string(100'000, 'x'), "three"});
    source.write({"four"});
  }
  const auto file = files_in(folder.path()).at(0);
  {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(50'000);
    stream << "!";
  }
  CHECK(contains(check_of(folder.path(), 0), "note: retained/0000000000000001.ret: not all of it can be replayed"));
  {
    Source source(options_for(folder.path()));
    CHECK(source.content(0) == "one");
    CHECK(contains(source.content(1), "was kept, but is lost"));
    CHECK(source.content(3) == "four");
    source.write({"five"});
    CHECK(source.content(4) == "five");
  }
  std::filesystem::resize_file(file, 60'000);
  CHECK(contains(check_of(folder.path(), 0), "note: "));
  {
    Source source(options_for(folder.path()));
    CHECK(contains(source.content(3), "was kept, but is lost"));
    source.write({"six"});  // not into the file that was cut short
    CHECK(source.content(5) == "six");
  }
  std::filesystem::remove(file);
  CHECK(contains(check_of(folder.path(), 0), "it is missing"));
  std::ofstream(folder.path() / "retained" / "00000000000000ff.ret") << "stray";
  CHECK(contains(check_of(folder.path(), 0), "00000000000000ff.ret: is named by nothing"));
  Source source(options_for(folder.path()));
  CHECK(contains(source.content(3), "was kept, but is lost"));
  CHECK(source.content(5) == "six");
  CHECK_FALSE(std::filesystem::exists(folder.path() / "retained" / "00000000000000ff.ret"));
}

TEST_CASE("a row of a file that is damaged is damage") {
  const Folder folder;
  {
    Source(options_for(folder.path())).write({"one"});
  }
  Database(folder.path() / "weir.db", Database::Access::write).execute("UPDATE retained SET packed = x'0102'");
  CHECK(contains(check_of(folder.path(), 1), "damaged: retained: the row of retained/0000000000000001.ret"));
  CHECK_THROWS_AS(Store::open(options_for(folder.path())), CannotOpen);
}

TEST_CASE("a data directory of format 1 is brought to format 2, and passes the check before and after") {
  const Folder folder;
  {
    Source(options_for(folder.path()), {0, 0}).write({"one"});
  }
  {
    Database database(folder.path() / "weir.db", Database::Access::write);
    database.execute("DROP TABLE retained; PRAGMA user_version=1");
  }
  CHECK(check_of(folder.path(), 0) == folder.path().string() + " is well\n");
  {
    Source source(options_for(folder.path()));
    CHECK(source.next == 1);
    source.write({"two"});
    CHECK(source.content(1) == "two");
  }
  CHECK(Database(folder.path() / "weir.db", Database::Access::read).number("PRAGMA user_version") == 2);
  CHECK(check_of(folder.path(), 0) == folder.path().string() + " is well\n");
}

TEST_CASE("a replay queues it again as a new FlowFile, which came from the old one by a REPLAY event") {
  const Folder folder;
  const std::string large(9'000'000, 'L');
  {
    Source source(options_for(folder.path()));
    source.write({"zero", large, "two"});
  }
  {
    auto store = Store::open_existing(options_for(folder.path()));
    CHECK(replay(*store, {kLeft, 1}, 5'000) == 3);
    CHECK(replay(*store, {kLeft, 2}, 6'000) == 4);
    CHECK(replay(*store, {kRight, 1000}, 7'000) == 1003);
    CHECK_THROWS_AS(replay(*store, {kLeft, 9}, 8'000), NotRetained);
    CHECK_THROWS_WITH_AS(replay(*store, {"f/source/success/lef", 1}, 8'000),
                         "there is no connection \"f/source/success/lef\" in this data directory: did you mean "
                         "\"f/source/success/left\"?",
                         std::invalid_argument);
  }
  CHECK(check_of(folder.path(), 0) == folder.path().string() + " is well\n");
  {
    auto store = Store::open(options_for(folder.path()));
    const auto left = store->connections().at(0);
    REQUIRE(left.id == kLeft);
    CHECK(left.cursor == 3);
    CHECK(left.next == 5);
    const auto batch = store->read(left.connection, 3, 2);
    CHECK(content_of(batch->items[0]) == large);
    CHECK(content_of(batch->items[1]) == "two");
  }
  Provenance provenance(folder.path());
  std::vector<std::string> steps;
  const auto visit = [&](const LineageStep& step) {
    steps.push_back(std::string(name_of(step.event.type)) + " " + step.event.processor);
    return true;
  };
  provenance.ancestors({kLeft, 4}, visit);
  CHECK(steps == std::vector<std::string>{"REPLAY f/source", "RECEIVE f/source"});
  steps.clear();
  provenance.descendants({kLeft, 2}, visit);
  CHECK(steps == std::vector<std::string>{"REPLAY f/source"});
  steps.clear();
  provenance.descendants({kLeft, 0}, visit);
  CHECK(steps.empty());
  EventFilter filter;
  filter.type = EventType::replay;
  CHECK(provenance.events(filter, [](const ProvenanceEvent&) { return true; }).found == 3);
}

TEST_CASE("nothing is replayed where no data directory is, and none is made") {
  const Folder folder;
  CHECK_THROWS_AS(Store::open_existing(options_for(folder.path() / "none")), CannotOpen);
  CHECK_FALSE(std::filesystem::exists(folder.path() / "none"));
}

}  // namespace
}  // namespace weir::store::test
