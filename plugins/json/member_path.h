#pragma once
// A path through nested objects, and the arrays on its way.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::json {

/// Names of members from the record on. An array on the way stands for each of its elements.
using MemberPath = std::vector<std::string>;

/// `orders.items`, or as a JSON Pointer `/orders/items` (RFC 6901: ~1 is /, ~0 is ~), for names with dots. Throws
/// weir::Misconfigured; `property` is what its message begins with.
MemberPath parse_member_path(std::string_view property, std::string_view text);

/// The way to one element: what was found at each step, from the record (the first) to the element (the last).
using Chain = std::vector<std::string_view>;

/// Calls `visit(chain, index)` for each element that the path leads to in a checked record; index: its place in the
/// innermost array. What is no array counts as one element, null and what is missing as none.
void each_element_at(std::string_view record, const MemberPath& path,
                     const std::function<void(const Chain&, std::size_t)>& visit);

/// The same for rows: where the path ends early, because something is missing, null or an empty array, the chain up to
/// there is visited too, so that each record has at least one.
void each_row_at(std::string_view record, const MemberPath& path, const std::function<void(const Chain&)>& visit);

/// The token that `key` leads to from the record, by the same elements as `chain` where both go the same way (`path` is
/// the chain's). Empty if it is not there or lies in an array that the chain does not go through.
std::string_view token_at(const Chain& chain, const MemberPath& path, const MemberPath& key);

}  // namespace weir::json
