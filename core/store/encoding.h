#pragma once
// The bytes of packed rows: LEB128 varints, zigzag for signed numbers, and a reader that trusts nothing.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

namespace weir::store {

/// Bytes that cannot be what the store wrote.
class Malformed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline std::uint64_t to_zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
inline std::int64_t from_zigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

/// Writes a varint at `to`, at most 10 bytes; returns where it ends.
inline char* write_varint(char* to, std::uint64_t value) {
  while (value >= 0x80) {
    *to++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *to++ = static_cast<char>(value);
  return to;
}

inline void append_varint(std::string& to, std::uint64_t value) {
  char buffer[10];
  to.append(buffer, static_cast<std::size_t>(write_varint(buffer, value) - buffer));
}

/// A growing buffer whose memory is kept for the next use.
class Encoder {
 public:
  void clear() { size_ = 0; }
  std::size_t size() const { return size_; }
  std::string_view view() const { return {data_.get(), size_}; }

  /// Room for `more` bytes; they count once advance() is told.
  char* room(std::size_t more) {
    if (capacity_ - size_ < more) grow(more);
    return data_.get() + size_;
  }
  void advance(const char* end) { size_ = static_cast<std::size_t>(end - data_.get()); }

  void byte(std::uint8_t value) {
    *room(1) = static_cast<char>(value);
    ++size_;
  }
  void varint(std::uint64_t value) { advance(write_varint(room(10), value)); }
  void zigzag(std::int64_t value) { varint(to_zigzag(value)); }
  void bytes(std::string_view bytes) {
    if (bytes.empty()) return;
    std::memcpy(room(bytes.size()), bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  void text(std::string_view bytes_of_text) {
    varint(bytes_of_text.size());
    bytes(bytes_of_text);
  }

 private:
  struct Free {
    void operator()(char* data) const { std::free(data); }
  };
  void grow(std::size_t more) {
    const auto capacity = std::max<std::size_t>(size_ + more, capacity_ * 2 + 256);
    auto* data = static_cast<char*>(std::realloc(data_.get(), capacity));
    if (data == nullptr) throw std::bad_alloc();
    static_cast<void>(data_.release());
    data_.reset(data);
    capacity_ = capacity;
  }
  std::unique_ptr<char, Free> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

/// Reads what an Encoder wrote. Throws Malformed instead of reading past the end.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : next_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool at_end() const { return next_ == end_; }
  std::size_t left() const { return static_cast<std::size_t>(end_ - next_); }
  std::uint8_t byte() {
    if (next_ == end_) throw Malformed("ends too early");
    return static_cast<std::uint8_t>(*next_++);
  }
  std::uint64_t varint() {
    if (next_ != end_ && static_cast<signed char>(*next_) >= 0) return static_cast<std::uint8_t>(*next_++);
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto part = byte();
      value |= static_cast<std::uint64_t>(part & 0x7f) << shift;
      if (part < 0x80) return value;
    }
    throw Malformed("a number of more than 64 bits");
  }
  std::int64_t zigzag() { return from_zigzag(varint()); }
  /// A number of things of which each takes at least `bytes_each` bytes of what is left.
  std::uint64_t count(std::uint64_t bytes_each = 1) {
    const auto value = varint();
    if (value > left() / bytes_each) throw Malformed("a count beyond the end");
    return value;
  }
  std::string_view bytes(std::uint64_t size) {
    if (size > left()) throw Malformed("ends too early");
    const std::string_view result(next_, size);
    next_ += size;
    return result;
  }
  std::string_view text() { return bytes(varint()); }

 private:
  const char* next_;
  const char* end_;
};

/// CRC-32C (Castagnoli, RFC 3720), continued from `seed`.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed = 0);

}  // namespace weir::store
