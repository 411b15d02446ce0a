#pragma once
// For tests: a directory that goes with the test, and files in it.

#include <stdlib.h>
#include <sys/resource.h>
#include <zlib.h>
#include <zstd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace weir::file {

class TestDirectory {
 public:
  TestDirectory() {
    auto pattern = (std::filesystem::temp_directory_path() / "weir-file-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory can be made");
    path_ = pattern;
  }
  ~TestDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;

  std::string operator/(const std::string& name) const { return path_ + '/' + name; }
  const std::string& path() const { return path_; }

  std::string write(const std::string& name, std::string_view content) const {
    return put(name, content, std::ios::trunc);
  }
  std::string append(const std::string& name, std::string_view content) const {
    return put(name, content, std::ios::app);
  }
  std::string read(const std::string& name) const {
    std::ifstream in(*this / name, std::ios::binary);
    if (!in) throw std::runtime_error("there is no " + *this / name);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }
  bool has(const std::string& name) const { return std::filesystem::exists(*this / name); }
  /// Every regular file below it, hidden ones too, with its content.
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> result;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path_)) {
      const auto name = entry.path().lexically_relative(path_).string();
      if (entry.is_regular_file()) result[name] = read(name);
    }
    return result;
  }

 private:
  std::string put(const std::string& name, std::string_view content, std::ios::openmode mode) const {
    const auto path = *this / name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream out(path, std::ios::binary | mode);
    out << content;
    if (!out.flush()) throw std::runtime_error("cannot write " + path);
    return path;
  }
  std::string path_;
};

/// Stands for a disk that has no room: while it lives, no file of this process grows beyond so many bytes.
class FullDisk {
 public:
  explicit FullDisk(rlim_t size = 1'000'000) : signal_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &room_);
    auto none = room_;
    none.rlim_cur = size;
    ::setrlimit(RLIMIT_FSIZE, &none);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &room_);
    std::signal(SIGXFSZ, signal_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit room_{};
  void (*signal_)(int);
};

/// What the command prints; throws if it fails. What any tool makes of a file is the test of our formats.
inline std::string output_of(const std::string& command) {
  std::string output;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  char buffer[4096];
  for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) output.append(buffer, n);
  if (::pclose(pipe) != 0) throw std::runtime_error(command + ": " + output);
  return output;
}

inline std::string gzipped(std::string_view content) {
  z_stream z{};
  if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc();
  std::string packed(deflateBound(&z, content.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  z.avail_in = static_cast<uInt>(content.size());
  z.next_out = reinterpret_cast<Bytef*>(packed.data());
  z.avail_out = static_cast<uInt>(packed.size());
  deflate(&z, Z_FINISH);
  packed.resize(z.total_out);
  deflateEnd(&z);
  return packed;
}

inline std::string zstd_packed(std::string_view content) {
  std::string packed(ZSTD_compressBound(content.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), content.data(), content.size(), 3));
  return packed;
}

/// `count` lines of NDJSON, about 60 bytes each.
inline std::string readings(int count, int first = 0) {
  std::string text;
  for (int i = first; i < first + count; ++i)
    text +=
        "{\"sensor_id\":\"s-" + std::to_string(i % 7) + "\",\"seq\":" + std::to_string(i) + ",\"temperature\":21.50}\n";
  return text;
}

}  // namespace weir::file
