#pragma once
// A FlowFile's content, piece by piece: at once where it is in memory, in pieces where it is in a file.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "weir/session.h"

namespace weir::json {

class ContentPieces {
 public:
  static constexpr std::uint64_t kPiece = 1 * MiB;

  ContentPieces(Session& session, FlowFile file)
      : file_(file), in_memory_((session.raw()->item(file.handle())->flags & abi::kExternal) == 0) {}

  /// Calls `read(piece)`, which returns how many bytes it took, until it takes less than all of a piece or the content
  /// ends. True if it was the end.
  template <class F>
  bool read(std::uint64_t from, F&& read) {
    if (in_memory_) {
      const auto piece = file_.content().substr(from);
      return read(piece) == piece.size();
    }
    while (from < file_.size()) {
      buffer_.resize(std::min(kPiece, file_.size() - from));
      buffer_.resize(file_.read(from, buffer_.data(), buffer_.size()));
      if (buffer_.empty()) throw std::runtime_error("the content ends before its size");
      const auto taken = read(std::string_view(buffer_));
      from += taken;
      if (taken < buffer_.size()) return false;
    }
    return true;
  }

  /// The first byte that is no white space (RFC 8259's), 0 if there is none.
  char first() {
    char found = 0;
    read(0, [&](std::string_view piece) {
      const auto at = piece.find_first_not_of(" \t\r\n");
      if (at == std::string_view::npos) return piece.size();
      found = piece[at];
      return at;
    });
    return found;
  }

 private:
  FlowFile file_;
  bool in_memory_;
  std::string buffer_;
};

}  // namespace weir::json
