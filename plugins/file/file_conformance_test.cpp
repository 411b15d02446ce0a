// FileSource and FileSink keep the promises of every source and sink.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "plugins/common/test_files.h"
#include "weir/conformance.h"

namespace {

namespace conformance = weir::conformance;

/// A folder that others move whole files into.
class Folder final : public conformance::Source {
 public:
  std::string processor() override {
    return "type: FileSource\npath: " + folder_ / "*.ndjson" +
           "\nformat: ndjson\nchunk_size: 4KiB\ninterval: 50ms\ndrop: failure";
  }
  void publish(std::int64_t first, std::int64_t count) override {
    std::string lines;
    for (auto n = first; n < first + count; ++n) lines += conformance::record(n) + '\n';
    auto name = std::to_string(first);
    name.insert(0, 9 - name.size(), '0');
    std::filesystem::rename(folder_.write("part", lines), folder_ / name + ".ndjson");
  }

 private:
  weir::file::TestDirectory folder_;
};

/// A file that grows.
class Log final : public conformance::Sink, public conformance::ExactlyOnce {
 public:
  std::string processor() override { return "type: FileSink\npath: " + folder_ / "log.ndjson"; }
  std::vector<std::int64_t> arrived() override {
    std::vector<std::int64_t> numbers;
    std::ifstream file(folder_ / "log.ndjson");
    for (std::string line; std::getline(file, line) && !file.eof();) numbers.push_back(conformance::number_of(line));
    return numbers;
  }

 private:
  weir::file::TestDirectory folder_;
};

WEIR_CONFORMANCE(Folder)
WEIR_CONFORMANCE(Log)

}  // namespace
