#include "sink_requests.h"

#include <algorithm>

#include "json_text.h"

namespace weir::http {
namespace {

/// As a header can hold it.
std::string visible(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7f && c != '%') {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

bool is_content_type(std::string_view name) {
  return name.size() == 12 && std::ranges::equal(name, std::string_view("content-type"), [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b;
         });
}

Delivery refused(std::string why) {
  return {.state = Delivery::State::refused, .refusal = std::move(why)};
}

}  // namespace

SinkRequests::SinkRequests(const SinkSettings& settings, Context& context)
    : settings_(settings), store_id_(context.store_id()), keyed_(context.exactly_once()) {
  Query query(context);
  url_computed_ = is_template(settings_.url);
  if (url_computed_) query.templated(settings_.url, Encoding::url_segment);
  for (const auto& [name, value] : settings_.headers) {
    typed_ |= is_content_type(name);
    header_computed_.push_back(is_template(value));
    if (header_computed_.back()) query.templated(value, Encoding::header);
  }
  if (!settings_.key.empty()) query.column(settings_.key, As::text);
  computed_ = url_computed_ || !settings_.key.empty() || std::ranges::count(header_computed_, true) > 0;
  const bool records = settings_.send == "records";
  if (!records) query.per_flowfile();
  if (records && !computed_) query.column("NULL");
  if (records || computed_) values_ = query.prepare();
}

std::vector<Delivery> SinkRequests::make(Session& session, FlowFile file) {
  auto deliveries = settings_.send == "records" ? by_record(session, file) : whole(session, file);
  for (auto& delivery : deliveries) complete(delivery, session, file);
  return deliveries;
}

/// The delivery that a row's values ask for; its body follows.
Delivery SinkRequests::prepare(const Row* row) const {
  if (row != nullptr && row->error.size > 0) return refused(std::string(view(row->error)));
  Delivery delivery;
  const Value* next = row == nullptr ? nullptr : row->values;
  delivery.url = url_computed_ ? std::string(view((next++)->text)) : settings_.url;
  std::size_t i = 0;
  for (const auto& [name, value] : settings_.headers)
    delivery.headers.emplace_back(name, header_computed_[i++] ? std::string(view((next++)->text)) : value);
  if (!settings_.key.empty() && next->type != ValueType::null) delivery.lane = "k" + std::string(view(next->text));
  return delivery;
}

std::vector<Delivery> SinkRequests::whole(Session& session, FlowFile file) {
  if (file.size() > settings_.max_body) return {refused(std::to_string(file.size()) + " bytes are more than max_body")};
  std::vector<Delivery> deliveries;
  if (!computed_) deliveries.push_back(prepare(nullptr));
  if (computed_) values_.run(session, file, [&](const Row& row) { deliveries.push_back(prepare(&row)); });
  if (deliveries.empty()) return {refused("there is no record to compute the url, the headers or the key from")};
  deliveries.resize(1);
  deliveries[0].body = file.content();
  return deliveries;
}

std::vector<Delivery> SinkRequests::by_record(Session& session, FlowFile file) {
  std::vector<Delivery> deliveries;
  const bool single = settings_.batch == 1;
  const bool array = settings_.format == "array";
  values_.run(session, file, [&](const Row& row) {
    auto delivery = prepare(&row);
    const auto json = view(row.json);
    const bool fits = json.size() + 2 <= settings_.max_body;
    if (delivery.state == Delivery::State::waiting && !fits)
      delivery = refused("a record of " + std::to_string(json.size()) + " bytes is more than max_body");
    delivery.records = {row.record};
    auto* last = deliveries.empty() ? nullptr : &deliveries.back();
    const bool joins = last != nullptr && last->state == Delivery::State::waiting &&
                       delivery.state == Delivery::State::waiting &&
                       static_cast<std::int64_t>(last->records.size()) < settings_.batch &&
                       last->body.size() + json.size() + 2 <= settings_.max_body && last->url == delivery.url &&
                       last->headers == delivery.headers && last->lane == delivery.lane;
    if (!joins) last = &deliveries.emplace_back(std::move(delivery));
    if (last->state != Delivery::State::waiting) return;
    if (joins) last->records.push_back(row.record);
    if (single) {
      last->body = json;
    } else if (array) {
      last->body += joins ? "," : "[";
      last->body += json;
    } else {
      append_on_one_line(last->body, json);
      last->body += '\n';
    }
  });
  if (!single && array) {
    for (auto& delivery : deliveries) {
      if (!delivery.body.empty()) delivery.body += ']';
    }
  }
  return deliveries;
}

/// What does not depend on the data: its type, and by what the server knows it again.
void SinkRequests::complete(Delivery& delivery, Session& session, FlowFile file) const {
  if (delivery.state != Delivery::State::waiting) return;
  if (!typed_) {
    std::string type = settings_.content_type;
    if (type.empty() && settings_.send == "records")
      type = settings_.batch > 1 && settings_.format == "lines" ? "application/x-ndjson" : "application/json";
    if (type.empty()) type = file.attribute("mime.type").value_or("application/octet-stream");
    if (is_header_value(type)) delivery.headers.emplace_back("Content-Type", type);
  }
  // What is not durable yet may have another number after a crash: a key for it would name two things.
  if (!keyed_) return;
  auto key = store_id_ + "/" + visible(session.connection()) + "/" + std::to_string(file.sequence());
  if (!delivery.records.empty())
    key += "/" + std::to_string(delivery.records.front()) + "-" + std::to_string(delivery.records.back());
  delivery.headers.emplace_back(settings_.idempotency_header, key);
}

}  // namespace weir::http
