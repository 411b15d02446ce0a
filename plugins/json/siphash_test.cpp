#include "siphash.h"

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <memory>
#include <random>
#include <string>

using namespace weir::json;

namespace {

Hash128 openssl_siphash(const std::string& key, const std::string& text) {
  const std::unique_ptr<EVP_MAC, void (*)(EVP_MAC*)> mac(EVP_MAC_fetch(nullptr, "SIPHASH", nullptr), EVP_MAC_free);
  REQUIRE(mac);
  const std::unique_ptr<EVP_MAC_CTX, void (*)(EVP_MAC_CTX*)> context(EVP_MAC_CTX_new(mac.get()), EVP_MAC_CTX_free);
  unsigned size = 16;
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_uint("size", &size), OSSL_PARAM_construct_end()};
  unsigned char out[16];
  std::size_t written = 0;
  REQUIRE(EVP_MAC_init(context.get(), reinterpret_cast<const unsigned char*>(key.data()), key.size(), params) == 1);
  REQUIRE(EVP_MAC_update(context.get(), reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1);
  REQUIRE(EVP_MAC_final(context.get(), out, &written, sizeof out) == 1);
  REQUIRE(written == 16);
  Hash128 hash;
  std::memcpy(&hash.low, out, 8);
  std::memcpy(&hash.high, out + 8, 8);
  return hash;
}

}  // namespace

TEST_CASE("SipHash gives what OpenSSL's SipHash gives, for inputs of every length") {
  std::mt19937_64 random(1);
  for (std::size_t size = 0; size < 300; ++size) {
    std::string key(16, '\0');
    for (auto& c : key) c = static_cast<char>(random());
    std::string text(size, '\0');
    for (auto& c : text) c = static_cast<char>(random());
    Hash128 ours;
    std::memcpy(&ours.low, key.data(), 8);
    std::memcpy(&ours.high, key.data() + 8, 8);
    REQUIRE(siphash(ours, text) == openssl_siphash(key, text));
  }
}
