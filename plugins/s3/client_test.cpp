// The client against a server that verifies signatures.

#include "client.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "store_test.h"
#include "weir/errors.h"

using namespace weir::s3;

namespace {

/// The message of what `work` throws as E; empty if it throws nothing.
template <class E, class F>
std::string thrown(F&& work) {
  try {
    work();
  } catch (const E& error) {
    return error.what();
  }
  return {};
}

bool has(const std::string& text, std::string_view part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE(text);
  return found;
}

/// After how many milliseconds in which nothing is acknowledged the connection to this port fails; nothing: there is
/// none.
std::optional<int> silence_of_connection_to(std::uint16_t port) {
  for (int file = 0; file < 1024; ++file) {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    if (::getpeername(file, reinterpret_cast<sockaddr*>(&peer), &size) != 0 || peer.sin_family != AF_INET ||
        ntohs(peer.sin_port) != port)
      continue;
    int silence = 0;
    size = sizeof silence;
    ::getsockopt(file, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence, &size);
    return silence;
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("a connection to a store that is cut off fails after 20 s, and not when the system has given up") {
  if (!weir::testing::Versitygw::available()) return;
  const TestStore store;
  auto client = store.client();
  client.check();
  CHECK(silence_of_connection_to(store.server_port()) == 20'000);
}

TEST_CASE("an object is written, looked at, read in pieces, listed and removed") {
  if (!weir::testing::Versitygw::available()) return;
  const TestStore store;
  auto client = store.client();
  client.check();
  ObjectOptions options;
  options.headers = {{"Content-Type", "text/plain"}, {"x-amz-meta-team", "plant 7"}};
  CHECK(client.put("a/b.txt", {.bytes = "hello world"}, options, false) == Client::Put::done);
  const auto head = client.head("a/b.txt");
  REQUIRE(head);
  CHECK(head->size == 11);
  CHECK(head->meta("team") == "plant 7");
  CHECK(client.get("a/b.txt", 0, 5, head->etag).bytes == "hello");
  CHECK(client.get("a/b.txt", 6, 100, head->etag).bytes == "world");
  CHECK(client.get("a/b.txt", 11, 100, head->etag).bytes.empty());
  client.put("a/b.txt", {.bytes = "other"}, options, false);
  CHECK(client.get("a/b.txt", 0, 5, head->etag).changed);
  const auto listing = client.list("a/", "", "");
  REQUIRE(listing.objects.size() == 1);
  CHECK(listing.objects[0].key == "a/b.txt");
  CHECK(listing.objects[0].size == 5);
  client.remove("a/b.txt");
  CHECK(!client.head("a/b.txt"));
  CHECK(client.get("a/b.txt", 0, 5, head->etag).changed);
}

TEST_CASE("keys may hold anything that is not a way upwards") {
  if (!weir::testing::Versitygw::available()) return;
  const TestStore store;
  auto client = store.client();
  for (const std::string key : {"with space.txt", "plus+and&equals=.txt", "per%20cent%.txt", "dollar$(x)'\"`;!*@#?.txt",
                                "grüße/°C/日本.txt", "a~b,c:d|e<f>g[h]{i}\\j^k.txt", "date=2026-01-31/x=1%2F2.txt"}) {
    CAPTURE(key);
    CHECK(client.put(key, {.bytes = key}, {}, false) == Client::Put::done);
    CHECK(client.get(key, 0, 1000, "").bytes == key);
  }
  CHECK(store.objects().size() == 7);
  for (const auto& [key, content] : store.objects()) CHECK(key == content);
}

TEST_CASE("checksums of either kind are taken, in one piece and in parts") {
  if (!weir::testing::Versitygw::available()) return;
  const TestStore store;
  auto client = store.client();
  const std::string part(5 * weir::MiB, 'x');
  for (const auto checksum : {Checksum::none, Checksum::md5, Checksum::sha256}) {
    ObjectOptions options;
    options.checksum = checksum;
    CHECK(client.put("one", {.bytes = "content"}, options, false) == Client::Put::done);
    const auto upload = client.begin_upload("parts", options);
    std::vector<Client::Part> parts = {client.put_part("parts", upload, 1, {.bytes = part}, options),
                                       client.put_part("parts", upload, 2, {.bytes = "end"}, options)};
    CHECK(client.end_upload("parts", upload, parts, options, false) == Client::Put::done);
    CHECK(client.head("parts")->size == part.size() + 3);
    CHECK(client.get("parts", part.size() - 1, 10, "").bytes == "xend");
    client.remove("parts");
  }
  const auto upload = client.begin_upload("given-up", {});
  client.abort_upload("given-up", upload);
  client.abort_upload("given-up", upload);
  CHECK(!client.head("given-up"));
}

TEST_CASE("If-None-Match keeps what is there") {
  if (!weir::testing::Versitygw::available()) return;
  const TestStore store;
  auto client = store.client();
  CHECK(client.put("x", {.bytes = "first"}, {}, true) == Client::Put::done);
  CHECK(client.put("x", {.bytes = "second"}, {}, true) == Client::Put::exists);
  CHECK(client.get("x", 0, 100, "").bytes == "first");
}

TEST_CASE("what is wrong with the settings is said clearly") {
  if (!weir::testing::Versitygw::available()) return;
  const TestStore store;
  const auto message = [](const ConnectionSettings& c) {
    return thrown<weir::Misconfigured>([&] { Client(c, credentials_of(c)).check(); });
  };
  CHECK(message(store.connection()).empty());
  auto c = store.connection();
  c.secret_key = "not-the-secret";
  CHECK(has(message(c), "SignatureDoesNotMatch"));
  CHECK(has(message(c), "the secret_key does not belong to the access_key"));
  CHECK(message(c).find("not-the-secret") == std::string::npos);
  c = store.connection();
  c.access_key = "nobody";
  CHECK(has(message(c), "access key"));
  c = store.connection();
  c.bucket = "no-such-bucket";
  CHECK(has(message(c), "create it first"));
  c = store.connection();
  c.region = "eu-west-9";
  CHECK(has(message(c), "another region than 'eu-west-9'"));
}

TEST_CASE("a store that is not there is unavailable, not misconfigured") {
  ConnectionSettings c;
  c.endpoint = "http://127.0.0.1:1";
  c.bucket = "lake";
  c.access_key = "key";
  c.secret_key = "secret";
  CHECK(has(thrown<weir::Unavailable>([&] { Client(c, credentials_of(c)).check(); }), "127.0.0.1:1"));
}

TEST_CASE("TLS checks the store's certificate against the authority that the settings name") {
  if (!weir::testing::Versitygw::available()) return;
  TestStore store({.tls = true});
  auto c = store.connection();
  CHECK(has(thrown<weir::Misconfigured>([&] { Client(c, credentials_of(c)).check(); }), "certificate"));
  c.tls.emplace().ca = store.server().ca();
  Client(c, credentials_of(c)).check();
  c.tls.emplace().verify = false;
  Client(c, credentials_of(c)).check();
}

TEST_CASE("the bucket may be named in the host") {
  if (!weir::testing::Versitygw::available()) return;
  TestStore store({.virtual_hosts = true});
  auto c = store.connection();
  c.addressing = "virtual_host";
  Client client(c, credentials_of(c));
  CHECK(client.put("a/b c.txt", {.bytes = "hello"}, {}, false) == Client::Put::done);
  CHECK(std::filesystem::exists(store.server().object("a/b c.txt")));
}

TEST_CASE("an endpoint, a bucket and a region make an address") {
  const auto address = [](const std::string& endpoint, const std::string& bucket, const std::string& addressing) {
    ConnectionSettings c;
    if (!endpoint.empty()) c.endpoint = endpoint;
    c.bucket = bucket;
    c.region = "eu-central-1";
    c.addressing = addressing;
    const auto a = address_of(c);
    return a.base + a.path;
  };
  CHECK(address("", "lake", "auto") == "https://lake.s3.eu-central-1.amazonaws.com");
  CHECK(address("", "lake", "path") == "https://s3.eu-central-1.amazonaws.com/lake");
  CHECK(address("", "la.ke", "auto") == "https://s3.eu-central-1.amazonaws.com/la.ke");
  CHECK(address("http://minio:9000/", "lake", "auto") == "http://minio:9000/lake");
  CHECK(address("http://minio:9000", "lake", "virtual_host") == "http://lake.minio:9000");
  for (const std::string bad : {"minio:9000", "ftp://minio", "http://", "http://a/b", "http://user@host"})
    CHECK(has(thrown<weir::Misconfigured>([&] { address(bad, "lake", "auto"); }), "endpoint"));
  CHECK(has(thrown<weir::Misconfigured>([&] { address("", "a/b", "auto"); }), "no bucket's name"));
}
