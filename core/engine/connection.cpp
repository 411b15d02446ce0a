#include "engine/connection.h"

#include <algorithm>
#include <unordered_set>

namespace weir::engine {

namespace {

/// Beyond this many, FlowFiles put aside block their connection: the retry set is durable, and so bounded.
constexpr std::size_t kMaxRetries = 10'000;

/// Entries this close to the cursor stay in memory, whatever the budget says.
constexpr std::uint64_t kReadAhead = 2'000;

}  // namespace

void Connection::recover(const store::RecoveredConnection& recovered) {
  next_ = durable_next_ = recovered.next;
  taken_ = cursor_ = recovered.cursor;
  cursor_offset_ = recovered.cursor_offset;
  for (const auto& stored : recovered.segments) {
    const auto end = stored.first + stored.count;
    if (end <= cursor_) continue;
    const auto first = std::max(stored.first, cursor_);
    segments_.push_back({first, static_cast<std::uint32_t>(end - first), 0, nullptr});
    queued_bytes_ += stored.bytes * (end - first) / stored.count;
  }
  for (const auto& entry : recovered.retry) retry_[entry.sequence] = {entry, nullptr, 0, false};
  for (const auto& interval : recovered.held) {
    for (std::uint64_t i = 0; i < interval.count; ++i)
      retry_[interval.first + i] = {{interval.first + i, 0, 0}, nullptr, 0, false};
  }
  durable_cursor_ = cut_cursor_ = first_not_done();
}

std::uint64_t Connection::first_not_done() const {
  auto first = cursor_;
  if (!held_.empty()) first = std::min(first, held_.begin()->first);
  if (!retry_.empty()) first = std::min(first, retry_.begin()->first);
  return first;
}

std::uint64_t Connection::push(store::BatchRef batch, std::uint32_t offset, std::uint32_t count, std::uint64_t bytes) {
  const auto first = next_;
  segments_.push_back({first, count, offset, batch});
  fresh_.push_back({first, count, offset, std::move(batch)});
  next_ += count;
  queued_bytes_ += bytes;
  dirty = true;
  return first;
}

std::uint64_t Connection::pass(std::uint32_t count) {
  const auto first = next_;
  next_ += count;
  taken_ = cursor_ = next_;
  dirty = true;
  return first;
}

/// Whatever comes first in the log is taken next, or nothing is.
bool Connection::strictly_available(std::int64_t now) const {
  const auto waiting = std::find_if(flights_.begin(), flights_.end(),
                                    [](const auto& flight) { return flight->state == Flight::State::waiting; });
  const auto retry = retry_.begin();
  if (retry != retry_.end() && (waiting == flights_.end() || retry->first < (*waiting)->first))
    return !retry->second.in_flight && retry->second.entry.due <= now;
  return waiting != flights_.end() ? (*waiting)->due <= now : taken_ < limit();
}

bool Connection::available(std::int64_t now, bool strict) const {
  if (strict) return strictly_available(now);
  bool waits = false;
  for (const auto& flight : flights_) {
    if (flight->state != Flight::State::waiting) continue;
    if (flight->due <= now) return true;
    waits = true;
  }
  if (waits) return false;
  bool retry_waits = false;
  for (const auto& [sequence, retry] : retry_) {
    if (!retry.in_flight && retry.entry.due <= now) return true;
    retry_waits = true;
  }
  if (retry_waits && retry_.size() >= kMaxRetries) return false;
  return taken_ < limit();
}

void Connection::set_back(std::int64_t by) {
  for (const auto& flight : flights_) {
    if (flight->state == Flight::State::waiting && flight->due != 0) flight->due -= by;
  }
  for (auto& [sequence, retry] : retry_) {
    if (retry.entry.due != 0) retry.entry.due -= by;
  }
  dirty |= !retry_.empty();
}

std::int64_t Connection::next_due() const {
  std::int64_t due = 0;
  const auto earlier = [&due](std::int64_t when) {
    if (due == 0 || when < due) due = std::max<std::int64_t>(when, 1);
  };
  for (const auto& flight : flights_) {
    if (flight->state == Flight::State::waiting && flight->due != 0) earlier(flight->due);
  }
  for (const auto& [sequence, retry] : retry_) {
    if (!retry.in_flight) earlier(retry.entry.due);
  }
  return due;
}

void Taken::read(std::uint32_t connection, store::Store& store) {
  for (auto& piece : missing) piece.batch = store.read(connection, piece.first, piece.count);
}

std::deque<Connection::Segment>::iterator Connection::segment_of(std::uint64_t sequence) {
  return std::upper_bound(segments_.begin(), segments_.end(), sequence,
                          [](std::uint64_t wanted, const Segment& s) { return wanted < s.end(); });
}

/// Makes a segment that is only on disk begin at `sequence`, if it lies in the middle of one.
void Connection::split(std::uint64_t sequence) {
  const auto at = segment_of(sequence);
  if (at == segments_.end() || at->first >= sequence || at->batch) return;
  const Segment rest{sequence, static_cast<std::uint32_t>(at->end() - sequence), 0, nullptr};
  at->count -= rest.count;
  segments_.insert(at + 1, rest);
}

Taken Connection::make(std::shared_ptr<Flight> flight) {
  Taken taken;
  taken.flight = std::move(flight);
  const auto end = taken.flight->first + taken.flight->count;
  split(taken.flight->first);  // just what is wanted is read, and the rest left on disk
  split(end);
  for (auto at = segment_of(taken.flight->first); at != segments_.end() && at->first < end; ++at) {
    if (!at->batch) taken.missing.push_back({at->first, at->count, nullptr});
  }
  if (taken.missing.empty()) gather(taken);
  return taken;
}

void Connection::complete(Taken& taken) {
  if (taken.missing.empty()) return;
  for (auto& piece : taken.missing) {
    if (taken.flight->retries.empty()) {
      auto at = segment_of(piece.first);
      at->batch = std::move(piece.batch);
      at->offset = 0;
      continue;
    }
    for (std::uint32_t i = 0; i < piece.count; ++i) {
      auto& retry = retry_.at(piece.first + i);
      retry.batch = piece.batch;
      retry.index = i;
    }
  }
  taken.missing.clear();
  if (taken.flight->retries.empty()) {
    gather(taken);
  } else {
    gather_retries(taken);
  }
}

namespace {

/// Puts items of several batches into one, with each arena once of those that have many: what is gathered may have been
/// gathered before, and would double with each time.
class Gathering {
 public:
  void add(const store::Batch& from, std::uint32_t offset, std::uint32_t count) {
    const auto begin = from.items.begin() + offset;
    batch_->items.insert(batch_->items.end(), begin, begin + count);
    if (from.arenas.size() == 1) {  // most have one, and add no more than there are items
      if (batch_->arenas.empty() || batch_->arenas.back() != from.arenas[0]) batch_->arenas.push_back(from.arenas[0]);
      return;
    }
    if (!batches_.insert(&from).second) return;
    for (const auto& arena : from.arenas) {
      if (arenas_.insert(arena.get()).second) batch_->arenas.push_back(arena);
    }
  }
  store::BatchRef batch() { return std::move(batch_); }

