// The signer against what AWS has published: the examples of the S3 documentation and the Signature Version 4 test
// suite (without those of path normalisation, which S3 does not do).

#include "signature.h"

#include <doctest/doctest.h>

#include "digest.h"

using namespace weir::s3;

namespace {

constexpr const char* kNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string signature_of(const std::string& authorization) {
  return authorization.substr(authorization.rfind('=') + 1);
}

/// An example of the S3 documentation.
std::string s3_example(const std::string& method, const std::string& path, const Pairs& query, Pairs headers,
                       const std::string& payload_hash = kNothing) {
  headers.emplace_back("Host", "examplebucket.s3.amazonaws.com");
  headers.emplace_back("x-amz-date", "20130524T000000Z");
  headers.emplace_back("x-amz-content-sha256", payload_hash);
  return signature_of(authorization({method, path, query, headers, payload_hash},
                                    {.region = "us-east-1", .time = "20130524T000000Z"},
                                    {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""}));
}

/// A case of the test suite.
std::string suite(const std::string& method, const std::string& path, const Pairs& query = {}, Pairs headers = {},
                  const std::string& body = {}) {
  headers.emplace_back("Host", "example.amazonaws.com");
  headers.emplace_back("X-Amz-Date", "20150830T123600Z");
  return signature_of(authorization({method, path, query, headers, hex(sha256(body))},
                                    {.region = "us-east-1", .service = "service", .time = "20150830T123600Z"},
                                    {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""}));
}

const std::string kUnreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

}  // namespace

TEST_CASE("the examples of the S3 documentation are signed as published") {
  CHECK(s3_example("GET", "/test.txt", {}, {{"Range", "bytes=0-9"}}) ==
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  CHECK(s3_example("PUT", "/" + uri_encode("test$file.text"), {},
                   {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                   hex(sha256("Welcome to Amazon S3."))) ==
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  CHECK(s3_example("GET", "/", {{"lifecycle", ""}}, {}) ==
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  CHECK(s3_example("GET", "/", {{"prefix", "J"}, {"max-keys", "2"}}, {}) ==
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST_CASE("the test suite of Signature Version 4 passes") {
  CHECK(suite("GET", "/") == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  CHECK(suite("GET", "/" + uri_encode("\u1234")) == "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85");
  CHECK(suite("GET", "/" + uri_encode("example space/", true)) ==
        "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741");
  CHECK(suite("GET", "/" + uri_encode(kUnreserved)) ==
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f");
  CHECK(suite("GET", "/", {{"Param-3", "Value3"}, {"Param", "Value2"}, {"\u1234", "Value1"}}) ==
        "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac");
  CHECK(suite("GET", "/", {{"Param2", "value2"}, {"Param1", "value1"}}) ==
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
  CHECK(suite("GET", "/", {{"Param1", "value2"}, {"Param1", "value1"}}) ==
        "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694");
  CHECK(suite("GET", "/", {{"Param1", "value1"}}) ==
        "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb");
  CHECK(suite("GET", "/", {{"\u1234", "bar"}}) == "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04");
  CHECK(suite("GET", "/", {{kUnreserved, kUnreserved}}) ==
        "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197");
  CHECK(suite("GET", "/", {}, {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}}) ==
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736");
  CHECK(
      suite("GET", "/", {},
            {{"My-Header1", "value4"}, {"My-Header1", "value1"}, {"My-Header1", "value3"}, {"My-Header1", "value2"}}) ==
      "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01");
  CHECK(suite("GET", "/", {}, {{"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}}) ==
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea");
  CHECK(suite("GET", "/", {},
              {{"X-Amz-Security-Token", "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"}}) ==
        "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8");
  CHECK(suite("POST", "/", {{"Param1", "value1"}}) ==
        "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11");
  CHECK(suite("POST", "/", {}, {{"Content-Type", "application/x-www-form-urlencoded"}}, "Param1=value1") ==
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
}

TEST_CASE("a date is spelled as x-amz-date wants it") {
  CHECK(amz_date(1369353600) == "20130524T000000Z");
}

TEST_CASE("hashes are spelled as S3 wants them") {
  CHECK(hex(md5("")) == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(base64(md5("")) == "1B2M2Y8AsgTpgAmY7PhCfg==");
  CHECK(from_base64("1B2M2Y8AsgTpgAmY7PhCfg==") == md5(""));
  CHECK(hex(hmac_sha256("key", "The quick brown fox jumps over the lazy dog")) ==
        "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
}
