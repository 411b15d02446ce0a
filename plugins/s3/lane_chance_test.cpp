// S3Sink in a flow that scales out, on a store and a network in which everything goes wrong at random, with owners that
// die, that are cut off and wake up, and two at a time: whatever happens, each record is in exactly one object.
//
//   WEIR_CHANCE_SEED=N [WEIR_CHANCE_COUNT=M]   plays from this seed on, to look at what failed or to play more
#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "lane_owner_test.h"
#include "memory_store_test.h"
#include "weir/errors.h"

using namespace weir::s3;

namespace {

constexpr std::int64_t kRecords = 150;
constexpr int kPaths = 3;
constexpr int kTries = 40;  ///< of a call that the store fails; a Weir has no bound

int number_in(const char* name, int otherwise) {
  const auto* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

/// One bucket, one lane, and all that happens to them.
class World {
 public:
  explicit World(std::uint32_t seed) : random_(seed), store_(seed + 1) {
    options_ = "roll_count: " + std::to_string(3 + chance(15)) + "\nuploads: " + std::to_string(1 + chance(3)) +
               "\nmax_open: " + std::to_string(1 + chance(4)) + '\n';
    percent_ = chance(4) == 0 ? 0 : chance(12);
    loses_ = chance(3) == 0;
    if (loses_ || chance(4) == 0) options_ += "keep_copies: always\n";
  }

  /// What is in the objects at the end.
  std::string play() {
    take_over();
    while (at_ < kRecords) {
      const auto what = chance(10);
      if (loses_ && chance(5) == 0) store_.lose_uploads(1 + chance(3));
      if (what == 0) {
        kill();
      } else if (what == 1) {
        wake_up_late();
      } else if (what == 2) {
        attempt([&] { owner_->runner().advance(std::chrono::minutes(chance(8))); });
      } else {
        work(*owner_, at_, kRecords);
      }
    }
    store_.deliver_late();
    door_->set_faults(0);
    attempt([&] { owner_->runner().advance(std::chrono::minutes(6)); });
    attempt([&] { owner_->runner().tick(); });
    owner_.reset();
    store_.deliver_late();
    return numbers_in(store_.objects());
  }

  int faults() const { return store_.faults(); }

 private:
  int chance(int of) { return static_cast<int>(random_() % static_cast<unsigned>(of)); }

  /// As the engine does: what the far side may overcome is tried again. A lane that is lost begins anew.
  template <class Call>
  void attempt(Call&& call) {
    std::string why;
    for (int tries = 0; tries < kTries; ++tries) {
      try {
        return call();
      } catch (const weir::Unavailable& error) {
        if (!owner_->lane.lost_because.empty()) return take_over();
        why = error.what();
      }
    }
    throw std::runtime_error("the lane does not go on: " + why);
  }

  void work(Owner& owner, std::int64_t& at, std::int64_t end) {
    const auto* before = &owner;
    const auto next = owner.begin_round(at, std::min(end, at + 1 + chance(15)), kPaths);
    attempt([&] { owner_->end_round(); });
    if (owner_.get() != before) return;  // it was lost, and begins anew at what the group says
    at = next;
    if (chance(3) != 0) group_ = owner.position(at);
  }

  /// Another Weir, or the same with nothing of what it had.
  void take_over() {
    auto door = std::make_unique<MemoryStore::Door>(store_, percent_);
    for (int tries = 0;; ++tries) {
      try {
        owner_ = std::make_unique<Owner>(door->properties() + options_, group_);
        break;
      } catch (const weir::Unavailable&) {
        if (tries == kTries) throw;
      }
    }
    door_ = std::move(door);
    at_ = group_.held_from;
    while (at_ < group_.next) {
      const auto* before = owner_.get();
      const auto next = owner_->begin_round(at_, std::min(group_.next, at_ + 1 + chance(20)), kPaths);
      attempt([&] { owner_->end_round(); });
      if (owner_.get() != before) return;
      at_ = next;
    }
  }

  /// At some request, and whatever it is doing then.
  void kill() {
    door_->cut_at(1 + chance(12), chance(2) == 0);
    try {
      auto at = at_;
      for (int rounds = 0; rounds < 3; ++rounds) at = owner_->round(at, std::min(kRecords, at + 8), kPaths);
      owner_->runner().advance(std::chrono::minutes(6));
    } catch (const weir::Unavailable&) {
    }
    door_->cut();
    owner_.reset();
    take_over();
  }

  /// It was given up for dead, and goes on while another has begun.
  void wake_up_late() {
    auto owner = std::move(owner_);
    auto door = std::move(door_);
    auto at = at_;
    const auto until = std::min(kRecords, at + 5 + chance(20));
    std::exception_ptr failed;
    std::thread awake([&] {
      try {
        while (at < until) at = owner->round(at, std::min(until, at + 6), kPaths);
        owner->runner().advance(std::chrono::minutes(6));
      } catch (const weir::Unavailable&) {
      } catch (...) {
        failed = std::current_exception();
      }
    });
    try {
      take_over();
    } catch (...) {
      awake.join();
      throw;
    }
    awake.join();
    if (failed) std::rethrow_exception(failed);
  }

  std::mt19937 random_;
  MemoryStore store_;
  std::string options_;
  int percent_ = 0;
  bool loses_ = false;  ///< the store loses what it has acknowledged
  Position group_;
  std::int64_t at_ = 0;
  std::unique_ptr<MemoryStore::Door> door_;
  std::unique_ptr<Owner> owner_;
};

/// As the engine does: what the far side may overcome is tried again. Returns what was said meanwhile.
template <class Call>
std::string until_done(Call&& call) {
  std::string said;
  for (int tries = 0; tries < kTries; ++tries) {
    try {
      call();
      return said;
    } catch (const weir::Unavailable& error) {
      said += error.what();
    }
  }
  throw std::runtime_error("it does not go on: " + said);
}

bool says(const std::string& text, const std::string& what) {
  return text.find(what) != std::string::npos;
}

std::ptrdiff_t copies(MemoryStore& store) {
  return std::ranges::count_if(store.objects(), [](const auto& object) { return says(object.first, ".copies/"); });
}

}  // namespace

TEST_CASE("what the store loses while it ends uploads is sent again by the owner that has it") {
  MemoryStore store(1);
  const MemoryStore::Door door(store, 0);
  Owner owner(door.properties() + "uploads: 1\nroll_count: 4\n", {});
  int lost = 1;
  std::string why = "no longer has all parts";
  SUBCASE("its parts") {}
  SUBCASE("and another one as a whole") {
    lost = 2;
    why = "is gone, and the object is not there; the object is sent again";
  }
  store.lose_uploads(lost);
  owner.begin_round(0, 12, 3);
  const auto said = until_done([&] { owner.end_round(); });
  CHECK(says(said, why));
  CHECK(says(said, "the object is sent again"));
  CHECK(numbers_in(store.objects()) == up_to(12));
  CHECK(store.uploads() == 0);
}

TEST_CASE("what the store has lost of an owner that is gone keeps the lane until its upload is aborted") {
  MemoryStore store(1);
  {
    const MemoryStore::Door door(store, 0);
    Owner owner(door.properties() + "uploads: 1\nroll_count: 4\n", {});
    owner.begin_round(0, 12, 3);
    store.lose_uploads(1);
    CHECK_THROWS_WITH_AS(owner.end_round(), doctest::Contains("the object is sent again"), weir::Unavailable);
  }
  const MemoryStore::Door door(store, 0);
  std::optional<Owner> owner;
  const auto take_over = [&] { owner.emplace(door.properties() + "roll_count: 4\n", Position{}); };
  for (int tries = 0; tries < 2; ++tries)
    CHECK_THROWS_WITH_AS(take_over(),
                         doctest::Contains("aws s3api abort-multipart-upload --bucket lake --key 'raw/p0/"),
                         weir::Unavailable);
  store.abort_uploads_without_parts();
  take_over();
  CHECK(says(owner->runner().bulletins().at(0).message, "the object is lost"));
  CHECK(numbers_in(store.objects()) == "1-2 4-5 7-8 10-11");
  CHECK(owner->lane.claimed_at == 12);
}

TEST_CASE("what the store has lost of an owner that is gone is sent again from its copy") {
  MemoryStore store(1);
  std::string keep;
  SUBCASE("where the store is known to lose") {
    store.call_itself("MinIO");
  }
  SUBCASE("where the author says so") {
    keep = "keep_copies: always\n";
  }
  int lost = 1;
  SUBCASE("two of three") {
    store.call_itself("MinIO");
    lost = 2;
  }
  {
    const MemoryStore::Door door(store, 0);
    Owner owner(door.properties() + "uploads: 1\nroll_count: 4\n" + keep, {});
    owner.begin_round(0, 12, 3);
    store.lose_uploads(lost);
    CHECK_THROWS_WITH_AS(owner.end_round(), doctest::Contains("the object is sent again"), weir::Unavailable);
  }
  const MemoryStore::Door door(store, 0);
  const Owner owner(door.properties() + "roll_count: 4\n" + keep, {});
  CHECK(numbers_in(store.objects()) == up_to(12));
  CHECK(store.uploads() == 0);
  CHECK(copies(store) == 0);
  CHECK(owner.lane.claimed_at == 12);
}

TEST_CASE("what is sent again counts only while the lane is still its owner's") {
  MemoryStore store(1);
  const MemoryStore::Door door(store, 0);
  const MemoryStore::Door other_door(store, 0);
  const std::string options = "uploads: 1\nroll_count: 4\nkeep_copies: always\n";
  Owner owner(door.properties() + options, {});
  owner.begin_round(0, 12, 3);
  store.lose_uploads(1);
  CHECK_THROWS_WITH_AS(owner.end_round(), doctest::Contains("the object is sent again"), weir::Unavailable);
  store.refuse_progress(3);
  CHECK_THROWS_WITH_AS(owner.end_round(), doctest::Contains("SlowDown"), weir::Unavailable);
  SUBCASE("it is") {
    owner.end_round();
    CHECK(numbers_in(store.objects()) == up_to(12));
  }
  SUBCASE("another has claimed it, and a reader has taken all objects") {
    const Owner other(other_door.properties() + options, {});
    CHECK(numbers_in(store.objects()) == up_to(12));
    store.take_objects();
    CHECK_THROWS_WITH_AS(owner.end_round(), doctest::Contains("another Weir has claimed it"), weir::Unavailable);
    CHECK(numbers_in(store.objects()) == "");
  }
}

TEST_CASE("an object is not replaced by an older one that is sent again") {
  MemoryStore store(1);
  const MemoryStore::Door door(store, 0);
  const MemoryStore::Door other_door(store, 0);
  const std::string options = "mode: object_each\nkeep_copies: always\n";
  Owner owner(door.properties() + options, {}, true, "K");
  owner.begin_round(0, 1, 1);
  store.lose_uploads(1);
  CHECK_THROWS_WITH_AS(owner.end_round(), doctest::Contains("the object is sent again"), weir::Unavailable);
  store.refuse_progress(3);
  CHECK_THROWS_WITH_AS(owner.end_round(), doctest::Contains("SlowDown"), weir::Unavailable);
  Owner other(other_door.properties() + options, {}, true, "K");
  CHECK(store.objects()["K"] == record(0, 1));
  other.round(1, 2, 1);
  other.runner().advance(std::chrono::minutes(6));
  CHECK(store.objects()["K"] == record(1, 1));
  CHECK_THROWS_WITH_AS(owner.end_round(), doctest::Contains("another Weir has claimed it"), weir::Unavailable);
  CHECK(store.objects()["K"] == record(1, 1));
}

TEST_CASE("an upload that stays behind its object is aborted, and keeps no lane whose object a reader has taken") {
  MemoryStore store(1);
  const std::string options = "uploads: 1\nroll_count: 4\nkeep_copies: always\n";
  bool dies = false;
  SUBCASE("its owner does") {}
  SUBCASE("its owner dies before it does, and the next does") {
    dies = true;
  }
  {
    MemoryStore::Door door(store, 0);
    Owner owner(door.properties() + options, {});
    owner.begin_round(0, 12, 3);
    store.leave_uploads(1);
    if (dies) {
      door.cut_at(9 + 1 + 2 + 1 + 1, true);  // all is sent, listed; the first ended, looked for, and its copy removed
      CHECK_THROWS_AS(owner.end_round(), weir::Unavailable);
      CHECK(store.uploads() == 3);
      CHECK(copies(store) == 2);
      store.take_objects();
    } else {
      owner.end_round();
    }
  }
  const MemoryStore::Door door(store, 0);
  const Owner next(door.properties() + options, {});
  CHECK(next.lane.claimed_at == 12);
  CHECK(numbers_in(store.objects()) == (dies ? "1-2 4-5 7-8 10-11" : up_to(12)));
  CHECK(store.uploads() == 0);
  CHECK(copies(store) == 0);
}

TEST_CASE("copies of an owner that died before they counted are removed by the next") {
  MemoryStore store(1);
  std::string keep = "always";
  SUBCASE("which keeps some, too") {}
  SUBCASE("which keeps none") {
    keep = "never";
  }
  {
    MemoryStore::Door door(store, 0);
    Owner owner(door.properties() + "keep_copies: always\nuploads: 1\nroll_count: 4\n", {});
    owner.begin_round(0, 12, 3);
    door.cut_at(5, true);
    CHECK_THROWS_AS(owner.end_round(), weir::Unavailable);
  }
  CHECK(copies(store) > 0);
  const MemoryStore::Door door(store, 0);
  const Owner owner(door.properties() + "keep_copies: " + keep + '\n', {});
  CHECK(copies(store) == 0);
  CHECK(numbers_in(store.objects()) == "");
}

TEST_CASE("there are copies only where they are wanted, and no longer than needed") {
  MemoryStore store(1);
  std::string keep;
  bool kept = false;
  SUBCASE("of a store that is not known to lose anything") {}
  SUBCASE("not") {
    store.call_itself("MinIO");
    keep = "keep_copies: never\n";
  }
  SUBCASE("always") {
    keep = "keep_copies: always\n";
    kept = true;
  }
  const MemoryStore::Door door(store, 0);
  Owner owner(door.properties() + "uploads: 1\nroll_count: 4\n" + keep, {});
  owner.round(0, 12, 3);
  CHECK(store.most_objects() == (kept ? 3 + 1 + 1 : 3 + 1));  // the copies, how far it is, the first object
  CHECK(copies(store) == 0);
  CHECK(numbers_in(store.objects()) == up_to(12));
}

TEST_CASE("an object in parts that the store loses is sent again outside lanes, too") {
  MemoryStore store(1);
  const MemoryStore::Door door(store, 0);
  weir::testkit::Runner runner(
      weir::testkit::find_type(weir_plugin_abi_1(), "S3Sink"),
      "key: large\nmode: object_each\npart_size: 5MiB\nmultipart_from: 5MiB\n" + door.properties(),
      {.exactly_once = true});
  const std::string large(6'000'000, 'x');
  store.lose_uploads(2);
  runner.push(large);
  runner.run();
  runner.durable();
  CHECK(runner.run_until([&] { return store.objects().contains("large"); }));
  CHECK(store.objects().at("large") == large);
  CHECK(store.uploads() == 0);
}

TEST_CASE("each record is in one object, whatever goes wrong, in whatever order") {
  const auto first = number_in("WEIR_CHANCE_SEED", 1);
  const auto count = number_in("WEIR_CHANCE_COUNT", std::getenv("WEIR_CHANCE_SEED") != nullptr ? 1 : 64);
  std::atomic<int> next = first;
  std::atomic<int> faults = 0;
  std::mutex mutex;
  std::string wrong;
  std::vector<std::jthread> threads;  // they mostly wait
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&] {
      for (int seed = next++; seed < first + count; seed = next++) {
        std::string found;
        try {
          World world(static_cast<std::uint32_t>(seed));
          found = world.play();
          faults += world.faults();
        } catch (const std::exception& error) {
          found = error.what();
        }
        if (found == up_to(kRecords)) continue;
        const std::lock_guard lock(mutex);
        wrong += "seed " + std::to_string(seed) + ": " + found + '\n';
      }
    });
  }
  threads.clear();
  CHECK(wrong == "");
  MESSAGE(count, " worlds, ", faults.load(), " faults");
  CHECK(faults > 0);
}
