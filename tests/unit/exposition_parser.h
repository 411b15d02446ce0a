#pragma once
// A strict reader of Prometheus' text exposition format 0.0.4, for tests: it refuses what Prometheus refuses, and what
// `promtool check metrics` would warn of. It shares nothing with the writer.

#include <cctype>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::api::test {

using Labels = std::map<std::string, std::string>;

struct Sample {
  std::string name;  ///< with a histogram's suffix
  Labels labels;
  double value = 0;
};

struct ParsedFamily {
  std::string name;
  std::string type;
  std::string help;
  std::vector<Sample> samples;
};

class ExpositionParser {
 public:
  /// Throws std::runtime_error with the line that is wrong.
  static std::vector<ParsedFamily> parse(std::string_view text) { return ExpositionParser(text).run(); }

 private:
  explicit ExpositionParser(std::string_view text) : text_(text) {}

  std::vector<ParsedFamily> run() {
    if (!text_.empty() && text_.back() != '\n') fail("the last line does not end");
    while (!text_.empty()) {
      line_ = text_.substr(0, text_.find('\n'));
      text_.remove_prefix(line_.size() + 1);
      rest_ = line_;
      if (line_.empty()) fail("an empty line");
      if (line_.starts_with("# HELP ")) {
        help();
      } else if (line_.starts_with("# TYPE ")) {
        type();
      } else if (line_.front() == '#') {
        fail("a comment of no use");
      } else {
        sample();
      }
    }
    for (const auto& family : families_) check(family);
    return std::move(families_);
  }

  [[noreturn]] void fail(const std::string& why) const { throw std::runtime_error(why + ": " + std::string(line_)); }

  std::string word() {
    const auto end = rest_.find(' ');
    std::string word(rest_.substr(0, end));
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    return word;
  }

