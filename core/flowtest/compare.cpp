#include "flowtest/compare.h"

#include <fmt/core.h>

#include <boost/json/parse.hpp>
#include <cmath>

#include "flowtest/records.h"

namespace weir::flowtest {

namespace {

namespace json = boost::json;

constexpr std::size_t kMostShown = 10;
constexpr std::size_t kLongest = 300;

std::string shown(std::string text) {
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "…";
  return text;
}

std::string shown(const json::value& value) {
  return shown(to_text(value));
}

bool same_number(const json::value& a, const json::value& b, double tolerance) {
  if (a.is_double() || b.is_double() || tolerance > 0)
    return std::abs(a.to_number<double>() - b.to_number<double>()) <= tolerance;
  return a == b;
}

void differ(const std::string& path, const json::value& expected, const json::value& found, double tolerance,
            bool partly, std::vector<std::string>& lines) {
  const auto at = [&path](std::string_view name) {
    return path.empty() ? std::string(name) : path + "." + std::string(name);
  };
  if (expected.is_number() && found.is_number()) {
    if (same_number(expected, found, tolerance)) return;
  } else if (expected.is_object() && found.is_object()) {
    for (const auto& [name, value] : expected.as_object()) {
      if (const auto* other = found.as_object().if_contains(name)) {
        differ(at(name), value, *other, tolerance, partly, lines);
      } else {
        lines.push_back(fmt::format("{}: expected {}, and it is missing", at(name), shown(value)));
      }
    }
    for (const auto& [name, value] : found.as_object()) {
      if (!partly && !expected.as_object().contains(name))
        lines.push_back(fmt::format("{}: not expected, found {}", at(name), shown(value)));
    }
    return;
  } else if (expected.is_array() && found.is_array() && expected.as_array().size() == found.as_array().size()) {
    for (std::size_t i = 0; i < expected.as_array().size(); ++i)
      differ(fmt::format("{}[{}]", path, i), expected.as_array()[i], found.as_array()[i], tolerance, partly, lines);
    return;
  } else if (expected == found) {
    return;
  }
  lines.push_back(
      fmt::format("{}{}expected {}, found {}", path, path.empty() ? "" : ": ", shown(expected), shown(found)));
}

/// Expected values one after the other, or each anywhere.
class Matching {
 public:
  Matching(const flow::Expectation& expected, const std::string& place, std::string_view noun)
      : expected_(expected), place_(place), noun_(noun) {}

  void match(const std::vector<flow::Written>& wanted, const std::vector<json::value>& found) {
    std::vector<bool> used(found.size());
    std::size_t next = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const auto value = json_ ? json::parse(wanted[i].text) : json::value(wanted[i].text);
      if (const auto at = find(value, found, used, next); at < found.size()) {
        used[at] = true;
        if (!expected_.any_order) next = at + 1;
        continue;
      }
      const auto nearest = expected_.any_order || expected_.partly ? nearest_of(value, found, used) : next;
      add(wanted[i].mark, fmt::format("{}: {} {} is not there", place_, noun_, i + 1), value,
          nearest < found.size() && !used[nearest] ? &found[nearest] : nullptr, nearest);
      if (!expected_.any_order && !expected_.partly && nearest < found.size()) {
        used[nearest] = true;
        next = nearest + 1;
      }
    }
    if (expected_.partly) return;
    std::string rest;
    std::size_t count = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (used[i]) continue;
      if (++count <= kMostShown) rest += fmt::format("\n    {} {}: {}", noun_, i + 1, shown(found[i]));
    }
    if (count > kMostShown) rest += fmt::format("\n    and {} more", count - kMostShown);
    if (count > 0)
      failures.push_back({expected_.mark, fmt::format("{}: {} {}s too many:{}", place_, count, noun_, rest)});
  }

  std::vector<Failure> failures;
  bool json_ = true;

