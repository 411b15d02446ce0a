#include "store/batch.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <mutex>
#include <new>

namespace weir::store {

namespace {
constexpr std::uint64_t kLargestBlock = 1024 * 1024;
constexpr std::uint64_t kOwnBlock = 256 * 1024;

/// Large blocks come and go all the time, mostly in a few sizes: those freed last are given out first, still mapped and
/// perhaps still in the cache. Without it a flow of large FlowFiles spends most of its time in page faults.
class BlockPool {
 public:
  static constexpr std::uint64_t kSmallest = 64 * 1024;
  static constexpr std::uint64_t kLargest = 4 * 1024 * 1024;
  static constexpr std::uint64_t kKept = 32 * 1024 * 1024;

  char* get(std::uint64_t size) {
    if (size >= kSmallest && size <= kLargest) {
      const std::lock_guard lock(mutex_);
      for (auto at = free_.rbegin(); at != free_.rend(); ++at) {
        if (at->size != size) continue;
        auto* data = at->data;
        free_.erase(std::next(at).base());
        kept_ -= size;
        return data;
      }
    }
    auto* data = static_cast<char*>(std::malloc(size));
    if (data == nullptr) throw std::bad_alloc();
    return data;
  }
  void put(char* data, std::uint64_t size) {
    if (size >= kSmallest && size <= kLargest) {
      const std::lock_guard lock(mutex_);
      if (kept_ + size <= kKept) {
        free_.push_back({data, size});
        kept_ += size;
        return;
      }
    }
    std::free(data);
  }

 private:
  struct Free {
    char* data;
    std::uint64_t size;
  };
  std::mutex mutex_;
  std::vector<Free> free_;
  std::uint64_t kept_ = 0;
};

BlockPool& pool() {
  static auto* instance = new BlockPool;  // outlives every arena, also those of static objects
  return *instance;
}

}  // namespace

Arena::~Arena() {
  for (const auto& block : blocks_) pool().put(block.data, block.size + kPadding);
  total_.fetch_sub(bytes_, std::memory_order_relaxed);
}

char* Arena::add_block(std::uint64_t size) {
  auto* data = pool().get(size + kPadding);
  std::memset(data + size, 0, kPadding);
  blocks_.push_back({data, size});
  bytes_ += size + kPadding;
  total_.fetch_add(size + kPadding, std::memory_order_relaxed);
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
