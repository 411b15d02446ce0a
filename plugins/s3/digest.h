#pragma once
// Hashes and their spellings, as S3 wants them.

#include <memory>
#include <string>
#include <string_view>

namespace weir::s3 {

/// A hash over bytes that come in pieces.
class Digest {
 public:
  enum class Kind { md5, sha256 };
  explicit Digest(Kind kind);
  void add(std::string_view bytes);
  /// The raw hash; ends it.
  std::string finish();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;  ///< OpenSSL's EVP_MD_CTX
};

/// Raw hashes.
std::string sha256(std::string_view bytes);
std::string md5(std::string_view bytes);
std::string hmac_sha256(std::string_view key, std::string_view bytes);

std::string hex(std::string_view bytes);
std::string base64(std::string_view bytes);
/// Nothing that is not base64 comes back: throws std::invalid_argument.
std::string from_base64(std::string_view text);

}  // namespace weir::s3