 private:
  std::size_t find(const json::value& wanted, const std::vector<json::value>& found, const std::vector<bool>& used,
                   std::size_t next) const {
    if (!expected_.any_order && !expected_.partly) {
      if (next < found.size() && differences(wanted, found[next], expected_.tolerance, false).empty()) return next;
      return found.size();
    }
    for (std::size_t i = expected_.any_order ? 0 : next; i < found.size(); ++i) {
      if (!used[i] && differences(wanted, found[i], expected_.tolerance, expected_.partly).empty()) return i;
    }
    return found.size();
  }

  /// Of those that are left, the one that differs least: what the author will have meant.
  std::size_t nearest_of(const json::value& wanted, const std::vector<json::value>& found,
                         const std::vector<bool>& used) const {
    auto best = found.size();
    std::size_t least = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (used[i]) continue;
      const auto count = differences(wanted, found[i], expected_.tolerance, expected_.partly).size();
      if (best == found.size() || count < least) best = i, least = count;
    }
    return best;
  }

  void add(const flow::Mark& mark, std::string message, const json::value& wanted, const json::value* near,
           std::size_t index) {
    message += "\n    expected " + shown(wanted);
    if (near != nullptr) {
      message += fmt::format("\n    {} {} is {}", noun_, index + 1, shown(*near));
      for (const auto& line : differences(wanted, *near, expected_.tolerance, expected_.partly))
        message += "\n      " + line;
    } else {
      message += "\n    and nothing is left that it could be";
    }
    failures.push_back({mark, std::move(message)});
  }

  const flow::Expectation& expected_;
  const std::string& place_;
  const std::string_view noun_;
};

}  // namespace

std::vector<std::string> differences(const json::value& expected, const json::value& found, double tolerance,
                                     bool partly) {
  std::vector<std::string> lines;
  differ({}, expected, found, tolerance, partly, lines);
  return lines;
}

std::vector<Failure> compare(const flow::Expectation& expected, const std::vector<Passed>& passed,
                             const std::string& place) {
  std::vector<Failure> failures;
  const auto take = [&failures](std::vector<Failure> more) {
    failures.insert(failures.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  };
  if (expected.flowfiles && *expected.flowfiles != passed.size())
    failures.push_back(
        {expected.mark, fmt::format("{}: expected {} FlowFiles, found {}", place, *expected.flowfiles, passed.size())});
  if (expected.records) {
    std::vector<json::value> found;
    for (std::size_t i = 0; i < passed.size(); ++i) {
      if (auto records = records_of(passed[i].content)) {
        for (auto& record : *records) found.push_back(std::move(record));
      } else {
        failures.push_back({expected.mark, fmt::format("{}: FlowFile {} holds no records: {}", place, i + 1,
                                                       shown(passed[i].content))});
      }
    }
    Matching matching(expected, place, "record");
    matching.match(*expected.records, found);
    take(std::move(matching.failures));
  }
  if (expected.contents) {
    std::vector<json::value> found;
    for (const auto& file : passed) found.emplace_back(file.content);
    Matching matching(expected, place, "content");
    matching.json_ = false;
    matching.match(*expected.contents, found);
    take(std::move(matching.failures));
  }
  for (const auto& [name, value] : expected.attributes) {
    if (passed.empty())
      failures.push_back({value.mark, fmt::format("{}: no FlowFile has passed that could have '{}'", place, name)});
    for (std::size_t i = 0; i < passed.size(); ++i) {
      const auto at = passed[i].attributes.find(name);
      if (at != passed[i].attributes.end() && at->second == value.text) continue;
      failures.push_back(
          {value.mark, fmt::format("{}: FlowFile {}: attribute {}: expected '{}', {}", place, i + 1, name, value.text,
                                   at == passed[i].attributes.end() ? std::string("and it is missing")
                                                                    : "found '" + shown(at->second) + "'")});
      break;
    }
  }
  return failures;
}

}  // namespace weir::flowtest
