#include "encoder.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <new>
#include <stdexcept>

namespace weir::file {

namespace {

/// What a library gives at a time goes through here: room in the buffer for the largest piece would stay with each
/// file.
using Piece = std::array<char, 16 * 1024>;

// A gzip file takes 2^(window + 2) + 2^(memory + 9) bytes while it is open: 96 KiB, or 256 KiB where the level asks for
// the best. Of one sensor's readings the small window is the better one (distances are shorter), of mixed text it costs
// 4% of the ratio.
constexpr int kFrugalLevel = 6;
constexpr int kFrugalWindow = 14;
constexpr int kFrugalMemory = 6;
constexpr int kBestWindow = 15;
constexpr int kBestMemory = 8;
constexpr int kGzipFormat = 16;

class GzipEncoder final : public Encoder {
 public:
  explicit GzipEncoder(int level) {
    const bool frugal = level <= kFrugalLevel;
    if (deflateInit2(&z_, level == 0 ? Z_DEFAULT_COMPRESSION : level, Z_DEFLATED,
                     (frugal ? kFrugalWindow : kBestWindow) + kGzipFormat, frugal ? kFrugalMemory : kBestMemory,
                     Z_DEFAULT_STRATEGY) != Z_OK)
      throw std::bad_alloc();
  }
  ~GzipEncoder() override { deflateEnd(&z_); }

  void write(std::string_view bytes, std::string& to) override {
    if (bytes.empty()) return;
    member_.open = true;
    member_.crc =
        static_cast<std::uint32_t>(crc32_z(member_.crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
    member_.size += bytes.size();
    at_checkpoint_ = false;
    while (!bytes.empty()) {
      const auto part = bytes.substr(0, 1U << 30);
      z_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(part.data()));
      z_.avail_in = static_cast<uInt>(part.size());
      run(Z_NO_FLUSH, to);
      bytes.remove_prefix(part.size());
    }
  }
  void checkpoint(std::string& to) override {
    if (!member_.open || at_checkpoint_) return;
    run(Z_SYNC_FLUSH, to);
    at_checkpoint_ = true;
  }
  void end(std::string& to) override {
    if (!member_.open) return;
    run(Z_FINISH, to);
    deflateReset(&z_);
    member_ = {};
    at_checkpoint_ = false;
  }
  Member member() const override { return member_; }

 private:
  void run(int flush, std::string& to) {
    Piece piece;
    do {
      z_.next_out = reinterpret_cast<Bytef*>(piece.data());
      z_.avail_out = static_cast<uInt>(piece.size());
      deflate(&z_, flush);
      to.append(piece.data(), piece.size() - z_.avail_out);
    } while (z_.avail_out == 0);
  }

  z_stream z_{};
  Member member_;
  bool at_checkpoint_ = false;
};

class ZstdEncoder final : public Encoder {
 public:
  explicit ZstdEncoder(int level) : z_(ZSTD_createCCtx()) {
    if (z_ == nullptr) throw std::bad_alloc();
    ZSTD_CCtx_setParameter(z_.get(), ZSTD_c_compressionLevel, level == 0 ? ZSTD_CLEVEL_DEFAULT : level);
    // A frame with a checksum could not be ended after a crash without hashing what it holds again.
    ZSTD_CCtx_setParameter(z_.get(), ZSTD_c_checksumFlag, 0);
  }

  void write(std::string_view bytes, std::string& to) override {
    if (bytes.empty()) return;
    member_.open = true;
    member_.size += bytes.size();
    at_checkpoint_ = false;
    run(bytes, ZSTD_e_continue, to);
  }
  void checkpoint(std::string& to) override {
    if (!member_.open || at_checkpoint_) return;
    run({}, ZSTD_e_flush, to);
    at_checkpoint_ = true;
  }
  void end(std::string& to) override {
    if (!member_.open) return;
    run({}, ZSTD_e_end, to);
    member_ = {};
    at_checkpoint_ = false;
  }
  Member member() const override { return member_; }

 private:
  void run(std::string_view bytes, ZSTD_EndDirective directive, std::string& to) {
    Piece piece;
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    while (true) {
      ZSTD_outBuffer out{piece.data(), piece.size(), 0};
      const auto left = ZSTD_compressStream2(z_.get(), &out, &in, directive);
      to.append(piece.data(), out.pos);
      if (ZSTD_isError(left) != 0) throw std::runtime_error(std::string("zstd: ") + ZSTD_getErrorName(left));
      if (directive == ZSTD_e_continue ? in.pos == in.size : left == 0) return;
    }
  }

  struct Free {
    void operator()(ZSTD_CCtx* z) const { ZSTD_freeCCtx(z); }
  };
  std::unique_ptr<ZSTD_CCtx, Free> z_;
  Member member_;
  bool at_checkpoint_ = false;
};

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

}  // namespace

std::unique_ptr<Encoder> make_encoder(Compression compression, int level) {
  switch (compression) {
    case Compression::gzip:
      return std::make_unique<GzipEncoder>(std::clamp(level, 0, 9));
    case Compression::zstd:
      return std::make_unique<ZstdEncoder>(level);
    case Compression::none:
      break;
  }
  return nullptr;
}

std::string open_end(Compression compression, const Member& member) {
  if (!member.open || compression == Compression::none) return {};
  if (compression == Compression::zstd) return std::string("\x01\x00\x00", 3);  // the last block: raw, of 0 bytes
  std::string end("\x03\x00", 2);  // the last block: fixed codes, nothing but its end
  const auto add = [&end](std::uint32_t number) {
    for (int shift = 0; shift < 32; shift += 8) end += static_cast<char>(number >> shift & 0xff);
  };
  add(member.crc);
  add(static_cast<std::uint32_t>(member.size));
  return end;
}

Compression compression_of(std::string_view path) {
  if (ends_with(path, ".gz")) return Compression::gzip;
  return ends_with(path, ".zst") ? Compression::zstd : Compression::none;
}

}  // namespace weir::file
