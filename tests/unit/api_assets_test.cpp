// The web UI's files over HTTP: what of them is sent, how long it may be kept, and that no other file can be reached.
#include "api/assets.h"

#include <doctest/doctest.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/unit/engine_fixture.h"

namespace {

namespace fs = std::filesystem;
using weir::api::Assets;
using weir::api::Request;
using weir::api::Response;

void write(const fs::path& path, const std::string& content) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

/// A UI in DIR/ui, and beside it what must stay private.
struct Ui {
  Ui() {
    write(folder.path() / "secret.txt", "private");
    write(folder.path() / "ui/index.html", "<!doctype html>the index");
    write(folder.path() / "ui/index.html.gz", "the index, compressed");
    write(folder.path() / "ui/assets/index-a1b2.js", "let script;");
    write(folder.path() / "ui/icon.svg", "<svg/>");
  }
  Assets assets() const { return Assets(folder.path() / "ui"); }
  weir::test::TemporaryFolder folder;
};

Request get(const std::string& path, const std::string& accept_encoding = {}, const std::string& if_none_match = {}) {
  Request request;
  request.method = "GET";
  request.path = path;
  request.accept_encoding = accept_encoding;
  request.if_none_match = if_none_match;
  return request;
}

std::string header(const Response& response, const std::string& name) {
  for (const auto& [known, value] : response.headers) {
    if (known == name) return value;
  }
  return {};
}

Response ask(const Assets& assets, const Request& request) {
  auto response = assets.answer(request);
  REQUIRE(response);
  return *response;
}

Response not_found(const Request&) {
  Response response;
  response.status = 404;
  return response;
}

}  // namespace

TEST_CASE("the root is the index, with a policy that lets nothing run but the UI's own scripts") {
  const Ui ui;
  const auto response = ask(ui.assets(), get("/"));
  CHECK(response.status == 200);
  CHECK(response.type == "text/html; charset=utf-8");
  CHECK(response.body == "<!doctype html>the index");
  const auto policy = header(response, "Content-Security-Policy");
  CHECK(policy.find("default-src 'none'") != std::string::npos);
  CHECK(policy.find("script-src 'self';") != std::string::npos);
  CHECK(policy.find("frame-ancestors 'none'") != std::string::npos);
  CHECK(policy.find("unsafe") == std::string::npos);
}

TEST_CASE("what is named by its hash is kept for ever, the rest is asked for again each time") {
  const Ui ui;
  const auto script = ask(ui.assets(), get("/assets/index-a1b2.js"));
  CHECK(script.type == "text/javascript; charset=utf-8");
  CHECK(header(script, "Cache-Control") == "public, max-age=31536000, immutable");
  CHECK(header(ask(ui.assets(), get("/icon.svg")), "Cache-Control") == "no-cache");
  CHECK(header(ask(ui.assets(), get("/")), "Cache-Control") == "no-cache");
}

TEST_CASE("who understands gzip gets the compressed file, and caches keep both apart") {
  const Ui ui;
  const auto assets = ui.assets();
  for (const auto* accepted : {"gzip", "br, gzip", "deflate;q=0.1, gzip;q=0.5", "gzip ; q=1"}) {
    CAPTURE(accepted);
    const auto response = ask(assets, get("/", accepted));
    CHECK(response.body == "the index, compressed");
    CHECK(header(response, "Content-Encoding") == "gzip");
    CHECK(header(response, "Vary") == "Accept-Encoding");
  }
  for (const auto* accepted : {"", "br", "gzip;q=0", "gzip;q=0.000", "x-gzip-not"}) {
    CAPTURE(accepted);
    const auto response = ask(assets, get("/", accepted));
    CHECK(response.body == "<!doctype html>the index");
    CHECK(header(response, "Content-Encoding").empty());
    CHECK(header(response, "Vary") == "Accept-Encoding");
  }
  const auto uncompressed = ask(assets, get("/icon.svg", "gzip"));
  CHECK(uncompressed.body == "<svg/>");
  CHECK(header(uncompressed, "Vary").empty());
}

TEST_CASE("who has a file already is told so, by the tag of the form that he has") {
  const Ui ui;
  const auto assets = ui.assets();
  const auto tag = header(ask(assets, get("/")), "ETag");
  const auto compressed = header(ask(assets, get("/", "gzip")), "ETag");
  CHECK(tag != compressed);
  for (const auto& given : {tag, "W/" + tag, "\"other\", " + tag, std::string("*")}) {
    CAPTURE(given);
    const auto response = ask(assets, get("/", "", given));
    CHECK(response.status == 304);
    CHECK(response.body.empty());
    CHECK(header(response, "ETag") == tag);
  }
  CHECK(ask(assets, get("/", "", "\"other\"")).status == 200);
  CHECK(ask(assets, get("/", "", compressed)).status == 200);
  CHECK(ask(assets, get("/", "gzip", compressed)).status == 304);
}

TEST_CASE("no path leads out of the UI's folder, and none to a folder or to a compressed file by its own name") {
  const Ui ui;
  const auto assets = ui.assets();
  const std::vector<std::string> paths = {"/../secret.txt",
                                          "/assets/../../secret.txt",
                                          "/%2e%2e/secret.txt",
                                          "/..%2fsecret.txt",
                                          "//secret.txt",
                                          "/assets",
                                          "/assets/",
                                          "/./index.html",
                                          "/INDEX.HTML",
                                          "/index.html.gz",
                                          "index.html",
                                          "",
                                          "/assets//index-a1b2.js",
                                          "/assets/..\\..\\secret.txt",
                                          (ui.folder.path() / "secret.txt").string(),
                                          std::string("/index.html\0.js", 15)};
  for (const auto& path : paths) {
    CAPTURE(path);
    CHECK_FALSE(assets.answer(get(path)));
  }
}

TEST_CASE("a file can only be read") {
  const Ui ui;
  auto request = get("/");
  request.method = "POST";
  const auto response = ask(ui.assets(), request);
  CHECK(response.status == 405);
  CHECK(response.allow == "GET, HEAD");
}

TEST_CASE("where no UI was built the root says so, and everything else works as ever") {
  const weir::test::TemporaryFolder folder;
  const auto handler = weir::api::with_ui(not_found, Assets(folder.path() / "ui"));
  const auto page = handler(get("/"));
  CHECK(page.status == 200);
  CHECK(page.type.starts_with("text/plain"));
  CHECK(page.body.find("make build") != std::string::npos);
  CHECK(page.body.find("/api/v1/flows") != std::string::npos);
  CHECK(handler(get("/api/v1/flows")).status == 404);
}

TEST_CASE("what is not the UI's goes to the pages behind it") {
  const Ui ui;
  const auto handler = weir::api::with_ui(not_found, ui.assets());
  CHECK(handler(get("/")).status == 200);
  CHECK(handler(get("/metrics")).status == 404);
}
