#include "api/quality_pages.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "api/json.h"

namespace weir::api {

namespace json = boost::json;
using engine::QualityCounts;
using engine::QualityLedger;
using engine::QualityOfKey;
using engine::QualitySeries;

namespace {

constexpr std::uint64_t kMostListed = 1'000;
constexpr std::size_t kTrendPoints = 24;

struct Range {
  std::int64_t from, to, now;
};

Range range_of(const Query& query, std::int64_t now) {
  const auto to = std::min(query.time("to").value_or(now), now);
  const auto from = query.time("from").value_or(to - engine::kDay);
  if (from >= to) throw Refused(400, "'from' is before 'to', and before now");
  return {std::max(from, now - engine::kDay), to, now};
}

json::value share(double part, double whole) {
  return whole > 0 ? json::value(part / whole) : json::value(nullptr);
}

std::optional<double> completeness_of(const QualityCounts& counts) {
  const auto whole = counts.covered + counts.silent;
  return whole > 0 ? std::optional(counts.covered / whole) : std::nullopt;
}

/// Of a key in a range, with the silence that has lasted until now.
struct Standing {
  const QualityLedger* ledger = nullptr;
  std::pair<std::string, std::string> processor;
  std::string key;
  QualityCounts counts;
  std::int64_t last_value = 0, last_judged = 0;
  bool expected = false;
  double score = 2;  ///< 0 worst; 2: nothing is known
};

QualityCounts in_range(const QualityOfKey& key, std::int64_t expected, const Range& range) {
  auto counts = key.series(range.from, range.now).sum(range.from, range.to);
  // A key that is silent now was not complete since; before the first reading of the range nothing is known.
  if (expected > 0 && range.to == range.now) {
    const auto since = std::max(key.last_judged, range.from);
    counts.silent += static_cast<double>(std::max<std::int64_t>(0, range.now - since - expected)) / 1e9;
  }
  return counts;
}

json::array rules_json(const std::vector<engine::QualityRule>& rules, const std::vector<engine::FlaggedInHour>& hours,
                       const Range& range, bool all) {
  std::vector<std::uint64_t> flagged(rules.size());
  for (const auto& hour : hours) {
    const auto begin = hour.hour * engine::kHour;
    if (begin + engine::kHour > range.from && begin < range.to && hour.rule < flagged.size())
      flagged[hour.rule] += hour.count;
  }
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (all || flagged[i] > 0) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return flagged[a] > flagged[b]; });
  json::array list;
  for (const auto i : order)
    list.push_back(
        json::object{{"field", utf8(rules[i].field)}, {"rule", utf8(rules[i].name)}, {"flagged", flagged[i]}});
  return list;
}

json::array trend(const QualitySeries& series, const Range& range) {
  json::array points;
  const auto step = (range.to - range.from) / static_cast<std::int64_t>(kTrendPoints);
  for (std::size_t i = 0; i < kTrendPoints; ++i) {
    const auto from = range.from + static_cast<std::int64_t>(i) * step;
    QualityCounts counts;
    for (const auto& bucket : series.buckets()) {
      const auto begin = std::max(range.from, static_cast<std::int64_t>(bucket.slot) * series.width());
      if (begin >= from && begin < from + step) counts.add(bucket.counts());
    }
    points.push_back(share(static_cast<double>(counts.pass), static_cast<double>(counts.judged())));
  }
  return points;
}

