#include "store/batch.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace weir::store {

namespace {
constexpr std::uint64_t kFirstBlock = 1024;
constexpr std::uint64_t kLargestBlock = 1024 * 1024;
}  // namespace

Arena::~Arena() {
  for (const auto& block : blocks_) std::free(block.data);
  total_.fetch_sub(bytes_, std::memory_order_relaxed);
}

char* Arena::allocate(std::uint64_t size, std::uint64_t align) {
  auto address = reinterpret_cast<std::uintptr_t>(next_);
  const auto pad = (align - address % align) % align;
  if (next_ == nullptr || static_cast<std::uint64_t>(end_ - next_) < size + pad) {
    const auto grown = blocks_.empty() ? kFirstBlock : std::min(kLargestBlock, blocks_.back().size * 2);
    const auto block_size = std::max(size, grown);
    auto* data = static_cast<char*>(std::malloc(block_size + kPadding));
    if (data == nullptr) throw std::bad_alloc();
    std::memset(data + block_size, 0, kPadding);
    blocks_.push_back({data, block_size});
    bytes_ += block_size + kPadding;
    total_.fetch_add(block_size + kPadding, std::memory_order_relaxed);
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
