#include "api/exposition.h"

#include <fmt/format.h>

#include <cmath>

namespace weir::api {

namespace {

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

}  // namespace

std::string_view name_of(MetricType type) {
  switch (type) {
    case MetricType::counter:
      return "counter";
    case MetricType::gauge:
      return "gauge";
    case MetricType::histogram:
      return "histogram";
  }
  return "untyped";
}

void Exposition::begin(const Family& family) {
  name_ = family.name;
  labels_.clear();
  text_ += "# HELP " + name_ + " ";
  append_escaped(text_, family.help, false);
  text_ += "\n# TYPE " + name_ + " ";
  text_ += name_of(family.type);
  text_ += '\n';
}

void Exposition::labels(std::initializer_list<Label> labels) {
  labels_.clear();
  for (const auto& [name, value] : labels) {
    if (!labels_.empty()) labels_ += ',';
    labels_ += name;
    labels_ += "=\"";
    append_escaped(labels_, value, true);
    labels_ += '"';
  }
}

void Exposition::line(std::string_view suffix, std::string_view more_labels, std::string_view value) {
  text_ += name_;
  text_ += suffix;
  if (!labels_.empty() || !more_labels.empty()) {
    text_ += '{';
    text_ += labels_;
    if (!labels_.empty() && !more_labels.empty()) text_ += ',';
    text_ += more_labels;
    text_ += '}';
  }
  text_ += ' ';
  text_ += value;
  text_ += '\n';
}

void Exposition::sample(double value) {
  line({}, {}, number(value));
}

void Exposition::sample(std::uint64_t value) {
  line({}, {}, std::to_string(value));
}

void Exposition::histogram(std::span<const double> bounds, std::span<const std::uint64_t> cumulative,
                           std::uint64_t count, double sum) {
  for (std::size_t i = 0; i < bounds.size() && i < cumulative.size(); ++i)
    line("_bucket", "le=\"" + number(bounds[i]) + "\"", std::to_string(cumulative[i]));
  line("_bucket", "le=\"+Inf\"", std::to_string(count));
  line("_sum", {}, number(sum));
  line("_count", {}, std::to_string(count));
}

std::string sanitised(std::string_view text) {
  std::string name(text);
  for (char& c : name) {
    const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!allowed) c = '_';
  }
  return name;
}

}  // namespace weir::api
