// What the store promises: what an epoch held is there after a start, all of it and nothing else.

#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "store/check.h"
#include "store/content_files.h"
#include "tests/unit/store_fixture.h"

namespace weir::store::test {
namespace {

TEST_CASE("a new data directory has a UUID, no connections and no epoch, and keeps its UUID") {
  const Folder folder;
  std::string id;
  {
    auto store = Store::open(options_for(folder.path() / "data"));
    id = store->id();
    CHECK(id.size() == 36);
    CHECK(store->last_epoch() == 0);
    CHECK(store->connections().empty());
  }
  CHECK(Store::open(options_for(folder.path() / "data"))->id() == id);
}

TEST_CASE("what an epoch appended is there after a start, with content, attributes, birth and records") {
  const Folder folder;
  {
    auto store = Store::open(options_for(folder.path()));
    const auto number = store->connection_number("f/a/success/b");
    BatchBuilder builder;
    builder.add("one", {{"a", "1"}, {"b", "x"}}, 1'700'000'000'000'000'000, 3);
    builder.add("", {{"a", "1"}, {"b", "x"}}, 1'700'000'000'000'000'001);
    builder.add("three", {{"a", "2"}, {"b", "x"}}, -5, 0);
    builder.add("four", {}, 7, 4'000'000'000U);
    builder.add("five", {{"z", ""}}, 7);
    Epoch epoch;
    epoch.number = 1;
    epoch.connections.push_back({number, 15, 10, 7, {}, {}, {segment(10, builder.build())}});
    store->write(epoch);
    CHECK(store->last_epoch() == 1);
  }
  auto store = Store::open(options_for(folder.path()));
  CHECK(store->last_epoch() == 1);
  const auto connections = store->connections();
  REQUIRE(connections.size() == 1);
  CHECK(connections[0].id == "f/a/success/b");
  CHECK(connections[0].next == 15);
  CHECK(connections[0].cursor == 10);
  CHECK(connections[0].cursor_offset == 7);
  REQUIRE(connections[0].segments.size() == 1);
  CHECK(connections[0].segments[0].first == 10);
  CHECK(connections[0].segments[0].count == 5);
  CHECK(connections[0].segments[0].bytes == 16);
  CHECK(connections[0].segments[0].records == 4'000'000'005U);
  CHECK(store->connection_number("f/a/success/b") == connections[0].connection);

  const auto batch = store->read(connections[0].connection, 9, 7);
  REQUIRE(batch->items.size() == 7);
  CHECK(content_of(batch->items[0]).empty());
  CHECK(content_of(batch->items[1]) == "one");
  CHECK(batch->items[1].born == 1'700'000'000'000'000'000);
  CHECK(batch->items[1].records == 3);
  CHECK(attributes_of(batch->items[1]) == Attributes{{"a", "1"}, {"b", "x"}});
  CHECK(content_of(batch->items[2]).empty());
  CHECK(attributes_of(batch->items[2]) == Attributes{{"a", "1"}, {"b", "x"}});
  CHECK(content_of(batch->items[3]) == "three");
  CHECK(attributes_of(batch->items[3]) == Attributes{{"a", "2"}, {"b", "x"}});
  CHECK(batch->items[3].born == -5);
  CHECK(batch->items[3].records == 0);
  CHECK(attributes_of(batch->items[4]).empty());
  CHECK(batch->items[4].records == 4'000'000'000U);
  CHECK(attributes_of(batch->items[5]) == Attributes{{"z", ""}});
  CHECK(content_of(batch->items[6]).empty());
}

/// A store with one connection and one processor, written epoch by epoch.
struct OneQueue {
  explicit OneQueue(const Options& options)
      : store(Store::open(options)),
        connection(store->connection_number("f/a/success/b")),
        processor(store->processor_number("f/b")) {
    epoch.number = store->last_epoch();
    for (const auto& each : store->connections()) {
      if (each.connection == connection) change = {connection, each.next, each.cursor, 0, each.held, each.retry, {}};
    }
    change.connection = connection;
  }
  void append(const BatchRef& batch) {
    change.appended.push_back(segment(change.next, batch));
    change.next += batch->items.size();
  }
  void write() {
    ++epoch.number;
    epoch.connections = {change};
    store->write(epoch);
    change.appended.clear();
    epoch.states.clear();
  }
  std::string content(std::uint64_t sequence) { return content_of(store->read(connection, sequence, 1)->items[0]); }
  RecoveredConnection recovered() { return store->connections().at(0); }

  std::unique_ptr<Store> store;
  std::uint32_t connection;
  std::uint32_t processor;
  ConnectionChange change;
  Epoch epoch;
};

std::vector<std::filesystem::path> segments_in(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> result;
  for (const auto& file : std::filesystem::directory_iterator(directory / "content")) result.push_back(file.path());
  return result;
}

TEST_CASE(
    "held and retried entries, cursor and offset are there after a start; rows go when all their entries are done") {
  const Folder folder;
  {
    OneQueue queue(options_for(folder.path()));
    queue.append(batch_of({"0", "1", "2", "3"}));
    queue.write();
    queue.append(batch_of({"4", "5", "6", "7"}));
    queue.write();
    queue.append(batch_of({"8", "9"}));
    queue.change.cursor = 9;
    queue.change.cursor_offset = 1;
    queue.change.held = {{1, 2}};
    queue.change.retry = {{3, 0, 0}, {5, 0, 0, 70'000}, {6, 0, 0}, {8, 3, 1'700'000'000'000'000'000, 1}};
    queue.write();
  }
  OneQueue queue(options_for(folder.path()));
  const auto recovered = queue.recovered();
  CHECK(recovered.cursor == 9);
  CHECK(recovered.cursor_offset == 1);
  CHECK(recovered.next == 10);
  CHECK(recovered.held == std::vector<Interval>{{1, 2}});
  CHECK(recovered.retry ==
        std::vector<RetryEntry>{{3, 0, 0}, {5, 0, 0, 70'000}, {6, 0, 0}, {8, 3, 1'700'000'000'000'000'000, 1}});
  CHECK(recovered.segments.size() == 3);
  queue.change.retry = {queue.change.retry.back()};
  queue.write();
  const auto left = queue.recovered().segments;
  REQUIRE(left.size() == 2);  // 4 to 7 are done
  CHECK(left[0].first == 0);
  CHECK(left[1].first == 8);
  CHECK(queue.content(2) == "2");
  CHECK(queue.content(5).empty());
  CHECK(queue.content(8) == "8");
  queue.change.held.clear();
  queue.write();
  CHECK(queue.recovered().segments.size() == 1);
  queue.change.retry.clear();
  queue.change.cursor = 10;
  queue.write();
  CHECK(queue.recovered().segments.empty());
}

TEST_CASE("entries with gaps between them, the net effect of an epoch, share a row") {
  const Folder folder;
  {
    OneQueue queue(options_for(folder.path()));
    const auto batch = batch_of({"a", "b", "c", "d", "e", "f"});
    queue.change.next = 1'000'000;
    queue.change.cursor = 1'000'000;
    queue.change.appended = {{5, 2, 0, batch}, {900, 1, 2, batch}, {999'990, 3, 3, batch}};
    queue.change.held = {{5, 2}, {900, 1}, {999'990, 3}};
    queue.write();
  }
  OneQueue queue(options_for(folder.path()));
  CHECK(queue.recovered().segments.size() == 1);
  CHECK(queue.content(5) == "a");
  CHECK(queue.content(6) == "b");
  CHECK(queue.content(7).empty());
  CHECK(queue.content(900) == "c");
  CHECK(queue.content(999'990) == "d");
  CHECK(queue.content(999'992) == "f");
}

TEST_CASE("state is there after a start: set, changed, erased, and folded many times over") {
  const Folder folder;
  std::map<std::string, std::string> expected;
  {
    OneQueue queue(options_for(folder.path()));
    for (int epoch = 0; epoch < 60; ++epoch) {
      StateChange change{queue.processor, {}};
      for (int i = 0; i < 400; ++i) {
        const auto key = "key-" + std::to_string((epoch * 37 + i * 101) % 3000);
        if ((epoch + i) % 5 == 0) {
          change.entries.emplace_back(key, std::nullopt);
          expected.erase(key);
        } else {
          change.entries.emplace_back(key, std::string(60, 'v') + std::to_string(epoch * 1000 + i));
          expected[key] = *change.entries.back().second;
        }
      }
      queue.epoch.states.push_back(std::move(change));
      queue.epoch.states.push_back({queue.processor, {{"", std::to_string(epoch)}}});
      queue.write();
    }
    expected[""] = "59";
    CHECK(queue.store->state(queue.processor) == expected);
  }
  OneQueue queue(options_for(folder.path()));
  CHECK(queue.store->state(queue.processor) == expected);
  CHECK(queue.store->state(queue.processor + 1).empty());
  CHECK(std::filesystem::file_size(folder.path() / "weir.db") < 4'000'000);
}

TEST_CASE("content that is large goes into segments, is named by later hops, and goes when nothing names it") {
  const Folder folder;
  const std::string large(300'000, 'x');
  {
    OneQueue queue(options_for(folder.path()));
    const auto second = queue.store->connection_number("f/b/success/c");
    auto batch = batch_of({large, "small"});
    queue.append(batch);
    queue.write();
    REQUIRE(segments_in(folder.path()).size() == 1);
    const auto size = std::filesystem::file_size(segments_in(folder.path())[0]);
    CHECK(size == large.size() + 24);
    // A hop on: the same memory is in the second connection now.
    queue.change.cursor = queue.change.next;
    ++queue.epoch.number;
    queue.epoch.connections = {queue.change, {second, 2, 0, 0, {}, {}, {segment(0, batch)}}};
    queue.store->write(queue.epoch);
    REQUIRE(segments_in(folder.path()).size() == 1);
    CHECK(std::filesystem::file_size(segments_in(folder.path())[0]) == size);
  }
  OneQueue queue(options_for(folder.path()));
  const auto second = queue.store->connection_number("f/b/success/c");
  auto read = queue.store->read(second, 0, 2);
  CHECK((read->items[0].flags & abi::kExternal) != 0);
  CHECK(content_of(read->items[0]) == large);
  CHECK(content_of(read->items[1]) == "small");
  ++queue.epoch.number;
  queue.epoch.connections = {{second, 2, 2, 0, {}, {}, {}}};
  queue.store->write(queue.epoch);
  CHECK(segments_in(folder.path()).size() == 1);  // `read` still has it open
  CHECK(content_of(read->items[0]) == large);
  read.reset();
  queue.store->maintain();
  CHECK(segments_in(folder.path()).empty());
}

TEST_CASE("large contents that share memory but end at different places keep their own sizes") {
  const Folder folder;
  auto arena = std::make_shared<Arena>();
  const auto text = arena->copy(std::string(200'000, 'a') + std::string(100'000, 'b'));
  auto batch = std::make_shared<Batch>();
  for (const auto size : {300'000U, 200'000U, 300'000U, 250'000U}) {
    batch->items.push_back({text.data, size, nullptr, 0, 1, 0, 0});
  }
  batch->arenas.push_back(arena);
  OneQueue queue(options_for(folder.path()));
  queue.append(batch);
  queue.write();
  CHECK(queue.content(0) == std::string(200'000, 'a') + std::string(100'000, 'b'));
  CHECK(queue.content(1) == std::string(200'000, 'a'));
  CHECK(queue.content(2) == queue.content(0));
  CHECK(queue.content(3) == std::string(200'000, 'a') + std::string(50'000, 'b'));
  CHECK(std::filesystem::file_size(segments_in(folder.path()).at(0)) == 750'000 + 3 * 24);
}

TEST_CASE("content is written piece by piece by concurrent writers, and what was abandoned is gone") {
  const Folder folder;
  {
    OneQueue queue(options_for(folder.path()));
    auto one = queue.store->write_content();
    auto other = queue.store->write_content();
    for (int i = 0; i < 100; ++i) {
      one->append(std::string(5000, static_cast<char>('a' + i % 26)));
      other->append("other ");
    }
    CHECK(one->size() == 500'000);
    auto first = one->finish();
    auto second = other->finish();
    CHECK(first.file->segment() != second.file->segment());
    {
      auto abandoned = queue.store->write_content();
      abandoned->append(std::string(600'000, '!'));
    }
    BatchBuilder builder;
    builder.add(std::move(first)).add(std::move(second));
    queue.append(builder.build());
    queue.write();
  }
  OneQueue queue(options_for(folder.path()));
  CHECK(queue.content(0).substr(0, 5001) == std::string(5000, 'a') + "b");
  CHECK(queue.content(0).size() == 500'000);
  CHECK(queue.content(1).size() == 600);
  std::ostringstream out;
  queue.store.reset();
  CHECK(run_check(folder.path(), out) == 0);
  std::uint64_t size = 0;
  for (const auto& file : segments_in(folder.path())) size += std::filesystem::file_size(file);
  CHECK(size == 500'600 + 2 * 24);
}

TEST_CASE("at start, content that the epoch does not name is removed") {
  const Folder folder;
  {
    OneQueue queue(options_for(folder.path()));
    auto writer = queue.store->write_content();
    writer->append("never named");
    const auto external = writer->finish();
    queue.append(batch_of({"x"}));
    queue.write();
    CHECK(segments_in(folder.path()).size() == 1);
  }
  OneQueue queue(options_for(folder.path()));
  CHECK(segments_in(folder.path()).empty());
}

TEST_CASE("a mapped range is readable 64 bytes past its end, also at the end of a page and of the file") {
  const Folder folder;
  OneQueue queue(options_for(folder.path()));
  auto writer = queue.store->write_content();
  writer->append(std::string(4096 - 24, 'p'));
  const auto external = writer->finish();
  const auto map = external.file->map(external.offset, external.size);
  CHECK(std::string(map.get(), external.size) == std::string(4096 - 24, 'p'));
  for (int i = 0; i < 64; ++i) CHECK(map.get()[external.size + static_cast<std::uint64_t>(i)] == 0);
  CHECK_THROWS_AS(external.file->map(external.offset, external.size + 1), IoError);
}

TEST_CASE("content of more than 4 GiB is mapped and read at its far end") {
  const Folder folder;
  const auto path = folder.path() / segment_name(1);
  constexpr std::uint64_t kSize = (4ULL << 30) + 12'345;
  {
    const auto file = Files::of_the_system().create(path);
    file->truncate(kSize);  // sparse
    file->write(kSize - 3, "end");
  }
  const auto file = open_segment(Files::of_the_system(), path, 1);
  const auto map = file->map(24, kSize - 24);
  CHECK(std::string_view(map.get() + kSize - 24 - 3, 3) == "end");
  CHECK(map.get()[kSize - 24 + 63] == 0);
  char end[3];
  CHECK(file->read(kSize - 3, end, 3) == 3);
  CHECK(std::string_view(end, 3) == "end");
}

TEST_CASE("names keep their numbers over starts and renamings; queue and state stay with the number") {
  const Folder folder;
  std::uint32_t other = 0;
  {
    OneQueue queue(options_for(folder.path()));
    other = queue.store->connection_number("f/x/success/y");
    queue.append(batch_of({"kept"}));
    queue.epoch.states.push_back({queue.processor, {{"k", "v"}}});
    queue.write();
  }
  {
    auto store = Store::open(options_for(folder.path()));
    store->rename_connection("f/a/success/b", "f/a/success/new");
    store->rename_connection("f/x/success/y", "f/a/success/b");  // the old name goes to another
    store->rename_processor("f/b", "f/new");
    CHECK(store->connection_number("f/a/success/new") == 1);
    CHECK(store->connection_number("f/a/success/b") == other);
    Epoch epoch;
    epoch.number = 2;
    epoch.bulletins.push_back({1, 0, 1, "renamed"});
    store->write(epoch);
  }
  auto store = Store::open(options_for(folder.path()));
  CHECK(store->connection_number("f/a/success/new") == 1);
  CHECK(store->connection_number("f/a/success/b") == other);
  CHECK(store->connection_number("f/unheard/of/z") > other);
  CHECK(content_of(store->read(1, 0, 1)->items[0]) == "kept");
  CHECK(store->state(store->processor_number("f/new")).at("k") == "v");
  store->rename_connection("f/a/success/b", "f/a/success/new");  // both exist: it happened before
  CHECK(store->connection_number("f/a/success/b") == other);
}

TEST_CASE("an empty epoch writes nothing, and an idle store leaves its files alone") {
  const Folder folder;
  OneQueue queue(options_for(folder.path()));
  queue.append(batch_of({"x"}));
  queue.write();
  const auto log = folder.path() / "weir.db-wal";
  const auto size = std::filesystem::file_size(log);
  const auto time = std::filesystem::last_write_time(log);
  Epoch empty;
  empty.number = queue.epoch.number + 1;
  queue.store->write(empty);
  queue.store->maintain();
  CHECK(std::filesystem::file_size(log) == size);
  CHECK(std::filesystem::last_write_time(log) == time);
}

TEST_CASE("the write-ahead log stays bounded, with or without maintain()") {
  for (const bool maintains : {true, false}) {
    const Folder folder;
    OneQueue queue(options_for(folder.path()));
    const std::string content(50'000, 'x');
    for (int i = 0; i < 400; ++i) {
      queue.change.cursor = queue.change.next;
      queue.append(batch_of({content, content, content, content}));
      queue.write();
      if (maintains) queue.store->maintain();
    }
    CHECK(std::filesystem::file_size(folder.path() / "weir.db-wal") < (maintains ? 9U : 40U) << 20);
    CHECK(std::filesystem::file_size(folder.path() / "weir.db") < 8U << 20);  // what is done makes room for what comes
  }
}

TEST_CASE("an epoch that breaks the rules is refused, and the next one is written") {
  const Folder folder;
  OneQueue queue(options_for(folder.path()));
  queue.append(batch_of({"x"}));
  queue.write();
  auto good = queue.change;
  queue.change.appended = {segment(0, batch_of({"again"}))};
  CHECK_THROWS_AS(queue.write(), std::logic_error);
  queue.change = good;
  queue.append(batch_of({"y"}));
  queue.write();
  CHECK(queue.content(1) == "y");
  Epoch old;
  old.number = 1;
  old.bulletins.push_back({});
  CHECK_THROWS_AS(queue.store->write(old), std::logic_error);
}

TEST_CASE("readers on other threads see whole entries while the committer writes, deletes and checkpoints") {
  const Folder folder;
  OneQueue queue(options_for(folder.path()));
  std::atomic<std::uint64_t> durable{0};
  std::atomic<std::uint64_t> done{0};
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> wrong{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        const auto first = done.load();
        const auto count = static_cast<std::uint32_t>(durable.load() - first);
        if (count == 0 || count > 100'000) continue;
        const auto batch = queue.store->read(queue.connection, first, count);
        for (std::uint32_t k = 0; k < count; ++k) {
          const auto content = content_of(batch->items[k]);
          const auto expected = std::to_string(first + k);
          if (!content.empty() && content.substr(0, content.find(' ')) != expected) ++wrong;
          if (content.empty() && first + k >= done.load()) ++wrong;
        }
      }
    });
  }
  for (int epoch = 0; epoch < 150; ++epoch) {
    BatchBuilder builder;
    for (std::uint64_t k = 0; k < 20; ++k) {
      builder.add(std::to_string(queue.change.next + k) + " " + std::string(k == 7 ? 70'000 : 500, '.'));
    }
    queue.append(builder.build());
    queue.change.cursor = queue.change.next > 100 ? queue.change.next - 100 : 0;
    // Readers may not find what is about to be deleted.
    done = queue.change.cursor;
    queue.write();
    durable = queue.change.next;
    queue.store->maintain();
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace weir::store::test
