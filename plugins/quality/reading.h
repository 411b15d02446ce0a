#pragma once
// One field's value, as the rules see it.

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::quality {

enum class Type : std::uint8_t { missing, null, boolean, number, text, object, array };

struct Reading {
  Type type = Type::missing;
  std::string_view raw;   ///< the token as it stands
  double number = 0;      ///< of a number within the range of doubles
  bool in_range = true;   ///< false: a number beyond it, such as 1e999
  bool whole = false;     ///< a number without a fraction
  std::string_view text;  ///< of a text, decoded
};

/// Reads a token that was checked to be JSON (empty: the field is missing). `buffer` may hold decoded text.
Reading read_token(std::string_view raw, std::string& buffer);

/// A type by its name in the flow; `integer` is a whole number.
bool is_of_type(const Reading& reading, std::string_view type);

/// A number as short as it can be told apart.
std::string to_text(double value);

/// A computed number without the noise of its computation: with six digits, or as many more as it takes for those
/// before the point, and to show that it lies beyond `limit`.
std::string to_text_beyond(double value, double limit);

}  // namespace weir::quality
