// S3Source and S3Sink keep the promises of every source and sink, against a server that verifies signatures.

#include <doctest/doctest.h>
#include <sys/xattr.h>

#include <sstream>

#include "store_test.h"
#include "weir/conformance.h"

namespace {

namespace conformance = weir::conformance;
using weir::testing::Versitygw;

/// The server, which dies and comes back.
class Store : public conformance::Server, public conformance::Login {
 public:
  void stop_server() override {
    // Metadata beside the objects is not written in one step with them: such a server loses by being killed.
    if (::setxattr(store_->server().folder().c_str(), "user.weir", "", 0, 0) != 0)
      throw conformance::Missing("the temporary folder has no extended attributes, so the S3 server is not killed");
    store_->server().kill();
  }
  void start_server() override { store_->server().start(); }
  std::string with_secret(const std::string& wrong) override {
    auto properties = processor_of_side();
    const auto right = store_->server().secret_key();
    return properties.replace(properties.find(right), right.size(), wrong);
  }

 protected:
  Store() {
    if (!Versitygw::available()) throw conformance::Missing();
    store_.emplace();
  }
  virtual std::string processor_of_side() = 0;
  weir::s3::TestStore& store() { return *store_; }

 private:
  std::optional<weir::s3::TestStore> store_;
};

class Objects final : public conformance::Source, public Store {
 public:
  std::string processor() override {
    return "type: S3Source\n" + store().properties() +
           "prefix: in/\nformat: ndjson\nchunk_size: 4KiB\npiece_size: 64KiB\ninterval: 50ms\nconnect_timeout: 1s\n"
           "drop: failure";
  }
  void publish(std::int64_t first, std::int64_t count) override {
    std::string lines;
    for (auto n = first; n < first + count; ++n) lines += conformance::record(n) + '\n';
    auto name = std::to_string(first);
    store().put("in/" + name.insert(0, 9 - name.size(), '0'), first % 2 == 0 ? lines : weir::file::gzipped(lines));
  }

 private:
  std::string processor_of_side() override { return processor(); }
};

class Lake final : public conformance::Sink, public conformance::ExactlyOnce, public Store {
 public:
  std::string processor() override {
    return "type: S3Sink\n" + store().properties() + "key: raw/lines.ndjson.gz\nroll_count: 500\nconnect_timeout: 1s";
  }
  std::vector<std::int64_t> arrived() override {
    std::vector<std::int64_t> numbers;
    std::istringstream lines(store().everything());
    for (std::string line; std::getline(lines, line);) numbers.push_back(conformance::number_of(line));
    return numbers;
  }
  bool ordered() const override { return false; }  // objects have none

 private:
  std::string processor_of_side() override { return processor(); }
};

WEIR_CONFORMANCE(Objects)
WEIR_CONFORMANCE(Lake)

}  // namespace
