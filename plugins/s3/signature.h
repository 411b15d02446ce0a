#pragma once
// AWS Signature Version 4, in the Authorization header, as S3 takes it: the path is encoded once and not normalised.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::s3 {

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct Credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;  ///< of temporary credentials; else empty
};

/// Percent-encodes all but letters, digits, '-', '.', '_' and '~'; also '/' unless it is kept.
std::string uri_encode(std::string_view text, bool keep_slash = false);
/// What a listing with encoding-type=url means: %XX, and '+' for a space.
std::string uri_decode(std::string_view text);
/// Names and values encoded, sorted, joined by '&'.
std::string canonical_query(const Pairs& query);

struct SignedRequest {
  std::string method;
  std::string path;  ///< encoded; "/" at least
  Pairs query;       ///< not encoded
  Pairs headers;     ///< all that are to be signed, `host` and `x-amz-date` among them
  std::string payload_hash;
};

struct SigningScope {
  std::string region;
  std::string service = "s3";
  std::string time;  ///< as x-amz-date has it: 20130524T000000Z
};

std::string canonical_request(const SignedRequest& request);
/// The value of the Authorization header.
std::string authorization(const SignedRequest& request, const SigningScope& scope, const Credentials& credentials);

/// Seconds since 1970 as x-amz-date wants them.
std::string amz_date(std::int64_t seconds);

}  // namespace weir::s3
