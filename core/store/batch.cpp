#include "store/batch.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>

namespace weir::store {

namespace {
constexpr std::uint64_t kLargestBlock = 1024 * 1024;
constexpr std::uint64_t kOwnBlock = 256 * 1024;

/// Large blocks come and go all the time: those freed last are given out first, still mapped and perhaps still in the
/// cache. Without it a flow of large FlowFiles spends most of its time in page faults. Sizes are rounded up to the
/// pool's step, because content is seldom twice of the same size.
class BlockPool {
 public:
  static constexpr std::uint64_t kSmallest = 64 * 1024;
  static constexpr std::uint64_t kLargest = 4 * 1024 * 1024;
  static constexpr std::uint64_t kStep = 64 * 1024;
  static constexpr std::uint64_t kKept = 32 * 1024 * 1024;

  /// How large a block of at least `size` bytes is.
  static std::uint64_t rounded(std::uint64_t size) { return pools(size) ? (size + kStep - 1) / kStep * kStep : size; }

  /// `size` as rounded() gave it.
  char* get(std::uint64_t size) {
    if (pools(size)) {
      const std::lock_guard lock(mutex_);
      auto& free = free_[size / kStep];
      if (!free.empty()) {
        auto* data = free.back();
        free.pop_back();
        kept_ -= size;
        return data;
      }
    }
    auto* data = static_cast<char*>(std::malloc(size));
    if (data == nullptr) throw std::bad_alloc();
    return data;
  }

  void put(char* data, std::uint64_t size) {
    if (pools(size)) {
      const std::lock_guard lock(mutex_);
      if (kept_ + size <= kKept) {
        free_[size / kStep].push_back(data);
        kept_ += size;
        return;
      }
    }
    std::free(data);
  }

 private:
  static bool pools(std::uint64_t size) { return size >= kSmallest && size <= kLargest; }

  std::mutex mutex_;
  std::array<std::vector<char*>, kLargest / kStep + 1> free_;  ///< by size / kStep
  std::uint64_t kept_ = 0;
};

BlockPool& pool() {
  static auto* instance = new BlockPool;  // outlives every arena, also those of static objects
  return *instance;
}

}  // namespace

Arena::~Arena() {
  for (const auto& block : blocks_) pool().put(block.data, block.size);
  total_.fetch_sub(bytes_, std::memory_order_relaxed);
}

char* Arena::add_block(std::uint64_t size) {
  const auto room = BlockPool::rounded(size + kPadding);
  auto* data = pool().get(room);
  std::memset(data + size, 0, kPadding);
  blocks_.push_back({data, room});
  bytes_ += room;
  total_.fetch_add(room, std::memory_order_relaxed);
  return data;
}

char* Arena::allocate(std::uint64_t size, std::uint64_t align) {
  if (size >= kOwnBlock) return add_block(size);  // beside the current one, whose room is for what is small
  auto address = reinterpret_cast<std::uintptr_t>(next_);
  const auto pad = (align - address % align) % align;
  if (next_ == nullptr || static_cast<std::uint64_t>(end_ - next_) < size + pad) {
    next_block_ = std::min(kLargestBlock, next_block_ * 2);
    const auto block_size = std::max(size, next_block_);
    auto* data = add_block(block_size);
    next_ = data;  // malloc aligns for every type
    end_ = data + block_size;
    next_ += size;
    return data;
  }
  auto* result = next_ + pad;
  next_ = result + size;
  return result;
}

bool Arena::extend(const char* begin, std::uint64_t size, std::uint64_t more) {
  if (begin + size != next_ || static_cast<std::uint64_t>(end_ - next_) < more) return false;
  next_ += more;
  return true;
}

void Arena::give_back(const char* begin, std::uint64_t size, std::uint64_t keep) {
  if (begin + size == next_) next_ -= size - keep;
}

abi::Text Arena::copy(std::string_view text) {
  auto* to = allocate(text.size());
  if (!text.empty()) std::memcpy(to, text.data(), text.size());
  return {to, text.size()};
}

const External* Arena::add(External external) {
  return externals_.emplace_back(std::make_unique<External>(std::move(external))).get();
}

}  // namespace weir::store
