// The records that a query writes.

#include <algorithm>
#include <stdexcept>

#include "sql/statement.h"

namespace weir::sql {

/// The record as assignments and removals make it.
bool PreparedQuery::make_output() {
  if (set_.empty() && remove_.empty()) return true;
  thread_local std::vector<Edit> edits;
  thread_local std::string texts;
  edits.clear();
  texts.clear();
  std::vector<std::pair<std::size_t, std::size_t>> places;
  for (std::size_t i = 0; i < set_.size(); ++i) {
    auto& part = parts_[set_[i].part];
    if (!evaluate(part, assigned_[i])) return error_ = "field '" + set_[i].field + "': " + error_, false;
    const auto from = texts.size();
    if (!append_json(texts, assigned_[i], part.boolean))
      return error_ = "field '" + set_[i].field + "' is infinite", false;
    places.emplace_back(from, texts.size() - from);
  }
  for (std::size_t i = 0; i < set_.size(); ++i) {
    edits.push_back({set_[i].field, std::string_view(texts).substr(places[i].first, places[i].second), false});
  }
  for (const auto& field : remove_) edits.push_back({field, {}, true});
  output_.clear();
  try {
    append_edited(output_, view(row_.json), edits);
  } catch (const std::runtime_error& error) {
    return error_ = error.what(), false;
  }
  row_.output = to_text(output_);
  return true;
}

/// The record that a row of the SELECT makes.
bool PreparedQuery::write_selected() {
  const auto& results = select_->results();
  thread_local std::string text;
  thread_local std::vector<std::pair<std::size_t, std::size_t>> places;
  text.clear();
  places.clear();
  std::optional<std::string_view> base;
  const bool raw = !per_flowfile_ && !generator_;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto from = text.size();
    if (results[i].whole) {
      base = raw ? view(row_.json) : view(select_->value(i).text);
      if (!raw) base = arena_.keep(*base);
    } else if (raw && results[i].field) {
      const auto token = view(values_[*results[i].field].raw);
      text += token.empty() ? "null" : token;
    } else if (select_->blob(i)) {
      return error_ = "column '" + results[i].name + "' is a blob: records hold text, numbers and JSON", false;
    } else if (!append_json(text, select_->value(i), results[i].boolean)) {
      return error_ = "column '" + results[i].name + "' is infinite", false;
    }
    places.emplace_back(from, text.size() - from);
  }
  thread_local std::vector<Edit> edits;
  edits.clear();
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].whole) continue;
    const auto value = std::string_view(text).substr(places[i].first, places[i].second);
    const auto same =
        std::find_if(edits.begin(), edits.end(), [&](const Edit& e) { return e.name == results[i].name; });
    if (same != edits.end()) {
      same->value = value;  // of two columns of one name the later counts
    } else {
      edits.push_back({results[i].name, value, false});
    }
  }
  output_.clear();
  if (base) {
    try {
      append_edited(output_, *base, edits);
    } catch (const std::runtime_error& error) {
      return error_ = error.what(), false;
    }
  } else {
    output_ += '{';
    for (const auto& edit : edits) {
      if (output_.size() > 1) output_ += ',';
      append_quoted(output_, edit.name);
      output_ += ':';
      output_ += edit.value;
    }
    output_ += '}';
  }
  row_.output = to_text(output_);
  return true;
}

}  // namespace weir::sql
