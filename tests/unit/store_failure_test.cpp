// What the store does when things break: kills, full disks, failed syncs, damage, and directories that are not its own.

#include <doctest/doctest.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "store/check.h"
#include "store/database.h"
#include "store/encoding.h"
#include "store/packing.h"
#include "store/provenance.h"
#include "tests/crash/powercut_disk.h"
#include "tests/unit/store_fixture.h"

namespace weir::store::test {
namespace {

/// Epochs of one connection, each of which appends what `content` says and consumes what the last one appended.
struct Writer {
  explicit Writer(const Options& options) : store(Store::open(options)) {
    connection = store->connection_number("f/a/success/b");
    processor = store->processor_number("f/b");
    for (const auto& each : store->connections()) {
      if (each.connection == connection) next = each.next;
    }
  }
  Epoch epoch(const std::vector<std::string>& contents) {
    BatchBuilder builder;
    for (const auto& content : contents) builder.add(content, {{"key", "value"}});
    Epoch result;
    result.number = store->last_epoch() + 1;
    ConnectionChange change{connection, next + contents.size(), next, 0, {}, {}, {segment(next, builder.build())}};
    result.connections.push_back(std::move(change));
    result.states.push_back({processor, {{"epoch", std::to_string(result.number)}}});
    LineageRow row;
    row.type = EventType::create;
    row.processor = processor;
    row.out_connection = connection;
    row.out_first = next;
    row.out_count = contents.size();
    row.time = static_cast<std::int64_t>(result.number);
    result.lineage.push_back(row);
    return result;
  }
  void write(const std::vector<std::string>& contents) {
    store->write(epoch(contents));
    next += contents.size();
  }
  /// What is wrong with what a start recovered, if anything.
  std::string verify() {
    const auto connections = store->connections();
    if (store->last_epoch() == 0) return connections.size() == 1 && next == 0 ? "" : "not empty";
    if (store->state(processor) != std::map<std::string, std::string>{{"epoch", std::to_string(store->last_epoch())}})
      return "the state is of another epoch";
    return "";
  }

