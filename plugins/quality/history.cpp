#include "history.h"

#include <bit>
#include <cstring>

namespace weir::quality {

namespace {

constexpr std::int64_t kMinute = 60'000'000'000;

void put(std::string& to, std::uint64_t value, unsigned bytes = 8) {
  for (unsigned i = bytes; i-- > 0;) to += static_cast<char>(value >> (8 * i));
}

bool take(std::string_view& from, std::uint64_t& value, std::size_t bytes = 8) {
  if (from.size() < bytes) return false;
  value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<unsigned char>(from[i]);
  from.remove_prefix(bytes);
  return true;
}

std::string age_key(std::int64_t minute, std::string_view key) {
  std::string result = "a";
  put(result, static_cast<std::uint64_t>(minute));
  result += key;
  return result;
}

}  // namespace

std::string encode(const std::vector<FieldHistory>& fields) {
  std::string bytes;
  bytes.reserve(fields.size() * 64);
  for (const auto& f : fields) {
    put(bytes, f.values | (f.apart ? 4U : 0U) | (f.seen ? 8U : 0U) | (f.flat ? 16U : 0U), 1);
    if (f.seen) put(bytes, static_cast<std::uint64_t>(f.time));
    if (f.values > 0) {
      put(bytes, std::bit_cast<std::uint64_t>(f.last));
      put(bytes, static_cast<std::uint64_t>(f.last_time));
    }
    if (f.values > 1) put(bytes, std::bit_cast<std::uint64_t>(f.before));
    if (f.apart) put(bytes, std::bit_cast<std::uint64_t>(f.aside));
    if (f.flat) {
      put(bytes, std::bit_cast<std::uint64_t>(f.flat_value));
      put(bytes, static_cast<std::uint64_t>(f.flat_since));
    }
    put(bytes, f.hashes.size(), 4);
    put(bytes, f.next_hash, 4);
    for (const auto hash : f.hashes) put(bytes, hash);
  }
  return bytes;
}

/// False: the bytes are of other rules; what fits is taken, the rest begins anew.
bool decode(std::string_view bytes, std::vector<FieldHistory>& fields) {
  for (auto& f : fields) {
    std::uint64_t flags = 0;
    std::uint64_t value = 0;
    FieldHistory read;
    if (!take(bytes, flags, 1)) return false;
    read.values = flags & 3U;
    read.apart = (flags & 4U) != 0;
    read.seen = (flags & 8U) != 0;
    read.flat = (flags & 16U) != 0;
    const auto number = [&](double& to) { return take(bytes, value) && (to = std::bit_cast<double>(value), true); };
    const auto time = [&](std::int64_t& to) {
      return take(bytes, value) && (to = static_cast<std::int64_t>(value), true);
    };
    if (read.values > 2 || (read.seen && !time(read.time)) ||
        (read.values > 0 && (!number(read.last) || !time(read.last_time))) ||
        (read.values > 1 && !number(read.before)) || (read.apart && !number(read.aside)) ||
        (read.flat && (!number(read.flat_value) || !time(read.flat_since))))
      return false;
    std::uint64_t count = 0;
    if (!take(bytes, count, 4) || !take(bytes, value, 4) || count > bytes.size() / 8) return false;
    read.next_hash = static_cast<std::uint32_t>(value);
    for (std::uint64_t i = 0; i < count; ++i) {
      take(bytes, value);
      read.hashes.push_back(value);
    }
    f = std::move(read);
  }
  return bytes.empty();
}

void Histories::begin(Session& session) {
  session_ = &session;
  minute_ = session.now() / kMinute;
  order_.clear();
  entries_.clear();
}

FieldHistory* Histories::of(std::string_view key) {
  auto at = entries_.find(key);
  if (at == entries_.end()) {
    at = entries_.emplace(std::string(key), Entry()).first;
    order_.push_back(&at->first);
    auto& entry = at->second;
    entry.fields.resize(fields_);
    if (auto value = session_->state("k" + at->first)) {
      std::uint64_t minute = 0;
      take(*value, minute);
      entry.minute = static_cast<std::int64_t>(minute);
      if (!decode(*value, entry.fields)) entry.fields.assign(fields_, FieldHistory());
    }
  }
  return at->second.fields.data();
}

std::uint64_t Histories::end() {
  std::uint64_t count = 0;
  if (auto value = session_->state("n")) take(*value, count);
  const auto before = count;
  for (const auto* key : order_) {
    auto& entry = entries_.find(*key)->second;
    if (entry.minute != minute_) {
      if (entry.minute >= 0) {
        session_->erase_state(age_key(entry.minute, *key));
      } else {
        ++count;
      }
      session_->set_state(age_key(minute_, *key), "");
    }
    std::string value;
    put(value, static_cast<std::uint64_t>(minute_));
    session_->set_state("k" + *key, value + encode(entry.fields));
  }
  if (count > max_keys_) {
    forget(count - max_keys_);
    count = max_keys_;
  }
  if (count != before) {
    std::string value;
    put(value, count);
    session_->set_state("n", value);
  }
  return count;
}

void Histories::forget(std::uint64_t count) {
  std::vector<std::string> oldest;
  session_->scan_state("a", "b", [&](std::string_view key, std::string_view) {
    oldest.emplace_back(key);
    return oldest.size() < count;
  });
  for (const auto& key : oldest) {
    session_->erase_state("k" + key.substr(9));
    session_->erase_state(key);
  }
}

}  // namespace weir::quality
