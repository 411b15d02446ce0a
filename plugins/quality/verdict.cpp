#include "verdict.h"

namespace weir::quality {

void append_escaped(std::string& to, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      to += '\\';
      to += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      to += "\\u00";
      to += kHex[static_cast<unsigned char>(c) >> 4];
      to += kHex[c & 15];
    } else {
      to += c;
    }
  }
}

void Verdict::add(Flag flag, std::string_view field, std::string_view rule, std::string_view detail,
                  std::uint32_t number) {
  add(flag);
  rules_.push_back(number);
  if (count_++ > 0) reasons_ += ',';
  reasons_ += '"';
  append_escaped(reasons_, field);
  reasons_ += ": ";
  reasons_ += rule;
  if (!detail.empty()) {
    reasons_ += ' ';
    append_escaped(reasons_, detail);
  }
  reasons_ += '"';
}

}  // namespace weir::quality
