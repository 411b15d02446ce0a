// The power cut: a run is recorded, and cut at every prefix of its writes. Whatever of the unsynced writes survives,
// the store opens, has the last epoch whose write() returned or the one that was under way, and has it whole.

#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "store/check.h"
#include "store/provenance.h"
#include "tests/crash/powercut_disk.h"
#include "tests/unit/store_fixture.h"

namespace weir::store::test {
namespace {

/// What the store has to hold after an epoch.
struct Expected {
  std::uint64_t next = 0;
  std::uint64_t cursor = 0;
  std::vector<Interval> held;
  std::map<std::uint64_t, std::string> alive;
  std::map<std::string, std::string> state;
  std::uint64_t lineage = 0;                      ///< outputs of the processor so far
  std::map<std::uint64_t, std::string> retained;  ///< all contents so far
};

struct Run {
  std::vector<DiskWrite> writes;
  std::vector<Expected> epochs;       ///< by number; 0 is before the first
  std::vector<std::size_t> began;     ///< number of writes when write() was called
  std::vector<std::size_t> returned;  ///< and when it returned
};

constexpr const char* kConnection = "f/a/success/b";
constexpr const char* kProcessor = "f/b";

Options small_options(const std::filesystem::path& directory) {
  auto options = options_for(directory);
  options.inline_limit = 4096;
  options.segment_size = 40'000;
  options.checkpoint_bytes = 100'000;
  options.keep_provenance_bytes = 3000;
  return options;
}

/// Entries of all sizes, large content by both ways, held ones, state, lineage, retention, checkpoints, and a restart.
Run record(const std::filesystem::path& directory) {
  RecordingDisk disk(directory);
  auto options = small_options(directory);
  options.vfs = RecordingDisk::kVfs;
  options.files = &disk.files();
  Run run;
  run.epochs.push_back({});
  run.began.push_back(0);
  run.returned.push_back(0);
  std::mt19937 random(3);
  auto now = run.epochs.back();
  auto store = Store::open(options);
  const auto retain = [&] { store->retain(store->processor_number(kProcessor), {0, 200'000}); };
  retain();
  for (std::uint64_t number = 1; number <= 36; ++number) {
    if (number == 20) {
      // An epoch that cannot be written leaves what it would have kept in a file, behind what counts.
      BatchBuilder doomed;
      Epoch epoch;
      epoch.number = number;
      const auto connection = store->connection_number(kConnection);
      epoch.connections.push_back({connection, now.next + 1, now.cursor, 0, now.held, {}, {}});
      epoch.connections[0].appended.push_back(segment(now.next, doomed.add("doomed").build()));
      epoch.retained.push_back({store->processor_number(kProcessor),
                                epoch.connections[0].appended[0].batch,
                                0,
                                1,
                                {{connection, now.next}}});
      disk.fault = [](DiskWrite::Kind kind, std::string_view file) {
        return kind == DiskWrite::Kind::write && file.ends_with("-wal") ? ENOSPC : 0;
      };
      CHECK_THROWS_AS(store->write(epoch), DiskFull);
      disk.fault = nullptr;
      store.reset();
      store = Store::open(options);
      retain();
    }
    Epoch epoch;
    epoch.number = number;
    ConnectionChange change;
    change.connection = store->connection_number(kConnection);
    const auto processor = store->processor_number(kProcessor);
    BatchBuilder builder;
    const auto count = random() % 6;
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto kind = random() % 8;
      const auto text = std::to_string(now.next + i) + std::string(kind == 0 ? 9000 : random() % 3000, '.');
      now.alive[now.next + i] = now.retained[now.next + i] = text;
      if (kind == 1) {
        auto writer = store->write_content();
        writer->append(text);
        builder.add(writer->finish());
      } else {
        builder.add(text, {{"n", std::to_string(i)}});
      }
    }
    if (count > 0) change.appended.push_back(segment(now.next, builder.build()));
    if (count > 0 && number % 4 != 0)  // some are not kept
      epoch.retained.push_back(
          {processor, change.appended[0].batch, 0, static_cast<std::uint32_t>(count), {{change.connection, now.next}}});
    LineageRow row;
    row.type = EventType::create;
    row.processor = processor;
    row.out_connection = change.connection;
    row.out_first = now.next;
    row.out_count = count;
    row.time = static_cast<std::int64_t>(number) * 1'000'000'000;
    if (count > 0) epoch.lineage.push_back(row);
    now.next += count;
    now.lineage = now.next;
    // Sometimes consume, and hold one of what was consumed.
    if (random() % 3 != 0 && now.next > now.cursor) {
      const auto to = now.cursor + 1 + random() % (now.next - now.cursor);
      const auto held = random() % 2 == 0 ? std::optional(to - 1) : std::nullopt;
      std::erase_if(now.alive, [&](const auto& each) { return each.first < to && each.first != held; });
      now.held.clear();
      if (held) now.held.push_back({*held, 1});
      now.cursor = to;
    }
    for (int i = 0; i < 5; ++i) {
      const auto key = "k" + std::to_string(random() % 50);
      const auto value = std::to_string(number) + std::string(200, 'v');
      now.state[key] = value;
      epoch.states.push_back({processor, {{key, value}}});
    }
    change.next = now.next;
    change.cursor = now.cursor;
    change.held = now.held;
    epoch.connections.push_back(std::move(change));
    run.began.push_back(disk.writes().size());
    store->write(epoch);
    run.returned.push_back(disk.writes().size());
    run.epochs.push_back(now);
    store->maintain();
  }
  store.reset();
  run.writes = disk.writes();
  return run;
}

/// Content that is kept for replay, or `otherwise`.
std::string retained_or(Store& store, std::uint32_t connection, std::uint64_t sequence, const std::string& otherwise) {
  try {
    return content_of(store.retained(connection, sequence)->items.at(0));
  } catch (const NotRetained&) {
    return otherwise;
  }
}

/// Opens what is left, and compares it with what its epoch held. `lowest` was promised; `highest` was under way.
void verify(const Run& run, const std::filesystem::path& directory, std::uint64_t lowest, std::uint64_t highest) {
  std::uint64_t epoch = 0;
  {
    auto store = Store::open(small_options(directory));
    epoch = store->last_epoch();
    REQUIRE(epoch >= lowest);
    REQUIRE(epoch <= highest);
    const auto& expected = run.epochs[epoch];
    const auto connections = store->connections();
    if (epoch == 0) {
      CHECK(connections.empty());
    } else {
      REQUIRE(connections.size() == 1);
      CHECK(connections[0].id == kConnection);
      CHECK(connections[0].next == expected.next);
      CHECK(connections[0].cursor == expected.cursor);
      CHECK(connections[0].held == expected.held);
      for (const auto& [sequence, content] : expected.alive) {
        REQUIRE(content_of(store->read(connections[0].connection, sequence, 1)->items[0]) == content);
      }
      CHECK(store->state(store->processor_number(kProcessor)) == expected.state);
      for (const auto& [sequence, content] : expected.retained) {
        // Lost, or not kept: but never something else.
        REQUIRE(retained_or(*store, connections[0].connection, sequence, content) == content);
      }
    }
    // And work goes on.
    Epoch more;
    more.number = epoch + 1;
    more.bulletins.push_back({0, 0, 0, "again"});
    store->write(more);
  }
  if (epoch % 5 == 0) {
    for (const auto& finding : check(directory)) {
      const auto lost = finding.harmless && finding.where.starts_with("retained/");
      if (!lost) FAIL_CHECK(finding.where << ": " << finding.what);
    }
  }
}

std::filesystem::path memory_folder() {
  return std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path();
}

TEST_CASE(
    "a power cut that loses every unsynced write leaves the last epoch whose write returned, or the next, whole") {
  const Folder folder(memory_folder());
  const auto run = record(folder.path() / "recorded");
  // What is on the platter changes only when something is synced: between two syncs, one look stands for all prefixes,
  // with what had begun by its first and what had returned by its last.
  Platter platter;
  std::size_t looked = 0;
  for (std::size_t i = 0; i < run.writes.size(); ++i) {
    platter.apply(run.writes[i]);
    const auto kind = run.writes[i].kind;
    if (kind != DiskWrite::Kind::sync && kind != DiskWrite::Kind::sync_directory) continue;
    auto end = i + 1;
    while (end < run.writes.size() && run.writes[end].kind != DiskWrite::Kind::sync &&
           run.writes[end].kind != DiskWrite::Kind::sync_directory) {
      ++end;
    }
    std::uint64_t lowest = 0;
    std::uint64_t highest = 0;
    for (std::uint64_t epoch = 1; epoch < run.epochs.size(); ++epoch) {
      if (run.returned[epoch] <= end) lowest = epoch;
      if (run.began[epoch] <= i) highest = epoch;
    }
    CAPTURE(i);
    const auto directory = folder.path() / "cut";
    platter.lay_out_synced(directory);
    verify(run, directory, lowest, std::max(lowest, highest));
    std::filesystem::remove_all(directory);
    ++looked;
  }
  MESSAGE(run.writes.size() << " writes, all prefixes by " << looked << " looks");
  CHECK(looked > 70);
}

TEST_CASE("a power cut that keeps any of the unsynced pages leaves the last epoch whose write returned, or the next") {
  const Folder folder(memory_folder());
  const auto run = record(folder.path() / "recorded");
  Platter platter;
  std::mt19937 random(5);
  std::size_t looked = 0;
  for (std::size_t i = 0; i < run.writes.size(); ++i) {
    platter.apply(run.writes[i]);
    if (random() % 2 != 0) continue;
    std::uint64_t lowest = 0;
    std::uint64_t highest = 0;
    for (std::uint64_t epoch = 1; epoch < run.epochs.size(); ++epoch) {
      if (run.returned[epoch] <= i + 1) lowest = epoch;
      if (run.began[epoch] <= i) highest = epoch;
    }
    CAPTURE(i);
    const auto directory = folder.path() / "cut";
    platter.lay_out_some(directory, random);
    verify(run, directory, lowest, std::max(lowest, highest));
    std::filesystem::remove_all(directory);
    ++looked;
  }
  MESSAGE(run.writes.size() << " writes, " << looked << " prefixes with random pages");
  CHECK(looked > 200);
}

TEST_CASE("the platter forgets: without syncs, epochs would be lost") {
  // That the two tests above can fail: the same record with every sync taken out loses everything.
  const Folder folder(memory_folder());
  const auto run = record(folder.path() / "recorded");
  Platter platter;
  for (const auto& write : run.writes) {
    if (write.kind != DiskWrite::Kind::sync) platter.apply(write);
  }
  platter.lay_out_synced(folder.path() / "cut");
  CHECK_THROWS_WITH_AS(Store::open(small_options(folder.path() / "cut")),
                       doctest::Contains("weir.db is empty or was removed"), CannotOpen);
}

}  // namespace
}  // namespace weir::store::test
