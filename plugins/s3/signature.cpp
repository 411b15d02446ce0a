#include "signature.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <ctime>
#include <map>

#include "digest.h"

namespace weir::s3 {

namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](unsigned char c) { return std::tolower(c); });
  return result;
}

/// Without spaces around it, and with one space for several inside.
std::string trimmed(std::string_view value) {
  std::string result;
  for (const char c : value) {
    const bool space = c == ' ' || c == '\t';
    if (space && (result.empty() || result.back() == ' ')) continue;
    result += space ? ' ' : c;
  }
  if (!result.empty() && result.back() == ' ') result.pop_back();
  return result;
}

/// By name; several values of one header are joined in their order.
std::map<std::string, std::string> canonical_headers(const Pairs& headers) {
  std::map<std::string, std::string> result;
  for (const auto& [name, value] : headers) {
    const auto [at, is_new] = result.emplace(lower(name), trimmed(value));
    if (!is_new) at->second += ',' + trimmed(value);
  }
  return result;
}

std::string signed_headers(const std::map<std::string, std::string>& headers) {
  std::string names;
  for (const auto& [name, value] : headers) names += (names.empty() ? "" : ";") + name;
  return names;
}

}  // namespace

std::string uri_encode(std::string_view text, bool keep_slash) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x80 && std::isalnum(byte) != 0) || c == '-' || c == '.' || c == '_' || c == '~' ||
        (c == '/' && keep_slash)) {
      result += c;
    } else {
      result += '%';
      result += kDigits[byte >> 4];
      result += kDigits[byte & 15];
    }
  }
  return result;
}

std::string uri_decode(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int byte = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ptr == text.data() + i + 3) {
      result += static_cast<char>(byte);
      i += 2;
    } else {
      result += text[i] == '+' ? ' ' : text[i];
    }
  }
  return result;
}

std::string canonical_query(const Pairs& query) {
  Pairs encoded;
  for (const auto& [name, value] : query) encoded.emplace_back(uri_encode(name), uri_encode(value));
  std::sort(encoded.begin(), encoded.end());
  std::string text;
  for (const auto& [name, value] : encoded) {
    if (!text.empty()) text += '&';
    text += name + '=' + value;
  }
  return text;
}

std::string canonical_request(const SignedRequest& request) {
  const auto headers = canonical_headers(request.headers);
  auto text = request.method + '\n' + request.path + '\n' + canonical_query(request.query) + '\n';
  for (const auto& [name, value] : headers) text += name + ':' + value + '\n';
  return text + '\n' + signed_headers(headers) + '\n' + request.payload_hash;
}

std::string authorization(const SignedRequest& request, const SigningScope& scope, const Credentials& credentials) {
  const auto day = scope.time.substr(0, 8);
  const auto place = day + '/' + scope.region + '/' + scope.service + "/aws4_request";
  const auto to_sign =
      std::string(kAlgorithm) + '\n' + scope.time + '\n' + place + '\n' + hex(sha256(canonical_request(request)));
  auto key = "AWS4" + credentials.secret_key;
  for (const auto& part : {day, scope.region, scope.service, std::string("aws4_request")}) key = hmac_sha256(key, part);
  return std::string(kAlgorithm) + " Credential=" + credentials.access_key + '/' + place +
         ",SignedHeaders=" + signed_headers(canonical_headers(request.headers)) +
         ",Signature=" + hex(hmac_sha256(key, to_sign));
}

std::string amz_date(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts)};
}

}  // namespace weir::s3