 private:
  std::shared_ptr<store::Batch> batch_ = std::make_shared<store::Batch>();
  std::unordered_set<const store::Batch*> batches_;
  std::unordered_set<const store::Arena*> arenas_;
};

}  // namespace

/// The batch of a flight whose entries are all in memory.
void Connection::gather(Taken& taken) const {
  const auto first = taken.flight->first;
  const auto end = first + taken.flight->count;
  std::optional<Gathering> gathering;
  auto at = std::upper_bound(segments_.begin(), segments_.end(), first,
                             [](std::uint64_t sequence, const Segment& s) { return sequence < s.end(); });
  for (auto position = first; position < end; ++at) {
    const auto skip = static_cast<std::uint32_t>(position - at->first);
    const auto count = static_cast<std::uint32_t>(std::min(at->end(), end) - position);
    if (position == first && position + count == end) {  // one piece: share it
      taken.batch = at->batch;
      taken.offset = at->offset + skip;
      return;
    }
    if (!gathering) gathering.emplace();
    gathering->add(*at->batch, at->offset + skip, count);
    position += count;
  }
  if (gathering) taken.batch = gathering->batch();
}

void Connection::gather_retries(Taken& taken) const {
  Gathering gathering;
  for (const auto sequence : taken.sequences) {
    const auto& retry = retry_.at(sequence);
    gathering.add(*retry.batch, retry.index, 1);
  }
  taken.batch = gathering.batch();
}

Taken Connection::take_retries(std::int64_t now, std::uint32_t max_count, std::uint64_t below) {
  Taken taken;
  if (retries_alone_ > 0) max_count = 1;
  for (auto& [sequence, retry] : retry_) {
    if (taken.sequences.size() >= max_count || sequence >= below) break;
    if (retry.in_flight || retry.entry.due > now) continue;
    if (retry.entry.offset != 0 && !taken.sequences.empty()) break;  // only the first of a session may begin midway
    if (!retry.batch) {  // neighbours lie in the same row of the store, and are read together
      auto& missing = taken.missing;
      if (!missing.empty() && missing.back().first + missing.back().count == sequence) {
        ++missing.back().count;
      } else {
        missing.push_back({sequence, 1, nullptr});
      }
    }
    retry.in_flight = true;
    taken.sequences.push_back(sequence);
    taken.attempts.push_back(retry.entry.attempts);
  }
  if (taken.sequences.empty()) return taken;
  if (retries_alone_ > 0) --retries_alone_;
  taken.flight = std::make_shared<Flight>();
  taken.flight->first = taken.sequences.front();
  taken.flight->count = static_cast<std::uint32_t>(taken.sequences.size());
  taken.flight->retries = taken.sequences;
  taken.flight->offset = retry_.at(taken.flight->first).entry.offset;
  taken.flight->attempts = taken.attempts.front();
  if (taken.missing.empty()) gather_retries(taken);
  return taken;
}

Taken Connection::take(std::int64_t now, std::uint32_t max_count, std::uint64_t max_bytes, bool strict) {
  if (strict) {
    if (!strictly_available(now)) return {};
    const auto before = [&](const auto& flight) { return flight->first < retry_.begin()->first; };
    if (!retry_.empty() && std::none_of(flights_.begin(), flights_.end(), before)) return take_retries(now, 1);
  }
  bool waits = false;
  for (auto at = flights_.begin(); at != flights_.end(); ++at) {
    auto flight = *at;
    if (flight->state != Flight::State::waiting) continue;
    if (flight->due > now) {
      waits = true;
      continue;
    }
    if (const auto most = flight->alone ? 1 : max_count; flight->count > most) {
      auto rest = std::make_shared<Flight>();
      rest->state = Flight::State::waiting;
      rest->first = flight->first + most;
      rest->count = flight->count - most;
      rest->alone = flight->alone;
      flight->count = most;
      flights_.insert(at + 1, std::move(rest));
    }
    flight->state = Flight::State::running;
    return make(std::move(flight));
  }
  if (waits) return {};
  if (!retry_.empty()) {
    if (auto taken = take_retries(now, max_count); taken.flight) return taken;
    if (retry_.size() >= kMaxRetries) return {};
  }
  if (taken_ >= limit()) return {};
  return take_log(limit(), max_count, max_bytes);
}

Taken Connection::take_below(std::int64_t now, std::uint64_t below, std::uint32_t max_count, std::uint64_t max_bytes) {
  for (auto& flight : flights_) {
    if (flight->state != Flight::State::waiting || flight->first + flight->count > below) continue;
    flight->state = Flight::State::running;
    return make(flight);
  }
  if (auto taken = take_retries(now, max_count, below); taken.flight) return taken;
  const auto end = std::min(below, next_);
  return taken_ < end ? take_log(end, max_count, max_bytes) : Taken{};
}

std::vector<QueueEntry> Connection::collect(std::uint64_t first, std::uint32_t limit) const {
  std::vector<QueueEntry> found;
  auto held = held_.lower_bound(first);
  auto retry = retry_.lower_bound(first);
  while (found.size() < limit && (held != held_.end() || retry != retry_.end())) {
    if (retry == retry_.end() || (held != held_.end() && held->first < retry->first)) {
      found.push_back({held++->first, QueueEntry::State::held, 0, 0, nullptr, 0});
      continue;
    }
    const auto& [sequence, put_aside] = *retry++;
    found.push_back({sequence, put_aside.in_flight ? QueueEntry::State::active : QueueEntry::State::retry,
                     put_aside.entry.attempts, put_aside.entry.due, put_aside.batch, put_aside.index});
  }
  auto position = std::max(first, cursor_);
  auto at = std::upper_bound(segments_.begin(), segments_.end(), position,
                             [](std::uint64_t wanted, const Segment& s) { return wanted < s.end(); });
  auto flight = flights_.begin();
  for (; at != segments_.end(); ++at) {
    for (position = std::max(position, at->first); position < at->end(); ++position) {
      if (found.size() >= limit) return found;
      while (flight != flights_.end() && (*flight)->first + (*flight)->count <= position) ++flight;
      const bool taken = flight != flights_.end() && (*flight)->first <= position;
      const bool active = taken && (*flight)->state != Flight::State::waiting;
      found.push_back({position, active ? QueueEntry::State::active : QueueEntry::State::queued,
                       taken ? (*flight)->attempts : 0, taken && !active ? (*flight)->due : 0, at->batch,
                       at->offset + static_cast<std::uint32_t>(position - at->first)});
    }
  }
  return found;
}

/// What no session has taken yet, below `end`.
Taken Connection::take_log(std::uint64_t end, std::uint32_t max_count, std::uint64_t max_bytes) {
  // How many entries make max_bytes; what is on disk counts by the piece.
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  auto at = segment_of(taken_);
  const auto most = std::min<std::uint64_t>(max_count, end - taken_);
  for (; at != segments_.end() && count < most && bytes < max_bytes; ++at) {
    const auto skip = std::max(at->first, taken_) - at->first;
    if (!at->batch) {
      if (count == 0) count = std::min<std::uint64_t>(most, at->count - skip);
      break;
    }
    for (auto i = skip; i < at->count && count < most && bytes < max_bytes; ++i, ++count)
      bytes += at->batch->items[at->offset + i].size;
  }
  auto flight = std::make_shared<Flight>();
  flight->first = taken_;
  flight->count = static_cast<std::uint32_t>(count);
  if (taken_ == cursor_) flight->offset = cursor_offset_;
  flights_.push_back(flight);
  taken_ += count;
  return make(std::move(flight));
}

std::shared_ptr<Flight> Connection::to_settle() {
  if (flights_.empty() || flights_.front()->state != Flight::State::finished) return nullptr;
  return flights_.front();
}

void Connection::settle(const std::shared_ptr<Flight>& flight, std::uint32_t count, std::uint64_t offset,
                        std::uint64_t done_bytes) {
  dirty = true;
  if (!flight->retries.empty()) {  // the cursor has passed these long ago
    for (std::uint32_t i = 0; i < count; ++i) retry_.erase(flight->retries[i]);
    for (auto i = count; i < flight->count; ++i) {
      auto& rest = retry_.at(flight->retries[i]);
      rest.in_flight = false;
      rest.entry.offset = i == count ? offset : 0;
    }
    return;
  }
  cursor_ = flight->first + count;
  cursor_offset_ = offset;
  queued_bytes_ -= std::min(queued_bytes_, done_bytes);
  if (count == flight->count) {
    flights_.pop_front();
  } else if (flights_.size() == 1) {
    flights_.pop_front();
    taken_ = cursor_;
  } else {
    flight->first = cursor_;
    flight->count -= count;
    flight->offset = offset;
    flight->attempts = 0;
    flight->due = 0;
    flight->state = Flight::State::waiting;
  }
}

void Connection::take_again(const std::shared_ptr<Flight>& flight, std::uint32_t count) {
  auto rest = std::make_shared<Flight>();
  rest->state = flight->state = Flight::State::waiting;
  rest->first = flight->first + count;
  rest->count = flight->count - count;
  rest->alone = flight->alone;
  flight->count = count;
  flights_.insert(std::next(std::find(flights_.begin(), flights_.end(), flight)), std::move(rest));
}

void Connection::roll_back(const std::shared_ptr<Flight>& flight, std::int64_t due, bool alone) {
  ++flight->attempts;
  if (!flight->retries.empty()) {
    if (alone) retries_alone_ = flight->retries.size();
    for (const auto sequence : flight->retries) {
      auto& retry = retry_.at(sequence);
      retry.in_flight = false;
      retry.entry.due = due;
      ++retry.entry.attempts;
    }
    return;
  }
  flight->due = due;
  flight->alone = flight->alone || alone;
  flight->state = Flight::State::waiting;
}

std::vector<std::shared_ptr<Flight>> Connection::give_back() {
  for (auto& [sequence, retry] : retry_) retry.in_flight = false;
  std::vector<std::shared_ptr<Flight>> given_back;
  for (auto& flight : flights_) {
    if (flight->state == Flight::State::waiting) continue;
    given_back.push_back(flight);
    flight = std::make_shared<Flight>(*flight);  // who was in its session may still look at that
    flight->state = Flight::State::waiting;
    flight->due = 0;
  }
  // Those at the end that nothing is known of are queued as they were before anybody took them.
  while (!flights_.empty() && flights_.back()->attempts == 0 && !flights_.back()->alone) {
    taken_ = flights_.back()->first;
    flights_.pop_back();
  }
  return given_back;
}

void Connection::add_retry(const store::RetryEntry& entry, store::BatchRef batch, std::uint32_t index) {
  retry_[entry.sequence] = {entry, std::move(batch), index, false};
  dirty = true;
}

void Connection::release(std::uint64_t sequence) {
  held_.erase(sequence);
  dirty = true;
}

bool Connection::alive_below_cursor(std::uint64_t first, std::uint64_t end) const {
  const auto held = held_.lower_bound(first);
  if (held != held_.end() && held->first < end) return true;
  const auto retry = retry_.lower_bound(first);
  return retry != retry_.end() && retry->first < end;
}

void Connection::forget_done() {
  while (!segments_.empty() && segments_.front().end() <= cursor_) segments_.pop_front();
  while (!fresh_.empty() && fresh_.front().first + fresh_.front().count <= cursor_ &&
         !alive_below_cursor(fresh_.front().first, fresh_.front().first + fresh_.front().count))
    fresh_.pop_front();
}

store::ConnectionChange Connection::cut() {
  forget_done();
  store::ConnectionChange change;
  change.connection = number_;
  change.next = next_;
  change.cursor = cursor_;
  cut_cursor_ = first_not_done();
  change.cursor_offset = cursor_offset_;
  for (const auto& [sequence, retry] : retry_) change.retry.push_back(retry.entry);
  const auto retries = change.retry.size();
  for (const auto& [sequence, offset] : held_) {
    if (offset != 0) {  // a start queues held ones again: as it does those in retry, which know their offset
      change.retry.push_back({sequence, 0, 0, offset});
    } else if (!change.held.empty() && change.held.back().first + change.held.back().count == sequence) {
      ++change.held.back().count;
    } else {
      change.held.push_back({sequence, 1});
    }
  }
  const auto by_sequence = [](const auto& a, const auto& b) { return a.sequence < b.sequence; };
  std::inplace_merge(change.retry.begin(), change.retry.begin() + static_cast<std::ptrdiff_t>(retries),
                     change.retry.end(), by_sequence);
  for (auto& segment : fresh_) {
    const auto end = segment.first + segment.count;
    auto alive = std::max(segment.first, cursor_);
    if (const auto held = held_.lower_bound(segment.first); held != held_.end()) alive = std::min(alive, held->first);
    if (const auto retry = retry_.lower_bound(segment.first); retry != retry_.end())
      alive = std::min(alive, retry->first);
    if (alive >= end) continue;
    const auto skip = static_cast<std::uint32_t>(alive - segment.first);
    change.appended.push_back({alive, segment.count - skip, segment.offset + skip, std::move(segment.batch)});
  }
  fresh_.clear();
  dirty = false;
  return change;
}

void Connection::made_durable(std::uint64_t next) {
  durable_next_ = next;
  durable_cursor_ = cut_cursor_;
}

void Connection::unload() {
  for (auto& segment : segments_) {
    if (segment.first >= taken_ + kReadAhead && segment.end() <= durable_next_) segment.batch.reset();
  }
  for (auto& [sequence, retry] : retry_) {
    if (sequence < durable_next_ && !retry.in_flight) retry.batch.reset();
  }
}

std::optional<Connection::First> Connection::first_waiting() const {
  const auto retry = retry_.begin();
  if (retry != retry_.end() && retry->first < cursor_) {
    const auto& batch = retry->second.batch;
    return First{retry->first, batch ? &batch->items[retry->second.index] : nullptr};
  }
  if (segments_.empty() || cursor_ >= next_) return std::nullopt;
  const auto& front = segments_.front();
  const auto skip = static_cast<std::uint32_t>(std::max(cursor_, front.first) - front.first);
  return First{front.first + skip, front.batch ? &front.batch->items[front.offset + skip] : nullptr};
}

std::int64_t Connection::oldest_born() const {
  const auto first = first_waiting();
  if (!first) return 0;
  if (first->item != nullptr) return first->item->born;
  return first->sequence == oldest_on_disk_.first ? oldest_on_disk_.second : 0;
}

std::optional<std::uint64_t> Connection::unknown_oldest() const {
  const auto first = first_waiting();
  if (!first || first->item != nullptr || first->sequence == oldest_on_disk_.first) return std::nullopt;
  return first->sequence;
}

}  // namespace weir::engine
