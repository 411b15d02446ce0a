#include "testkit/content.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace weir::testkit {

namespace {

constexpr std::size_t kPadding = 64;  // what SIMD parsers may read past the end

class MemoryContent final : public store::ContentFile {
 public:
  explicit MemoryContent(std::string bytes) : size_(bytes.size()), bytes_(std::move(bytes)) {
    bytes_.resize(size_ + kPadding);
  }
  std::uint64_t segment() const override { return 1; }
  std::uint64_t read(std::uint64_t offset, char* to, std::uint64_t size) const override {
    if (offset >= size_) return 0;
    size = std::min(size, size_ - offset);
    std::memcpy(to, bytes_.data() + offset, size);
    return size;
  }
  std::shared_ptr<const char> map(std::uint64_t offset, std::uint64_t size) const override {
    // A copy of its own: what reads past the range, or keeps it too long, is found by the address sanitizer.
    auto copy = std::make_shared<std::string>(bytes_, offset, size);
    copy->resize(size + kPadding);
    return {copy, copy->data()};
  }

 private:
  const std::uint64_t size_;
  std::string bytes_;
};

class MemoryWriter final : public store::ContentWriter {
 public:
  void append(std::string_view bytes) override { bytes_ += bytes; }
  std::uint64_t size() const override { return bytes_.size(); }
  store::External finish() override {
    const auto size = bytes_.size();
    return {std::make_shared<MemoryContent>(std::move(bytes_)), 0, size};
  }

 private:
  std::string bytes_;
};

}  // namespace

std::unique_ptr<store::ContentWriter> write_content(void*) {
  return std::make_unique<MemoryWriter>();
}

}  // namespace weir::testkit
