#pragma once
// How HttpSource finds the next page of an answer.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "client.h"
#include "weir/spec.h"

namespace weir::http {

struct PagingSettings {
  std::string by;
  std::string parameter;
  std::int64_t first = 1;
  std::int64_t step = 1;
  std::string cursor;
  bool keep = false;
  std::int64_t max_pages = 10000;
  static const Fields<PagingSettings>& fields();
};

/// Throws Misconfigured for what does not belong together.
void check(const PagingSettings& paging);

/// The target of the Link header's rel="next" (RFC 8288); nothing if there is none.
std::optional<std::string> link_next(const Response& response);

/// Where a poll begins: the url with the first page's number, or with a kept cursor.
std::string first_page(const PagingSettings& paging, const std::string& url, const std::string& cursor);

/// Throws Misconfigured if a page of `url` is elsewhere than `allowed_hosts` say.
void check_page(const std::string& url, const std::string& page, const std::vector<std::string>& allowed_hosts);

/// What follows a page.
struct NextPage {
  std::optional<std::string> url;     ///< nothing: this was the last
  std::optional<std::string> cursor;  ///< the cursor of this page, if it has one
};
/// `number` counts the pages of a poll from 0; `items` are those on this page. Throws Misconfigured if it leads
/// elsewhere than `allowed_hosts` say.
NextPage next_page(const PagingSettings& paging, const std::string& url, const std::string& this_page,
                   const Response& response, std::int64_t number, std::size_t items,
                   const std::vector<std::string>& allowed_hosts);

}  // namespace weir::http
