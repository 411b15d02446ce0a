#pragma once
// A FlowFile's content from some offset on: all of it where it is in memory, a buffer of it where it is in a file.

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "weir/session.h"

namespace weir::csv {

class ContentWindow {
 public:
  static constexpr std::uint64_t kPiece = 1 * MiB;

  ContentWindow(Session& session, FlowFile file)
      : file_(file), in_memory_((session.raw()->item(file.handle())->flags & abi::kExternal) == 0) {}

  /// The bytes from `offset` on: at least `least` of them, unless the content ends before. Offsets never go back.
  /// Valid until the next call.
  std::string_view at(std::uint64_t offset, std::uint64_t least) {
    if (in_memory_) return file_.content().substr(offset);
    const auto wanted = std::min(least, file_.size() - offset);
    if (offset + wanted > begin_ + buffer_.size()) fill(offset, wanted);
    return std::string_view(buffer_).substr(offset - begin_);
  }

 private:
  void fill(std::uint64_t offset, std::uint64_t wanted) {
    buffer_.erase(0, std::min<std::uint64_t>(offset - begin_, buffer_.size()));
    begin_ = offset;
    auto have = buffer_.size();
    buffer_.resize(std::min(std::max(kPiece, wanted), file_.size() - offset));
    while (have < buffer_.size()) {
      const auto size = file_.read(offset + have, buffer_.data() + have, buffer_.size() - have);
      if (size == 0) throw std::runtime_error("the content ends before its size");
      have += size;
    }
  }

  FlowFile file_;
  bool in_memory_;
  std::string buffer_;
  std::uint64_t begin_ = 0;  ///< offset of the buffer
};

}  // namespace weir::csv
