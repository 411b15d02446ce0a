#include "cell_text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "weir/json.h"

namespace weir::csv {

namespace {

bool is_ascii(std::string_view text) {
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + i, 8);
    if ((word & 0x8080808080808080U) != 0) return false;
  }
  for (; i < text.size(); ++i) {
    if (static_cast<unsigned char>(text[i]) >= 0x80) return false;
  }
  return true;
}

/// Code points of 0x80 to 0x9f: the WHATWG Encoding Standard's index windows-1252.
constexpr std::array<char16_t, 32> kWindows1252{0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021,
                                                0x2c6,  0x2030, 0x160,  0x2039, 0x152,  0x8d,   0x17d,  0x8f,
                                                0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
                                                0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178};

std::string to_utf8(std::string_view text, TextEncoding encoding) {
  std::string result;
  result.reserve(text.size() + text.size() / 4);
  for (const char c : text) {
    unsigned code = static_cast<unsigned char>(c);
    if (encoding == TextEncoding::windows_1252 && code >= 0x80 && code < 0xa0) code = kWindows1252[code - 0x80];
    if (code < 0x80) {
      result += c;
    } else if (code < 0x800) {
      result += static_cast<char>(0xc0 | code >> 6);
      result += static_cast<char>(0x80 | (code & 0x3f));
    } else {
      result += static_cast<char>(0xe0 | code >> 12);
      result += static_cast<char>(0x80 | (code >> 6 & 0x3f));
      result += static_cast<char>(0x80 | (code & 0x3f));
    }
  }
  return result;
}

}  // namespace

std::string cell_text(const Cell& cell, char quote, TextEncoding encoding) {
  std::string text;
  if (cell.doubled) {
    text.reserve(cell.text.size());
    for (std::size_t i = 0; i < cell.text.size(); ++i) {
      text += cell.text[i];
      if (cell.text[i] == quote) ++i;
    }
  } else {
    text = cell.text;
  }
  return encoding == TextEncoding::utf_8 || is_ascii(text) ? text : to_utf8(text, encoding);
}

void append_json_string(std::string& to, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  to += '"';
  auto from = text.begin();
  for (auto at = from; at != text.end(); ++at) {
    const char c = *at;
    if (c != '"' && c != '\\' && static_cast<unsigned char>(c) >= 0x20) continue;
    to.append(from, at);
    from = at + 1;
    to += '\\';
    if (c == '"' || c == '\\') {
      to += c;
    } else if (const char* letter = std::strchr("nrt", c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : 'x')) {
      to += *letter;
    } else {
      to += "u00";
      to += kHex[static_cast<unsigned char>(c) >> 4];
      to += kHex[c & 15];
    }
  }
  to.append(from, text.end());
  to += '"';
}

bool is_utf8(std::string_view text) {
  if (is_ascii(text)) return true;
  std::string quoted;
  append_json_string(quoted, text);
  detail::JsonWalker walker(quoted);
  return walker.string() && walker.at_end();
}

std::string excerpt(std::string_view text) {
  constexpr std::size_t kMost = 40;
  std::string result(text.substr(0, kMost));
  std::replace_if(result.begin(), result.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return "'" + result + (text.size() > kMost ? "...'" : "'");
}

}  // namespace weir::csv
