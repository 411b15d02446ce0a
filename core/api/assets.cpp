#include "api/assets.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/dll/runtime_symbol_info.hpp>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <utility>

namespace weir::api {

namespace {

namespace fs = std::filesystem;

/// Scripts, styles and data from here and from nowhere else, nothing inline, no markup made of strings.
constexpr const char* kContentPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// Vite names what is below by its content's hash: another content has another name.
constexpr std::string_view kHashed = "/assets/";

constexpr std::string_view kNoUi =
    "Weir runs here. Its web UI is not part of this build: where nodejs and npm are, `make build` builds it.\n\n"
    "/api/v1/status     whether Weir works\n"
    "/api/v1/flows      the flows; /api/v1/flows/NAME with processors and connections\n"
    "/api/v1/bulletins  messages for the operator\n"
    "/metrics           metrics in Prometheus' text format\n"
    "/healthz, /readyz  for whoever watches this process\n";

std::string_view type_of(std::string_view path) {
  constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {".html", "text/html; charset=utf-8"}, {".js", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},   {".svg", "image/svg+xml"},
      {".json", "application/json"},         {".png", "image/png"},
      {".txt", "text/plain; charset=utf-8"}, {".woff2", "font/woff2"},
  };
  for (const auto& [ending, type] : kTypes) {
    if (path.ends_with(ending)) return type;
  }
  return "application/octet-stream";
}

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string content(std::istreambuf_iterator<char>(file), {});
  if (!file) throw std::runtime_error("cannot read " + path.string() + ", a file of the web UI");
  return content;
}

/// FNV-1a, 64 bits: tells versions of our own files apart, no more.
std::string tag_of(std::string_view content) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : content) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return fmt::format("{:016x}", hash);
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Calls `visit` with each member of a header's list, until it returns true. True if it did.
template <class Visit>
bool any_member(std::string_view list, Visit visit) {
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    if (visit(trimmed(list.substr(0, comma)))) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

/// RFC 9110, 12.5.3: named, and not with a weight of 0.
bool takes_gzip(std::string_view accept_encoding) {
  return any_member(accept_encoding, [](std::string_view member) {
    const auto semicolon = std::min(member.find(';'), member.size());
    const auto weight = trimmed(member.substr(std::min(semicolon + 1, member.size())));
    const bool refused = weight.starts_with("q=0") && weight.find_first_of("123456789") == std::string_view::npos;
    return trimmed(member.substr(0, semicolon)) == "gzip" && !refused;
  });
}

bool matches(std::string_view if_none_match, std::string_view tag) {
  return any_member(if_none_match, [&](std::string_view member) {
    if (member.starts_with("W/")) member.remove_prefix(2);
    return member == "*" || member == tag;
  });
}

}  // namespace

Assets::Assets(const fs::path& directory) {
  if (!fs::is_directory(directory)) return;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file() || entry.path().extension() == ".gz") continue;
    File file;
    file.body = read(entry.path());
    file.tag = tag_of(file.body);
    auto compressed = entry.path();
    compressed += ".gz";
    if (fs::is_regular_file(compressed)) file.gzip = read(compressed);
    files_.emplace("/" + fs::relative(entry.path(), directory).generic_string(), std::move(file));
  }
}

std::optional<Response> Assets::answer(const Request& request) const {
  const auto found = files_.find(request.path == "/" ? std::string_view("/index.html") : request.path);
  if (found == files_.end()) return std::nullopt;
  const auto& [path, file] = *found;
  Response response;
  if (request.method != "GET" && request.method != "HEAD") {
    response.status = 405;
    response.body = "this can only be read: GET or HEAD\n";
    response.allow = "GET, HEAD";
    return response;
  }
  const bool compressed = !file.gzip.empty() && takes_gzip(request.accept_encoding);
  const auto tag = fmt::format("\"{}{}\"", file.tag, compressed ? "-gzip" : "");
  response.type = type_of(path);
  response.headers = {
      {"Cache-Control", path.starts_with(kHashed) ? "public, max-age=31536000, immutable" : "no-cache"},
      {"ETag", tag},
      {"Content-Security-Policy", kContentPolicy},
      {"Cross-Origin-Opener-Policy", "same-origin"},
  };
  if (!file.gzip.empty()) response.headers.emplace_back("Vary", "Accept-Encoding");
  if (matches(request.if_none_match, tag)) {
    response.status = 304;
    return response;
  }
  if (compressed) response.headers.emplace_back("Content-Encoding", "gzip");
  response.body = compressed ? file.gzip : file.body;
  return response;
}

fs::path ui_directory() {
  if (const char* named = std::getenv("WEIR_UI")) return named;
  const fs::path beside = boost::dll::program_location().parent_path().string();
  if (fs::is_directory(beside / "ui")) return beside / "ui";
  return beside.parent_path() / "share" / "weir" / "ui";
}

Handler with_ui(Handler next, Assets assets) {
  return [next = std::move(next), assets = std::make_shared<const Assets>(std::move(assets))](const Request& request) {
    if (auto response = assets->answer(request)) return *std::move(response);
    if (request.path == "/" && assets->empty()) {
      Response response;
      response.body = kNoUi;
      return response;
    }
    return next(request);
  };
}

}  // namespace weir::api
