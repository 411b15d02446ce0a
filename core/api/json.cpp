#include "api/json.h"

#include <date/date.h>
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "sql/time_format.h"
#include "store/content.h"
#include "weir/sql.h"

namespace weir::api {

namespace json = boost::json;

namespace {

/// Bytes of the UTF-8 sequence at the begin of `text` (Unicode's table 3-7); 0: there is none.
std::size_t sequence(std::string_view text) {
  const auto at = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto follows = [&](std::size_t i) { return (at(i) & 0xC0U) == 0x80; };
  const auto lead = at(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return follows(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool second = follows(1) && !(lead == 0xE0 && at(1) < 0xA0) && !(lead == 0xED && at(1) > 0x9F);
    return second && follows(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool second = follows(1) && !(lead == 0xF0 && at(1) < 0x90) && !(lead == 0xF4 && at(1) > 0x8F);
    return second && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto size = sequence(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

/// Without the part of a sequence that a cut has left at the end.
std::string_view without_cut(std::string_view text) {
  for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0U) == 0x80) continue;
    const std::size_t wanted = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC2 ? 2 : 1;
    return wanted > back ? text.substr(0, text.size() - back) : text;
  }
  return text;
}

std::string base64(std::string_view bytes) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto at = [&](std::size_t k) {
      return i + k < bytes.size() ? static_cast<unsigned>(static_cast<unsigned char>(bytes[i + k])) : 0U;
    };
    const auto three = at(0) << 16U | at(1) << 8U | at(2);
    for (std::size_t k = 0; k < 4; ++k) text += i + k > bytes.size() ? '=' : kDigits[three >> (18 - 6 * k) & 63U];
  }
  return text;
}

}  // namespace

Response json_response(const json::value& value, int status) {
  return json_text_response(json::serialize(value), status);
}

Response json_text_response(std::string text, int status) {
  text += '\n';
  return {status, "application/json", std::move(text)};
}

Response json_error(int status, std::string_view why) {
  return json_response(json::object{{"error", utf8(why)}}, status);
}

json::value time_json(std::int64_t nanoseconds) {
  if (nanoseconds == 0) return nullptr;
  const std::chrono::sys_time<std::chrono::nanoseconds> time{std::chrono::nanoseconds(nanoseconds)};
  const auto midnight = date::floor<date::days>(time);
  const date::year_month_day day(midnight);
  const date::hh_mm_ss clock(date::floor<std::chrono::milliseconds>(time - midnight));
  // By hand, for pages with a thousand times: a stream with its locale for each was a tenth of them.
  return json::value(fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(day.year()),
                                 static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()),
                                 clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                                 clock.subseconds().count()));
}

std::string utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const auto size = sequence(bytes);
    if (size == 0) {
      text += "\xEF\xBF\xBD";
    } else {
      text += bytes.substr(0, size);
    }
    bytes.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return text;
}

json::object bytes_json(std::string_view bytes, std::size_t most) {
  const bool cut = bytes.size() > most;
  const auto part = bytes.substr(0, most);
  const auto text = cut ? without_cut(part) : part;
  json::object out;
  if (is_utf8(text)) {
    out["text"] = text;
  } else {
    out["base64"] = base64(part);
  }
  if (cut) out["truncated"] = true;
  return out;
}

std::string content_of(const abi::Item& item, std::uint64_t offset, std::uint64_t size) {
  if (offset >= item.size) return {};
  size = std::min(size, item.size - offset);
  if ((item.flags & abi::kExternal) == 0) return {item.data + offset, size};
  const auto& external = store::external_of(item);
  std::string bytes(size, '\0');
  const auto read = external.file->read(external.offset + offset, bytes.data(), size);
  bytes.resize(read);
  return bytes;
}

std::optional<std::string> decoded(std::string_view encoded) {
  std::string plain;
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    if (encoded[i] != '%') {
      plain += encoded[i];
      continue;
    }
    unsigned value = 0;
    if (encoded.size() - i < 3) return std::nullopt;
    const auto* begin = encoded.data() + i + 1;
    if (std::from_chars(begin, begin + 2, value, 16).ptr != begin + 2) return std::nullopt;
    plain += static_cast<char>(value);
    i += 2;
  }
  return plain;
}

std::optional<std::string> Query::text(std::string_view name) const {
  for (auto rest = query_; !rest.empty();) {
    const auto end = std::min(rest.find('&'), rest.size());
    const auto part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!part.starts_with(name) || part.size() <= name.size() || part[name.size()] != '=') continue;
    std::string written(part.substr(name.size() + 1));
    std::replace(written.begin(), written.end(), '+', ' ');  // as forms encode it
    auto value = decoded(written);
    if (!value) throw Refused(400, fmt::format("'{}' is no percent-encoding", name));
    return value;
  }
  return std::nullopt;
}

std::uint64_t Query::number(std::string_view name, std::uint64_t otherwise, std::uint64_t most) const {
  const auto written = text(name);
  if (!written) return otherwise;
  std::uint64_t value = 0;
  const auto [at, error] = std::from_chars(written->data(), written->data() + written->size(), value);
  if (error != std::errc{} || at != written->data() + written->size() || value > most)
    throw Refused(400, most == ~std::uint64_t{0} ? fmt::format("'{}' is a whole number", name)
                                                 : fmt::format("'{}' is a whole number up to {}", name, most));
  return value;
}

std::optional<std::int64_t> Query::time(std::string_view name) const {
  const auto written = text(name);
  if (!written) return std::nullopt;
  std::int64_t time = 0;
  if (sql::parse_rfc3339(*written, time) || sql::parse_rfc3339(*written + "T00:00:00Z", time)) return time;
  throw Refused(400, fmt::format("'{}' is a time such as 2026-01-31 or 2026-01-31T12:00:00Z", name));
}

}  // namespace weir::api
