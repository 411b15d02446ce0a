#include "lookups.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "json_text.h"

namespace weir::http {
namespace {

using Clock = std::chrono::steady_clock;

/// Before another attempt, doubling.
constexpr auto kPause = std::chrono::milliseconds(100);
/// How long a failure counts for records that come later, so that each does not wait for it anew.
constexpr std::int64_t kFailureCounts = 5'000'000'000;

}  // namespace

struct Lookups::Answers {
  std::mutex mutex;
  std::condition_variable there;
  std::vector<std::pair<std::string, Response>> list;
};

Lookups::Lookups(Options options, Client& client)
    : options_(std::move(options)), client_(client), answers_(std::make_shared<Answers>()) {}

void Lookups::begin(std::int64_t now) {
  now_ = now;
  ++round_;
  queue_.clear();
  take(Clock::now());
}

Lookups::Entry& Lookups::want(const std::string& url) {
  const auto [at, fresh] = entries_.try_emplace(url);
  auto& entry = at->second;
  if (fresh) {
    entry.place = order_.insert(order_.begin(), url);
  } else {
    order_.splice(order_.begin(), order_, entry.place);
  }
  if (std::exchange(entry.round, round_) == round_) return entry;
  const bool good = entry.state != Entry::State::unknown && (entry.unused || now_ < entry.expires);
  if (good) return entry;
  if (entry.state != Entry::State::unknown) entry.attempts = 0;
  entry.state = Entry::State::unknown;
  entry.unused = true;
  if (!entry.asking) queue_.push_back(url);
  return entry;
}

void Lookups::ask() {
  for (std::size_t left = queue_.size(); left > 0 && in_flight_ < options_.in_flight; --left) {
    const auto now = Clock::now();
    if (now < next_request_) return;
    auto url = std::move(queue_.front());
    queue_.pop_front();
    auto& entry = entries_.at(url);
    if (now < entry.not_before) {
      queue_.push_back(std::move(url));
      continue;
    }
    entry.asking = true;
    ++in_flight_;
    ++requests_;
    if (options_.rate > 0) {
      const auto step = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / options_.rate));
      next_request_ = std::max(next_request_, now) + step;
    }
    client_.submit({.url = url, .headers = options_.headers, .max_body = options_.max_body},
                   [answers = answers_, url](Response response) {
                     {
                       const std::lock_guard lock(answers->mutex);
                       answers->list.emplace_back(url, std::move(response));
                     }
                     answers->there.notify_all();
                   });
  }
}

/// When ask() could go on without an answer.
Clock::time_point Lookups::next_try() const {
  auto first = Clock::time_point::max();
  if (in_flight_ >= options_.in_flight) return first;
  for (const auto& url : queue_) first = std::min(first, std::max(next_request_, entries_.at(url).not_before));
  return first;
}

/// Waits for answers, or until something may be asked again. False: the time is over.
bool Lookups::take(Clock::time_point until) {
  std::vector<std::pair<std::string, Response>> list;
  {
    std::unique_lock lock(answers_->mutex);
    answers_->there.wait_until(lock, std::min(until, next_try()), [this] { return !answers_->list.empty(); });
    list.swap(answers_->list);
  }
  for (const auto& [url, response] : list) {
    --in_flight_;
    judge(url, response);
  }
  return !list.empty() || Clock::now() < until;
}

void Lookups::judge(const std::string& url, const Response& response) {
  using Outcome = Response::Outcome;
  auto& entry = entries_.at(url);  // what is asked for is not evicted
  entry.asking = false;
  const bool answered = response.outcome == Outcome::answered;
  const auto what = answered ? response.url + " answers " + response.describe() : response.error;
  entry.expires = now_ + options_.ttl.count();
  trouble_ = response.passing() ? what : "";
  if (response.ok()) {
    found(entry, response);
  } else if (answered && (response.status == 404 || response.status == 410)) {
    entry.state = Entry::State::missing;
  } else if (response.passing()) {
    entry.not_before = Clock::now() + kPause * (1 << std::min<std::int64_t>(entry.attempts, 6));
    if (const auto pause = response.retry_after()) entry.not_before = std::max(entry.not_before, Clock::now() + *pause);
    const bool soon = entry.not_before < Clock::now() + std::chrono::minutes(1);
    if (++entry.attempts < options_.attempts && soon) {
      if (entry.round == round_) queue_.push_back(url);
      return;
    }
    entry.state = Entry::State::down;
    entry.error = what;
    entry.expires = now_ + kFailureCounts;
  } else if ((answered && response.status == 401) || response.outcome == Outcome::redirect ||
             response.outcome == Outcome::unusable) {
    fatal_ = what + (answered ? "; check auth and headers" : "");
  } else {
    entry.state = Entry::State::refused;
    entry.error = what;
  }
}

void Lookups::found(Entry& entry, const Response& response) {
  const auto fail = [&entry](const std::string& why) {
    entry.state = Entry::State::refused;
    entry.error = why;
  };
  if (response.body.empty()) {
    entry.state = Entry::State::missing;  // 204
    return;
  }
  if (const auto error = json_error(response.body); !error.empty())
    return fail(response.url + " answers no JSON (" + error + "): " + response.describe());
  std::string value;
  if (options_.fields.empty()) {
    append_on_one_line(value, *json_at(response.body, ""));
  } else {
    for (const auto& [name, pointer] : options_.fields) {
      value += value.empty() ? "{" : ",";
      value += json_string(name) + ":";
      append_on_one_line(value, json_at(response.body, pointer).value_or("null"));
    }
    value += '}';
  }
  entry.value = std::move(value);
  entry.state = Entry::State::found;
}

void Lookups::evict() {
  for (auto at = order_.end(); entries_.size() > options_.size && at != order_.begin();) {
    --at;
    const auto found = entries_.find(*at);
    // What someone waits for stays, however much it is.
    if (found->second.asking || found->second.round == round_) continue;
    entries_.erase(found);
    at = order_.erase(at);
  }
}

}  // namespace weir::http
