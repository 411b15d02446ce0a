// S3Sink in a flow that scales out, against a server that verifies signatures and honours conditions: lanes that move,
// and owners that die at any request.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "lane_copies.h"
#include "lane_objects.h"
#include "lane_owner_test.h"
#include "lane_progress.h"
#include "store_relay_test.h"
#include "store_test.h"
#include "weir/errors.h"

using namespace weir::s3;
using weir::testing::Versitygw;
using weir::testkit::Runner;
using weir::testkit::TestLane;

namespace {

constexpr const char* kProgress = "raw/_weir/flow@topic/0/processor";

std::string through(const TestStore& store, const StoreRelay& relay) {
  auto properties = store.properties();
  const auto url = store.connection().endpoint.value();
  return properties.replace(properties.find(url), url.size(), relay.url());
}

std::string numbers(const TestStore& store) {
  return numbers_in(store.objects());
}

}  // namespace

TEST_CASE("an object is replaced only while it is what was read") {
  if (!Versitygw::available()) return;
  const TestStore store;
  auto client = store.client();
  CHECK(!client.read("x"));
  CHECK(!client.replace("x", "1", {}, "\"00000000000000000000000000000000\""));
  const auto first = client.replace("x", "1", {}, "");
  REQUIRE(first);
  CHECK(client.read("x")->etag == *first);
  CHECK(!client.replace("x", "2", {}, ""));
  CHECK(!client.replace("x", "2", {}, "\"00000000000000000000000000000000\""));
  const auto second = client.replace("x", "2", {}, *first);
  REQUIRE(second);
  CHECK(!client.replace("x", "3", {}, *first));
  CHECK(client.read("x")->bytes == "2");
}

