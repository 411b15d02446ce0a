// What an operator sees of a queue, and does to it: looks into it, drops what waits, sends what failed back to where
// it failed; and to a processor's state.

#include <algorithm>
#include <limits>

#include "engine/engine.h"
#include "store/names.h"
#include "weir/sql.h"

namespace weir::engine {

namespace {

constexpr std::uint32_t kBatchCount = 1'000;
constexpr std::uint64_t kBatchBytes = 4 * MiB;
/// So much is redriven between two epochs: it stays in memory until it is durable where it is now.
constexpr std::uint64_t kMostUndurable = 32 * MiB;
/// What cannot be sent back is out of the way of that redrive, in nanoseconds, and then the first that is taken.
constexpr std::int64_t kPutAside = 1;
constexpr auto kLook = std::chrono::milliseconds(10);
constexpr std::string_view kErrorPrefix = "error.";

std::string_view attribute(const abi::Item& item, std::string_view name) {
  for (std::uint16_t i = 0; i < item.attribute_count; ++i) {
    if (view(item.attributes[i].name) == name) return view(item.attributes[i].value);
  }
  return {};
}

/// A copy of the item without what its failure wrote on it; its other attributes point where they did.
abi::Item without_error(const abi::Item& item, store::Arena& arena) {
  auto copy = item;
  auto* list = reinterpret_cast<abi::Attribute*>(
      arena.allocate(item.attribute_count * sizeof(abi::Attribute), alignof(abi::Attribute)));
  copy.attributes = list;
  copy.attribute_count = 0;
  for (std::uint16_t i = 0; i < item.attribute_count; ++i) {
    if (!view(item.attributes[i].name).starts_with(kErrorPrefix)) list[copy.attribute_count++] = item.attributes[i];
  }
  return copy;
}

}  // namespace

/// With the lock.
std::shared_ptr<Connection> Engine::connection_of(const std::string& id) const {
  std::vector<std::string> known;
  for (const auto& connection : connections_) {
    if (connection->id() == id) return connection;
    known.push_back(connection->id());
  }
  throw std::invalid_argument(store::unknown_name("connection", id, known));
}

void Engine::check_up() const {
  if (!up_) throw NotNow("Weir is starting: try again when it runs");
  check_operable();
}

/// A processor may be stopped while others start: one that hangs in that keeps Weir from being up.
void Engine::check_operable() const {
  if (!started_ || stopping_ || !fatal_.empty()) throw NotNow("Weir is starting or stopping: try again when it runs");
  if (applying_) throw NotNow("a changed flow is being applied: try again when that is done");
}

void Engine::wait_durable(Lock& lock) {
  const auto cut = cuts_ + 1;
  touch(true);
  quiet_.wait(lock, [&] { return cuts_durable_ >= cut || !fatal_.empty() || committer_ended_ || over_; });
  if (cuts_durable_ < cut) throw NotNow("Weir stopped before this was durable: it is not known to have happened");
}

QueueListing Engine::queue(const std::string& id, std::uint64_t first, std::uint32_t limit) {
  std::shared_ptr<Connection> found;
  QueueListing listing;
  {
    const Lock lock(mutex_);
    found = connection_of(id);
    const auto& connection = *found;
    listing.entries = connection.collect(first, limit + 1);
    for (const auto& held : connection.to->held) {
      if (held.connection != connection.number()) continue;
      const auto at = std::lower_bound(listing.entries.begin(), listing.entries.end(), held.sequence,
                                       [](const QueueEntry& entry, std::uint64_t s) { return entry.sequence < s; });
      if (at == listing.entries.end() || at->sequence != held.sequence) continue;
      at->batch = held.batch;
      at->index = held.index;
    }
  }
  if (listing.entries.size() > limit) {
    listing.more = true;
    listing.entries.resize(limit);
  }
  auto& entries = listing.entries;
  bool any_read = false;
  for (std::size_t begin = 0; begin < entries.size();) {
    auto end = begin + 1;
    if (entries[begin].batch) {
      begin = end;
      continue;
    }
    while (end < entries.size() && !entries[end].batch && entries[end].sequence == entries[end - 1].sequence + 1) ++end;
    const auto batch = store_.read(found->number(), entries[begin].sequence, static_cast<std::uint32_t>(end - begin));
    for (auto i = begin; i < end; ++i) {
      entries[i].batch = batch;
      entries[i].index = static_cast<std::uint32_t>(i - begin);
    }
    any_read = true;
    begin = end;
  }
  if (any_read) {  // what has left the queue meanwhile may have left the disk before it was read
    const Lock lock(mutex_);
    std::erase_if(entries, [&](const QueueEntry& entry) { return !found->alive(entry.sequence); });
  }
  return listing;
}

void Engine::look_up_oldest() const {
  struct Wanted {
    std::shared_ptr<Connection> connection;
    std::uint64_t sequence;
  };
  std::vector<Wanted> wanted;
  {
    const Lock lock(mutex_);
    for (const auto& connection : connections_) {
      if (const auto sequence = connection->unknown_oldest()) wanted.push_back({connection, *sequence});
    }
  }
  for (const auto& [connection, sequence] : wanted) {
    std::int64_t born = 0;
    try {
      born = store_.read(connection->number(), sequence, 1)->items.front().born;
    } catch (const store::IoError&) {  // its consumer will read it too, and say so
    }
    const Lock lock(mutex_);
    connection->know_oldest(sequence, born);
  }
}

SessionInput Engine::input_of(Instance& instance, const Connection& connection, Taken& taken) const {
  SessionInput input;
  input.now = clock_->now();
  input.processor_name = instance.definition().name;
  input.routed = &instance.routed;
  input.batch = taken.batch;
  input.offset = taken.offset;
  input.count = taken.flight->count;
  input.first_sequence = taken.flight->first;
  input.first_offset = taken.flight->offset;
  input.sequences = std::move(taken.sequences);
  input.connection = connection.number();
  input.connection_id = connection.id();
  input.durable_cursor = connection.durable_cursor();
  return input;
}

void Engine::settle_for_operator(Instance& instance, Connection& connection, const std::shared_ptr<Flight>& flight,
                                 Prepared prepared) {
  const auto unavailable = instance.unavailable;  // that somebody drops what waits does not bring the far side back
  const auto failures = instance.failures;
  const auto last_success = instance.statistics.last_success;
  if (flight->retries.empty()) {
    flight->state = Flight::State::finished;
    prepared_[flight.get()] = std::move(prepared);
    settle_finished(instance, connection);
  } else {
    settle(instance, &connection, flight, prepared);
  }
  instance.unavailable = unavailable;
  instance.failures = failures;
  instance.statistics.last_success = last_success;
}

/// These flights count as done when all before them in their queue is. Waits for that, though not for ever, and has
/// them queued again where it does not come to it; returns how many FlowFiles that are.
std::uint64_t Engine::queue_again(const std::vector<std::shared_ptr<Flight>>& flights, Lock& lock) {
  const auto waits = [&](const auto& flight) { return prepared_.contains(flight.get()); };
  const auto until = std::chrono::steady_clock::now() + options_.stop_patience / 2;
  while (std::any_of(flights.begin(), flights.end(), waits) && std::chrono::steady_clock::now() < until && !stopping_)
    quiet_.wait_for(lock, kLook);
  std::uint64_t count = 0;
  for (const auto& flight : flights) {
    if (prepared_.erase(flight.get()) == 0) continue;
    flight->state = Flight::State::waiting;
    count += flight->count;
  }
  return count;
}

std::uint64_t Engine::drop_queued(const std::string& id, std::uint64_t below, const std::string& who) {
  const auto reason = "dropped by " + who;
  Lock lock(mutex_);
  const auto found = connection_of(id);
  auto& connection = *found;
  auto& instance = *connection.to;
  check_up();
  const Operating operating(*this, lock);
  if (instance.definition().exactly_once)
    throw NotNow(instance.full_name() +
                 " delivers exactly once and counts what it has seen of this queue: nothing may be taken out of it");
  std::uint64_t dropped = 0;
  std::vector<std::shared_ptr<Flight>> flights;
  while (true) {
    auto taken = connection.take_below(std::numeric_limits<std::int64_t>::max(), below, kBatchCount, kBatchBytes);
    if (!taken.flight) break;
    if (!read_back(connection, taken, lock)) throw std::runtime_error(fatal_);
    const auto attempts = std::move(taken.attempts);
    const auto input = input_of(instance, connection, taken);
    lock.unlock();
    auto session = std::make_unique<SessionBuilder>(input, nullptr, nullptr);
    for (std::uint32_t i = 0; i < input.count; ++i) session->drop(i, to_text(reason));
    session->finish();
    auto prepared = prepare(instance, std::move(session), attempts, 0);
    lock.lock();
    dropped += input.count;
    settle_for_operator(instance, connection, taken.flight, std::move(prepared));
    if (prepared_.contains(taken.flight.get())) flights.push_back(std::move(taken.flight));
  }
  const auto queued_again = queue_again(flights, lock);
  dropped -= queued_again;
  if (dropped == 0 && queued_again != 0)
    throw NotNow("nothing was dropped: " + instance.full_name() +
                 " is at what came before it, and does not come to an end with that. Stop and terminate it, and drop "
                 "then");
  if (dropped == 0) return 0;
  report_unlocked(instance, abi::Level::warning,
                  std::to_string(dropped) + " FlowFiles of " + connection.id() + " " + reason, lock);
  wait_durable(lock);
  return dropped;
}

Connection* Engine::where_it_failed(const Connection& connection, const abi::Item& item) {
  const auto& flow = connection.from->flow_definition().name;
  const auto wanted = attribute(item, "error.connection");
  const auto processor = attribute(item, "error.processor");
  if (processor.empty()) return nullptr;
  Connection* found = nullptr;
  for (auto& candidate : connections_) {
    if (candidate->to->flow_definition().name != flow || candidate->to->definition().name != processor) continue;
    if (candidate->id() == wanted) return candidate.get();
    if (found != nullptr && wanted.empty()) return nullptr;  // it may have been any of several
    found = candidate.get();
  }
  return found;
}

Redriven Engine::redrive(const std::string& id, std::uint64_t limit, const std::string& who) {
  Redriven result;
  Lock lock(mutex_);
  const auto found = connection_of(id);
  auto& connection = *found;
  auto& instance = *connection.to;
  check_up();
  const Operating operating(*this, lock);
  // So that nothing else is under way, and what leaves here and what arrives there is one epoch's.
  if (instance.status != Instance::Status::stopped)
    throw NotNow("stop " + instance.full_name() + " first: what waits for it can be sent back then");
  if (instance.definition().exactly_once)
    throw NotNow(instance.full_name() + " delivers exactly once: nothing may be taken out of its queue");
  const auto below = connection.next();
  const auto begin = clock_->now();  // what stays is due after it, and so is looked at once
  std::uint64_t undurable = 0;
  while (result.redriven < limit) {
    if (undurable >= kMostUndurable) {
      wait_durable(lock);
      undurable = 0;
      if (instance.status != Instance::Status::stopped) break;  // somebody wants it to work again
    }
    const auto most = std::min<std::uint64_t>(kBatchCount, limit - result.redriven);
    auto taken = connection.take_below(begin, below, static_cast<std::uint32_t>(most), kBatchBytes);
    if (!taken.flight) break;
    if (!read_back(connection, taken, lock)) throw std::runtime_error(fatal_);
    for (std::uint32_t i = 0; i < taken.flight->count; ++i) undurable += taken.batch->items[taken.offset + i].size;
    send_back(connection, taken, who, result);
  }
  if (result.redriven == 0) return result;
  report_unlocked(instance, abi::Level::info,
                  std::to_string(result.redriven) + " FlowFiles of " + connection.id() + " redriven by " + who, lock);
  wait_durable(lock);
  return result;
}

/// Ends what was taken here, and puts what failed elsewhere where it failed; the rest stays.
void Engine::send_back(Connection& connection, Taken& taken, const std::string& who, Redriven& result) {
  auto& instance = *connection.to;
  const auto attempts = std::move(taken.attempts);
  const auto input = input_of(instance, connection, taken);
  auto session = std::make_unique<SessionBuilder>(input, nullptr, nullptr);
  struct Way {
    std::shared_ptr<store::Batch> batch = std::make_shared<store::Batch>();
    std::shared_ptr<store::Arena> arena = std::make_shared<store::Arena>();
    std::vector<std::vector<std::uint64_t>> parents;
    std::uint64_t bytes = 0;
  };
  std::map<Connection*, Way> ways;
  for (std::uint32_t i = 0; i < input.count; ++i) {
    const auto& item = input.batch->items[input.offset + i];
    auto* target = where_it_failed(connection, item);
    if (target == nullptr) {
      session->penalize(i, kPutAside);
      ++result.kept;
      continue;
    }
    session->drop(i, {});
    auto& way = ways[target];
    way.batch->items.push_back(without_error(item, *way.arena));
    way.parents.push_back({session->sequence(i)});
    way.bytes += item.size;
  }
  session->finish();
  auto prepared = prepare(instance, std::move(session), attempts, 0);
  prepared.ends.clear();  // they go on, and so do not end here
  settle_for_operator(instance, connection, taken.flight, std::move(prepared));
  for (auto& [target, way] : ways) {
    way.batch->arenas = input.batch->arenas;
    way.batch->arenas.push_back(std::move(way.arena));
    const auto count = static_cast<std::uint32_t>(way.batch->items.size());
    store::LineageRow row;
    row.type = store::EventType::route;
    row.processor = instance.number();
    row.in_connection = connection.number();
    row.time = input.now;
    row.bytes = way.bytes;
    row.details = "redriven by " + who;
    store::encode_merge(row, way.parents);
    row.out_connection = target->number();
    row.out_count = count;
    row.out_first = target->push(way.batch, 0, count, way.bytes);
    if (target->tap) target->tap(row.out_first, way.batch, 0, count);
    result.to[target->id()] += count;
    result.redriven += count;
    store::add_coalescing(lineage_, std::move(row));
    consider(*target->to);
  }
}

StateListing Engine::state(const std::string& flow, const std::string& processor, const std::string& after,
                           std::uint32_t limit, std::size_t most_bytes) {
  StateListing listing;
  const Lock lock(mutex_);
  const auto found = instance_of(flow, processor);
  const auto& instance = *found;
  listing.total = instance.state.size();
  auto at = after.empty() ? instance.state.begin() : instance.state.upper_bound(after);
  for (; at != instance.state.end(); ++at) {
    if (listing.entries.size() == limit) {
      listing.more = true;
      break;
    }
    listing.entries.push_back({at->first, at->second.substr(0, most_bytes), at->second.size()});
  }
  return listing;
}

std::uint64_t Engine::clear_state(const std::string& flow, const std::string& processor, const std::string& who) {
  StateMap old;
  Lock lock(mutex_);
  const auto found = instance_of(flow, processor);
  auto& instance = *found;
  check_up();
  const Operating operating(*this, lock);
  if (instance.status != Instance::Status::stopped)
    throw NotNow("stop " + instance.full_name() + " first: its state is its own while it runs");
  old.swap(instance.state);
  for (auto& [key, value] : instance.changed_state)
    value.reset();  // a terminated one may have left what is not cut yet
  lock.unlock();
  StateChanges changes;  // made without the lock: there may be many
  for (const auto& [key, value] : old) changes.emplace_hint(changes.end(), key, std::nullopt);
  lock.lock();
  instance.changed_state.swap(changes);  // if it was started meanwhile, it began with none, and what it set counts
  for (auto& [key, value] : changes) instance.changed_state.insert_or_assign(key, std::move(value));
  report_unlocked(instance, abi::Level::warning,
                  "state of " + std::to_string(old.size()) + " entries cleared by " + who, lock);
  wait_durable(lock);
  return old.size();
}

void Engine::set_tap(const std::string& id, ConnectionTap tap) {
  const Lock lock(mutex_);
  if (tap) {
    connection_of(id)->tap = std::move(tap);
    return;
  }
  for (auto& connection : connections_) {  // it may have left the flow since somebody began to watch
    if (connection->id() == id) connection->tap = nullptr;
  }
}

}  // namespace weir::engine
