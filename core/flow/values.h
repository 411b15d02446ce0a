#pragma once
// Scalars of a flow file: what a property's kind allows, and the one spelling that processors receive.

#include <optional>
#include <string>
#include <string_view>

#include "weir/abi.h"
#include "weir/units.h"

namespace weir::flow {

/// A scalar as a processor receives it (see abi::Kind), or why it is none.
struct Value {
  std::string canonical;
  std::string problem;   ///< "is no duration"; empty: all is well
  std::string expected;  ///< "a number with a unit (ms, s, m, h or d), such as 30s"
  std::string nearest;
};

/// Reads a scalar of a kind and holds it against the property's bounds and choices.
Value read_value(const abi::Property& property, abi::Kind kind, std::string_view text);

/// As the flow's own keys read them; nothing if the text is none.
std::optional<Duration> parse_duration(std::string_view text);
std::optional<std::uint64_t> parse_bytes(std::string_view text);

/// Whether JSON would take the text for a number.
bool looks_like_number(std::string_view text);

/// What a value of a kind looks like, for messages and reference pages: "a duration such as 30s".
std::string expectation(const abi::Property& property, abi::Kind kind);

/// "duration", "list of text", "map of object".
std::string kind_name(const abi::Property& property);
std::string_view kind_name(abi::Kind kind);

/// A regular expression (ECMA 262) of the spellings that a kind with a unit allows; empty for other kinds.
std::string_view pattern(abi::Kind kind);

}  // namespace weir::flow