TEST_CASE("how far a lane is survives as text") {
  const LaneState state{.generation = 3,
                        .owner = "0123",
                        .version = 17,
                        .label = "1f3a9c07",
                        .next = 4'000'000'000,
                        .number = 42,
                        .objects = {{41, "a b/ü,x.gz", "upload id", {{"\"etag\"", ""}, {"\"2\"", "c2hh="}}},
                                    {42, "b", "u", {{"1", ""}}, {"1f3a9c07-3-42", 2, 17}}}};
  const auto read = LaneState::decode(state.encode());
  REQUIRE(read);
  CHECK(read->encode() == state.encode());
  CHECK(read->next == 4'000'000'000);
  CHECK(read->objects.at(0).key == "a b/ü,x.gz");
  CHECK(read->objects.at(0).parts.at(1).checksum == "c2hh=");
  CHECK(read->objects.at(0).copy.pieces == 0);
  CHECK(read->objects.at(1).copy.pieces == 2);
  CHECK(read->objects.at(1).copy.size == 17);
  CHECK(read->objects.at(1).copy.name == "1f3a9c07-3-42");
  for (const auto* other :
       {"", "weir-lane 2\n", "weir-lane 1\n", "weir-lane 1\ngeneration 1\nlabel x\nnext -1\n",
        "weir-lane 1\ngeneration x\nlabel x\n", "weir-lane 1\ngeneration 1\nlabel x\nobject 1 k\n",
        "weir-lane 1\ngeneration 1\nlabel x\nnumber 1\n", "weir-lane 1\ngeneration 1\nlabel x\nnext 5\n",
        "weir-lane 1\ngeneration 1\nlabel x\nnext 5\nnumber 2\nobject 1 k u  \n",
        "weir-lane 1\ngeneration 1\nlabel x\nnext 5\nnumber 2\ncopy 1 1 n\n",
        "weir-lane 1\ngeneration 1\nlabel x\nnext 5\nnumber 2\nobject 1 k u e\ncopy 0 1 n\n",
        "weir-lane 1\ngeneration 1\nlabel x\nnext 5\nnumber 2\nobject 1 k u e\ncopy 1 n\n"})
    CHECK(!LaneState::decode(other));
}

TEST_CASE("who claims a lane keeps out whoever had it before, and goes on where that one was") {
  if (!Versitygw::available()) return;
  const TestStore store;
  auto client = store.client();
  LaneProgress before(client, "p", {});
  before.claim();
  CHECK(before.state().generation == 1);
  CHECK(before.store(70, 5, {}));
  LaneProgress now(client, "p", {});
  now.claim();
  CHECK(now.state().generation == 2);
  CHECK(now.state().next == 70);
  CHECK(now.state().number == 5);
  CHECK(now.state().label == before.state().label);
  CHECK(!before.store(90, 9, {}));
  CHECK(now.store(80, 6, {}));
  CHECK(LaneState::decode(client.read("p")->bytes)->next == 80);
}

TEST_CASE("a copy in pieces is fetched as it was, and not at all where a piece is gone") {
  if (!Versitygw::available()) return;
  const TestStore store;
  const weir::file::TestDirectory folder;
  std::string bytes(11 * weir::MiB, '\0');
  std::minstd_rand random(1);
  for (auto& byte : bytes) byte = static_cast<char>(random());
  auto client = store.client();
  LaneCopies copies("c", {}, weir::Context());
  ObjectCopy copy{.name = "n-1-1"};
  copies.add(client, copy, {.bytes = std::string_view(bytes).substr(0, 10 * weir::MiB)});
  copies.add(client, copy, {.bytes = std::string_view(bytes).substr(10 * weir::MiB)});
  REQUIRE(copies.fetch(client, copy, folder / "file"));
  CHECK(folder.read("file") == bytes);
  client.put("c/n-1-1/2", {.bytes = bytes.substr(0, 1000)}, {}, false);
  CHECK_THROWS_WITH_AS(copies.fetch(client, copy, folder / "file"), doctest::Contains("and was given 11534336"),
                       weir::Unavailable);
  CHECK(!folder.has("file"));
  client.remove("c/n-1-1/2");
  CHECK(!copies.fetch(client, copy, folder / "file"));
  CHECK(!folder.has("file"));
  copies.remove(client, copy);
  CHECK(store.objects().empty());
  CHECK(!copies.fetch(client, {}, folder / "file"));
}

TEST_CASE("copies that owners before have left are removed, and no others") {
  if (!Versitygw::available()) return;
  const TestStore store;
  auto client = store.client();
  LaneCopies copies("c", {}, weir::Context());
  LaneState owner;
  owner.generation = 9;
  owner.label = "new";
  const auto add = [&](std::string name) {
    ObjectCopy copy{.name = std::move(name)};
    copies.add(client, copy, {.bytes = "x"});
    return copy;
  };
  add("new-8-70");
  add("old-12-70");
  owner.objects.push_back({.number = 71, .key = "k", .copy = add("new-8-71")});
  add(LaneCopies::name_for(owner, 72));
  add("new-10-72");  // somebody has claimed the lane since
  copies.remove_left(client, owner);
  std::string keys;
  for (const auto& [key, content] : store.objects()) keys += key + ' ';
  CHECK(keys == "c/new-10-72/1 c/new-8-71/1 c/new-9-72/1 ");
}

TEST_CASE("an object that is no lane's is not taken for one") {
  if (!Versitygw::available()) return;
  const TestStore store;
  store.put(kProgress, "mine");
  CHECK_THROWS_WITH_AS(Owner(store.properties(), {}), doctest::Contains("is not what a lane has stored"),
                       weir::Misconfigured);
}

TEST_CASE("objects stay open over rounds, and are complete together when the first of them is") {
  if (!Versitygw::available()) return;
  const TestStore store;
  Owner owner(store.properties() + "roll_count: 10\n", {});
  CHECK(owner.lane.claimed_at == 0);
  owner.round(0, 12, 3);
  CHECK(numbers(store) == "");
  CHECK(owner.position(12).held_from == 0);
  owner.round(12, 24, 3);
  CHECK(numbers(store) == "");
  owner.round(24, 36, 3);
  CHECK(numbers(store) == up_to(36));
  CHECK(owner.position(36).held_from == 36);
  CHECK(LaneState::decode(store.client().read(kProgress)->bytes)->next == 36);
  owner.round(36, 40, 3);
  CHECK(owner.position(40).held_from == 36);
  SUBCASE("by age") {
    owner.runner().advance(std::chrono::minutes(6));
  }
  SUBCASE("when nothing comes any more") {
    owner.runner().advance(std::chrono::seconds(61));
  }
  CHECK(numbers(store) == up_to(40));
  CHECK(owner.position(40).held_from == 40);
  CHECK(std::filesystem::is_empty(owner.runner().folder() + "/objects"));
}

TEST_CASE("objects are complete by size, and when they would fill the disk") {
  if (!Versitygw::available()) return;
  const TestStore store;
  std::string more;
  SUBCASE("size") {
    more = "compression: none\nroll_size: 100B\n";
  }
  SUBCASE("disk") {
    more = "compression: none\nmax_backlog: 300B\n";
  }
  Owner owner(store.properties() + more, {});
  owner.round(0, 40, 3);
  std::size_t count = 0;
  for (const auto& [key, content] : store.objects()) count += key.ends_with(".gz") ? 1 : 0;
  CHECK(count >= 3);
  CHECK(owner.position(40).held_from == 40);
}

TEST_CASE("objects are complete when there are so many that their list would not fit one object of the bucket") {
  const weir::file::TestDirectory folder;
  LaneObjects objects(SpoolOptions(), folder / "lane", 1 << 30);
  std::int64_t count = 0;
  for (; count < 9'999; ++count) objects.at(std::to_string(count), 1);
  CHECK(!objects.due(1));
  objects.at("one more", 1);
  CHECK(objects.due(1));
  CHECK(objects.take().size() == 10'000);
}

TEST_CASE("hundreds of objects that are open at a time are one step") {
  if (!Versitygw::available()) return;
  const TestStore store;
  Owner owner(store.properties() + "max_open: 16\nuploads: 8\n", {});
  owner.round(0, 500, 250);
  owner.round(500, 1000, 400);
  CHECK(numbers(store) == "");
  CHECK(owner.position(1000).held_from == 0);
  owner.runner().advance(std::chrono::minutes(6));
  CHECK(numbers(store) == up_to(1000));
  CHECK(owner.runner().metric("s3_objects_written") == 400);
}

TEST_CASE("an object goes on where it was, though its file was closed for others") {
  if (!Versitygw::available()) return;
  const TestStore store;
  Owner owner(store.properties() + "compression: none\nformat: json_array\nmax_open: 1\n", {});
  owner.round(0, 4, 2);
  owner.round(4, 5, 2);
  owner.runner().advance(std::chrono::minutes(6));
  std::string all;
  for (const auto& [key, content] : store.objects()) {
    if (key.ends_with(".gz")) all += content;
  }
  CHECK(all ==
        "[\n{\"k\":\"p0\",\"n\":0},\n{\"k\":\"p0\",\"n\":2},\n{\"k\":\"p0\",\"n\":4}\n]\n"
        "[\n{\"k\":\"p1\",\"n\":1},\n{\"k\":\"p1\",\"n\":3}\n]\n");
}

TEST_CASE("with object_each the last FlowFile of a key is what is there") {
  if (!Versitygw::available()) return;
  const TestStore store;
  TestLane lane;
  Runner runner(weir::testkit::find_type(weir_plugin_abi_1(), "S3Sink"),
                store.properties() + "key: in/$(attr('name'))\nmode: object_each\n",
                {.exactly_once = true, .lane = &lane, .lane_holds = &lane});
  lane.round(0, 3);
  runner.push("1", {{"name", "a"}});
  runner.push("", {{"name", "empty"}});
  runner.push("2", {{"name", "a"}});
  runner.run();
  runner.durable();
  lane.round(3, 4);
  runner.push("3", {{"name", "a"}});
  runner.run();
  runner.durable();
  auto objects = store.objects();
  CHECK(objects.erase("in/_weir/flow@topic/0/processor") == 1);
  CHECK(objects == std::map<std::string, std::string>{{"in/a", "3"}, {"in/empty", ""}});
  CHECK(lane.held == -1);
}

TEST_CASE("large objects of a lane are uploaded in several parts") {
  if (!Versitygw::available()) return;
  for (const std::string checksum : {"md5", "sha256"}) {
    const TestStore store;
    TestLane lane;
    Runner runner(weir::testkit::find_type(weir_plugin_abi_1(), "S3Sink"),
                  store.properties() +
                      "key: large\nroll_count: 1\npart_size: 5MiB\nmetadata: {team: plant-7}\nchecksum: " + checksum,
                  {.exactly_once = true, .lane = &lane, .lane_holds = &lane});
    const std::string large(12'000'000, 'x');
    lane.round(0, 1);
    runner.push(large);
    runner.run();
    runner.durable();
    auto objects = store.objects();
    CHECK(objects.erase("_weir/flow@topic/0/processor") == 1);
    REQUIRE(objects.size() == 1);
    CHECK(objects.begin()->second == large + '\n');
    const auto head = store.client().head(objects.begin()->first);
    CHECK(head->meta("team") == "plant-7");
    CHECK(head->etag.find("-3") != std::string::npos);
  }
}

TEST_CASE("what is refused is out of the sink before the bucket has the round") {
  if (!Versitygw::available()) return;
  const TestStore store;
  Owner owner(store.properties() + "roll_count: 1\n", {});
  owner.lane.round(0, 2);
  owner.runner().push("{\"k\":\"p0\",\"n\":0}\n{\"k\":null,\"n\":1}\n", {}, 2);
  owner.runner().run();
  owner.runner().durable();
  CHECK(owner.runner().take("failure").at(0).content == "{\"k\":null,\"n\":1}\n");
  CHECK(owner.runner().held() == 1);
  CHECK(numbers(store) == "");
  owner.runner().durable();
  CHECK(owner.runner().held() == 0);
  CHECK(owner.runner().take("failure").empty());
  CHECK(numbers(store) == up_to(1));
}

TEST_CASE("what another sink refuses does not come again, and is in the bucket at the end of its round") {
  if (!Versitygw::available()) return;
  const TestStore store;
  Owner owner(store.properties(), {});
  owner.lane.refusals = true;
  owner.round(0, 5, 2);
  CHECK(numbers(store) == up_to(5));
  CHECK(owner.position(5).held_from == 5);
  owner.lane.refusals = false;
  owner.round(5, 9, 2);
  CHECK(owner.position(9).held_from == 5);
}

TEST_CASE("an owner that was cut off cannot add to the bucket, and its lane is thrown away") {
  if (!Versitygw::available()) return;
  const TestStore store;
  auto before = std::make_unique<Owner>(store.properties() + "roll_count: 10\n", Position{});
  before->round(0, 9, 1);
  const auto position = before->position(9);
  Owner now(store.properties() + "roll_count: 10\n", position);
  now.read_again(4, 1);
  CHECK_THROWS_WITH_AS(before->round(9, 12, 1), doctest::Contains("another Weir has claimed it"), weir::Unavailable);
  CHECK(before->lane.lost_because.find("another Weir has claimed it") == 0);
  before.reset();
  CHECK(numbers(store) == "");
  now.round(9, 15, 1);
  CHECK(numbers(store) == up_to(15));
}

TEST_CASE("a full disk costs the lane, and nothing of what it had open is lost or there twice") {
  if (!Versitygw::available()) return;
  const TestStore store;
  auto owner = std::make_unique<Owner>(store.properties() + "compression: none\nroll_size: 3MiB\n", Position{});
  owner->round(0, 1000, 1);
  const auto position = owner->position(1000);
  {
    const weir::file::FullDisk full;
    CHECK_THROWS_WITH_AS(owner->round(1000, 100'000, 1), doctest::Contains("cannot write to"), weir::Unavailable);
  }
  CHECK(owner->lane.lost_because.find("its objects could not be written: ") == 0);
  CHECK_THROWS_AS(owner->end_round(), weir::Unavailable);  // half of it must not get there
  CHECK_THROWS_AS(owner->runner().tick(), weir::Unavailable);
  CHECK(numbers(store) == "");
  owner = std::make_unique<Owner>(store.properties() + "compression: none\n", position);
  owner->read_again(300, 1);
  owner->round(1000, 100'000, 1);
  owner->runner().advance(std::chrono::minutes(6));
  CHECK(numbers(store) == up_to(100'000));
}

TEST_CASE("at least once needs no conditions of the store, and what is open is read again too") {
  if (!Versitygw::available()) return;
  const TestStore store;
  const StoreRelay relay(store.server_port(), 0, StoreRelay::Fault::no_condition);
  const auto properties = through(store, relay) + "roll_count: 10\n";
  auto owner = std::make_unique<Owner>(properties, Position{}, false);
  CHECK(owner->lane.claimed_at == -1);
  owner->round(0, 12, 2);
  const auto position = owner->position(12);
  CHECK(position.held_from == 0);
  owner = std::make_unique<Owner>(properties, position, false);
  owner->read_again(5, 2);
  owner->round(12, 25, 2);
  CHECK(numbers(store) == up_to(25));
}

TEST_CASE("a store that writes whatever the condition is refused for exactly once, and what to do is said") {
  if (!Versitygw::available()) return;
  const TestStore store;
  const StoreRelay relay(store.server_port(), 0, StoreRelay::Fault::no_condition);
  CHECK_THROWS_WITH_AS(Owner(through(store, relay), {}),
                       doctest::Contains("needs a store that honours both, as Amazon S3 does; without `delivery: "
                                         "exactly_once` any will do"),
                       weir::Misconfigured);
}

TEST_CASE("each record is in one object, wherever lanes move and whatever their rounds are") {
  if (!Versitygw::available()) return;
  for (std::uint32_t seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    const TestStore store;
    std::mt19937 random(seed);
    const auto properties = store.properties() + "roll_count: " + std::to_string(5 + random() % 20) + "\nmax_open: 4\n";
    Position group;
    auto owner = std::make_unique<Owner>(properties, group);
    std::int64_t at = 0;
    constexpr std::int64_t kCount = 400;
    while (at < kCount) {
      at = owner->round(at, std::min(kCount, at + 1 + static_cast<std::int64_t>(random() % 30)), 5);
      if (random() % 5 == 0) owner->runner().advance(std::chrono::minutes(random() % 8));
      if (random() % 3 != 0) group = owner->position(at);  // which may come too late
      if (random() % 3 != 0) continue;
      owner = std::make_unique<Owner>(properties, group);
      owner->read_again(1 + static_cast<std::int64_t>(random() % 40), 5);
      at = group.next;
    }
    owner->runner().advance(std::chrono::minutes(6));
    CHECK(numbers(store) == up_to(kCount));
  }
}

TEST_CASE("each record is in one object, whichever request is the last of its owner, or has no answer") {
  if (!Versitygw::available()) return;
  using Fault = StoreRelay::Fault;
  int tried = 0;
  for (const auto fault : {Fault::cut_before, Fault::cut_after, Fault::no_answer}) {
    for (int request = 1;; ++request) {
      CAPTURE(static_cast<int>(fault));
      CAPTURE(request);
      const TestStore store;
      const StoreRelay relay(store.server_port(), request, fault);
      Position group;
      // As the engine does, where the store is only slow to be understood.
      const auto in_the_end = [&](const auto& work, const auto& again) {
        try {
          return work();
        } catch (const weir::Unavailable&) {
          if (fault != Fault::no_answer) throw;
        }
        again();
      };
      const auto play = [&](const std::string& properties) {
        std::optional<Owner> owner;
        const auto start = [&] { owner.emplace(properties + "uploads: 1\n", group); };
        in_the_end(start, start);
        owner->read_again(3, 2);
        for (auto at = group.next; at < 18;) {
          const auto end = std::min<std::int64_t>(18, at + 6);
          in_the_end([&] { at = owner->round(at, end, 2); },
                     [&] {
                       owner->end_round();
                       at = end;
                     });
          group = owner->position(at);
        }
        in_the_end([&] { owner->runner().advance(std::chrono::minutes(6)); }, [&] { owner->runner().tick(); });
      };
      try {
        play(through(store, relay) + "roll_count: 4\n");
      } catch (const weir::Unavailable&) {
        play(store.properties() + "roll_count: 3\n");  // whose objects are cut differently
      }
      CHECK(numbers(store) == up_to(18));
      if (!relay.played()) break;
      ++tried;
    }
  }
  MESSAGE(tried, " requests failed");
  CHECK(tried > 60);
}