  std::unique_ptr<Store> store;
  std::uint32_t connection = 0;
  std::uint32_t processor = 0;
  std::uint64_t next = 0;
};

template <typename Error, typename Body>
std::string message_of(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "(nothing was thrown)";
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

Failpoint kill_at;

TEST_CASE("a process killed at any step of an epoch leaves the epoch before it, or the whole of it after the commit") {
  for (auto step = Failpoint::before_content; step <= Failpoint::after_cleanup;
       step = static_cast<Failpoint>(static_cast<int>(step) + 1)) {
    CAPTURE(static_cast<int>(step));
    const Folder folder;
    const auto child = ::fork();
    if (child == 0) {
      try {
        Writer writer(options_for(folder.path()));
        writer.write({"first", std::string(100'000, 'a')});
        kill_at = step;
        writer.store->failpoint = [](Failpoint at) {
          if (at == kill_at) ::_exit(17);
        };
        writer.write({"second", std::string(100'000, 'b')});
      } catch (...) {
      }
      ::_exit(1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) == 17);
    {  // provenance reads what a killed process left, before any start recovers it
      std::filesystem::remove(folder.path() / "weir.db-shm");
      Provenance provenance(folder.path());
      const auto events = provenance.events({}, [](const ProvenanceEvent&) { return true; });
      CHECK(events.found == (step >= Failpoint::after_commit ? 2 : 1));
    }
    Writer writer(options_for(folder.path()));
    const auto committed = step >= Failpoint::after_commit;
    CHECK(writer.store->last_epoch() == (committed ? 2 : 1));
    CHECK(writer.next == (committed ? 4 : 2));
    CHECK(writer.verify().empty());
    const auto last = writer.store->read(writer.connection, writer.next - 2, 2);
    CHECK(content_of(last->items[0]) == (committed ? "second" : "first"));
    CHECK(content_of(last->items[1]) == std::string(100'000, committed ? 'b' : 'a'));
    writer.write({"third"});
    writer.store.reset();
    std::ostringstream out;
    CHECK_MESSAGE(run_check(folder.path(), out) == 0, out.str());
  }
}

TEST_CASE("a second process on the same directory is refused, and told which process has it") {
  const Folder folder;
  Writer writer(options_for(folder.path()));
  const auto message = message_of<CannotOpen>([&] { Store::open(options_for(folder.path())); });
  CHECK(contains(message, "in use by process " + std::to_string(::getpid())));
  CHECK(contains(message, folder.path().string()));
  CHECK(contains(message_of<CannotOpen>([&] { check(folder.path()); }), "in use by process"));
  writer.store.reset();
  CHECK(Store::open(options_for(folder.path())) != nullptr);
}

TEST_CASE("a database that was emptied or removed is not taken for a new one while its content is there") {
  Folder folder;
  const auto home = folder.path() / "data";
  const auto refusal = [&] { return message_of<CannotOpen>([&] { Store::open(options_for(home)); }); };
  for (const bool removed : {false, true}) {
    std::filesystem::remove_all(home);
    Store::open(options_for(home)).reset();
    std::ofstream(home / "content" / "1") << "queued";
    if (removed) {
      std::filesystem::remove(home / "weir.db");
    } else {
      std::filesystem::resize_file(home / "weir.db", 0);
    }
    CHECK(contains(refusal(), "weir.db is empty or was removed"));
    CHECK(contains(refusal(), "To give up what was there, remove " + (home / "content").string()));
    std::filesystem::remove_all(home / "content");
    Store::open(options_for(home)).reset();
  }
}

TEST_CASE("a newer format, a foreign database, a file and a directory of something else are refused by name") {
  const Folder folder;
  const auto refusal = [](const std::filesystem::path& path) {
    return message_of<CannotOpen>([&] { Store::open(options_for(path)); });
  };
  const auto newer = folder.path() / "newer";
  Store::open(options_for(newer)).reset();
  Database(newer / "weir.db", Database::Access::write).execute("PRAGMA user_version=99");
  CHECK(contains(refusal(newer), "has format 99, which is newer than this Weir"));
  CHECK(contains(message_of<CannotOpen>([&] { Provenance provenance(newer); }), "has format 99"));

  const auto foreign = folder.path() / "foreign";
  std::filesystem::create_directory(foreign);
  Database(foreign / "weir.db", Database::Access::write).execute("CREATE TABLE photos(id)");
  CHECK(contains(refusal(foreign), "not one of Weir's"));

  const auto garbage = folder.path() / "garbage";
  std::filesystem::create_directory(garbage);
  std::ofstream(garbage / "weir.db") << std::string(10'000, 'g');
  CHECK(contains(refusal(garbage), "is no SQLite database"));

  const auto home = folder.path() / "home";
  std::filesystem::create_directory(home);
  std::ofstream(home / "thesis.tex") << "x";
  CHECK(contains(refusal(home), "holds thesis.tex"));
  CHECK_FALSE(std::filesystem::exists(home / "weir.db"));
  CHECK_FALSE(std::filesystem::exists(home / "lock"));
  CHECK(contains(refusal(home / "thesis.tex"), "is not a directory"));
  CHECK(
      contains(refusal(home / "thesis.tex" / "data"), "thesis.tex/data cannot be the data directory: Not a directory"));
  CHECK(contains(message_of<CannotOpen>([&] { Provenance provenance(home); }), "is no data directory"));
}

TEST_CASE("a failed sync of the log is final: no later epoch is written, and a start recovers what was durable") {
  for (const auto kind : {DiskWrite::Kind::sync, DiskWrite::Kind::write}) {
    const Folder folder;
    {
      RecordingDisk disk(folder.path());
      auto options = options_for(folder.path());
      options.vfs = RecordingDisk::kVfs;
      Writer writer(options);
      writer.write({"one"});
      disk.fault = [kind](DiskWrite::Kind of, std::string_view file) {
        return of == kind && file == "weir.db-wal" ? EIO : 0;
      };
      CHECK_THROWS_AS(writer.write({"two"}), IoError);
      disk.fault = nullptr;
      CHECK_THROWS_AS(writer.write({"two"}), IoError);
    }
    Writer writer(options_for(folder.path()));
    // Which of the two is durable nobody can know; each is whole.
    CHECK((writer.store->last_epoch() == 1 || writer.store->last_epoch() == 2));
    CHECK(writer.verify().empty());
  }
}

TEST_CASE("a failed sync of a content file is final, too") {
  const Folder folder;
  RecordingDisk disk(folder.path());
  auto options = options_for(folder.path());
  options.files = &disk.files();
  Writer writer(options);
  disk.fault = [](DiskWrite::Kind of, std::string_view file) {
    return of == DiskWrite::Kind::sync && file.starts_with("content/") ? EIO : 0;
  };
  CHECK_THROWS_AS(writer.write({std::string(100'000, 'x')}), IoError);
  disk.fault = nullptr;
  CHECK_THROWS_AS(writer.write({"small"}), IoError);
}

TEST_CASE(
    "no room for SQLite's log, at whichever write: the epoch is rolled back whole, and written when there is room") {
  for (int failing = 0; failing < 12; ++failing) {
    CAPTURE(failing);
    const Folder folder;
    {
      RecordingDisk disk(folder.path());
      auto options = options_for(folder.path());
      options.vfs = RecordingDisk::kVfs;
      options.files = &disk.files();
      Writer writer(options);
      writer.write({"one", std::string(70'000, '1')});
      int left = failing;
      disk.fault = [&](DiskWrite::Kind of, std::string_view) {
        return of == DiskWrite::Kind::write && left-- <= 0 ? ENOSPC : 0;
      };
      const auto epoch = writer.epoch({"two", std::string(70'000, '2'), std::string(20'000, '3')});
      CHECK_THROWS_AS(writer.store->write(epoch), DiskFull);
      CHECK_THROWS_AS(writer.store->write(epoch), DiskFull);
      CHECK(writer.store->last_epoch() == 1);
      CHECK(content_of(writer.store->read(writer.connection, 0, 1)->items[0]) == "one");
      disk.fault = nullptr;
      writer.store->write(epoch);
      writer.next += 3;
      writer.write({"three"});
    }
    Writer writer(options_for(folder.path()));
    CHECK(writer.store->last_epoch() == 3);
    CHECK(writer.verify().empty());
    CHECK(content_of(writer.store->read(writer.connection, 5, 1)->items[0]) == "three");
    writer.store.reset();
    std::ostringstream out;
    CHECK_MESSAGE(run_check(folder.path(), out) == 0, out.str());
  }
}

/// A file system of a few megabytes, where this process may mount one.
class SmallDisk {
 public:
  explicit SmallDisk(const std::filesystem::path& path) : path_(path) {
    std::filesystem::create_directory(path_);
    mounted_ = ::mount("tmpfs", path_.c_str(), "tmpfs", 0, "size=6m") == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  explicit operator bool() const { return mounted_; }

 private:
  std::filesystem::path path_;
  bool mounted_ = false;
};

TEST_CASE("a disk that is really full keeps what is durable; queues can be emptied, and writing goes on") {
  const Folder folder;
  const SmallDisk small(folder.path() / "disk");
  if (!small) {
    std::cout << "SKIPPED a really full disk: this process may not mount a tmpfs\n";
    return;
  }
  auto options = options_for(folder.path() / "disk");
  options.reserve = 2 << 20;
  std::uint64_t written = 0;
  {
    Writer writer(options);
    CHECK(writer.store->room() > 0);
    const auto full = message_of<DiskFull>([&] {
      for (int i = 0; i < 200; ++i) {
        auto epoch = writer.epoch({std::string(100'000, 'l'), std::string(20'000, 's')});
        epoch.connections[0].cursor = 0;  // nothing is consumed
        writer.store->write(epoch);
        writer.next += 2;
        written = writer.next;
        writer.store->maintain();
      }
    });
    CHECK(contains(full, folder.path().string()));
    CHECK(writer.store->room() == 0);
    CHECK(written > 10);
    Epoch drained;
    drained.number = writer.store->last_epoch() + 1;
    drained.connections.push_back({writer.connection, written, written, 0, {}, {}, {}});
    drained.states.push_back({writer.processor, {{"epoch", std::to_string(drained.number)}}});
    writer.store->write(drained);
    writer.store->maintain();
    CHECK(writer.store->room() > 0);
    writer.write({std::string(100'000, 'n')});
  }
  Writer writer(options);
  CHECK(writer.verify().empty());
  CHECK(content_of(writer.store->read(writer.connection, written, 1)->items[0]) == std::string(100'000, 'n'));
}

TEST_CASE("a file-size limit is a full disk, not a failure of the disk") {
  const Folder folder;
  const auto child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    int result = 1;
    try {
      Writer writer(options_for(folder.path()));
      writer.write({"one"});
      const rlimit limit{300'000, RLIM_INFINITY};
      ::setrlimit(RLIMIT_FSIZE, &limit);
      const auto epoch = writer.epoch(std::vector<std::string>(20, std::string(40'000, 'x')));
      try {
        writer.store->write(epoch);
      } catch (const DiskFull&) {
        const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
        ::setrlimit(RLIMIT_FSIZE, &unlimited);
        writer.store->write(epoch);
        result = writer.store->last_epoch() == 2 ? 0 : 2;
      }
    } catch (const std::exception& error) {
      std::cerr << error.what() << '\n';
      result = 3;
    }
    ::_exit(result);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("below the reserve, what grows is refused before anything is written") {
  const Folder folder;
  auto options = options_for(folder.path());
  options.reserve = 1ULL << 60;
  Writer writer(options);
  CHECK(writer.store->room() == 0);
  CHECK(contains(message_of<DiskFull>([&] { writer.write({"x"}); }), "free some space"));
  CHECK(writer.store->last_epoch() == 0);
}

TEST_CASE("a queue that lacks entries which are alive is refused at start, with what is missing") {
  const Folder folder;
  {
    Writer writer(options_for(folder.path()));
    writer.write({"a", "b", "c"});
  }
  Database(folder.path() / "weir.db", Database::Access::write).execute("DELETE FROM entries");
  const auto message = message_of<CannotOpen>([&] { Store::open(options_for(folder.path())); });
  CHECK(contains(message, "connection f/a/success/b: not all of 0 to 3 is stored"));
  CHECK(contains(message, "weir check"));
  std::ostringstream out;
  CHECK(run_check(folder.path(), out) == 1);
  CHECK(contains(out.str(), "not all of 0 to 3 is stored"));
}

TEST_CASE("content that is missing, cut short or changed is found") {
  const Folder folder;
  {
    Writer writer(options_for(folder.path()));
    writer.write({std::string(100'000, 'x')});
  }
  const auto segment = folder.path() / "content" / "0000000000000001.seg";
  const auto findings = [&] {
    std::ostringstream out;
    CHECK(run_check(folder.path(), out) == 1);
    return out.str();
  };
  {
    std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(50'000);
    file << "!";
  }
  CHECK(contains(findings(), "are not what was written"));
  std::filesystem::resize_file(segment, 60'000);
  CHECK(contains(findings(), "no content begins at offset 0"));
  CHECK(contains(message_of<CannotOpen>([&] { Store::open(options_for(folder.path())); }), "is cut short"));
  std::filesystem::remove(segment);
  CHECK(contains(findings(), "is missing"));
  CHECK(contains(message_of<CannotOpen>([&] { Store::open(options_for(folder.path())); }), "is missing"));
}

TEST_CASE("a database with bytes flipped is refused or read, never crashes, and weir check tells") {
  const Folder folder;
  const auto original = folder.path() / "original";
  {
    Writer writer(options_for(original));
    for (int i = 0; i < 30; ++i) writer.write({std::to_string(i), std::string(3000, 'x'), std::string(70'000, 'l')});
    Epoch epoch = writer.epoch(std::vector<std::string>(200, "queued"));
    epoch.attributes.push_back({writer.connection, writer.next, "sensor", "s-1"});
    writer.store->write(epoch);
  }
  const auto size = std::filesystem::file_size(original / "weir.db");
  int refused = 0;
  int told = 0;
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto copy = folder.path() / "copy";
    std::filesystem::remove_all(copy);
    std::filesystem::copy(original, copy, std::filesystem::copy_options::recursive);
    {
      std::fstream file(copy / "weir.db", std::ios::in | std::ios::out | std::ios::binary);
      for (auto flips = 1 + random() % 8; flips > 0; --flips) {
        file.seekp(static_cast<std::streamoff>(random() % size));
        file.put(static_cast<char>(random()));
      }
    }
    std::ostringstream out;
    const auto well = run_check(copy, out) == 0;
    told += well ? 0 : 1;
    try {
      auto store = Store::open(options_for(copy));
      for (const auto& connection : store->connections()) {
        for (const auto& each : connection.segments) {
          const auto batch = store->read(connection.connection, each.first, each.count);
          for (const auto& item : batch->items) {
            const auto content = content_of(item);
            // What weir check passes is what was written: the flips hit free pages.
            if (well) CHECK(content == "queued");
          }
        }
      }
      static_cast<void>(store->state(1));
      Provenance provenance(copy);
      provenance.events({}, [](const ProvenanceEvent&) { return true; });
      provenance.ancestors({"f/a/success/b", 1}, [](const LineageStep&) { return true; });
      static_cast<void>(provenance.find("sensor", "s-1"));
      store->write([&] {
        Epoch epoch;
        epoch.number = store->last_epoch() + 1;
        epoch.bulletins.push_back({0, 0, 0, "x"});
        return epoch;
      }());
    } catch (const CannotOpen& error) {
      CHECK(contains(error.what(), copy.string()));
      ++refused;
    } catch (const IoError& error) {
      CHECK(contains(error.what(), copy.string()));
      ++refused;
    } catch (const std::invalid_argument&) {  // the connection's name was hit
    }
  }
  MESSAGE("of 200 damaged databases " << told << " were found by weir check, " << refused << " refused to be used");
  CHECK(told > 40);
}

TEST_CASE("any bytes as a packed row are refused or read, never more") {
  Packer packer;
  BatchBuilder builder;
  builder.add("one", {{"a", "1"}, {"b", "2"}}).add("two", {{"a", "1"}, {"b", "3"}}, 5, 9).add("three");
  const auto batch = builder.build();
  packer.add(10, batch->items[0], nullptr);
  packer.add(11, batch->items[1], nullptr);
  const ContentName stored{7, 100, 200};
  packer.add(500, batch->items[2], &stored);
  const auto row = packer.finish();
  const std::string good(row.blob);
  std::mt19937 random(1);
  const auto read = [&](const std::string& bytes) {
    Arena arena;
    std::vector<abi::Item> items(600, kAbsent);
    try {
      unpack(bytes, row.first, row.count, 0, items, arena,
             [](std::uint64_t) -> std::shared_ptr<ContentFile> { throw Malformed("an unknown segment"); });
      for (const auto& item : items) {
        if ((item.flags & abi::kExternal) == 0) static_cast<void>(content_of(item));
        static_cast<void>(attributes_of(item));
      }
      visit_contents(bytes, row.first, row.count, [](std::uint64_t, const ContentName&) {});
    } catch (const Malformed&) {
    }
  };
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      auto bad = good;
      bad[at] = static_cast<char>(byte);
      read(bad);
    }
    read(good.substr(0, at));
  }
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(random() % 60, '\0');
    for (auto& each : bytes) each = static_cast<char>(random());
    read(bytes);
  }
  CHECK_THROWS_AS(visit_contents(good.substr(0, good.size() - 1), row.first, row.count, {}), Malformed);
}

double milliseconds(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

TEST_CASE("a start with a million FlowFiles queued is quick, and so is a small one") {
  const Folder folder;
  {
    Writer writer(options_for(folder.path()));
    const std::string content(120, 'r');
    double took = 0;
    for (int i = 0; i < 100; ++i) {
      auto epoch = writer.epoch(std::vector<std::string>(10'000, content));
      epoch.connections[0].cursor = 0;
      took += milliseconds([&] { writer.store->write(epoch); });
      writer.next += 10'000;
      writer.store->maintain();
    }
    MESSAGE("an epoch of 10,000 entries of 120 bytes: " << took / 100 << " ms");
  }
  std::unique_ptr<Store> store;
  MESSAGE("start with 1 M FlowFiles queued: " << milliseconds([&] { store = Store::open(options_for(folder.path())); })
                                              << " ms");
  std::uint64_t count = 0;
  const auto connections = store->connections();
  for (const auto& each : connections.at(0).segments) count += each.count;
  CHECK(count == 1'000'000);
  MESSAGE("reading 1,000 of them: " << milliseconds([&] { store->read(1, 500'000, 1000); }) << " ms");
  const Folder small;
  MESSAGE("creating a data directory: " << milliseconds([&] { Store::open(options_for(small.path())); }) << " ms");
  MESSAGE("start of a small one: " << milliseconds([&] { Store::open(options_for(small.path())); }) << " ms");
}

TEST_CASE("packing 10,000 entries of 120 bytes with 3 attributes takes 2 ms or less of one core") {
  BatchBuilder builder;
  for (int i = 0; i < 10'000; ++i) {
    builder.add(std::string(120, 'r'), {{"mqtt.topic", "sensors/s-" + std::to_string(i % 1000) + "/readings"},
                                        {"sensor", "s-" + std::to_string(i % 1000)},
                                        {"sequence", std::to_string(i)}});
  }
  const auto batch = builder.build();
  Packer packer;
  double best = 1e9;
  std::size_t size = 0;
  for (int round = 0; round < 10; ++round) {
    best = std::min(best, milliseconds([&] {
                      size = 0;
                      for (std::uint64_t i = 0; i < 10'000; ++i) {
                        packer.add(i, batch->items[i], nullptr);
                        if (packer.full()) size += packer.finish().blob.size();
                      }
                      size += packer.finish().blob.size();
                    }));
  }
  MESSAGE("packing: " << best << " ms, " << size << " bytes for 1,200,000 of content");
}

}  // namespace
}  // namespace weir::store::test
