#include "lookup.h"

#include <algorithm>
#include <deque>

#include "json_text.h"

namespace weir::http {
namespace {

constexpr std::uint32_t kSuccess = 0;
/// A step waits no longer, so that a flow that is stopped does not wait for a slow server.
constexpr auto kPatience = std::chrono::milliseconds(250);
constexpr std::size_t kMostMessages = 50;  ///< different reasons of a FlowFile's rejected records that are kept apart

}  // namespace

HttpLookup::HttpLookup(LookupSettings settings) : settings_(std::move(settings)) {
  check(settings_);
  uri_ = check_url(settings_.url);
  if (settings_.into.empty()) throw Misconfigured("into: needs a name");
  for (const auto& [name, pointer] : settings_.fields) {
    if (const auto error = pointer_error(pointer); !error.empty())
      throw Misconfigured("fields." + name + ": '" + pointer + "': " + error);
  }
}

void HttpLookup::start(Context& context) {
  context_ = context;
  urls_ = Query(context_).templated(settings_.url, Encoding::url_segment).prepare();
  requests_metric_ = context_.counter("http_requests", "Requests made.");
  cached_metric_ = context_.counter("http_enriched_records", "Records enriched; less requests, what the cache saved.");
  client_ = std::make_unique<Client>(client_options(settings_));
  lookups_ = std::make_unique<Lookups>(Lookups::Options{.headers = {settings_.headers.begin(), settings_.headers.end()},
                                                        .fields = settings_.fields,
                                                        .ttl = settings_.ttl,
                                                        .size = static_cast<std::size_t>(settings_.cache_size),
                                                        .in_flight = static_cast<std::size_t>(settings_.in_flight),
                                                        .rate = settings_.rate,
                                                        .attempts = settings_.attempts,
                                                        .max_body = settings_.max_body},
                                       *client_);
}

/// Inputs leave in their order, as far as all is known for them; the others come again.
void HttpLookup::step(Batch batch, Session& session) {
  if (batch.empty()) return;
  lookups_->begin(session.now());
  const auto wishes = read(batch, session);
  lookups_->evict();
  std::uint32_t ready = 0;
  lookups_->wait(kPatience, [&] {
    while (ready < wishes.size() && known(wishes[ready])) ++ready;
    return ready == wishes.size() || !lookups_->fatal().empty();
  });
  requests_metric_.add(static_cast<double>(lookups_->requests() - counted_));
  counted_ = lookups_->requests();
  if (!lookups_->fatal().empty()) throw Misconfigured(lookups_->fatal());
  tell_trouble();
  for (std::uint32_t i = 0; i < batch.size(); ++i) {
    auto* failed = i < ready ? down(wishes[i]) : nullptr;
    if (failed != nullptr && i == 0) {
      failed->unused = false;  // the engine's next attempt asks again
      failed->expires = 0;
      throw Unavailable(failed->error);
    }
    if (i >= ready || failed != nullptr || session.over_budget()) {
      session.consume_until(batch[i], 0);
      break;
    }
    write(session, batch[i], wishes[i]);
  }
  if (ready > 0) session.event("FETCH", uri_);
}

HttpLookup::Wishes HttpLookup::read(Batch batch, Session& session) {
  Wishes wishes(batch.size());
  urls_.run(session, batch, [&](const Row& row) {
    auto& wanted = wishes[row.input].emplace_back();
    wanted.json = view(row.json);
    wanted.form = row.form;
    if (row.error.size > 0) {
      wanted.error = view(row.error);
      return;
    }
    wanted.error = json_error(wanted.json);
    if (!wanted.error.empty()) return;
    wanted.url = view(row.values[0].text);
    wanted.entry = &lookups_->want(wanted.url);
  });
  return wishes;
}

bool HttpLookup::known(const std::vector<Wanted>& records) const {
  return std::ranges::all_of(records, [](const Wanted& wanted) {
    return wanted.entry == nullptr || wanted.entry->state != Lookups::Entry::State::unknown;
  });
}

/// Records that wait for the API wait for all its attempts, which may take minutes: its trouble is told before.
void HttpLookup::tell_trouble() {
  if (settings_.on_failure != "wait" || lookups_->trouble() == told_) return;
  told_ = lookups_->trouble();
  if (told_.empty()) {
    context_.ready();
  } else {
    context_.not_ready(told_);
  }
}

/// With on_failure: wait, what has to be waited for.
Lookups::Entry* HttpLookup::down(const std::vector<Wanted>& records) const {
  if (settings_.on_failure != "wait") return nullptr;
  for (const auto& wanted : records) {
    if (wanted.entry != nullptr && wanted.entry->state == Lookups::Entry::State::down) return wanted.entry;
  }
  return nullptr;
}

/// Puts what is known into the record. Returns why that cannot be; empty if it is done.
std::string HttpLookup::enrich(const Wanted& wanted, std::string& json) const {
  using State = Lookups::Entry::State;
  if (wanted.entry == nullptr) return wanted.error;
  auto& entry = *wanted.entry;
  entry.unused = false;
  std::string_view value = "null";
  if (entry.state == State::found) {
    value = entry.value;
  } else if (entry.state == State::missing) {
    if (settings_.on_missing == "fail") return wanted.url + ": there is no such thing (404)";
  } else if (settings_.on_failure == "stale" && !entry.value.empty()) {
    value = entry.value;
  } else if (settings_.on_failure != "set_null") {
    return entry.error;
  }
  json = with_member(wanted.json, settings_.into, value);
  return {};
}

void HttpLookup::write(Session& session, FlowFile file, const std::vector<Wanted>& records) {
  if (records.empty()) return session.transfer(file, kSuccess);
  std::optional<RecordWriter> enriched;
  std::vector<std::pair<std::string, std::vector<const Wanted*>>> failed;  // by message
  std::string json;
  for (const auto& wanted : records) {
    const auto error = enrich(wanted, json);
    if (error.empty()) {
      if (!enriched) enriched.emplace(session, session.create(file), wanted.form);
      enriched->write(json);
      continue;
    }
    auto group = std::ranges::find(failed, error, [](const auto& pair) -> const std::string& { return pair.first; });
    if (group == failed.end() && failed.size() == kMostMessages) group = failed.end() - 1;
    if (group == failed.end()) group = failed.insert(failed.end(), {error, {}});
    group->second.push_back(&wanted);
  }
  if (!enriched && failed.size() == 1) return session.reject(file, failed[0].first);
  if (enriched) {
    enriched->finish();
    cached_metric_.add(enriched->count());
    session.transfer(enriched->file(), kSuccess);
  }
  for (const auto& [message, list] : failed) {
    RecordWriter writer(session, session.create(file), list[0]->form);
    for (const auto* wanted : list) writer.write(wanted->json);
    writer.finish();
    session.reject(writer.file(), message);
  }
}

void HttpLookup::stop() {
  client_.reset();
}

}  // namespace weir::http
