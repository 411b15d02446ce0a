#include "api/queue_pages.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <utility>

#include "api/json.h"
#include "api/lane_pages.h"
#include "engine/lane_view.h"
#include "weir/sql.h"

namespace weir::api {

namespace json = boost::json;
using engine::QueueEntry;

namespace {

constexpr std::size_t kMostValue = 4096;             ///< bytes shown of an attribute
constexpr std::size_t kMostAttributes = 200;         ///< shown of a FlowFile
constexpr std::size_t kMostState = 1024;             ///< bytes shown of a value of state
constexpr std::uint64_t kMostContent = 16ULL << 20;  ///< bytes of content in one answer
constexpr auto kTokenLife = std::chrono::seconds(60);
constexpr std::size_t kMostTokens = 1'000;

template <class Work>
auto or_conflict(const Work& work) {
  try {
    return work();
  } catch (const engine::NotNow& error) {
    throw Refused(409, error.what());
  }
}

const char* name_of(QueueEntry::State state) {
  switch (state) {
    case QueueEntry::State::queued:
      return "queued";
    case QueueEntry::State::active:
      return "active";
    case QueueEntry::State::held:
      return "held";
    case QueueEntry::State::retry:
      return "retry";
  }
  return "queued";
}

const abi::Item& item_of(const QueueEntry& entry) {
  return entry.batch->items[entry.index];
}

json::object entry_json(const std::string& connection, const QueueEntry& entry, std::size_t preview) {
  auto object = flowfile_json(item_of(entry), preview);
  object["sequence"] = entry.sequence;
  object["flowfile"] = connection + ":" + std::to_string(entry.sequence);
  object["state"] = name_of(entry.state);
  object["attempts"] = entry.attempts;
  object["due"] = time_json(entry.due);
  return object;
}

Response listing(const Asked& asked, const std::string& id, std::uint64_t first, std::uint32_t limit,
                 std::size_t preview) {
  const auto listing = asked.engine->queue(id, first, limit);
  json::array flowfiles;
  for (const auto& entry : listing.entries) flowfiles.push_back(entry_json(asked.named(id), entry, preview));
  json::object out{{"connection", id}, {"flowfiles", std::move(flowfiles)}, {"more", listing.more}};
  out["next_after"] = listing.entries.empty() ? json::value() : json::value(listing.entries.back().sequence);
  asked.engine->inspect([&](const auto&, const auto& connections, const auto&) {
    for (const auto& connection : connections) {
      if (connection->id() != id) continue;
      out["queued"] = connection->queued_count();
      out["held"] = connection->held_count();
      out["retry"] = connection->retry_count();
    }
  });
  return json_response(out);
}

std::uint64_t sequence_of(const std::string& text) {
  return Query("sequence=" + text).number("sequence", 0);
}

QueueEntry one(const Asked& asked, const std::string& id, std::uint64_t sequence) {
  auto listing = asked.engine->queue(id, sequence, 1);
  if (listing.entries.empty() || listing.entries[0].sequence != sequence)
    throw Refused(404, fmt::format("FlowFile {}:{} is not in this queue (any more)", asked.named(id), sequence));
  return std::move(listing.entries[0]);
}

/// What was shown to the one who is about to drop it.
struct Promise {
  std::string connection;
  std::uint64_t below = 0;
  std::chrono::steady_clock::time_point until;
};

class Promises {
 public:
  std::string add(Promise promise) {
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    std::erase_if(promises_, [&](const auto& each) { return each.second.until < now; });
    if (promises_.size() >= kMostTokens) throw Refused(409, "too many drops wait for their confirmation");
    auto token = fmt::format("{:08x}{:08x}{:08x}{:08x}", random_(), random_(), random_(), random_());
    promises_.emplace(token, std::move(promise));
    return token;
  }
  /// Once only.
  Promise take(const std::string& token, const std::string& connection) {
    const std::lock_guard lock(mutex_);
    const auto at = promises_.find(token);
    if (at == promises_.end() || at->second.connection != connection ||
        at->second.until < std::chrono::steady_clock::now())
      throw Refused(409, "this token is unknown, used, or older than a minute: ask for another, without a token");
    return std::move(promises_.extract(at).mapped());
  }

