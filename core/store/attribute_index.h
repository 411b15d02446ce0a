#pragma once
// Searchable attributes: for each epoch one packed row, which holds for each name and value the sequences it stood on,
// and in front a Bloom filter, so that a search passes over the epochs that do not have the value.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "store/encoding.h"
#include "store/store.h"

namespace weir::store {

struct PackedAttributes {
  std::string filter;
  std::string packed;
};
PackedAttributes pack_attributes(std::span<const IndexedAttribute> attributes);

/// False: the row certainly does not have it.
bool may_have(std::string_view filter, std::string_view name, std::string_view value);

/// Visits each (connection, sequence) where the attribute stood, or all attributes if `name` is empty. Throws
/// Malformed.
void for_each_attribute(std::string_view packed, std::string_view name, std::string_view value,
                        const std::function<void(std::string_view name, std::string_view value,
                                                 std::uint32_t connection, std::uint64_t sequence)>& visit);

}  // namespace weir::store
