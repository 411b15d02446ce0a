#include "store/attribute_index.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <vector>

namespace weir::store {

namespace {

// Bloom (1970), with Kirsch and Mitzenmacher's two hashes (2006): 10 bits a key and 6 probes, 1% false positives.
constexpr std::uint64_t kBitsPerKey = 10;
constexpr std::uint64_t kProbes = 6;

template <typename Visit>
bool probe(std::string_view name, std::string_view value, std::uint64_t bits, Visit visit) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a
  const auto mix = [&](char c) { hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3ULL; };
  std::for_each(name.begin(), name.end(), mix);
  mix('\0');
  std::for_each(value.begin(), value.end(), mix);
  hash ^= hash >> 32;
  const auto second = (hash * 0x9e3779b97f4a7c15ULL) | 1;
  for (std::uint64_t i = 0; i < kProbes; ++i, hash += second) {
    if (!visit(hash % bits)) return false;
  }
  return true;
}

}  // namespace

PackedAttributes pack_attributes(std::span<const IndexedAttribute> attributes) {
  std::vector<const IndexedAttribute*> sorted;
  sorted.reserve(attributes.size());
  for (const auto& each : attributes) sorted.push_back(&each);
  const auto key = [](const IndexedAttribute* each) {
    return std::tuple<std::string_view, std::string_view, std::uint32_t>(each->name, each->value, each->connection);
  };
  std::sort(sorted.begin(), sorted.end(), [&](const auto* a, const auto* b) {
    return std::tuple(key(a), a->sequence) < std::tuple(key(b), b->sequence);
  });
  PackedAttributes result;
  std::vector<const IndexedAttribute*> keys;
  std::string_view name;
  for (std::size_t i = 0; i < sorted.size();) {
    auto end = i + 1;
    while (end < sorted.size() && key(sorted[end]) == key(sorted[i])) ++end;
    const auto& first = *sorted[i];
    // The name is written when it changes: 0 stands for the same, else its size plus one.
    const auto same_name = i > 0 && first.name == name;
    name = first.name;
    append_varint(result.packed, same_name ? 0 : name.size() + 1);
    if (!same_name) result.packed += name;
    append_varint(result.packed, first.value.size());
    result.packed += first.value;
    append_varint(result.packed, first.connection);
    std::uint64_t count = 0;
    for (auto k = i; k < end; ++k) count += sorted[k]->count;
    append_varint(result.packed, count);
    std::uint64_t previous = 0;
    for (auto k = i; k < end; ++k) {
      append_varint(result.packed, sorted[k]->sequence - previous);
      previous = sorted[k]->sequence + sorted[k]->count - 1;
      for (auto next = sorted[k]->count; next > 1; --next) append_varint(result.packed, 1);
    }
    keys.push_back(sorted[i]);
    i = end;
  }
  result.filter.assign(std::max<std::uint64_t>(8, keys.size() * kBitsPerKey / 8), '\0');
  for (const auto* each : keys) {
    probe(each->name, each->value, result.filter.size() * 8, [&](std::uint64_t bit) {
      auto& byte = result.filter[bit / 8];
      byte = static_cast<char>(static_cast<std::uint8_t>(byte) | 1U << (bit % 8));
      return true;
    });
  }
  return result;
}

bool may_have(std::string_view filter, std::string_view name, std::string_view value) {
  if (filter.empty()) return true;
  return probe(name, value, filter.size() * 8, [&](std::uint64_t bit) {
    return (static_cast<unsigned>(static_cast<std::uint8_t>(filter[bit / 8])) >> (bit % 8) & 1U) != 0;
  });
}

void for_each_attribute(std::string_view packed, std::string_view name, std::string_view value,
                        const std::function<void(std::string_view name, std::string_view value,
                                                 std::uint32_t connection, std::uint64_t sequence)>& visit) {
  std::string_view this_name;
  for (Decoder in(packed); !in.at_end();) {
    if (const auto size = in.varint(); size > 0) this_name = in.bytes(size - 1);
    const auto this_value = in.text();
    const auto connection = static_cast<std::uint32_t>(in.varint());
    const auto wanted = name.empty() || (name == this_name && value == this_value);
    std::uint64_t sequence = 0;
    for (auto left = in.count(); left > 0; --left) {
      sequence += in.varint();
      if (wanted) visit(this_name, this_value, connection, sequence);
    }
  }
}

}  // namespace weir::store