 private:
  std::mutex mutex_;
  std::map<std::string, Promise> promises_;
  std::random_device random_;
};

Response drop(engine::Engine& engine, Promises& promises, const std::string& id, const json::object& body,
              const std::string& who) {
  if (const auto* token = body.if_contains("token"); token != nullptr) {
    if (!token->is_string()) throw Refused(400, "'token' is a text");
    const auto promise = promises.take(std::string(token->as_string()), id);
    const auto dropped = or_conflict([&] { return engine.drop_queued(id, promise.below, who); });
    return json_response(json::object{{"dropped", dropped}});
  }
  Promise promise{id, 0, std::chrono::steady_clock::now() + kTokenLife};
  std::uint64_t count = 0, bytes = 0;
  bool found = false, exactly_once = false;
  engine.inspect([&](const auto&, const auto& connections, const auto&) {
    for (const auto& connection : connections) {
      if (connection->id() != id) continue;
      found = true;
      promise.below = connection->next();
      count = connection->queued_count();
      bytes = connection->queued_bytes();
      exactly_once = connection->to->definition().exactly_once;
    }
  });
  if (!found) throw Refused(404, fmt::format("there is no connection '{}'", id));
  if (exactly_once)
    throw Refused(409,
                  "the consumer delivers exactly once and counts what it has seen of this queue: nothing may be "
                  "taken out of it");
  auto response = json_response(json::object{{"token", promises.add(promise)},
                                             {"flowfiles", count},
                                             {"bytes", bytes},
                                             {"expires_in_seconds", kTokenLife.count()}});
  response.asked_only = true;
  return response;
}

Response redrive(engine::Engine& engine, const std::string& id, const json::object& body, const std::string& who) {
  auto limit = ~std::uint64_t{0};
  if (const auto* wanted = body.if_contains("limit"); wanted != nullptr) {
    if (!wanted->is_int64() || wanted->as_int64() < 1) throw Refused(400, "'limit' is a whole number from 1 on");
    limit = static_cast<std::uint64_t>(wanted->as_int64());
  }
  const auto result = or_conflict([&] { return engine.redrive(id, limit, who); });
  return json_response(
      json::object{{"redriven", result.redriven}, {"kept", result.kept}, {"to", json::value_from(result.to)}});
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

std::string from_hex(std::string_view text) {
  std::string percent;
  for (std::size_t i = 0; i < text.size(); i += 2) percent += "%" + std::string(text.substr(i, 2));
  auto bytes = decoded(percent);
  if (!bytes) throw Refused(400, "'after' is what next_after said");
  return *bytes;
}

Response state(engine::Engine& engine, const Call& call) {
  const auto after = from_hex(call.query.text("after").value_or(""));
  const auto limit = static_cast<std::uint32_t>(call.query.number("limit", 100, 1000));
  const auto listing =
      asked(engine, call.at[0], call.query).engine->state(call.at[0], call.at[1], after, limit, kMostState);
  json::array entries;
  for (const auto& entry : listing.entries) {
    auto value = bytes_json(entry.value, kMostState);
    if (entry.size > entry.value.size()) value["truncated"] = true;
    entries.push_back(
        json::object{{"key", bytes_json(entry.key, kMostState)}, {"value", std::move(value)}, {"size", entry.size}});
  }
  json::value next;
  if (!listing.entries.empty()) next = json::value(hex(listing.entries.back().key));
  return json_response(json::object{{"entries", std::move(entries)},
                                    {"total", listing.total},
                                    {"more", listing.more},
                                    {"next_after", std::move(next)}});
}

/// A connection by which what failed comes, in all that were asked.
struct Failures {
  std::string id;
  std::string consumer;
  std::uint64_t queued = 0;
  std::uint64_t held = 0;
};

/// In the order of the flow. Throws Refused: there is no such flow.
std::vector<Failures> failures_of(const engine::Engine& engine, const std::string& flow,
                                  const std::vector<Asked>& asked) {
  std::vector<Failures> all;
  const auto note = [&](const flow::Flow& of, const flow::Connection& connection) -> Failures* {
    const auto& from = of.processors[connection.from];
    if (of.name != flow || from.relationships[connection.relationship] != "failure") return nullptr;
    const auto known = std::ranges::find(all, connection.id, &Failures::id);
    if (known != all.end()) return &*known;
    return &all.emplace_back(Failures{connection.id, of.processors[connection.to].name});
  };
  const auto flows = engine.flows();
  if (std::ranges::none_of(flows, [&](const auto& each) { return each->name == flow; }))
    throw Refused(404, fmt::format("there is no flow '{}'", flow));
  const auto lanes = engine.lanes();
  for (const auto& connection : lanes.connections) note(*connection.flow, *connection.definition);
  for (const auto& each : asked) {
    each.engine->inspect([&](const auto&, const auto& connections, const auto&) {
      for (const auto& connection : connections) {
        auto* failures = note(*connection->shared_flow(), connection->definition());
        if (failures == nullptr) continue;
        failures->queued += connection->queued_count();
        failures->held += connection->held_count();
      }
    });
  }
  return all;
}

json::object dead_letter_json(const Asked& asked, const std::string& id, const QueueEntry& entry, std::size_t preview) {
  auto object = entry_json(asked.named(id), entry, preview);
  json::object error;
  for (const auto* name : {"kind", "processor", "message", "time", "connection"}) {
    const auto* value = object.at("attributes").as_object().if_contains(std::string("error.") + name);
    error[name] = value == nullptr ? json::value() : *value;
  }
  object["connection"] = id;
  if (!asked.lane.empty()) object["lane"] = asked.place();
  object["redrivable"] = !error.at("processor").is_null() && asked.lane.empty();
  object["error"] = std::move(error);
  return object;
}

/// FlowFiles that wait on the flow's `failure` connections, with why they failed.
Response dead_letters(const engine::Engine& engine, const std::string& flow, const std::vector<Asked>& asked,
                      std::uint32_t limit, std::size_t preview) {
  json::array connections, flowfiles;
  bool more = false;
  for (const auto& failures : failures_of(engine, flow, asked)) {
    connections.push_back(json::object{
        {"id", failures.id}, {"queued", failures.queued}, {"held", failures.held}, {"consumer", failures.consumer}});
    for (const auto& each : asked) {
      const auto left = limit - static_cast<std::uint32_t>(flowfiles.size());
      const auto listing = each.engine->queue(failures.id, 0, left);
      more |= listing.more;
      for (const auto& entry : listing.entries)
        flowfiles.push_back(dead_letter_json(each, failures.id, entry, preview));
    }
  }
  return json_response(
      json::object{{"connections", std::move(connections)}, {"flowfiles", std::move(flowfiles)}, {"more", more}});
}

std::size_t preview_of(const Call& call) {
  return call.query.number("preview", kPreview, kMostPreview);
}

}  // namespace

json::object flowfile_json(const abi::Item& item, std::size_t preview) {
  json::object attributes;
  bool cut = item.attribute_count > kMostAttributes;
  for (std::uint16_t i = 0; i < std::min<std::size_t>(item.attribute_count, kMostAttributes); ++i) {
    const auto value = view(item.attributes[i].value);
    cut |= value.size() > kMostValue;
    attributes[utf8(view(item.attributes[i].name))] = utf8(value.substr(0, kMostValue));
  }
  const auto now = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  json::object object{{"size", item.size},
                      {"records", item.records},
                      {"born", time_json(item.born)},
                      {"age_seconds", static_cast<double>(now - item.born) / 1e9},
                      {"attributes", std::move(attributes)}};
  if (cut) object["attributes_truncated"] = true;
  auto begin = content_of(item, 0, preview + 1);
  object["preview"] = bytes_json(begin, preview);
  return object;
}

Response content_response(const abi::Item& item, const Query& query, std::string_view name) {
  const auto offset = query.number("offset", 0);
  const auto length = query.number("length", item.size, kMostContent);
  if (item.size > kMostContent && !query.text("length"))
    throw Refused(413, fmt::format("this content has {} bytes: ask for at most {} at a time, with offset= and length=",
                                   item.size, kMostContent));
  std::string file;
  for (const char c : name) file += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' ? c : '_';
  Response response{200, "application/octet-stream", content_of(item, offset, length)};
  response.headers = {{"Content-Disposition", "attachment; filename=\"" + file + "\""},
                      {"X-Weir-Size", std::to_string(item.size)}};
  return response;
}

void add_queue_pages(Router& router, engine::Engine& engine) {
  const std::string connection = kConnectionPattern;
  const std::string processor = "/flows/{flow}/processors/{processor}";
  router.get(
      connection + "/flowfiles", "What waits in a queue, oldest first",
      [&engine](Call& call) {
        const auto after = call.query.text("after") ? call.query.number("after", 0, ~std::uint64_t{0} - 1) + 1 : 0;
        const auto limit = static_cast<std::uint32_t>(call.query.number("limit", 50, 500));
        return later([asked = asked(engine, call.at[0], call.query), id = call.connection(), after, limit,
                      preview = preview_of(call)] { return listing(asked, id, after, limit, preview); });
      },
      "after limit preview lane");
  router.get(
      connection + "/flowfiles/{sequence}", "One FlowFile of a queue",
      [&engine](Call& call) {
        return later([asked = asked(engine, call.at[0], call.query), id = call.connection(),
                      sequence = sequence_of(call.at[4]), preview = preview_of(call)] {
          return json_response(entry_json(asked.named(id), one(asked, id, sequence), preview));
        });
      },
      "preview lane");
  router.get(
      connection + "/flowfiles/{sequence}/content", "Its content, as a download",
      [&engine](Call& call) {
        return later([asked = asked(engine, call.at[0], call.query), id = call.connection(),
                      sequence = sequence_of(call.at[4]), query = call.request.query] {
          const auto entry = one(asked, id, sequence);
          return content_response(item_of(entry), Query(query), id + "-" + std::to_string(sequence));
        });
      },
      "offset length lane");
  auto promises = std::make_shared<Promises>();
  router.post(connection + "/drop", "Drops what waits: first asks for a token, then does it",
              [&engine, promises](Call& call) {
                refuse_to_change_lanes(engine, call.at[0]);
                return later([&engine, promises, id = call.connection(), body = call.body, who = call.who] {
                  return drop(engine, *promises, id, body, who);
                });
              });
  router.post(connection + "/redrive", "Sends what failed back to where it failed", [&engine](Call& call) {
    refuse_to_change_lanes(engine, call.at[0]);
    return later(
        [&engine, id = call.connection(), body = call.body, who = call.who] { return redrive(engine, id, body, who); });
  });
  router.get(
      "/flows/{flow}/dead-letters", "What failed and waits, with why",
      [&engine](Call& call) {
        return later([&engine, flow = call.at[0], asked = all_asked(engine, call.at[0], call.query),
                      limit = static_cast<std::uint32_t>(call.query.number("limit", 50, 500)),
                      preview = preview_of(call)] { return dead_letters(engine, flow, asked, limit, preview); });
      },
      "limit preview lane");
  router.get(
      processor + "/state", "A processor's state", [&engine](Call& call) { return state(engine, call); },
      "after limit lane");
  router.post(processor + "/state/clear", "Clears a stopped processor's state", [&engine](Call& call) {
    refuse_to_change_lanes(engine, call.at[0]);
    return later([&engine, at = call.at, who = call.who] {
      const auto cleared = or_conflict([&] { return engine.clear_state(at[0], at[1], who); });
      return json_response(json::object{{"cleared", cleared}});
    });
  });
}

}  // namespace weir::api
