#include "tests/servers/versitygw.h"

#include <sys/wait.h>
#include <sys/xattr.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "tests/servers/process.h"

namespace weir::testing {
namespace {

/// The program, built if need be; empty, with the reason, if it cannot be had.
std::string program(std::string* why = nullptr) {
  static const auto found = [] {
    const char* source = std::getenv("WEIR_SOURCE");
    const auto command = std::string(source == nullptr ? "." : source) + "/tests/servers/versitygw/prepare 2>&1";
    std::string output;
    auto* pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) return std::pair<std::string, std::string>("", "no shell");
    char buffer[4096];
    for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) output.append(buffer, n);
    const bool good = ::pclose(pipe) == 0;
    while (!output.empty() && output.back() == '\n') output.pop_back();
    const auto last = output.substr(output.rfind('\n') + 1);
    return good ? std::pair(last, std::string()) : std::pair(std::string(), last);
  }();
  if (why != nullptr) *why = found.second;
  return found.first;
}

bool has_attributes(const std::filesystem::path& folder) {
  return ::setxattr(folder.c_str(), "user.weir", "", 0, 0) == 0;
}

}  // namespace

bool Versitygw::available() {
  std::string why;
  if (!program(&why).empty()) return true;
  std::printf("SKIPPED: %s\n", why.c_str());
  return false;
}

Versitygw::Versitygw(Options options) : options_(options), folder_(temporary_folder("weir-versitygw")) {
  std::filesystem::create_directories(folder_ / "buckets" / bucket());
  std::filesystem::create_directories(folder_ / "metadata");
  if (options_.tls) make_certificates();
  for (int attempt = 0;; ++attempt) {  // another process may take the port in between
    port_ = free_port();
    try {
      start();
      return;
    } catch (const std::runtime_error&) {
      if (attempt == 3) {
        std::filesystem::remove_all(folder_);
        throw;
      }
    }
  }
}

Versitygw::~Versitygw() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void Versitygw::make_certificates() const {
  const auto at = [this](const char* name) { return (folder_ / name).string(); };
  const auto openssl = [this](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), find_program("openssl"));
    run(std::move(arguments), folder_);
  };
  const std::vector<std::string> new_key = {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"};
  const auto with_key = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), new_key.begin(), new_key.end());
    return arguments;
  };
  std::ofstream(folder_ / "names") << "subjectAltName=DNS:localhost,IP:127.0.0.1\n";
  openssl(with_key(
      {"req", "-x509", "-days", "2", "-subj", "/CN=weir-test", "-keyout", at("ca.key"), "-out", at("ca.pem")}));
  openssl(with_key({"req", "-subj", "/CN=server", "-keyout", at("server.key"), "-out", at("server.csr")}));
  openssl({"x509", "-req", "-days", "2", "-CAcreateserial", "-in", at("server.csr"), "-CA", ca(), "-CAkey",
           at("ca.key"), "-extfile", at("names"), "-out", at("server.pem")});
}

void Versitygw::start() {
  if (process_ > 0) return;
  std::vector<std::string> arguments = {program(),    "--port",      server_address() + ":" + std::to_string(port_),
                                        "--access",   access_key(),  "--secret",
                                        secret_key(), "--region",    "us-east-1",
                                        "--quiet",    "--keep-alive"};
  const auto add = [&](std::initializer_list<std::string> more) { arguments.insert(arguments.end(), more); };
  if (options_.tls) add({"--cert", (folder_ / "server.pem").string(), "--key", (folder_ / "server.key").string()});
  if (options_.virtual_hosts) add({"--virtual-domain", "localhost:" + std::to_string(port_)});
  add({"posix"});
  // Metadata beside the objects is not written in one step with them, as it is in extended attributes.
  if (!has_attributes(folder_)) add({"--sidecar", (folder_ / "metadata").string()});
  add({(folder_ / "buckets").string()});
  process_ = spawn(arguments, folder_ / "versitygw.log");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!accepts(port_)) {
    int status = 0;
    if (::waitpid(process_, &status, WNOHANG) == process_) process_ = -1;
    if (process_ <= 0 || std::chrono::steady_clock::now() > deadline) {
      kill();
      throw std::runtime_error("versitygw does not start:\n" + log());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void Versitygw::kill() {
  end(process_, SIGKILL);
}

std::string Versitygw::url() const {
  return std::string(options_.tls ? "https://" : "http://") +
         (options_.tls || options_.virtual_hosts ? "localhost" : server_address()) + ":" + std::to_string(port_);
}

std::string Versitygw::log() const {
  return read_file(folder_ / "versitygw.log");
}

}  // namespace weir::testing
