#pragma once
// FlowFiles in memory: an Arena holds the bytes that FlowFiles point into, a Batch is FlowFiles that travel together.
// Both are immutable once their session has committed, and shared by every connection and session that uses them.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "weir/abi.h"

namespace weir::store {

class ContentFile;  // content.h

/// Content that lives in a file: what Item::data points to when abi::kExternal is set. Owned by an Arena.
struct External {
  std::shared_ptr<ContentFile> file;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

/// A bump allocator for content and attributes. One session fills it, from one thread; afterwards it is read-only.
/// Blocks grow from 1 KiB to 1 MiB, so that a session of one small message pins little.
class Arena {
 public:
  /// What every block is followed by, so that SIMD parsers may read past the end of content.
  static constexpr std::uint64_t kPadding = 64;

  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  /// `size` bytes, aligned for `align`.
  char* allocate(std::uint64_t size, std::uint64_t align = 1);
  /// Makes the last allocation, which began at `begin` and is `size` bytes long, longer by `more` in place.
  bool extend(const char* begin, std::uint64_t size, std::uint64_t more);
  /// Gives back the end of the last allocation.
  void give_back(const char* begin, std::uint64_t size, std::uint64_t keep);
  abi::Text copy(std::string_view text);
  const External* add(External external);

  std::uint64_t bytes() const { return bytes_; }
  /// Whether nothing can point into it; content in a file takes no bytes.
  bool empty() const { return blocks_.empty() && externals_.empty(); }
  /// Of all arenas of the process: what the memory budget is compared with.
  static std::uint64_t total_bytes() { return total_.load(std::memory_order_relaxed); }

 private:
  struct Block {
    char* data;
    std::uint64_t size;  ///< with padding
  };
  char* add_block(std::uint64_t size);

  std::vector<Block> blocks_;
  std::uint64_t next_block_ = 512;  ///< doubled before use
  char* next_ = nullptr;
  char* end_ = nullptr;
  std::uint64_t bytes_ = 0;
  std::vector<std::unique_ptr<External>> externals_;
  static inline std::atomic<std::uint64_t> total_{0};
};

struct Batch {
  std::vector<abi::Item> items;
  std::vector<std::shared_ptr<const Arena>> arenas;  ///< what the items point into
};
using BatchRef = std::shared_ptr<const Batch>;

inline const External& external_of(const abi::Item& item) {
  return *static_cast<const External*>(static_cast<const void*>(item.data));
}

}  // namespace weir::store
