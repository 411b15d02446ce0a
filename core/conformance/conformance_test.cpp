// The suite itself: what it objects to, and that it does.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "conformance/records.h"
#include "weir/conformance.h"

namespace conformance = weir::conformance;
using conformance::objection;

TEST_CASE("records that are lost, doubled or out of order are named, and nothing else is") {
  CHECK(objection({0, 1, 2}, 3, true, true).empty());
  CHECK(objection({0, 2}, 4, false, false) == "of 4 records are lost: 2 (1, 3)");
  CHECK(objection({0, 1, 1, 2}, 3, true, true) == "of 3 records came more than once: 1 (1)");
  CHECK(objection({0, 1, 0, 1, 2}, 3, false, true).empty());  // what comes again comes in order again
  CHECK(objection({0, 2, 1}, 3, true, true) == "record 1 came behind 2");
  CHECK(objection({0, 2, 1}, 3, true, false).empty());
  CHECK_THROWS_AS(objection({0, 7}, 3, true, true), conformance::Broken);
}

TEST_CASE("a record is known by its number, whatever a connector made of it") {
  CHECK(conformance::number_of(conformance::record(1234)) == 1234);
  CHECK(conformance::number_of(R"({"key":"k","n": "17"})") == 17);
  CHECK_THROWS_AS(conformance::number_of("{}"), conformance::Broken);
}

namespace {

/// A folder whose every file is there twice: not what a source promises.
class Doubled final : public conformance::Source {
 public:
  Doubled() {
    auto name = (std::filesystem::temp_directory_path() / "weir-doubled-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~Doubled() override { std::filesystem::remove_all(folder_); }
  std::string processor() override {
    return "type: FileSource\npath: " + (folder_ / "*.ndjson").string() + "\ninterval: 50ms\ndrop: failure";
  }
  void publish(std::int64_t first, std::int64_t count) override {
    for (const auto* copy : {"a", "b"}) {
      std::ofstream part(folder_ / "part");
      for (auto n = first; n < first + count; ++n) part << conformance::record(n) << '\n';
      part.close();
      std::filesystem::rename(folder_ / "part", folder_ / (std::to_string(first) + copy + ".ndjson"));
    }
  }
  bool ordered() const override { return false; }

 private:
  std::filesystem::path folder_;
};

/// A sink whose far side loses a record.
class Leaky final : public conformance::Sink {
 public:
  Leaky() {
    auto name = (std::filesystem::temp_directory_path() / "weir-leaky-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~Leaky() override { std::filesystem::remove_all(folder_); }
  std::string processor() override { return "type: FileSink\npath: " + (folder_ / "out").string(); }
  std::vector<std::int64_t> arrived() override {
    auto numbers = conformance::numbers_in(folder_ / "out");
    std::erase(numbers, 1'500);
    return numbers;
  }

 private:
  std::filesystem::path folder_;
};

std::string broken(const std::function<void()>& promise) {
  try {
    promise();
  } catch (const conformance::Broken& error) {
    return error.what();
  }
  return "kept";
}

}  // namespace

TEST_CASE("a source that brings records twice, and a sink that loses one, do not pass") {
  Doubled doubled;
  CHECK(broken([&] { source_delivers(doubled); }).find("more than once") != std::string::npos);
  Leaky leaky;
  const auto why = broken([&] { sink_delivers(leaky); });
  CHECK(why.starts_with("of 2000 records are lost: 1 (1500)"));
  CHECK(why.find("--- flow") != std::string::npos);
  CHECK(why.find("--- the end of weir's log") != std::string::npos);
}
