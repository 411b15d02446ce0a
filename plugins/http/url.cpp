#include "url.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <memory>

namespace weir::http {
namespace {

struct Free {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
  void operator()(char* text) const { curl_free(text); }
};
using Handle = std::unique_ptr<CURLU, Free>;

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

std::string part(CURLU* handle, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(handle, which, &text, flags) != CURLUE_OK) return {};
  const std::unique_ptr<char, Free> owner(text);
  return text;
}

std::optional<Url> take_apart(CURLU* handle) {
  curl_url_set(handle, CURLUPART_FRAGMENT, nullptr, 0);
  Url url;
  url.scheme = lower(part(handle, CURLUPART_SCHEME));
  url.host = lower(part(handle, CURLUPART_HOST));
  const auto port = part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  std::from_chars(port.data(), port.data() + port.size(), url.port);
  url.text = part(handle, CURLUPART_URL);
  if ((url.scheme != "http" && url.scheme != "https") || url.host.empty() || url.port == 0) return std::nullopt;
  return url;
}

std::string authority(const Url& url) {
  const bool usual = url.port == (url.scheme == "https" ? 443 : 80);
  return usual ? url.host : url.host + ":" + std::to_string(url.port);
}

}  // namespace

std::string Url::display() const {
  auto path = text.substr(text.find("://") + 3);
  const auto slash = path.find_first_of("/?");
  path = slash == std::string::npos ? "/" : path.substr(slash);
  path = path.substr(0, path.find('?'));
  return scheme + "://" + authority(*this) + (path.empty() ? "/" : path);
}

std::optional<Url> parse_url(std::string_view text) {
  if (text.find("://") == std::string_view::npos) return std::nullopt;
  const Handle handle(curl_url());
  if (curl_url_set(handle.get(), CURLUPART_URL, std::string(text).c_str(), 0) != CURLUE_OK) return std::nullopt;
  return take_apart(handle.get());
}

std::optional<Url> resolve(const Url& base, const std::string& reference) {
  const Handle handle(curl_url());
  if (curl_url_set(handle.get(), CURLUPART_URL, base.text.c_str(), 0) != CURLUE_OK) return std::nullopt;
  if (curl_url_set(handle.get(), CURLUPART_URL, reference.c_str(), 0) != CURLUE_OK) return std::nullopt;
  return take_apart(handle.get());
}

bool is_host(const std::string& text) {
  const auto url = parse_url("http://" + text + "/");
  const auto name = lower(text);
  return url && (name == url->host || name == url->host + ":" + std::to_string(url->port));
}

std::string leaves(const Url& from, const Url& to, const std::vector<std::string>& allowed) {
  if (from.scheme == "https" && to.scheme == "http") return "it leads from https to plain http, to " + to.display();
  if (from.host == to.host) {
    if (from.port == to.port) return {};
    if (from.scheme == "http" && from.port == 80 && to.scheme == "https" && to.port == 443) return {};
  }
  for (const auto& entry : allowed) {
    const auto name = lower(entry);
    if (name == to.host || name == to.host + ":" + std::to_string(to.port)) return {};
  }
  return "it leads to another host, " + to.display() + "; name " + to.host + " in allowed_hosts if that is right";
}

bool same_origin(const Url& a, const Url& b) {
  return a.host == b.host && (a.port == b.port || (a.port == 80 && b.port == 443));
}

std::string with_parameter(const std::string& url, std::string_view name, std::string_view value) {
  const std::unique_ptr<char, Free> escaped_name(curl_easy_escape(nullptr, name.data(), static_cast<int>(name.size())));
  const std::unique_ptr<char, Free> escaped(curl_easy_escape(nullptr, value.data(), static_cast<int>(value.size())));
  const auto bare = url.substr(0, url.find('#'));
  const auto mark = bare.find('?');
  std::string query;
  if (mark != std::string::npos) {
    for (std::size_t from = mark + 1; from <= bare.size();) {
      const auto end = std::min(bare.find('&', from), bare.size());
      const auto pair = std::string_view(bare).substr(from, end - from);
      if (!pair.empty() && pair.substr(0, pair.find('=')) != std::string_view(escaped_name.get()))
        query += (query.empty() ? "" : "&") + std::string(pair);
      from = end + 1;
    }
  }
  if (!query.empty()) query += '&';
  return bare.substr(0, mark) + "?" + query + escaped_name.get() + "=" + escaped.get();
}

}  // namespace weir::http
