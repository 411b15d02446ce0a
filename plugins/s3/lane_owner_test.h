#pragma once
// For tests: a Weir that has a lane with an S3Sink, and what is in the bucket then.

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "weir/plugin.h"
#include "weir/testkit.h"
#include "weir/testkit_lane.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

namespace weir::s3 {

/// Where the group is.
struct Position {
  std::int64_t next = 0;
  std::int64_t held_from = 0;
};

inline std::string record(std::int64_t n, int paths) {
  return "{\"k\":\"p" + std::to_string(n % paths) + "\",\"n\":" + std::to_string(n) + "}\n";
}

/// A Weir that has the lane, until it dies with all that it has on its machine.
class Owner {
 public:
  Owner(const std::string& properties, Position from, bool exactly_once = true,
        const std::string& key = "raw/$(k)/x.ndjson.gz")
      : from_(from),
        runner_(testkit::find_type(weir_plugin_abi_1(), "S3Sink"),
                "key: " + key + "\nconnect_timeout: 1s\n" + properties,
                {.exactly_once = exactly_once, .lane = &lane, .lane_holds = &lane, .lane_end = &lane}) {
    lane.before = from.held_from;
  }

  /// Reads from where the lane is needed on. What the sink has, or had before what it holds, does not come to it.
  void read_again(std::int64_t step, int paths) {
    for (auto at = from_.held_from; at < from_.next;) at = round(at, std::min(from_.next, at + step), paths);
  }
  /// Up to `end`, or where it has to end before. Returns where that is.
  std::int64_t round(std::int64_t begin, std::int64_t end, int paths) {
    end = begin_round(begin, end, paths);
    end_round();
    return end;
  }
  std::int64_t begin_round(std::int64_t begin, std::int64_t end, int paths) {
    if (begin < lane.claimed_at) end = std::min(end, lane.claimed_at);
    lane.round(begin, end);
    if (end <= std::max(from_.held_from, lane.claimed_at)) return end;
    for (auto n = begin; n < end; ++n) runner_.push(record(n, paths));
    return end;
  }
  void end_round() {
    runner_.run();
    for (int flushes = 0; runner_.held() > 0 && flushes < 5; ++flushes) runner_.durable();
    if (runner_.held() > 0) throw std::runtime_error("the round does not end");
  }
  Position position(std::int64_t next) { return {next, lane.held_from(next)}; }
  testkit::Runner& runner() { return runner_; }

  testkit::TestLane lane;

 private:
  Position from_;
  testkit::Runner runner_;
};

/// As 0-7 9 9 for all from 0 to 7, and 9 twice.
inline std::string text_of(const std::vector<std::int64_t>& all) {
  std::string text;
  for (std::size_t i = 0; i < all.size();) {
    auto last = i;
    while (last + 1 < all.size() && all[last + 1] == all[last] + 1) ++last;
    text += (text.empty() ? "" : " ") + std::to_string(all[i]);
    if (last > i) text += '-' + std::to_string(all[last]);
    i = last + 1;
  }
  return text;
}

inline std::string unpacked(std::string_view content) {
  if (!content.starts_with("\x1f\x8b")) return std::string(content);
  std::string text;
  std::string piece(1 << 16, '\0');
  z_stream stream{};
  ::inflateInit2(&stream, 16 + MAX_WBITS);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  for (int status = Z_OK; status == Z_OK;) {
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    status = ::inflate(&stream, Z_NO_FLUSH);
    text.append(piece, 0, piece.size() - stream.avail_out);
    if (status == Z_STREAM_END && stream.avail_in > 0) status = ::inflateReset(&stream);  // a member of several
  }
  const bool whole = stream.avail_in == 0;
  ::inflateEnd(&stream);
  if (!whole) throw std::runtime_error("an object ends in the middle");
  return text;
}

/// The numbers in all objects; whatever is under `_weir` is the lanes' own.
inline std::string numbers_in(const std::map<std::string, std::string>& objects) {
  std::vector<std::int64_t> all;
  for (const auto& [key, content] : objects) {
    if (key.find("/_weir/") != std::string::npos) continue;
    std::istringstream lines(unpacked(content));
    const auto folder = key.substr(4, key.find('/', 4) - 4);
    for (std::string line; std::getline(lines, line);) {
      if (line.find("\"k\":\"" + folder + "\"") == std::string::npos) throw std::runtime_error(key + " has " + line);
      all.push_back(std::stoll(line.substr(line.find("\"n\":") + 4)));
    }
  }
  std::ranges::sort(all);
  return text_of(all);
}

inline std::string up_to(std::int64_t end) {
  return end == 1 ? "0" : "0-" + std::to_string(end - 1);
}

}  // namespace weir::s3
