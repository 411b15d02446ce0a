#include "sink.h"

#include <algorithm>
#include <map>
#include <optional>
#include <random>

namespace weir::http {
namespace {

constexpr std::string_view kSessions = "sessions";  ///< state: how many sessions changed something
constexpr std::size_t kMostWaiting = 1000;
constexpr std::uint64_t kMostBytes = 64 * MiB;
constexpr std::uint64_t kAnswer = 64 * KiB;                 ///< of a response; what is beyond is cut off
constexpr auto kPatience = std::chrono::milliseconds(250);  ///< how long a step waits for room
constexpr std::size_t kMostMessages = 50;  ///< different reasons of a FlowFile's rejected records that are kept apart

/// Half a second, doubling up to a minute; cut short at random, so that many clients do not come at once.
std::int64_t pause_after(std::uint32_t failures) {
  static thread_local std::mt19937_64 random{std::random_device{}()};
  const auto longest = std::min<std::int64_t>(60'000, 500LL << std::min(failures, 7U));
  return std::uniform_int_distribution<std::int64_t>(longest / 2, longest)(random) * 1'000'000;
}

bool is_status(std::string_view text) {
  return text.size() == 3 && text[0] >= '1' && text[0] <= '5' &&
         ((text.substr(1) == "xx") || (text[1] >= '0' && text[1] <= '9' && text[2] >= '0' && text[2] <= '9'));
}

}  // namespace

/// Where the client's thread leaves what was answered.
struct HttpSink::Answers {
  std::mutex mutex;
  std::condition_variable there;
  std::vector<std::pair<std::uint64_t, Response>> list;
};

HttpSink::HttpSink(SinkSettings settings) : settings_(std::move(settings)), answers_(std::make_shared<Answers>()) {
  check(settings_);
  uri_ = check_url(settings_.url);
  for (const auto& status : settings_.success) {
    if (!is_status(status))
      throw Misconfigured("success: '" + status + "' is no status; expected 200, or 2xx for all of them");
  }
  if (settings_.send != "records" && settings_.batch != 1) throw Misconfigured("batch: belongs to send: records");
  if (!is_header_name(settings_.idempotency_header))
    throw Misconfigured("idempotency_header: '" + settings_.idempotency_header + "' is no name of a header");
  if (!is_header_value(settings_.content_type)) throw Misconfigured("content_type: has a control character");
}

void HttpSink::start(Context& context) {
  context_ = context;
  requests_ = std::make_unique<SinkRequests>(settings_, context_);
  if (settings_.send == "records") records_ = Query(context_).column("NULL").prepare();
  requests_metric_ = context_.counter("http_requests", "Requests made.");
  retried_metric_ = context_.counter("http_failed_requests", "Requests that failed and are made again.");
  refused_metric_ = context_.counter("http_refused_requests", "Requests that the server refused for good.");
  client_ = std::make_unique<Client>(client_options(settings_));
}

bool HttpSink::succeeded(int status) const {
  if (settings_.success.empty()) return status >= 200 && status < 300;
  const auto text = std::to_string(status);
  return std::ranges::any_of(settings_.success, [&](const auto& wanted) {
    return wanted == text || (wanted.ends_with("xx") && wanted[0] == text[0]);
  });
}

/// A session may be rolled back after its step: then the state does not know of it, and what it did is undone.
void HttpSink::confirm(Session& session) {
  const auto kept = session.state(kSessions);
  const auto known = kept ? std::stoull(std::string(*kept)) : 0;
  if (started_ && known == sessions_) {
    std::erase_if(held_, [](const Held& held) { return held.finished; });
  } else if (started_) {
    for (; added_ > 0; --added_) {
      for (const auto& delivery : held_.back().deliveries) {
        if (delivery.state == Delivery::State::sent) --in_flight_;
        if (delivery.state > Delivery::State::sent) continue;
        --waiting_;
        bytes_ -= delivery.body.size();
      }
      held_.pop_back();
    }
    for (auto& held : held_) held.finished = false;
  }
  added_ = 0;
  sessions_ = known;
  started_ = true;
  changed_ = false;
  if (held_.size() != session.held_count()) throw std::logic_error("FlowFiles are held that this sink does not know");
}

/// Called before anything is changed that a session which is rolled back would undo.
void HttpSink::change(Session& session) {
  if (!std::exchange(changed_, true)) session.set_state(kSessions, std::to_string(++sessions_));
}

void HttpSink::step(Batch batch, Session& session) {
  confirm(session);
  settle(session);
  for (const auto file : batch) {
    if (!has_room() && !wait_for_room(session)) {
      session.consume_until(file, 0);  // it and those behind it come again
      break;
    }
    Held held{.deliveries = requests_->make(session, file)};
    change(session);
    for (auto& delivery : held.deliveries) {
      delivery.id = ++ids_;
      // One at a time is one lane for all; several, without a key, have an order of their own each.
      if (settings_.in_flight == 1) delivery.lane.clear();
      if (settings_.in_flight > 1 && settings_.key.empty()) delivery.lane = "i" + std::to_string(delivery.id);
      if (delivery.state != Delivery::State::waiting) continue;
      ++waiting_;
      bytes_ += delivery.body.size();
    }
    session.hold(file);
    held_.push_back(std::move(held));
    ++added_;
    submit(session);
  }
  if (waiting_ > 0 && in_flight_ == 0) session.tick_at(std::max(not_before_, session.now()));
  // What was refused before it was sent has no answer that would wake us.
  if (std::ranges::any_of(held_, [](const Held& held) {
        return !held.finished && std::ranges::all_of(held.deliveries, [](const Delivery& delivery) {
          return delivery.state > Delivery::State::sent;
        });
      }))
    session.tick_at(session.now());
}

void HttpSink::flush(Session& session) {
  confirm(session);
  settle(session);
  if (waiting_ > 0 && in_flight_ == 0) session.tick_at(std::max(not_before_, session.now()));
}

/// Takes up what was answered, and sends what may go.
void HttpSink::settle(Session& session) {
  collect(session);
  if (!fatal_.empty()) throw Misconfigured(fatal_);
  conclude(session);
  submit(session);
}

void HttpSink::collect(Session& session) {
  std::vector<std::pair<std::uint64_t, Response>> list;
  {
    const std::lock_guard lock(answers_->mutex);
    list.swap(answers_->list);
  }
  for (const auto& [id, response] : list) {
    for (auto& held : held_) {
      const auto found = std::ranges::find(held.deliveries, id, &Delivery::id);
      if (found == held.deliveries.end()) continue;
      --in_flight_;
      judge(session, *found, response);
      break;
    }
  }
}

void HttpSink::judge(Session& session, Delivery& delivery, const Response& response) {
  const bool answered = response.outcome == Response::Outcome::answered;
  if (answered && succeeded(response.status)) {
    if (failures_ > 0) context_.ready();
    failures_ = 0;
    not_before_ = 0;
    delivery.state = Delivery::State::delivered;
  } else if (response.passing()) {
    delivery.attempts += answered ? 1 : 0;
    if (settings_.max_attempts == 0 || delivery.attempts < settings_.max_attempts)
      return retry(session, delivery, response);
    delivery.state = Delivery::State::refused;
    delivery.refusal =
        response.url + " answers " + response.describe() + " (attempt " + std::to_string(delivery.attempts) + ")";
  } else {
    const auto what = answered ? response.url + " answers " + response.describe() : response.error;
    if (response.status == 401 || (!answered && response.outcome != Response::Outcome::astray)) {
      fatal_ = what + (answered ? "; check auth and headers" : "");
      delivery.state = Delivery::State::waiting;
      return;
    }
    delivery.state = Delivery::State::refused;
    delivery.refusal = what;
  }
  if (delivery.state == Delivery::State::refused) refused_metric_.add(1);
  --waiting_;
  bytes_ -= delivery.body.size();
  delivery.body = {};
}

void HttpSink::retry(Session& session, Delivery& delivery, const Response& response) {
  delivery.state = Delivery::State::waiting;
  retried_metric_.add(1);
  const bool resting = session.now() < not_before_;  // others that were under way fail for the same reason
  if (!resting) {
    const bool answered = response.outcome == Response::Outcome::answered;
    const auto why = answered ? response.url + " answers " + response.describe() : response.error;
    context_.not_ready(why);
    if (failures_++ % 10 == 0)
      context_.bulletin(Level::warning, why + "; trying again (attempt " + std::to_string(failures_) + ")");
    not_before_ = session.now() + pause_after(failures_ - 1);
  }
  if (const auto asked = response.retry_after()) not_before_ = std::max(not_before_, session.now() + asked->count());
}

/// Finishes the FlowFiles of which every request has its outcome.
void HttpSink::conclude(Session& session) {
  bool sent = false;
  for (std::uint32_t i = 0; i < held_.size(); ++i) {
    auto& held = held_[i];
    if (held.finished || i >= session.held_count()) continue;
    const bool open = std::ranges::any_of(
        held.deliveries, [](const Delivery& delivery) { return delivery.state <= Delivery::State::sent; });
    if (open) continue;
    sent |= std::ranges::any_of(held.deliveries,
                                [](const Delivery& delivery) { return delivery.state == Delivery::State::delivered; });
    change(session);
    held.finished = true;
    conclude(session, session.take_held(i), held);
  }
  if (sent) session.event("SEND", uri_);
}

void HttpSink::conclude(Session& session, FlowFile file, const Held& held) {
  std::map<std::uint32_t, const std::string*> refused;  // by record
  bool alike = true;
  bool all = true;
  const std::string* message = nullptr;
  for (const auto& delivery : held.deliveries) {
    if (delivery.state != Delivery::State::refused) {
      all = false;
      continue;
    }
    alike &= message == nullptr || *message == delivery.refusal;
    message = &delivery.refusal;
    for (const auto record : delivery.records) refused.emplace(record, &delivery.refusal);
  }
  if (message == nullptr) return session.drop(file, {});
  if (all && alike) return session.reject(file, *message);
  std::deque<std::pair<std::string, RecordWriter>> parts;  // by message
  records_.run(session, file, [&](const Row& row) {
    const auto found = refused.find(row.record);
    if (found == refused.end()) return;
    auto part = std::ranges::find(parts, *found->second, [](const auto& p) -> const std::string& { return p.first; });
    if (part == parts.end() && parts.size() == kMostMessages) part = parts.end() - 1;
    if (part == parts.end()) {
      parts.emplace_back(*found->second, RecordWriter(session, session.create(file), row.form));
      part = parts.end() - 1;
    }
    part->second.write(view(row.json));
  });
  for (auto& [why, part] : parts) {
    part.finish();
    session.reject(part.file(), why);
  }
  if (!all) session.drop(file, {});
}

/// Sends what waits, in order: at most in_flight at once, and of each lane only the first that is not done.
void HttpSink::submit(Session& session) {
  if (session.now() < not_before_) return;
  // While the server's health is in doubt, one request finds out.
  const auto most = failures_ > 0 ? std::size_t{1} : static_cast<std::size_t>(settings_.in_flight);
  std::set<std::string_view> busy;
  for (auto& held : held_) {
    for (auto& delivery : held.deliveries) {
      if (in_flight_ >= most) return;
      if (delivery.state > Delivery::State::sent) continue;
      const bool first = busy.insert(delivery.lane).second;
      if (delivery.state == Delivery::State::sent || !first) continue;
      delivery.state = Delivery::State::sent;
      ++in_flight_;
      requests_metric_.add(1);
      client_->submit({.method = settings_.method,
                       .url = delivery.url,
                       .headers = delivery.headers,
                       .body = delivery.body,
                       .max_body = kAnswer,
                       .cut = true},
                      [answers = answers_, id = delivery.id, context = context_](Response response) mutable {
                        {
                          const std::lock_guard lock(answers->mutex);
                          answers->list.emplace_back(id, std::move(response));
                        }
                        answers->there.notify_all();
                        context.wake();
                      });
    }
  }
}

bool HttpSink::has_room() const {
  return waiting_ < kMostWaiting && bytes_ < kMostBytes && held_.size() < kMostWaiting;
}

/// Room comes with answers, and with what they finish. The step's own outputs do not count until it is committed.
bool HttpSink::wait_for_room(Session& session) {
  {
    std::unique_lock lock(answers_->mutex);
    answers_->there.wait_for(lock, kPatience, [this] { return !answers_->list.empty(); });
  }
  collect(session);
  submit(session);
  return has_room();
}

void HttpSink::stop() {
  client_.reset();
}

}  // namespace weir::http
