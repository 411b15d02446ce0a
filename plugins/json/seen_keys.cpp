#include "seen_keys.h"

#include <random>
#include <utility>

#include "bytes.h"

namespace weir::json {

namespace {

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
  keys_.assign(1024, {});
  batch_of_.assign(1024, 0);
  version_of_.assign(versions_ ? 1024 : 0, 0);
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
      if (size_ * 10 >= keys_.size() * 7) grow();
      put(slot_of(hash), hash, id, version);
    }
    return true;
  });
}

SeenKeys::Verdict SeenKeys::look(Session& session, std::string_view key, std::int64_t version) {
  const auto hash = siphash(hash_key_, key);
  auto slot = slot_of(hash);
  const bool known = batch_of_[slot] != 0;
  if (known && (!versions_ || version <= version_of_[slot])) return Verdict::repeated;
  if (added_count_ == 0) batches_.push_back({session.now(), 0});
  if (!known && size_ * 10 >= keys_.size() * 7) {
    grow();
    slot = slot_of(hash);
  }
  put(slot, hash, first_batch_ + batches_.size() - 1, version);
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
      const auto slot = slot_of(hash);
      if (batch_of_[slot] == short_id(first_batch_)) remove(slot);
    }
    session.erase_state(key);
  }
  batches_.pop_front();
  ++first_batch_;
}

/// Where the key is, or would be.
std::size_t SeenKeys::slot_of(Hash128 key) const {
  const auto mask = keys_.size() - 1;
  auto slot = key.low & mask;
  while (batch_of_[slot] != 0 && !(keys_[slot] == key)) slot = (slot + 1) & mask;
  return slot;
}

void SeenKeys::put(std::size_t slot, Hash128 key, std::uint64_t batch, std::int64_t version) {
  if (batch_of_[slot] == 0) {
    ++size_;
  } else {
    // A newer version of a known key: the batch that had it has one less.
    --batches_[(batch_of_[slot] + kShortIds - short_id(first_batch_)) % kShortIds].live;
  }
  keys_[slot] = key;
  batch_of_[slot] = short_id(batch);
  if (versions_) version_of_[slot] = version;
  ++batches_[batch - first_batch_].live;
}

void SeenKeys::grow() {
  auto keys = std::exchange(keys_, std::vector<Hash128>(keys_.size() * 2));
  auto batches = std::exchange(batch_of_, std::vector<std::uint32_t>(keys_.size()));
  auto versions = std::exchange(version_of_, std::vector<std::int64_t>(versions_ ? keys_.size() : 0));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (batches[i] == 0) continue;
    const auto slot = slot_of(keys[i]);
    keys_[slot] = keys[i];
    batch_of_[slot] = batches[i];
    if (versions_) version_of_[slot] = versions[i];
  }
}

/// Moves up what had to step aside for it, so that no search ends too early (Knuth, volume 3, 6.4, algorithm R).
void SeenKeys::remove(std::size_t slot) {
  const auto mask = keys_.size() - 1;
  for (auto next = (slot + 1) & mask; batch_of_[next] != 0; next = (next + 1) & mask) {
    const auto home = keys_[next].low & mask;
    if (((next - home) & mask) < ((next - slot) & mask)) continue;
    keys_[slot] = keys_[next];
    batch_of_[slot] = batch_of_[next];
    if (versions_) version_of_[slot] = version_of_[next];
    slot = next;
  }
  batch_of_[slot] = 0;
  --size_;
}

std::string SeenKeys::batch_key(std::int64_t time, std::uint64_t id) {
  std::string key(kBatch);
  json::put(key, id);
  json::put(key, static_cast<std::uint64_t>(time));
  return key;
}

}  // namespace weir::json
