#pragma once
// For tests: a store, and what is in it.

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "client.h"
#include "plugins/common/test_files.h"
#include "tests/servers/versitygw.h"

namespace weir::s3 {

class TestStore {
 public:
  explicit TestStore(testing::Versitygw::Options options = {}) : server_(options) {}

  testing::Versitygw& server() { return server_; }
  std::uint16_t server_port() const { return server_.port(); }

  ConnectionSettings connection() const {
    ConnectionSettings c;
    c.endpoint = server_.url();
    c.bucket = server_.bucket();
    c.access_key = server_.access_key();
    c.secret_key = server_.secret_key();
    return c;
  }
  /// The properties of a processor that connects to it.
  std::string properties() const {
    return "endpoint: " + server_.url() + "\nbucket: " + server_.bucket() + "\naccess_key: " + server_.access_key() +
           "\nsecret_key: " + server_.secret_key() + "\n";
  }
  Client client() const { return Client(connection(), credentials_of(connection())); }

  void put(const std::string& key, const std::string& content) const {
    client().put(key, {.bytes = content}, {}, false);
  }
  /// Every object by its key, with its bytes.
  std::map<std::string, std::string> objects() const {
    std::map<std::string, std::string> result;
    auto c = client();
    std::string token;
    do {
      const auto page = c.list("", "", token);
      for (const auto& object : page.objects)
        result[object.key] = object.size == 0 ? "" : c.get(object.key, 0, object.size, object.etag).bytes;
      token = page.next;
    } while (!token.empty());
    return result;
  }
  /// All that the objects hold, unpacked by the usual tools, in the order of their keys.
  std::string everything() const {
    std::string all;
    const file::TestDirectory dir;
    for (const auto& [key, content] : objects()) {
      dir.write("object", content);
      const auto path = "'" + dir / "object" + "'";
      all += key.ends_with(".gz")    ? file::output_of("gzip -dc < " + path)
             : key.ends_with(".zst") ? file::output_of("zstd -dcq < " + path)
                                     : content;
    }
    return all;
  }

 private:
  testing::Versitygw server_;
};

}  // namespace weir::s3