json::object series_json(const QualitySeries& series, const Range& range) {
  json::array times, pass, suspect, fail, missing, not_evaluated;
  for (const auto& b : series.buckets()) {
    const auto begin = static_cast<std::int64_t>(b.slot) * series.width();
    if (begin + series.width() <= range.from || begin >= range.to) continue;
    times.push_back(time_json(begin));
    pass.push_back(b.pass);
    suspect.push_back(b.suspect);
    fail.push_back(b.fail);
    missing.push_back(b.missing);
    not_evaluated.push_back(b.not_evaluated);
  }
  return {{"interval_seconds", series.width() / 1'000'000'000},
          {"times", std::move(times)},
          {"pass", std::move(pass)},
          {"suspect", std::move(suspect)},
          {"fail", std::move(fail)},
          {"missing", std::move(missing)},
          {"not_evaluated", std::move(not_evaluated)}};
}

json::object range_json(const Range& range) {
  return {{"from", time_json(range.from)}, {"to", time_json(range.to)}};
}

bool wanted(const std::optional<std::string>& wish, const std::string& name) {
  return !wish || *wish == name;
}

json::object processor_json(const std::pair<std::string, std::string>& name, const QualityLedger& ledger,
                            const Range& range) {
  const auto overview = ledger.overview();
  auto counts = counts_json(overview.minutes.sum(range.from, range.to), false);
  json::object result{{"flow", name.first}, {"processor", name.second}};
  for (auto& [member, value] : counts) result[member] = std::move(value);
  result["keys"] = overview.keys;
  result["untracked"] = overview.untracked;
  result["expected_seconds"] =
      overview.expected > 0 ? json::value(static_cast<double>(overview.expected) / 1e9) : json::value(nullptr);
  result["rules"] = rules_json(overview.rules, overview.rule_hours, range, true);
  result["trend"] = trend(overview.minutes, range);
  return result;
}

json::object key_json(const Standing& standing, const Range& range) {
  json::object result{
      {"flow", standing.processor.first}, {"processor", standing.processor.second}, {"key", utf8(standing.key)}};
  for (auto& [member, value] : counts_json(standing.counts, standing.expected)) result[member] = std::move(value);
  result["last_value"] = time_json(standing.last_value);
  result["last_judged"] = time_json(standing.last_judged);
  QualityOfKey key;
  if (standing.ledger->key(standing.key, key)) {
    result["rules"] = rules_json(standing.ledger->overview().rules, key.rules, range, false);
    result["trend"] = trend(key.series(range.from, range.now), range);
  }
  return result;
}

/// One number to order by: how much of what should be there is there and good.
double score_of(const QualityCounts& counts, bool expected) {
  const auto good = good_of(counts);
  const auto complete = expected ? completeness_of(counts) : std::nullopt;
  if (!good && !complete) return 2;
  return good.value_or(1) * complete.value_or(1);
}

Response overview(engine::QualityLedgers& ledgers, const Query& query) {
  const auto range = range_of(query, ledgers.now());
  const auto flow = query.text("flow");
  const auto processor = query.text("processor");
  const auto search = query.text("search").value_or("");
  const auto after = query.number("after", 0);
  const auto limit = query.number("limit", 100, kMostListed);
  json::array processors;
  std::vector<Standing> standings;
  const auto all = ledgers.all();
  for (const auto& [name, ledger] : all) {
    if (!wanted(flow, name.first) || !wanted(processor, name.first + "/" + name.second)) continue;
    processors.push_back(processor_json(name, *ledger, range));
    const auto expected = ledger->overview().expected;
    ledger->each_key([&, &each = name, &book = ledger](const QualityOfKey& key) {
      if (!search.empty() && key.key.find(search) == std::string::npos) return;
      Standing standing{book.get(),      each,         key.key, in_range(key, expected, range), key.last_value,
                        key.last_judged, expected > 0, 2};
      standing.score = score_of(standing.counts, standing.expected);
      standings.push_back(std::move(standing));
    });
  }
  std::sort(standings.begin(), standings.end(), [](const Standing& a, const Standing& b) {
    const auto flawed_a = a.counts.flawed(), flawed_b = b.counts.flawed();
    return std::tie(a.score, flawed_b, a.processor, a.key) < std::tie(b.score, flawed_a, b.processor, b.key);
  });
  json::array keys;
  for (auto i = after; i < standings.size() && keys.size() < limit; ++i)
    keys.push_back(key_json(standings[static_cast<std::size_t>(i)], range));
  auto result = range_json(range);
  result["processors"] = std::move(processors);
  result["total"] = standings.size();
  const auto next = after + keys.size();
  result["more"] = next < standings.size();
  result["next_after"] = next < standings.size() ? json::value(next) : json::value(nullptr);
  result["keys"] = std::move(keys);
  return json_response(result);
}

Response of_processor(engine::QualityLedgers& ledgers, const Call& call) {
  const auto range = range_of(call.query, ledgers.now());
  const auto& flow = call.at[0];
  const auto& processor = call.at[1];
  const auto ledger = ledgers.find(flow, processor);
  if (!ledger)
    throw Refused(404, fmt::format("'{}/{}' has told nothing about quality: a QualityCheck does", flow, processor));
  auto result = range_json(range);
  const auto overview = ledger->overview();
  const auto name = call.query.text("key");
  if (!name) {
    for (auto& [member, value] : processor_json({flow, processor}, *ledger, range)) result[member] = std::move(value);
    result["series"] = series_json(overview.minutes, range);
    return json_response(result);
  }
  QualityOfKey key;
  if (!ledger->key(*name, key)) throw Refused(404, fmt::format("there is no key '{}' now", *name));
  const bool expected = overview.expected > 0;
  const Standing standing{ledger.get(),   {flow, processor}, key.key,  in_range(key, overview.expected, range),
                          key.last_value, key.last_judged,   expected, 0};
  for (auto& [member, value] : key_json(standing, range)) result[member] = std::move(value);
  result["expected_seconds"] =
      expected ? json::value(static_cast<double>(overview.expected) / 1e9) : json::value(nullptr);
  result["series"] = series_json(key.series(range.from, range.now), range);
  return json_response(result);
}

}  // namespace

std::optional<double> good_of(const QualityCounts& counts) {
  if (counts.judged() == 0) return std::nullopt;
  return static_cast<double>(counts.pass) / static_cast<double>(counts.judged());
}

json::object counts_json(const QualityCounts& counts, bool expected) {
  const auto good = good_of(counts);
  const auto complete = expected ? completeness_of(counts) : std::nullopt;
  return {{"n", counts.judged()},
          {"pass", counts.pass},
          {"suspect", counts.suspect},
          {"fail", counts.fail},
          {"missing", counts.missing},
          {"not_evaluated", counts.not_evaluated},
          {"good", good ? json::value(*good) : json::value(nullptr)},
          {"completeness", complete ? json::value(*complete) : json::value(nullptr)}};
}

void add_quality_pages(Router& router, engine::QualityLedgers& ledgers) {
  router.get(
      "/quality", "What was found of the quality of data in the last day: each key that is checked, the worst first",
      [&ledgers](Call& call) {
        return later([&ledgers, request = call.request.query] { return overview(ledgers, Query(request)); });
      },
      "flow processor search from to after limit");
  router.get(
      "/quality/{flow}/{processor}", "The same by time, of all that a processor checked or of one of its keys",
      [&ledgers](Call& call) { return of_processor(ledgers, call); }, "key from to");
}

}  // namespace weir::api
