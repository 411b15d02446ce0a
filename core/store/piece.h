#pragma once
// A piece of content in an append-only file: a header of 24 bytes (magic, size, CRC-32C, kind) and its bytes.

#include <cstdint>
#include <optional>

namespace weir::store {

inline constexpr std::uint64_t kPieceHeader = 24;

inline constexpr std::uint32_t kContentPiece = 0;  ///< the content of a FlowFile
inline constexpr std::uint32_t kEntriesPiece = 1;  ///< packed entries (retained_file.h)

struct PieceHeader {
  std::uint64_t size = 0;  ///< of the bytes behind it
  std::uint32_t crc = 0;
  std::uint32_t kind = kContentPiece;
};

/// Writes kPieceHeader bytes.
void put_piece_header(char* to, const PieceHeader& header);

/// Reads kPieceHeader bytes; nothing if no piece begins there.
std::optional<PieceHeader> get_piece_header(const char* from);

}  // namespace weir::store
