// Lineage by interval: whatever the shape, and however rows coalesced, parents and children are exactly those of the
// sessions.

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "store/encoding.h"
#include "store/lineage.h"
#include "store/lineage_blocks.h"
#include "store/lineage_chunk.h"

namespace weir::store::test {
namespace {

using Sequences = std::set<std::uint64_t>;

Sequences all(const std::vector<Interval>& intervals) {
  Sequences result;
  for (const auto& each : intervals) {
    for (std::uint64_t i = 0; i < each.count; ++i) result.insert(each.first + i);
  }
  return result;
}

LineageRow row_of(std::uint64_t in_first, std::uint64_t in_count, std::uint64_t out_first, std::uint64_t out_count) {
  LineageRow row;
  row.processor = 1;
  row.in_connection = 2;
  row.out_connection = 3;
  row.in_first = in_first;
  row.in_count = in_count;
  row.out_first = out_first;
  row.out_count = out_count;
  row.time = 1'700'000'000'000'000'000;
  row.duration = 1000;
  return row;
}

LineageRow encoded(std::uint64_t in_count, const std::vector<std::uint32_t>& parents, std::uint64_t in_first = 100,
                   std::uint64_t out_first = 500) {
  auto row = row_of(in_first, in_count, out_first, parents.size());
  encode_parents(row, parents);
  return row;
}

/// How many FlowFiles have other parents or children than they should.
std::size_t mistakes(const std::vector<LineageRow>& rows, const std::map<std::uint64_t, Sequences>& parents) {
  std::size_t wrong = 0;
  std::map<std::uint64_t, Sequences> children;
  for (const auto& [output, of_output] : parents) {
    Sequences found;
    for (const auto& row : rows) found.merge(all(parents_of(row, {output, 1})));
    wrong += found == of_output ? 0 : 1;
    for (const auto parent : of_output) children[parent].insert(output);
  }
  if (children.empty()) return wrong;
  for (auto input = children.begin()->first; input <= children.rbegin()->first; ++input) {
    Sequences found;
    Sequences concerned;
    for (const auto& row : rows) {
      found.merge(all(children_of(row, {input, 1})));
      concerned.merge(all(concerned_inputs(row, {input, 1})));
    }
    wrong += found == children[input] && concerned.empty() == children[input].empty() ? 0 : 1;
  }
  for (const auto& row : rows) check_payload(row);
  return wrong;
}

TEST_CASE("the smallest shape is chosen: nothing for one-to-one, k for a constant split, a bit for a filter") {
  std::vector<std::uint32_t> parents(1000);
  for (std::uint32_t i = 0; i < 1000; ++i) parents[i] = i;
  CHECK(encoded(1000, parents).shape == Shape::one_to_one);
  CHECK(encoded(1000, parents).payload.empty());

  parents.clear();
  for (std::uint32_t i = 0; i < 1000; ++i) parents.insert(parents.end(), 5, i);
  CHECK(encoded(1000, parents).shape == Shape::each_k);
  CHECK(encoded(1000, parents).payload.size() == 1);

  parents.clear();
  for (std::uint32_t i = 0; i < 1000; i += 2) parents.push_back(i);
  CHECK(encoded(1000, parents).shape == Shape::bitmap);
  CHECK(encoded(1000, parents).payload.size() == 125);

  CHECK(encoded(1000, {17, 900}).shape == Shape::list);
  CHECK(encoded(1000, {17, 900}).payload.size() <= 4);
  CHECK(encoded(2, {0, 0, 0, 1}).shape == Shape::counts);
  CHECK(encoded(3, {2, 0, 1}).shape == Shape::list);
  CHECK(encoded(5, {}).shape == Shape::none);
}

TEST_CASE("random sessions of every shape coalesce, and every FlowFile keeps exactly its parents and children") {
  for (std::uint32_t seed = 0; seed < 21; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::vector<LineageRow> rows;
    std::map<std::uint64_t, Sequences> parents;
    std::uint64_t in = 1000;
    std::uint64_t out = 5000;
    const auto largest = seed % 3 == 0 ? 3U : 100U;
    for (int session = 0; session < 40; ++session) {
      const auto in_count = 1 + random() % largest;
      std::vector<std::uint32_t> of;
      const auto kind = seed % 7 == 6 ? 2 : random() % 6;
      const auto k = 2 + random() % 3;
      for (std::uint32_t i = 0; i < in_count; ++i) {
        if (kind == 0) of.push_back(i);
        if (kind == 1) of.insert(of.end(), k, i);
        if (kind == 2 && random() % 2 == 0) of.push_back(i);
        if (kind == 3) of.insert(of.end(), random() % 4, i);
        if (kind == 4 && random() % 20 == 0) of.push_back(i);
        if (kind == 5) of.push_back(static_cast<std::uint32_t>(random() % in_count));
      }
      if (!of.empty()) {
        auto row = row_of(in, in_count, out, of.size());
        encode_parents(row, of);
        check_payload(row);
        add_coalescing(rows, std::move(row));
        for (std::size_t i = 0; i < of.size(); ++i) parents[out + i].insert(in + of[i]);
      }
      in += in_count + (random() % 5 == 0 ? random() % 10 : 0);
      out += of.size();
    }
    CHECK(rows.size() <= 4);
    CHECK(mistakes(rows, parents) == 0);

    ChunkPacker packer;
    for (const auto& row : rows) packer.add(row);
    const auto unpacked = unpack_chunk(packer.packed());
    REQUIRE(unpacked.size() == rows.size());
    CHECK(mistakes(unpacked, parents) == 0);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      CHECK(unpacked[i].time == rows[i].time);
      CHECK(unpacked[i].duration == rows[i].duration);
      CHECK(unpacked[i].in_count == rows[i].in_count);
      CHECK(unpacked[i].out_count == rows[i].out_count);
    }
  }
}

TEST_CASE("merges name parents of many sessions, and coalesce") {
  std::mt19937 random(7);
  std::vector<LineageRow> rows;
  std::map<std::uint64_t, Sequences> parents;
  std::uint64_t out = 10;
  for (int session = 0; session < 20; ++session) {
    std::vector<std::vector<std::uint64_t>> lists(1 + random() % 4);
    for (std::size_t i = 0; i < lists.size(); ++i) {
      Sequences of;
      for (auto left = random() % 30; left > 0; --left) {
        of.insert(static_cast<std::uint64_t>(session) * 10 + random() % 200);
      }
      lists[i].assign(of.begin(), of.end());
      parents[out + i] = of;
    }
    auto row = row_of(0, 0, out, lists.size());
    encode_merge(row, lists);
    check_payload(row);
    out += lists.size();
    add_coalescing(rows, std::move(row));
  }
  CHECK(rows.size() == 1);
  CHECK(mistakes(rows, parents) == 0);
}

TEST_CASE("a window's group is found from its readings and from its means, and groups coalesce") {
  std::mt19937 random(11);
  std::vector<LineageRow> in_rows;
  std::vector<LineageRow> out_rows;
  std::map<std::uint64_t, Sequences> members;
  std::uint64_t in = 50;
  for (int session = 0; session < 30; ++session) {
    const auto count = 1 + random() % 40;
    std::vector<std::pair<std::uint32_t, std::uint64_t>> contributions;
    for (std::uint32_t i = 0; i < count; ++i) {
      // One group each in some sessions; several, none and repetitions in others.
      const auto groups = session % 2 == 0 ? 1 : random() % 4;
      for (std::uint64_t g = 0; g < groups; ++g) {
        const auto group = 1000 + random() % 50;
        contributions.emplace_back(i, group);
        if (random() % 3 == 0) contributions.emplace_back(i, group);
        members[group].insert(in + i);
      }
    }
    auto row = row_of(in, count, 0, 0);
    row.out_connection = 0;
    encode_group_in(row, contributions);
    check_payload(row);
    add_coalescing(in_rows, std::move(row));
    in += count + (session % 5 == 0 ? 3 : 0);
  }
  CHECK(in_rows.size() == 1);
  std::vector<std::uint64_t> groups;
  for (const auto& [group, of] : members) groups.push_back(group);
  for (int half = 0; half < 2; ++half) {
    auto row = row_of(0, 0, half == 0 ? 70 : 70 + groups.size(), groups.size());
    row.in_connection = 0;
    encode_group_out(row, groups);
    add_coalescing(out_rows, std::move(row));
  }
  REQUIRE(out_rows.size() == 1);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    CHECK(all(groups_of(out_rows[0], {70 + i, 1})) == Sequences{groups[i]});
    CHECK(all(members_of(in_rows[0], {groups[i], 1})) == members[groups[i]]);
    CHECK(all(members_of(out_rows[0], {groups[i], 1})) == Sequences{70 + i, 70 + groups.size() + i});
  }
  CHECK(group_range(in_rows[0]).first == groups.front());
}

