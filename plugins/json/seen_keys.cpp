#include "seen_keys.h"

#include <random>
#include <utility>

#include "bytes.h"

namespace weir::json {

namespace {

constexpr std::size_t kFewestSlots = 16;
constexpr std::string_view kHashKey = "hash-key";
constexpr std::string_view kLast = "last";
constexpr std::string_view kBatch = "batch";
constexpr std::string_view kBehindBatches = "batci";

/// Zero stands for an empty slot, so no batch may look like it.
constexpr std::uint64_t kShortIds = 0xffffffffU;
std::uint32_t short_id(std::uint64_t batch) {
  return static_cast<std::uint32_t>(batch % kShortIds) + 1;
}

}  // namespace

void SeenKeys::begin(Session& session) {
  const auto kept = session.state(kLast);
  auto bytes = kept.value_or(std::string_view());
  const auto last = kept ? take(bytes) : 0;
  if (!clean_ || last != last_) load(session);
  clean_ = false;
  if (keep_for_ == 0) return;
  while (!batches_.empty() && batches_.front().time <= session.now() - keep_for_) forget_oldest(session);
}

void SeenKeys::load(Session& session) {
  for (auto& part : parts_) part.reset(kFewestSlots, versions_);
  size_ = 0;
  batches_.clear();
  added_.clear();
  added_count_ = 0;
  if (auto kept = session.state(kHashKey)) {
    hash_key_.low = take(*kept);
    hash_key_.high = take(*kept);
  } else {
    std::random_device random;
    const auto word = [&] { return std::uint64_t{random()} << 32 | random(); };
    hash_key_ = {word(), word()};
  }
  auto last = session.state(kLast);
  last_ = last ? take(*last) : 0;
  first_batch_ = last_ + 1;
  session.scan_state(kBatch, kBehindBatches, [&](std::string_view key, std::string_view value) {
    key.remove_prefix(kBatch.size());
    const auto id = take(key);
    const auto time = static_cast<std::int64_t>(take(key));
    if (batches_.empty()) first_batch_ = id;
    batches_.push_back({time, 0});
    const bool versions = value.starts_with('v');
    value.remove_prefix(1);
    while (!value.empty()) {
      Hash128 hash;
      hash.low = take(value);
      hash.high = take(value);
      const auto version = versions ? static_cast<std::int64_t>(take(value)) : 0;
      put(hash, id, version);
    }
    return true;
  });
}

SeenKeys::Verdict SeenKeys::look(Session& session, std::string_view key, std::int64_t version) {
  const auto hash = siphash(hash_key_, key);
  const auto& part = part_of(hash);
  const auto slot = part.slot_of(hash);
  const bool known = part.batches[slot] != 0;
  if (known && (!versions_ || version <= part.versions[slot])) return Verdict::repeated;
  if (added_count_ == 0) batches_.push_back({session.now(), 0});
  put(hash, first_batch_ + batches_.size() - 1, version);
  json::put(added_, hash.low), json::put(added_, hash.high);
  if (versions_) json::put(added_, static_cast<std::uint64_t>(version));
  if (++added_count_ == kBatchKeys) write_batch(session);
  return known ? Verdict::newer : Verdict::fresh;
}

void SeenKeys::end(Session& session) {
  if (added_count_ > 0) write_batch(session);
  while (batches_.size() > 1 && size_ - batches_.front().live >= most_) forget_oldest(session);
  clean_ = true;
}

void SeenKeys::write_batch(Session& session) {
  last_ = first_batch_ + batches_.size() - 1;
  session.set_state(batch_key(batches_.back().time, last_), (versions_ ? "v" : "k") + added_);
  std::string bytes;
  json::put(bytes, last_);
  session.set_state(kLast, bytes);
  if (!session.state(kHashKey)) {
    bytes.clear();
    json::put(bytes, hash_key_.low), json::put(bytes, hash_key_.high);
    session.set_state(kHashKey, bytes);
  }
  added_.clear();
  added_count_ = 0;
}

void SeenKeys::forget_oldest(Session& session) {
  const auto key = batch_key(batches_.front().time, first_batch_);
  if (const auto kept = session.state(key)) {
    auto value = *kept;
    const bool versions = value.starts_with('v');
    value.remove_prefix(1);
    while (!value.empty()) {
      Hash128 hash;
      hash.low = take(value);
      hash.high = take(value);
      if (versions) take(value);
      auto& part = part_of(hash);
      const auto slot = part.slot_of(hash);
      if (part.batches[slot] != short_id(first_batch_)) continue;
      part.remove(slot);
      --size_;
    }
    session.erase_state(key);
  }
  batches_.pop_front();
  ++first_batch_;
}

void SeenKeys::put(Hash128 key, std::uint64_t batch, std::int64_t version) {
  auto& part = part_of(key);
  auto slot = part.slot_of(key);
  if (part.batches[slot] != 0) {
    // A newer version of a known key: the batch that had it has one less.
    --batches_[(part.batches[slot] + kShortIds - short_id(first_batch_)) % kShortIds].live;
  } else {
    if (part.full()) {
      part.grow();
      slot = part.slot_of(key);
    }
    ++part.used;
    ++size_;
  }
  part.keys[slot] = key;
  part.batches[slot] = short_id(batch);
  if (versions_) part.versions[slot] = version;
  ++batches_[batch - first_batch_].live;
}

void SeenKeys::Part::reset(std::size_t slots, bool with_versions) {
  keys = std::vector<Hash128>(slots);
  batches = std::vector<std::uint32_t>(slots);
  versions = std::vector<std::int64_t>(with_versions ? slots : 0);
  used = 0;
}

/// Scales the hash to the number of slots (Lemire 2019), which need not be a power of two.
std::size_t SeenKeys::Part::home_of(Hash128 key) const {
  __extension__ using Product = unsigned __int128;
  return static_cast<std::size_t>((static_cast<Product>(key.low) * keys.size()) >> 64);
}

std::size_t SeenKeys::Part::slot_of(Hash128 key) const {
  auto slot = home_of(key);
  while (batches[slot] != 0 && !(keys[slot] == key)) slot = slot + 1 == keys.size() ? 0 : slot + 1;
  return slot;
}

void SeenKeys::Part::grow() {
  const auto old = std::exchange(*this, Part{});
  reset(old.keys.size() + old.keys.size() / 2, !old.versions.empty());
  for (std::size_t i = 0; i < old.keys.size(); ++i) {
    if (old.batches[i] == 0) continue;
    const auto slot = slot_of(old.keys[i]);
    keys[slot] = old.keys[i];
    batches[slot] = old.batches[i];
    if (!versions.empty()) versions[slot] = old.versions[i];
  }
  used = old.used;
}

/// Moves up what had to step aside for it, so that no search ends too early (Knuth, volume 3, 6.4, algorithm R).
void SeenKeys::Part::remove(std::size_t slot) {
  const auto size = keys.size();
  const auto behind = [size](std::size_t from, std::size_t to) { return to >= from ? to - from : to + size - from; };
  const auto after = [size](std::size_t at) { return at + 1 == size ? 0 : at + 1; };
  for (auto next = after(slot); batches[next] != 0; next = after(next)) {
    if (behind(home_of(keys[next]), next) < behind(slot, next)) continue;
    keys[slot] = keys[next];
    batches[slot] = batches[next];
    if (!versions.empty()) versions[slot] = versions[next];
    slot = next;
  }
  batches[slot] = 0;
  --used;
}

std::string SeenKeys::batch_key(std::int64_t time, std::uint64_t id) {
  std::string key(kBatch);
  json::put(key, id);
  json::put(key, static_cast<std::uint64_t>(time));
  return key;
}

}  // namespace weir::json
