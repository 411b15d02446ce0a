#include "byte_stream.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

namespace weir::file {

namespace {

class PlainStream final : public ByteStream {
 public:
  PlainStream(Fd fd, std::string path, std::uint64_t offset) : fd_(std::move(fd)), path_(std::move(path)) {
    if (::lseek(fd_.get(), static_cast<off_t>(offset), SEEK_SET) < 0) fail("read", path_, errno);
    ::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  }
  std::size_t read(char* to, std::size_t size) override { return read_fully(fd_, to, size, path_); }
  bool compressed() const override { return false; }

 private:
  Fd fd_;
  std::string path_;
};

/// What gzip and zstd have in common: packed bytes come through a buffer, and damage is reported once everything
/// before it has been handed out.
class PackedStream : public ByteStream {
 public:
  /// `first`: bytes that were read of the stream already.
  PackedStream(std::unique_ptr<ByteStream> source, std::string path, std::string_view first)
      : path_(std::move(path)), packed_(256 * 1024), end_(first.size()), source_(std::move(source)), consumed_(end_) {
    std::copy(first.begin(), first.end(), packed_.begin());
  }

  std::size_t read(char* to, std::size_t size) final {
    std::size_t done = 0;
    while (done < size && !damage_) {
      if (begin_ == end_ && !at_end_) refill();
      if (begin_ == end_ && at_end_ && !has_more_output()) {
        if (!between_members()) damage("ends in the middle of its compressed data (truncated, or still being written)");
        break;
      }
      done += unpack(to + done, size - done);
    }
    if (done == 0 && size > 0 && damage_) throw Broken(*damage_);
    unpacked_ += done;
    return done;
  }
  bool compressed() const final { return true; }

 protected:
  /// Unpacks from [begin_, end_) into `to`; advances begin_; calls damage() when it cannot go on.
  virtual std::size_t unpack(char* to, std::size_t size) = 0;
  virtual bool between_members() const = 0;
  virtual bool has_more_output() const { return false; }

  void damage(const std::string& what) {
    const auto at = consumed_ - (end_ - begin_);
    damage_ = path_ + " " + what + ", at byte " + std::to_string(at) + " of the file";
  }
  std::size_t available() const { return end_ - begin_; }

  std::string path_;
  std::vector<char> packed_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool at_end_ = false;

 private:
  void refill() {
    begin_ = 0;
    end_ = source_->read(packed_.data(), packed_.size());
    at_end_ = end_ < packed_.size();
    consumed_ += end_;
  }

  std::unique_ptr<ByteStream> source_;
  std::uint64_t consumed_;
  std::uint64_t unpacked_ = 0;
  std::optional<std::string> damage_;
};

class GzipStream final : public PackedStream {
 public:
  GzipStream(std::unique_ptr<ByteStream> source, std::string path, std::string_view first)
      : PackedStream(std::move(source), std::move(path), first) {
    if (inflateInit2(&z_, 15 + 16) != Z_OK) throw std::bad_alloc();
  }
  ~GzipStream() override { inflateEnd(&z_); }

 private:
  std::size_t unpack(char* to, std::size_t size) override {
    z_.next_in = reinterpret_cast<Bytef*>(packed_.data() + begin_);
    z_.avail_in = static_cast<uInt>(available());
    z_.next_out = reinterpret_cast<Bytef*>(to);
    z_.avail_out = static_cast<uInt>(std::min<std::size_t>(size, 1U << 30));
    const auto room = z_.avail_out;
    if (between_ && !starts_member()) return 0;
    const int result = inflate(&z_, Z_NO_FLUSH);
    begin_ = end_ - z_.avail_in;
    full_ = z_.avail_out == 0;
    between_ = result == Z_STREAM_END;
    if (between_) {
      inflateReset(&z_);
      full_ = false;
      first_ = false;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      damage(std::string("is damaged: ") + (z_.msg != nullptr ? z_.msg : "not gzip"));
    }
    return room - z_.avail_out;
  }
  /// After a member: another one, or padding of zero bytes (as tar and tapes leave it), which is skipped.
  bool starts_member() {
    while (!first_ && begin_ != end_ && packed_[begin_] == 0) ++begin_;
    z_.next_in = reinterpret_cast<Bytef*>(packed_.data() + begin_);
    z_.avail_in = static_cast<uInt>(available());
    return begin_ != end_;
  }
  bool between_members() const override { return between_; }
  bool has_more_output() const override { return full_; }

  z_stream z_{};
  bool between_ = true;
  bool first_ = true;
  bool full_ = false;
};

class ZstdStream final : public PackedStream {
 public:
  ZstdStream(std::unique_ptr<ByteStream> source, std::string path, std::string_view first)
      : PackedStream(std::move(source), std::move(path), first), z_(ZSTD_createDStream()) {
    if (z_ == nullptr) throw std::bad_alloc();
    // As large as zstd writes with --long=31: a file that any zstd made can be read.
    ZSTD_DCtx_setParameter(z_.get(), ZSTD_d_windowLogMax, 31);
  }

 private:
  std::size_t unpack(char* to, std::size_t size) override {
    ZSTD_inBuffer in{packed_.data() + begin_, available(), 0};
    ZSTD_outBuffer out{to, size, 0};
    const auto result = ZSTD_decompressStream(z_.get(), &out, &in);
    begin_ += in.pos;
    full_ = out.pos == out.size;
    if (ZSTD_isError(result) != 0) {
      damage(std::string("is damaged: ") + ZSTD_getErrorName(result));
      full_ = false;
    } else {
      between_ = result == 0;
      if (between_) full_ = false;
    }
    return out.pos;
  }
  bool between_members() const override { return between_; }
  bool has_more_output() const override { return full_; }

  struct Free {
    void operator()(ZSTD_DStream* z) const { ZSTD_freeDStream(z); }
  };
  std::unique_ptr<ZSTD_DStream, Free> z_;
  bool between_ = true;
  bool full_ = false;
};

}  // namespace

std::unique_ptr<ByteStream> unpacked(std::unique_ptr<ByteStream> packed, const std::string& path,
                                     std::uint64_t offset) {
  char bytes[4];
  const std::string_view first(bytes, packed->read(bytes, sizeof bytes));
  std::unique_ptr<ByteStream> stream;
  if (first.starts_with("\x1f\x8b\x08")) {
    stream = std::make_unique<GzipStream>(std::move(packed), path, first);
  } else if (first == "\x28\xb5\x2f\xfd") {
    stream = std::make_unique<ZstdStream>(std::move(packed), path, first);
  } else {
    return nullptr;
  }
  std::vector<char> skipped(256 * 1024);
  while (offset > 0) {
    const auto n = stream->read(skipped.data(), std::min<std::uint64_t>(offset, skipped.size()));
    if (n == 0) throw Broken(path + " has become shorter than what was already read of it");
    offset -= n;
  }
  return stream;
}

std::unique_ptr<ByteStream> open_stream(Fd fd, const std::string& path, std::uint64_t offset, bool unpack) {
  if (unpack) {
    Fd again(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
    if (!again) fail("read", path, errno);
    // Both descriptors share one position, which a plain stream sets for itself.
    if (auto stream = unpacked(std::make_unique<PlainStream>(std::move(again), path, 0), path, offset)) return stream;
  }
  return std::make_unique<PlainStream>(std::move(fd), path, offset);
}

}  // namespace weir::file