TEST_CASE("ends coalesce over what went elsewhere, and concern exactly the FlowFiles that ended") {
  std::mt19937 random(13);
  std::vector<LineageRow> rows;
  Sequences ended;
  for (std::uint64_t in = 100; in < 5000;) {
    const auto count = 1 + random() % 5;
    auto row = row_of(in, count, 0, 0);
    row.type = EventType::drop;
    row.out_connection = 0;
    for (std::uint64_t i = 0; i < count; ++i) ended.insert(in + i);
    add_coalescing(rows, std::move(row));
    in += count + random() % 10;
  }
  CHECK(rows.size() == 1);
  Sequences found;
  for (const auto& row : rows) found.merge(all(concerned_inputs(row, {0, 10'000})));
  CHECK(found == ended);
}

TEST_CASE(
    "ends that were once written with the list or merge of their lost outputs are well, and concern those that ended") {
  const auto stored = [](LineageRow row) {
    row.type = EventType::drop;
    row.details = "auto-terminated: unmatched";
    row.out_connection = 0;
    row.out_count = 0;
    ChunkPacker packer;
    packer.add(row);
    return unpack_chunk(packer.packed()).at(0);
  };
  auto list = row_of(100, 50, 0, 0);
  encode_parents(list, std::vector<std::uint32_t>{49, 7, 3});
  REQUIRE(list.shape == Shape::list);
  CHECK(all(concerned_inputs(stored(list), {0, 1000})) == Sequences{103, 107, 149});
  CHECK(children_of(stored(list), {0, 1000}).empty());

  auto merge = row_of(0, 0, 0, 0);
  encode_merge(merge, std::vector<std::vector<std::uint64_t>>{{100, 101}, {140}});
  CHECK(all(concerned_inputs(stored(merge), {0, 1000})) == Sequences{100, 101, 140});

  list.in_count = 49;  // fewer than its payload names
  CHECK_THROWS_AS(stored(list), Malformed);
  list.payload.push_back('\x80');
  CHECK_THROWS_AS(stored(list), Malformed);
}

TEST_CASE("rows of different processors, types, URIs or ranges that do not adjoin stay apart") {
  const auto row = [](std::uint64_t in, std::uint64_t out) { return encoded(1, {0}, in, out); };
  std::vector<LineageRow> rows;
  add_coalescing(rows, row(0, 0));
  auto other = row(1, 1);
  other.processor = 9;
  add_coalescing(rows, std::move(other));
  other = row(1, 1);
  other.transit_uri = "file:x";
  add_coalescing(rows, std::move(other));
  other = row(1, 1);
  other.type = EventType::fork;
  add_coalescing(rows, std::move(other));
  add_coalescing(rows, row(1, 7));
  add_coalescing(rows, row(0, 8));
  CHECK(rows.size() == 6);
  add_coalescing(rows, row(1, 9));
  CHECK(rows.size() == 6);
  CHECK(rows.back().out_count == 2);
}

TEST_CASE("damaged chunks are refused, whatever byte is wrong") {
  std::vector<LineageRow> rows;
  rows.push_back(encoded(1000, {1, 2, 500}));
  rows.push_back(encoded(8, {0, 0, 1, 4, 7}));
  auto merge = row_of(0, 0, 20, 2);
  encode_merge(merge, std::vector<std::vector<std::uint64_t>>{{1, 2, 3}, {9, 11}});
  rows.push_back(merge);
  ChunkPacker packer;
  for (const auto& row : rows) packer.add(row);
  const std::string good(packer.packed());
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const auto flip : {0x01, 0x80, 0xff}) {
      auto bad = good;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      try {
        for (const auto& row : unpack_chunk(bad)) {
          static_cast<void>(parents_of(row, {row.out_first, 10}));
          static_cast<void>(children_of(row, {row.in_first, 10}));
        }
      } catch (const Malformed&) {
      }
    }
    auto left = rows.size();
    try {
      left = unpack_chunk(std::string_view(good).substr(0, at)).size();
    } catch (const Malformed&) {
      left = 0;
    }
    CHECK(left < rows.size());
  }
}

double microseconds(int rounds, const std::function<void()>& work) {
  auto best = 1e9;
  for (int run = 0; run < 5; ++run) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < rounds; ++i) work();
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
    best = std::min(best, took.count() / rounds);
  }
  return best;
}

