#include "resume.h"

#include <time.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace weir::kafka {
namespace {

void append(std::string& to, std::int64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) to += static_cast<char>(static_cast<std::uint64_t>(number) >> shift);
}

std::int64_t read(std::string_view bytes) {
  std::uint64_t number = 0;
  for (const char byte : bytes.substr(0, 8)) number = number << 8 | static_cast<unsigned char>(byte);
  return static_cast<std::int64_t>(number);
}

}  // namespace

std::string to_string(const Partition& partition) {
  return partition.topic + "/" + std::to_string(partition.number);
}

std::optional<Partition> partition_of(std::string_view key) {
  const auto slash = key.rfind('/');
  if (slash == std::string_view::npos) return std::nullopt;
  Partition partition{std::string(key.substr(0, slash)), 0};
  const auto digits = key.substr(slash + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), partition.number);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return partition;
}

std::string Position::encode() const {
  std::string bytes;
  append(bytes, next);
  append(bytes, confirmed);
  return bytes;
}

Position Position::decode(std::string_view bytes) {
  return {.next = read(bytes), .confirmed = bytes.size() < 16 ? -1 : read(bytes.substr(8))};
}

Resume resume_at(const std::optional<Position>& own, const std::optional<std::int64_t>& group) {
  if (!own) return {.offset = group};
  if (!group) return {.offset = own->next};
  if (*group < own->confirmed) return {.offset = group, .set_back = true};
  return {.offset = std::max(own->next, *group)};
}

std::optional<std::int64_t> parse_time(std::string_view text) {
  const std::string copy(text);
  tm when{};
  const char* rest = ::strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &when);
  if (rest == nullptr) return std::nullopt;
  std::int64_t milliseconds = 0;
  if (*rest == '.') {
    std::int64_t unit = 100;
    if (*++rest < '0' || *rest > '9') return std::nullopt;
    for (; *rest >= '0' && *rest <= '9'; ++rest, unit /= 10) milliseconds += (*rest - '0') * unit;
  }
  std::int64_t offset = 0;
  if (std::strcmp(rest, "Z") != 0) {
    int hours = 0;
    int minutes = 0;
    const auto two_digits = [&](const char* at, int& value) {
      const auto [end, error] = std::from_chars(at, at + 2, value);
      return error == std::errc{} && end == at + 2;
    };
    if (std::strlen(rest) != 6 || (*rest != '+' && *rest != '-') || rest[3] != ':' || !two_digits(rest + 1, hours) ||
        !two_digits(rest + 4, minutes) || hours > 23 || minutes > 59)
      return std::nullopt;
    offset = (hours * 60 + minutes) * (*rest == '-' ? -60 : 60);
  }
  return (::timegm(&when) - offset) * 1000 + milliseconds;
}

}  // namespace weir::kafka
