#include "api/quality_file.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

#include "api/json.h"
#include "engine/log.h"

namespace weir::api {

namespace json = boost::json;
using engine::FlaggedInHour;
using engine::QualityCounts;
using engine::QualityLedger;
using engine::QualityOfKey;
using engine::QualitySeries;

namespace {

std::string series_text(const QualitySeries& series) {
  std::string text = "[";
  for (const auto& b : series.buckets()) {
    if (text.size() > 1) text += ',';
    fmt::format_to(std::back_inserter(text), "[{},{},{},{},{},{},{:.0f},{:.0f}]", b.slot, b.pass, b.suspect, b.fail,
                   b.missing, b.not_evaluated, b.covered, b.silent);
  }
  return text + "]";
}

std::string hours_text(const std::vector<FlaggedInHour>& rules) {
  std::string text = "[";
  for (const auto& r : rules) {
    if (text.size() > 1) text += ',';
    fmt::format_to(std::back_inserter(text), "[{},{},{}]", r.hour, r.rule, r.count);
  }
  return text + "]";
}

std::string text_of(std::string_view text) {
  return json::serialize(json::string(utf8(text)));
}

/// Adds what the line has to a series; what is no bucket is passed over.
void read_series(const json::value& list, std::int64_t from, QualitySeries& series) {
  for (const auto& item : list.as_array()) {
    const auto& b = item.as_array();
    const auto number = [&](std::size_t i) { return b.at(i).to_number<std::uint64_t>(); };
    const auto when = static_cast<std::int64_t>(number(0)) * series.width();
    if (when < from) continue;
    QualityCounts counts;
    counts.pass = number(1);
    counts.suspect = number(2);
    counts.fail = number(3);
    counts.missing = number(4);
    counts.not_evaluated = number(5);
    counts.covered = b.at(6).to_number<double>();
    counts.silent = b.at(7).to_number<double>();
    series.add(when, counts);
  }
}

/// `numbers`: what the rules that the file numbers are called now.
std::vector<FlaggedInHour> read_hours(const json::value& list, std::int64_t from,
                                      const std::vector<std::uint32_t>& numbers) {
  std::vector<FlaggedInHour> hours;
  for (const auto& item : list.as_array()) {
    const auto& r = item.as_array();
    const auto hour = r.at(0).to_number<std::uint32_t>();
    const auto rule = r.at(1).to_number<std::size_t>();
    if (hour * engine::kHour < from || rule >= numbers.size() || numbers[rule] == abi::kNone) continue;
    hours.push_back({hour, numbers[rule], r.at(2).to_number<std::uint64_t>()});
  }
  return hours;
}

}  // namespace

QualityFile::QualityFile(engine::QualityLedgers& ledgers, const std::filesystem::path& data)
    : ledgers_(ledgers), file_(data / "quality.ndjson") {
  load();
}

void QualityFile::load() {
  const auto from = ledgers_.now() - engine::kDay;
  std::ifstream file(file_);
  QualityLedger* ledger = nullptr;
  std::vector<std::uint32_t> numbers;
  for (std::string line; std::getline(file, line);) {
    try {
      const auto value = json::parse(line);
      const auto& object = value.as_object();
      const auto text = [&](const char* member) { return std::string(object.at(member).as_string()); };
      if (object.contains("processor")) {
        ledger = nullptr;
        QualitySeries minutes(engine::kMinute, 1440);
        read_series(object.at("minutes"), from, minutes);
        if (minutes.buckets().empty()) continue;  // nothing of the last day: it may have left the flow
        ledger = &ledgers_.of(text("flow"), text("processor"));
        numbers.clear();
        for (const auto& rule : object.at("rules").as_array()) {
          const auto& field = rule.at(0).as_string();
          const auto& name = rule.at(1).as_string();
          numbers.push_back(ledger->rule({field.data(), field.size()}, {name.data(), name.size()}));
        }
        ledger->restore_total(std::move(minutes), read_hours(object.at("flagged"), from, numbers));
      } else if (ledger != nullptr) {
        QualityOfKey key;
        key.key = text("key");
        key.last_judged = object.at("judged").as_int64();
        key.last_value = object.at("value").as_int64();
        key.flawed = object.at("flawed").as_bool();
        if (key.last_judged < from) continue;
        read_series(object.at("minutes"), from, key.minutes);
        read_series(object.at("quarters"), from, key.quarters);
        key.rules = read_hours(object.at("flagged"), from, numbers);
        ledger->restore_key(std::move(key));
      }
    } catch (const std::exception&) {
      continue;  // a line of another version, or cut by a full disk
    }
  }
}

void QualityFile::save() {
  const auto ledgers = ledgers_.all();
  if (ledgers.empty()) return;
  auto fresh = file_;
  fresh += ".new";
  std::ofstream file(fresh, std::ios::trunc);
  for (const auto& [name, ledger] : ledgers) {
    const auto overview = ledger->overview();
    std::string rules;
    for (const auto& rule : overview.rules)
      rules += fmt::format("{}[{},{}]", rules.empty() ? "" : ",", text_of(rule.field), text_of(rule.name));
    file << fmt::format("{{\"flow\":{},\"processor\":{},\"rules\":[{}],\"flagged\":{},\"minutes\":{}}}\n",
                        text_of(name.first), text_of(name.second), rules, hours_text(overview.rule_hours),
                        series_text(overview.minutes));
    std::vector<std::string> keys;
    ledger->each_key([&](const QualityOfKey& key) { keys.push_back(key.key); });
    for (const auto& each : keys) {  // one at a time: processors wait for no more than a copy
      QualityOfKey key;
      if (!ledger->key(each, key)) continue;
      file << fmt::format(
          "{{\"key\":{},\"judged\":{},\"value\":{},\"flawed\":{},\"flagged\":{},\"minutes\":{},\"quarters\":{}}}\n",
          text_of(key.key), key.last_judged, key.last_value, key.flawed, hours_text(key.rules),
          series_text(key.minutes), series_text(key.quarters));
    }
  }
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(fresh, file_, error);
  if (!std::exchange(broken_, !file || error) && broken_)
    engine::log_line(abi::Level::warning, nullptr,
                     "cannot write " + file_.string() + ": what was found of the data's quality is not kept");
}

}  // namespace weir::api
