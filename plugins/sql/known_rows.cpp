#include "known_rows.h"

#include <cstring>

namespace weir::db {

namespace {

constexpr std::string_view kPrefix = "row ";
constexpr std::string_view kEnd = "row!";  ///< the first key behind those: ! follows the space

/// FNV-1a, its bits then mixed as SplitMix64 does. It is stored: it must never change.
std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 0xcbf29ce484222325U;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31);
}

std::string state_key(std::string_view key) {
  return std::string(kPrefix) + std::string(key);
}

}  // namespace

void KnownRows::begin() {
  seen_.clear();
  from_ = kPrefix;
}

KnownRows::Change KnownRows::see(Session& session, std::string_view key, std::string_view row) {
  seen_.insert(hash(key));
  const auto now = hash(row);
  const auto name = state_key(key);
  const auto known = session.state(name);
  const auto change = !known ? Change::insert : Change::update;
  if (known && known->size() == sizeof now && std::memcmp(known->data(), &now, sizeof now) == 0) return Change::none;
  session.set_state(name, {reinterpret_cast<const char*>(&now), sizeof now});
  return change;
}

std::vector<std::string> KnownRows::take_missing(Session& session, std::size_t most) {
  std::vector<std::string> missing;
  session.scan_state(from_, kEnd, [&](std::string_view name, std::string_view) {
    const auto key = name.substr(kPrefix.size());
    if (!seen_.contains(hash(key))) missing.emplace_back(key);
    from_ = name;
    return missing.size() < most;
  });
  for (const auto& key : missing) session.erase_state(state_key(key));
  return missing;
}

}  // namespace weir::db