TEST_CASE("encoding a session of 1,000 takes microseconds") {
  std::vector<std::uint32_t> one(1000);
  std::vector<std::uint32_t> filter;
  std::vector<std::uint32_t> counts;
  std::vector<std::uint32_t> list(1000);
  std::vector<std::pair<std::uint32_t, std::uint64_t>> contributions;
  std::mt19937 random(1);
  for (std::uint32_t i = 0; i < 1000; ++i) {
    one[i] = i;
    list[i] = static_cast<std::uint32_t>(random() % 1000);
    if (random() % 2 == 0) filter.push_back(i);
    if (counts.size() < 1000) counts.insert(counts.end(), random() % 4, i);
    contributions.emplace_back(i, 5000 + random() % 1000);
  }
  auto row = row_of(0, 1000, 0, 1000);
  MESSAGE("one to one: " << microseconds(2000, [&] { encode_parents(row, one); }) << " us");
  MESSAGE("bitmap of 500: " << microseconds(2000, [&] { encode_parents(row, filter); }) << " us");
  MESSAGE("counts: " << microseconds(2000, [&] { encode_parents(row, counts); }) << " us");
  MESSAGE("list: " << microseconds(2000, [&] { encode_parents(row, list); }) << " us");
  MESSAGE("groups: " << microseconds(2000, [&] { encode_group_in(row, contributions); }) << " us");
  std::vector<LineageRow> rows;
  std::uint64_t next = 0;
  MESSAGE("coalescing a bitmap of 1,000: " << microseconds(2000, [&] {
            auto more = row_of(next, 1000, next / 2, filter.size());
            more.in_count = 1000;
            encode_parents(more, filter);
            add_coalescing(rows, std::move(more));
            next += 1000;
            if (rows.size() > 100) rows.clear();
          }) << " us");
}

}  // namespace
}  // namespace weir::store::test
