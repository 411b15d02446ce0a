// What the store promises: what an epoch held is there after a start, all of it and nothing else.

#include <doctest/doctest.h>

#include <string>

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

}  // namespace
}  // namespace weir::store::test
