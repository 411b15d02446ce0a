#pragma once
// Numbers as JSON.

#include <charconv>
#include <string>

namespace weir::window {

template <class Number>
void append_number(std::string& to, Number number) {
  char text[40];
  to.append(text, std::to_chars(text, text + sizeof text, number).ptr);
}

/// The shortest decimal that reads back the same; a whole one keeps a fraction, so that readers see a real number.
inline void append_real(std::string& to, double value) {
  const auto from = to.size();
  append_number(to, value);
  if (to.find_first_of(".e", from) == std::string::npos) to += ".0";
}

}  // namespace weir::window
