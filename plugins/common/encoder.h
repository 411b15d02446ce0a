#pragma once
// Compressed output that can be cut off at any checkpoint and gone on with: what exactly-once by committed length
// needs of gzip and zstd.
//
// A checkpoint ends a block, not the member (RFC 1952) or frame (RFC 8878), so that frequent checkpoints cost a few
// bytes and the dictionary stays. After a crash the file is truncated to the checkpoint; open_end() then gives the
// bytes that end the member there (an empty last block and, of gzip, the checksum that state kept), and a new member
// follows. The result is a valid file for any tool.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace weir::file {

enum class Compression { none, gzip, zstd };

/// What must be known to end a member that was cut off at a checkpoint.
struct Member {
  bool open = false;
  std::uint32_t crc = 0;   ///< of gzip: CRC-32 of the unpacked bytes
  std::uint64_t size = 0;  ///< unpacked bytes
};

class Encoder {
 public:
  virtual ~Encoder() = default;
  /// Appends what can be written already.
  virtual void write(std::string_view bytes, std::string& to) = 0;
  /// All that was written so far can be unpacked from `to` on.
  virtual void checkpoint(std::string& to) = 0;
  /// Ends the member; the next write begins another.
  virtual void end(std::string& to) = 0;
  virtual Member member() const = 0;
};

/// `level` is the library's; 0 its default. None for Compression::none.
std::unique_ptr<Encoder> make_encoder(Compression compression, int level);

/// Ends a member that was cut off at a checkpoint; empty if none was open.
std::string open_end(Compression compression, const Member& member);

/// By the suffix .gz or .zst.
Compression compression_of(std::string_view path);

}  // namespace weir::file
