#include "paging.h"

#include "json_text.h"
#include "url.h"
#include "weir/errors.h"

namespace weir::http {
namespace {

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

bool is_next(std::string_view relations) {
  if (relations.size() > 1 && relations.front() == '"' && relations.back() == '"')
    relations = relations.substr(1, relations.size() - 2);
  while (!relations.empty()) {
    const auto word = relations.substr(0, relations.find(' '));
    if (word == "next" || word == "NEXT" || word == "Next") return true;
    relations.remove_prefix(std::min(word.size() + 1, relations.size()));
  }
  return false;
}

/// Reads one `<target>; name=value; …` and leaves what follows its comma.
std::optional<std::string> read_link(std::string_view& rest) {
  const auto open = rest.find('<');
  const auto close = rest.find('>', open == std::string_view::npos ? 0 : open);
  if (open == std::string_view::npos || close == std::string_view::npos) {
    rest = {};
    return std::nullopt;
  }
  const std::string target(rest.substr(open + 1, close - open - 1));
  rest.remove_prefix(close + 1);
  bool next = false;
  while (!rest.empty() && rest[0] != ',') {
    bool quoted = false;
    std::size_t end = rest[0] == ';' ? 1 : 0;
    for (; end < rest.size() && (quoted || (rest[end] != ';' && rest[end] != ',')); ++end) {
      if (rest[end] == '"') quoted = !quoted;
    }
    auto parameter = trimmed(rest.substr(rest[0] == ';' ? 1 : 0, end - (rest[0] == ';' ? 1 : 0)));
    const auto equals = parameter.find('=');
    if (trimmed(parameter.substr(0, equals)) == "rel" && equals != std::string_view::npos)
      next = is_next(trimmed(parameter.substr(equals + 1)));
    rest.remove_prefix(end);
  }
  if (!rest.empty()) rest.remove_prefix(1);
  return next ? std::optional(target) : std::nullopt;
}

std::string absolute(const std::string& url, const std::string& this_page, const std::string& reference,
                     const std::vector<std::string>& allowed_hosts) {
  const auto home = parse_url(url);
  const auto base = parse_url(this_page);
  const auto to = base ? resolve(*base, reference) : std::nullopt;
  if (!home || !to)
    throw Misconfigured("paging: the next page of " + (base ? base->display() : url) + " is no http or https address");
  if (const auto why = leaves(*home, *to, allowed_hosts); !why.empty())
    throw Misconfigured("paging: the next page is not fetched: " + why);
  return to->text;
}

}  // namespace

const Fields<PagingSettings>& PagingSettings::fields() {
  static const auto fields =
      Fields<PagingSettings>{}
          .property("by", &PagingSettings::by,
                    {.help = "`link`: the Link header's rel=\"next\". `page`: a counter in a query parameter, until a "
                             "page is empty. `cursor`: a value in the answer, sent as a query parameter, until it is "
                             "missing, null, false or empty.",
                     .required = true,
                     .choices = {"link", "page", "cursor"}})
          .property(
              "parameter", &PagingSettings::parameter,
              {.help = "The query parameter for the page's number or the cursor. Without it, a cursor is the next "
                       "page's address.",
               .example = "page"})
          .property("first", &PagingSettings::first, {.help = "By page: the first page's number."})
          .property("step", &PagingSettings::step,
                    {.help = "By page: what each page adds to it; the page size, where the parameter is an offset.",
                     .min = 1})
          .property("cursor", &PagingSettings::cursor,
                    {.help = "By cursor: a JSON Pointer to it in the answer.", .example = "/meta/next"})
          .property("keep", &PagingSettings::keep,
                    {.help = "By cursor: the next poll begins behind the last cursor of this one, instead of from the "
                             "first page. For APIs whose cursor is a position in a growing list."})
          .property("max_pages", &PagingSettings::max_pages,
                    {.help = "Most pages of one poll; beyond, a bulletin says so and the poll ends.", .min = 1});
  return fields;
}

void check(const PagingSettings& paging) {
  if (paging.by == "page" && paging.parameter.empty())
    throw Misconfigured("paging: by page needs `parameter`, the query parameter for the page's number");
  if (paging.by == "cursor" && paging.cursor.empty())
    throw Misconfigured("paging: by cursor needs `cursor`, a JSON Pointer to it in the answer, such as /meta/next");
  if (const auto error = pointer_error(paging.cursor); !error.empty())
    throw Misconfigured("paging.cursor: '" + paging.cursor + "': " + error);
  if (paging.by != "cursor" && (paging.keep || !paging.cursor.empty()))
    throw Misconfigured("paging: cursor and keep belong to `by: cursor`");
  if (paging.by == "link" && !paging.parameter.empty())
    throw Misconfigured("paging: by link needs no parameter: the header has the whole address");
}

std::optional<std::string> link_next(const Response& response) {
  for (const auto& [name, value] : response.headers) {
    if (name != "link") continue;
    for (std::string_view rest = value; !rest.empty();) {
      if (auto target = read_link(rest)) return target;
    }
  }
  return std::nullopt;
}

std::string first_page(const PagingSettings& paging, const std::string& url, const std::string& cursor) {
  if (paging.by == "page") return with_parameter(url, paging.parameter, std::to_string(paging.first));
  if (cursor.empty()) return url;
  return paging.parameter.empty() ? cursor : with_parameter(url, paging.parameter, cursor);
}

void check_page(const std::string& url, const std::string& page, const std::vector<std::string>& allowed_hosts) {
  absolute(url, url, page, allowed_hosts);
}

NextPage next_page(const PagingSettings& paging, const std::string& url, const std::string& this_page,
                   const Response& response, std::int64_t number, std::size_t items,
                   const std::vector<std::string>& allowed_hosts) {
  NextPage next;
  if (paging.by == "page") {
    if (items > 0)
      next.url = with_parameter(url, paging.parameter, std::to_string(paging.first + (number + 1) * paging.step));
    return next;
  }
  if (paging.by == "link") {
    if (const auto target = link_next(response)) next.url = absolute(url, this_page, *target, allowed_hosts);
  } else if (const auto token = json_at(response.body, paging.cursor)) {
    const auto value = json_scalar(*token).value_or("");
    if (value.empty() || *token == "false") return next;
    next.cursor = paging.parameter.empty() ? absolute(url, this_page, value, allowed_hosts) : value;
    next.url = first_page(paging, url, *next.cursor);
    // A list that grows gives its last cursor again until there is more.
    if (paging.keep && (items == 0 || *next.url == this_page)) next.url.reset();
  }
  if (next.url == this_page)
    throw Misconfigured("paging: the answer of " + response.url + " names itself as the next page");
  return next;
}

}  // namespace weir::http
