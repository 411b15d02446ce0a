#include "gunzip.h"

#include <zlib.h>

#include <algorithm>
#include <array>

namespace weir::http {
namespace {

constexpr int kGzipOnly = 15 + 16;  ///< the largest window, with gzip's header

struct Stream {
  z_stream z{};
  Stream() { good = inflateInit2(&z, kGzipOnly) == Z_OK; }
  ~Stream() { inflateEnd(&z); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  bool good = false;
};

}  // namespace

Gunzip gunzip(std::string_view packed, std::uint64_t limit, std::string& to) {
  constexpr std::size_t kMostAtOnce = 1 << 30;
  Stream stream;
  if (!stream.good) return Gunzip::broken;
  std::array<char, 64 * 1024> part;
  auto& z = stream.z;
  while (true) {
    if (z.avail_in == 0) {
      const auto size = std::min(packed.size(), kMostAtOnce);
      z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
      z.avail_in = static_cast<uInt>(size);
      packed.remove_prefix(size);
    }
    z.next_out = reinterpret_cast<Bytef*>(part.data());
    z.avail_out = static_cast<uInt>(part.size());
    const int status = inflate(&z, Z_NO_FLUSH);
    const auto size = part.size() - z.avail_out;
    if (to.size() + size > limit) return Gunzip::too_large;
    to.append(part.data(), size);
    if (status == Z_STREAM_END) {
      if (z.avail_in == 0 && packed.empty()) return Gunzip::good;
      if (inflateReset(&z) != Z_OK) return Gunzip::broken;
    } else if (status != Z_OK) {
      return Gunzip::broken;  // also when it ends too early: then there is no progress, and that is an error
    }
  }
}

}  // namespace weir::http
