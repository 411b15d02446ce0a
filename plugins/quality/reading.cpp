#include "reading.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "weir/json.h"

namespace weir::quality {

Reading read_token(std::string_view raw, std::string& buffer) {
  Reading reading;
  reading.raw = raw;
  if (raw.empty()) return reading;
  switch (raw[0]) {
    case 'n':
      reading.type = Type::null;
      return reading;
    case 't':
    case 'f':
      reading.type = Type::boolean;
      return reading;
    case '{':
      reading.type = Type::object;
      return reading;
    case '[':
      reading.type = Type::array;
      return reading;
    case '"':
      reading.type = Type::text;
      reading.text = raw.substr(1, raw.size() - 2);
      if (reading.text.find('\\') != std::string_view::npos) {
        buffer = decode_json_string(reading.text);
        reading.text = buffer;
      }
      return reading;
    default:
      break;
  }
  reading.type = Type::number;
  const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), reading.number);
  if (error != std::errc()) {
    // Too large, or too small to be told from zero: the exponent says which.
    const auto exponent = raw.find_first_of("eE");
    reading.in_range = exponent != std::string_view::npos && raw.substr(exponent + 1).starts_with('-');
    reading.number = 0;
  }
  reading.whole = reading.in_range && std::trunc(reading.number) == reading.number;
  return reading;
}

bool is_of_type(const Reading& reading, std::string_view type) {
  switch (reading.type) {
    case Type::missing:
    case Type::null:
      return true;  // what is not there has no type: that is what not_null is for
    case Type::boolean:
      return type == "boolean";
    case Type::number:
      return type == "number" || (type == "integer" && reading.whole);
    case Type::text:
      return type == "text";
    case Type::object:
      return type == "object";
    case Type::array:
      return type == "array";
  }
  return false;
}

std::string to_text_beyond(double value, double limit) {
  char buffer[32];
  double shown = value;
  // At least those before the point.
  const double least = std::abs(value) < 1e6 ? 6 : std::floor(std::log10(std::abs(value))) + 1;
  constexpr int kMost = std::numeric_limits<double>::max_digits10;
  for (int digits = least < 15 ? static_cast<int>(least) : 15; digits <= kMost; ++digits) {
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general, digits).ptr;
    std::from_chars(buffer, end, shown);
    if ((shown > limit) == (value > limit)) break;
  }
  return to_text(shown);  // 12 and not 1.2e+01
}

std::string to_text(double value) {
  char text[40];
  return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

}  // namespace weir::quality
