#include "outgoing.h"

#include <algorithm>
#include <limits>

#include "message_attributes.h"
#include "weir/errors.h"

namespace weir::kafka {
namespace {

bool matches(std::string_view name, std::string_view pattern) {
  if (!pattern.ends_with('*')) return name == pattern;
  pattern.remove_suffix(1);
  return name.starts_with(pattern);
}

}  // namespace

void check(const MessageSettings& settings) {
  if (!settings.topic_from_data()) {
    if (const auto error = topic_error(settings.topic); !error.empty())
      throw Misconfigured("topic: '" + settings.topic + "' " + error);
  }
  for (const auto& [name, value] : settings.headers) {
    if (name.empty()) throw Misconfigured("headers: a header needs a name");
  }
  for (const auto& pattern : settings.header_attributes) {
    if (pattern.empty() || pattern.find('*') < pattern.size() - 1)
      throw Misconfigured("header_attributes: '" + pattern + "': expected an attribute, or a beginning of names and *");
  }
}

MessageMaker::MessageMaker(const MessageSettings& settings, Context context) : settings_(settings) {
  bool data = settings_.topic_from_data() || !settings_.key.empty() || !settings_.partition.empty() ||
              !settings_.timestamp.empty();
  for (const auto& [name, value] : settings_.headers) data = data || value.find("$(") != std::string::npos;
  if (settings_.of_flowfile() && !data) return;
  Query query(context);
  query.templated(settings_.topic);
  query.column(settings_.key.empty() ? "NULL" : settings_.key, As::text);
  query.column(settings_.partition.empty() ? "NULL" : settings_.partition);
  query.column(settings_.timestamp.empty() ? "NULL" : settings_.timestamp,
               settings_.timestamp.empty() ? As::any : As::time);
  for (const auto& [name, value] : settings_.headers) query.templated(value);
  if (settings_.of_flowfile()) query.per_flowfile();
  statement_ = query.prepare();
}

void MessageMaker::add_headers(FlowFile file) {
  for (const auto& attribute : file.attributes()) {
    auto name = view(attribute.name);
    const auto wanted = [&](const std::string& pattern) { return matches(name, pattern); };
    if (std::ranges::none_of(settings_.header_attributes, wanted)) continue;
    if (name.starts_with(kHeaderPrefix) && name.size() > kHeaderPrefix.size()) name.remove_prefix(kHeaderPrefix.size());
    headers_.emplace_back(name, view(attribute.value));
  }
}

/// The columns of the row; the reason if they do not make a message.
std::string MessageMaker::fill(const Row& row, Outgoing& out) const {
  if (row.error.size > 0) return std::string(view(row.error));
  if (row.values[0].type != ValueType::text) return "the topic is NULL";
  out.topic = view(row.values[0].text);
  if (const auto error = topic_error(out.topic); !error.empty())
    return "topic '" + std::string(out.topic) + "' " + error;
  if (!settings_.key.empty()) {
    if (row.values[1].type == ValueType::null) return "the key is NULL";
    out.key = view(row.values[1].text);
  }
  if (!settings_.partition.empty() && row.values[2].type != ValueType::null) {
    const auto& partition = row.values[2];
    if (partition.type != ValueType::integer || partition.integer < 0 ||
        partition.integer > std::numeric_limits<std::int32_t>::max())
      return "the partition is no number of a partition";
    out.partition = static_cast<std::int32_t>(partition.integer);
  }
  if (!settings_.timestamp.empty()) {
    if (row.values[3].type != ValueType::integer) return "the timestamp is NULL";
    out.timestamp = row.values[3].integer / 1'000'000;
    if (out.timestamp == 0) out.timestamp = 1;  // to librdkafka, 0 is now
  }
  for (std::size_t i = 0; i < settings_.headers.size(); ++i) {
    if (row.values[4 + i].type != ValueType::text) return "the header '" + settings_.headers[i].first + "' is NULL";
  }
  return {};
}

void MessageMaker::row(const Row& row, FlowFile file, std::size_t index, const Message& message, const Bad& bad) {
  Outgoing out;
  if (auto reason = fill(row, out); !reason.empty()) return bad(index, row.record, std::move(reason));
  headers_.clear();
  for (std::size_t i = 0; i < settings_.headers.size(); ++i)
    headers_.emplace_back(settings_.headers[i].first, view(row.values[4 + i].text));
  add_headers(file);
  out.headers = headers_;
  if (!settings_.of_flowfile()) {
    out.value = view(row.json);
  } else if (file.size() > 0 || file.attribute(kTombstone) != "true") {
    out.value = file.content();
  }
  message(index, row.record, out);
}

void MessageMaker::run(Session& session, const std::vector<FlowFile>& files, const Message& message, const Bad& bad) {
  // One run for a whole batch costs much less than one for each file.
  const bool all = statement_ && files.size() > 1 && files.size() == session.raw()->input_count() &&
                   files.front().handle() == 0 && files.back().handle() + 1 == files.size();
  if (all)
    return statement_.run(session, Batch(session.raw()),
                          [&](const Row& r) { row(r, files[r.input], r.input, message, bad); });
  for (std::size_t i = 0; i < files.size(); ++i) {
    const auto file = files[i];
    if (statement_) {
      statement_.run(session, file, [&](const Row& r) { row(r, file, i, message, bad); });
      continue;
    }
    headers_.clear();
    for (const auto& [name, value] : settings_.headers) headers_.emplace_back(name, value);
    add_headers(file);
    Outgoing out{.topic = settings_.topic, .headers = headers_};
    if (file.size() > 0 || file.attribute(kTombstone) != "true") out.value = file.content();
    message(i, 0, out);
  }
}

}  // namespace weir::kafka