  std::string name(std::string_view more) {
    std::size_t size = 0;
    while (size < rest_.size() && (std::isalnum(static_cast<unsigned char>(rest_[size])) != 0 || rest_[size] == '_' ||
                                   more.find(rest_[size]) != std::string_view::npos))
      ++size;
    if (size == 0 || std::isdigit(static_cast<unsigned char>(rest_[0])) != 0) fail("no name");
    std::string found(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return found;
  }

  std::string unescaped(std::string_view escaped, bool quotes) const {
    std::string plain;
    for (std::size_t i = 0; i < escaped.size(); ++i) {
      if (escaped[i] != '\\') {
        plain += escaped[i];
        continue;
      }
      if (++i == escaped.size()) fail("a lonely backslash");
      if (escaped[i] == 'n') {
        plain += '\n';
      } else if (escaped[i] == '\\' || (quotes && escaped[i] == '"')) {
        plain += escaped[i];
      } else {
        fail("an unknown escape");
      }
    }
    return plain;
  }

  void help() {
    rest_.remove_prefix(7);
    const auto family = name(":");
    if (!rest_.starts_with(' ')) fail("HELP without a text");
    rest_.remove_prefix(1);
    for (const auto& other : families_) {
      if (other.name == family) fail("a second family of this name");
    }
    families_.push_back({family, "", unescaped(rest_, false), {}});
    if (families_.back().help.empty()) fail("HELP without a text");
  }

  void type() {
    rest_.remove_prefix(7);
    const auto family = name(":");
    if (!rest_.starts_with(' ')) fail("TYPE without a type");
    rest_.remove_prefix(1);
    const auto type = word();
    if (families_.empty() || families_.back().name != family || !families_.back().type.empty())
      fail("TYPE does not follow its HELP");
    if (type != "counter" && type != "gauge" && type != "histogram") fail("an unknown type");
    if ((type == "counter") != family.ends_with("_total")) fail("a counter, and only a counter, ends in _total");
    for (const auto* reserved : {"_bucket", "_count", "_sum"}) {
      if (family.ends_with(reserved)) fail("a suffix that is reserved for histograms");
    }
    families_.back().type = type;
  }

  void sample() {
    if (families_.empty() || families_.back().type.empty()) fail("a sample before its TYPE");
    auto& family = families_.back();
    Sample found;
    found.name = name(":");
    const auto suffix = std::string_view(found.name).substr(std::min(family.name.size(), found.name.size()));
    const bool fits =
        found.name.starts_with(family.name) &&
        (family.type == "histogram" ? suffix == "_bucket" || suffix == "_sum" || suffix == "_count" : suffix.empty());
    if (!fits) fail("a sample of another family");
    if (rest_.starts_with('{')) labels(found.labels);
    if (!rest_.starts_with(' ')) fail("no space before the value");
    rest_.remove_prefix(1);
    const auto value = word();
    char* end = nullptr;
    found.value = std::strtod(value.c_str(), &end);
    if (value.empty() || *end != '\0') fail("no number");
    if (value.find("inf") != std::string::npos || value.find("nan") != std::string::npos)
      fail("+Inf, -Inf and NaN only");
    if (!rest_.empty()) fail("something after the value");
    if (family.type != "gauge" && (std::isnan(found.value) || found.value < 0)) fail("a count below zero");
    if (!series_.insert({found.name, found.labels}).second) fail("a second sample with these labels");
    family.samples.push_back(std::move(found));
  }

  void labels(Labels& labels) {
    rest_.remove_prefix(1);
    while (true) {
      const auto label = name("");
      if (!rest_.starts_with("=\"")) fail("a label without a quoted value");
      rest_.remove_prefix(2);
      std::size_t end = 0;
      while (end < rest_.size() && rest_[end] != '"') end += rest_[end] == '\\' ? 2 : 1;
      if (end >= rest_.size()) fail("a label's value does not end");
      if (!labels.emplace(label, unescaped(rest_.substr(0, end), true)).second) fail("a label twice");
      rest_.remove_prefix(end + 1);
      if (rest_.starts_with('}')) break;
      if (!rest_.starts_with(',')) fail("no comma between labels");
      rest_.remove_prefix(1);
    }
    rest_.remove_prefix(1);
  }

  /// A histogram's buckets ascend to +Inf, which is its count.
  void check(const ParsedFamily& family) const {
    if (family.type.empty()) throw std::runtime_error(family.name + " has no TYPE");
    if (family.type != "histogram") return;
    std::map<Labels, std::map<double, double>> buckets;
    std::map<Labels, double> counts;
    std::map<Labels, double> sums;
    for (const auto& sample : family.samples) {
      auto rest = sample.labels;
      rest.erase("le");
      if (sample.name.ends_with("_bucket")) {
        if (!sample.labels.contains("le")) throw std::runtime_error(family.name + ": a bucket without le");
        buckets[rest][std::strtod(sample.labels.at("le").c_str(), nullptr)] = sample.value;
      } else {
        (sample.name.ends_with("_sum") ? sums : counts)[rest] = sample.value;
      }
    }
    for (const auto& [key, steps] : buckets) {
      double last = 0;
      for (const auto& [bound, value] : steps) {
        if (value < last) throw std::runtime_error(family.name + ": buckets are not cumulative");
        last = value;
      }
      if (!std::isinf(steps.rbegin()->first)) throw std::runtime_error(family.name + ": no +Inf bucket");
      if (!counts.contains(key) || counts.at(key) != last || !sums.contains(key))
        throw std::runtime_error(family.name + ": count, sum and buckets do not agree");
    }
    if (counts.size() != buckets.size() || sums.size() != buckets.size())
      throw std::runtime_error(family.name + ": a histogram without buckets");
  }

  std::string_view text_;
  std::string_view line_;
  std::string_view rest_;
  std::vector<ParsedFamily> families_;
  std::set<std::pair<std::string, Labels>> series_;
};

}  // namespace weir::api::test
