#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::http {

enum class Gunzip { good, broken, too_large };

/// Unpacks gzip (RFC 1952, also several members one after the other) into `to`, up to `limit` bytes.
Gunzip gunzip(std::string_view packed, std::uint64_t limit, std::string& to);

}  // namespace weir::http
