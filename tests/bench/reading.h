// The readings that benchmarks and server tests feed to Weir: what docs/performance.md calls "a line".
//
//   {"sensor_id":"s-0123","ts":1700000000123,"temperature":21.37,"humidity":44.1,"status":"ok","lat":45.62,"lon":0.06}
//
// Reading `index` is a pure function of (seed, index, time), so that any part of a stream can be made again, by any
// process, to check what arrived.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::bench {

/// Where in event time a stream begins: the middle of a minute, as streams do.
constexpr std::int64_t stream_start_ms = 1'700'000'000'000;
/// How much event time a generated file covers, whatever its number of lines.
constexpr std::int64_t stream_span_ms = 5 * 60 * 1000;

/// A well-mixed 64-bit hash of `value` (splitmix64, Steele et al. 2014): the only source of randomness here.
constexpr std::uint64_t mix(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

/// A deterministic stream of readings from `sensors` sensors.
class ReadingStream {
 public:
  ReadingStream(std::uint64_t seed, std::uint32_t sensors) : seed_(seed), sensors_(sensors) {}

  /// The sensor that reading `index` comes from, in [0, sensors).
  [[nodiscard]] std::uint32_t sensor(std::uint64_t index) const {
    return static_cast<std::uint32_t>((random(index) & 0xffffff) % sensors_);
  }

  /// Appends reading `index` as one JSON object, without a newline. `time_ms` is its event time, Unix milliseconds.
  void append(std::string& out, std::uint64_t index, std::int64_t time_ms) const {
    const auto bits = random(index);
    const auto id = sensor(index);
    out += R"({"sensor_id":"s-)";
    append_padded(out, id, 4);
    out += R"(","ts":)";
    append_integer(out, time_ms);
    out += R"(,"temperature":)";
    append_fixed(out, 1000 + (bits >> 24) % 2000, 2);
    out += R"(,"humidity":)";
    append_fixed(out, 200 + (bits >> 36) % 700, 1);
    out += (bits >> 48) % 64 == 0 ? R"(,"status":"suspect","lat":)" : R"(,"status":"ok","lat":)";
    append_fixed(out, 4000 + mix(id) % 1000, 2);
    out += R"(,"lon":)";
    append_fixed(out, mix(id) / 1024 % 1000, 2);
    out += '}';
  }

  static void append_integer(std::string& out, std::int64_t value) {
    char digits[20];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  }

  static void append_padded(std::string& out, std::uint64_t value, std::size_t width) {
    char digits[20];
    const auto* end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    const auto length = static_cast<std::size_t>(end - digits);
    if (length < width) out.append(width - length, '0');
    out.append(digits, length);
  }

 private:
  [[nodiscard]] std::uint64_t random(std::uint64_t index) const { return mix(seed_ ^ mix(index)); }

  /// `value` hundredths (or tenths, …) as a decimal with exactly `decimals` digits after the point: 2140 is 21.40, so
  /// that a pipeline which rewrites numbers is found out.
  static void append_fixed(std::string& out, std::uint64_t value, std::size_t decimals) {
    const std::uint64_t unit = decimals == 1 ? 10 : 100;
    append_integer(out, static_cast<std::int64_t>(value / unit));
    out += '.';
    append_padded(out, value % unit, decimals);
  }

  std::uint64_t seed_;
  std::uint32_t sensors_;
};

}  // namespace weir::bench
