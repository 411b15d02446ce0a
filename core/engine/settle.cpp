// How a session takes effect: outputs get their sequences, inputs are done, held or put aside, state and lineage
// change, all under the lock and so all in one epoch.

#include <algorithm>
#include <random>
#include <span>

#include "engine/engine.h"
#include "engine/lane.h"
#include "weir/spec.h"

namespace weir::engine {

namespace {

constexpr std::int64_t kFirstBackoff = 100'000'000;       // 100 ms
constexpr std::int64_t kLongestBackoff = 10'000'000'000;  // 10 s: so long data may wait though the far side is back
constexpr std::int64_t kSameAgain = 60'000'000'000;       // one cause is told again after 60 s
constexpr std::uint32_t kDefectAttempts = 3;
constexpr std::uint64_t kRetainCost = 64;  ///< a FlowFile that is retained costs about as much as so many bytes
constexpr std::uint64_t kHeldBytesPerEpoch = 32 * MiB;

std::int64_t backoff(std::uint32_t failures) {
  return std::min(kLongestBackoff, kFirstBackoff << std::min(failures, 16U));
}

void count_latency(Statistics& statistics, std::int64_t now, const abi::Item& item, std::uint32_t count) {
  const auto seconds = static_cast<double>(now - item.born) / 1e9;
  statistics.latency_sum += seconds * count;
  statistics.latency_count += count;
  for (std::size_t i = 0; i < std::size(kLatencyBounds); ++i) {
    if (seconds <= kLatencyBounds[i]) statistics.latency_buckets[i] += count;
  }
}

}  // namespace

/// Those who lost the same server do not all come back in the same moment.
std::int64_t Engine::pause_after(std::uint32_t failures) {
  const auto most = backoff(failures);
  if (virtual_clock_ != nullptr) return most;
  return std::uniform_int_distribution<std::int64_t>(most * 3 / 4, most)(jitter_);
}

void Engine::touch(bool urgent) {
  if (!dirty_) {
    dirty_ = true;
    dirty_since_ = std::chrono::steady_clock::now();
    commit_wanted_.notify_one();
  }
  if (urgent && !urgent_) {
    urgent_ = true;
    commit_wanted_.notify_one();
  }
}

void Engine::push(Instance& instance, PreparedOutput& output) {
  instance.statistics.out[output.relationship].add(output.count, output.records, output.bytes);
  const auto& connections = instance.outputs[output.relationship];
  std::vector<std::pair<std::uint32_t, std::uint64_t>> places;
  for (std::size_t i = 0; i < connections.size(); ++i) {
    auto& connection = *connections[i];
    std::optional<std::int64_t> done_before;
    if (options_.lane) {
      round_begun_ |= instance.is_source();
      if (connection.to->is_sink()) done_before = options_.lane->done_before(connection.definition());
    }
    const auto first = done_before ? connection.pass(output.count)
                                   : connection.push(output.batch, output.offset, output.count, output.bytes);
    if (options_.tap && !done_before) options_.tap(connection, *output.batch, output.offset, output.count);
    if (connection.tap && !done_before) connection.tap(first, output.batch, output.offset, output.count);
    if (instance.is_source()) places.emplace_back(connection.number(), first);
    for (auto& row : output.rows) {
      auto mine = i + 1 == connections.size() ? std::move(row) : row;
      if (i > 0 && mine.in_connection != 0) mine.type = store::EventType::clone;
      mine.out_connection = connection.number();
      mine.out_first = first;
      store::add_coalescing(lineage_, std::move(mine));
    }
    if (instance.is_source()) {
      for (const auto& name : instance.flow_definition().provenance.index)
        index(name, output, connection.number(), first);
    }
    if (done_before) pass_by(output, connection, first, *done_before);
    if (connection.durable_only) touch(true);
    consider(*connection.to);
  }
  if (!places.empty()) retain(instance, output, std::move(places));
}

/// Notes on which FlowFiles of the output, the first of which is `first` there, the attribute stands.
void Engine::index(const std::string& name, const PreparedOutput& output, std::uint32_t connection,
                   std::uint64_t first) {
  for (std::uint32_t k = 0; k < output.count; ++k) {
    const auto& item = output.batch->items[output.offset + k];
    const std::span attributes(item.attributes, item.attribute_count);
    const auto found = std::ranges::find(attributes, name, [](const auto& each) { return view(each.name); });
    if (found == attributes.end()) continue;
    const auto value = view(found->value);
    auto* last = attributes_.empty() ? nullptr : &attributes_.back();
    if (last != nullptr && last->connection == connection && last->sequence + last->count == first + k &&
        last->value == value && last->name == name) {
      ++last->count;
    } else {
      attributes_.push_back({connection, first + k, name, std::string(value)});
    }
  }
}

/// Keeps what a source put out for replay, as long as it does not come too fast for that.
void Engine::retain(Instance& instance, const PreparedOutput& output,
                    std::vector<std::pair<std::uint32_t, std::uint64_t>> places) {
  const auto& options = instance.definition().retain;
  if (options.none) return;
  if (options.most_a_second != 0) {
    const auto now = std::chrono::steady_clock::now();
    const auto most = static_cast<std::int64_t>(options.most_a_second);
    const auto passed = std::chrono::duration<double>(now - instance.retain_credit_at).count();
    instance.retain_credit_at = now;
    instance.retain_credit = std::min(
        most, instance.retain_credit + static_cast<std::int64_t>(std::min(passed, 1.0) * static_cast<double>(most)));
    if (instance.retain_credit <= 0) return;
    instance.retain_credit -= static_cast<std::int64_t>(output.bytes + kRetainCost * output.count);
  }
  retained_.push_back({instance.number(), output.batch, output.offset, output.count, std::move(places)});
}

void Engine::settle_finished(Instance& instance, Connection& connection) {
  while (auto flight = connection.to_settle()) {
    auto node = prepared_.extract(flight.get());
    settle(instance, &connection, flight, node.mapped());
  }
}

void Engine::settle(Instance& instance, Connection* connection, const std::shared_ptr<Flight>& flight,
                    Prepared& prepared) {
  auto& outcome = prepared.session->outcome();
  const auto& input = prepared.session->input();
  auto& statistics = instance.statistics;
  ++statistics.sessions;
  instance.failures = 0;
  instance.unavailable.clear();
  statistics.last_success = input.now;
  statistics.in.add(prepared.settled, prepared.in_records, prepared.in_bytes);

  bool was_full = false;
  if (connection != nullptr) {
    was_full = connection->full() || runs_ahead(*connection);
    connection->settle(flight, prepared.settled, prepared.partial_offset, prepared.in_bytes);
    const auto offset_of = [&](std::uint32_t i) { return i == 0 ? input.first_offset : 0; };
    for (std::uint32_t i = 0; i < prepared.settled; ++i) {
      if (outcome.inputs[i] != Disposition::held) continue;
      const auto sequence = prepared.session->sequence(i);
      held_bytes_ += input.batch->items[input.offset + i].size;
      connection->hold(sequence, offset_of(i));
      instance.held.push_back({sequence, connection->number(), input.batch, input.offset + i, offset_of(i)});
    }
    for (const auto& retry : prepared.retries)
      connection->add_retry(
          {prepared.session->sequence(retry.input), retry.attempts, input.now + retry.delay, offset_of(retry.input)},
          input.batch, input.offset + retry.input);
    connection->forget_done();
  }
  bool released = false;
  for (const auto& extra : outcome.extras) {
    if (extra.held == abi::kNone || extra.disposition == Disposition::held) continue;
    auto& held = instance.held[extra.held];
    for (auto* candidate : instance.inputs) {
      if (candidate->number() == held.connection) candidate->release(held.sequence);
    }
    held.batch.reset();
    released = true;
  }
  if (released) std::erase_if(instance.held, [](const HeldEntry& held) { return held.batch == nullptr; });

  for (auto& output : prepared.outputs) push(instance, output);
  for (auto& row : prepared.ends) {
    if (row.type == store::EventType::drop) statistics.dropped.add(row.in_count, 0, row.bytes);
    store::add_coalescing(lineage_, std::move(row));
  }
  if (prepared.outputs.empty() && prepared.settled != 0)
    count_latency(statistics, clock_->now(), input.batch->items[input.offset], prepared.settled);

  for (auto& [key, value] : outcome.state) {
    if (value) {
      instance.state.insert_or_assign(key, *value);
    } else {
      instance.state.erase(key);
    }
  }
  if (instance.changed_state.empty()) {
    instance.changed_state = std::move(outcome.state);
  } else {
    for (auto& [key, value] : outcome.state) instance.changed_state.insert_or_assign(key, std::move(value));
  }
  if (outcome.tick_at != 0 && (instance.tick_at == 0 || outcome.tick_at < instance.tick_at)) {
    instance.tick_at = outcome.tick_at;
    set_timer(instance, outcome.tick_at);
  }
  if (outcome.again) instance.poll_wanted = true;
  if (outcome.finished) instance.source_ended = true;
  instance.tokens.insert(instance.tokens.end(), outcome.tokens.begin(), outcome.tokens.end());
  // What a sink holds is finished by the epoch: the more it holds, the sooner.
  touch(store::Arena::total_bytes() > options_.memory_budget || held_bytes_ > kHeldBytesPerEpoch ||
        (instance.is_awaited() && !outcome.tokens.empty()));
  if (was_full && !connection->full() && !runs_ahead(*connection)) consider(*connection->from);
}

void Engine::report_unlocked(const Instance& instance, abi::Level level, std::string message, Lock& lock) {
  lock.unlock();
  report(&instance, level, std::move(message));
  lock.lock();
}

void Engine::roll_back(Instance& instance, const Step& step, const std::shared_ptr<Flight>& flight,
                       std::unique_ptr<SessionBuilder> session, abi::Status status, const std::string& message,
                       Lock& lock) {
  ++instance.statistics.rolled_back;
  const auto now = clock_->now();
  if (status == abi::Status::unavailable) {
    instance.not_before = now + pause_after(instance.failures++);
    instance.unavailable = message;
    if (flight) step.connection->roll_back(flight, 0, false);
    // One that holds what it sent may succeed with a flush between any two attempts at more: that is no news each time.
    const bool again = instance.told == message && now < instance.told_at + kSameAgain;
    if ((instance.failures != 1 || again) && instance.failures % 10 != 0) return;
    instance.told = message;
    instance.told_at = now;
    report_unlocked(instance, abi::Level::warning,
                    message + "; trying again (attempt " + std::to_string(instance.failures) + ")", lock);
    return;
  }
  ++instance.statistics.errors;
  if (status == abi::Status::misconfigured) {
    if (instance.status != Instance::Status::stopping) instance.status = Instance::Status::misconfigured;
    instance.status_message = message;
    if (flight) step.connection->roll_back(flight, 0, false);
    report_unlocked(instance, abi::Level::error, "stopped: " + message, lock);
    return end_batch(instance.full_name() + ": " + message);
  }
  if (!flight) {  // a source, a tick or a flush: there is nothing to send away
    instance.not_before = now + pause_after(instance.failures++);
    return report_unlocked(instance, abi::Level::error, message + "; trying again", lock);
  }
  if (flight->count > 1) return step.connection->roll_back(flight, 0, true);  // find the one that is bad
  const auto name = "FlowFile " + step.connection->id() + ":" + std::to_string(flight->first);
  const bool rejected = status == abi::Status::rejected;
  if (!rejected && flight->attempts + 1 < kDefectAttempts) {
    step.connection->roll_back(flight, now + backoff(flight->attempts), true);
    return report_unlocked(instance, abi::Level::warning, message + "; trying " + name + " again", lock);
  }
  if (session->input().failure == abi::kNone) {
    step.connection->roll_back(flight, now + backoff(flight->attempts), true);
    return report_unlocked(
        instance, abi::Level::error,
        message + "; there is no relationship 'failure', so " + name + " stays in its queue and is tried again", lock);
  }
  reject_inputs(instance, *step.connection, flight, std::move(session), rejected ? "rejected" : "defect", message);
  report_unlocked(instance, rejected ? abi::Level::warning : abi::Level::error,
                  message + "; " + name + " goes to failure", lock);
}

void Engine::reject_inputs(Instance& instance, Connection& connection, const std::shared_ptr<Flight>& flight,
                           std::unique_ptr<SessionBuilder> session, std::string_view kind, const std::string& message) {
  session->reset();
  for (std::uint32_t i = 0; i < session->input_count(); ++i) {
    session->reject(i, to_text(message));
    session->set(i, to_text("error.kind"), to_text(kind));
  }
  session->finish();
  auto prepared = prepare(instance, std::move(session), {}, 0);
  if (!flight->retries.empty()) return settle(instance, &connection, flight, prepared);
  flight->state = Flight::State::finished;
  prepared_[flight.get()] = std::move(prepared);
  settle_finished(instance, connection);
}

}  // namespace weir::engine
