#pragma once
// SHA-256 (FIPS 180-4). Here for the sake of one hash of a token now and then: linking a library of cryptography into
// every Weir costs more memory than all of the API.

#include <string>
#include <string_view>

namespace weir::api {

/// In hexadecimal digits.
std::string sha256(std::string_view bytes);

}  // namespace weir::api
