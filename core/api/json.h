#pragma once
// What the pages of the API share: how values are written as JSON, and how questions are read.

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "api/http.h"
#include "store/batch.h"

namespace weir::api {

/// The question cannot be answered: becomes a response with this status.
class Refused : public std::runtime_error {
 public:
  Refused(int status, const std::string& why) : std::runtime_error(why), status_(status) {}
  int status() const { return status_; }

 private:
  int status_;
};

Response json_response(const boost::json::value& value, int status = 200);
/// `text` is JSON already.
Response json_text_response(std::string text, int status = 200);
Response json_error(int status, std::string_view why);

/// RFC 3339 in UTC with milliseconds; null for 0.
boost::json::value time_json(std::int64_t nanoseconds);

/// `bytes` as text that is always valid UTF-8: what is not becomes U+FFFD.
std::string utf8(std::string_view bytes);
/// {"text": …}, or {"base64": …} where `bytes` is no UTF-8; of the first `most` bytes, and then "truncated".
boost::json::object bytes_json(std::string_view bytes, std::size_t most);
/// The content of a FlowFile, from `offset` on.
std::string content_of(const abi::Item& item, std::uint64_t offset, std::uint64_t size);

/// Percent-encoding undone. Nothing if it is none.
std::optional<std::string> decoded(std::string_view encoded);

/// The query of a URL.
class Query {
 public:
  explicit Query(std::string_view query) : query_(query) {}
  /// The decoded value; nothing if it is not there. Throws Refused.
  std::optional<std::string> text(std::string_view name) const;
  /// `otherwise` if it is not there. Throws Refused if it is no whole number, or more than `most`.
  std::uint64_t number(std::string_view name, std::uint64_t otherwise, std::uint64_t most = ~std::uint64_t{0}) const;
  /// A time in RFC 3339, or a date. Throws Refused.
  std::optional<std::int64_t> time(std::string_view name) const;

 private:
  std::string_view query_;
};

}  // namespace weir::api
