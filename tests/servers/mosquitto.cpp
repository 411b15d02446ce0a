#include "tests/servers/mosquitto.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "tests/servers/process.h"

namespace weir::testing {
namespace {

void run(const std::string& program, const std::string& arguments, const std::filesystem::path& folder) {
  std::vector<std::string> list = {find_program(program)};
  if (list[0].empty()) throw std::runtime_error(program + " is not installed");
  std::istringstream words(arguments);
  for (std::string word; words >> word;) list.push_back(word);
  const auto output = folder / (program + ".log");
  int status = 0;
  ::waitpid(spawn(list, output), &status, 0);
  if (status != 0) throw std::runtime_error(program + " " + arguments + ":\n" + read_file(output));
}

}  // namespace

bool Mosquitto::available() {
  if (!find_program("mosquitto").empty()) return true;
  std::puts("SKIPPED: mosquitto is not installed (scripts/install test)");
  return false;
}

Mosquitto::Mosquitto(Options options) : options_(std::move(options)) {
  auto name = (std::filesystem::temp_directory_path() / "weir-mosquitto-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
  folder_ = name;
  if (options_.tls) make_certificates();
  if (!options_.users.empty()) {
    std::ofstream(folder_ / "passwords").close();
    std::filesystem::permissions(folder_ / "passwords",
                                 std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    for (const auto& [user, password] : options_.users)
      run("mosquitto_passwd", "-b " + (folder_ / "passwords").string() + " " + user + " " + password, folder_);
  }
  // Another process may take the port in between.
  for (int attempt = 0;; ++attempt) {
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

Mosquitto::~Mosquitto() {
  end(SIGKILL);
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void Mosquitto::make_certificates() const {
  const auto at = [this](const char* name) { return (folder_ / name).string(); };
  const std::string new_key = " -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
  for (const char* ca : {"ca", "other_ca"})
    run("openssl",
        "req -x509 -days 2 -subj /CN=weir-test-" + std::string(ca) + new_key + " -keyout " + at(ca) + ".key -out " +
            at(ca) + ".pem",
        folder_);
  std::ofstream(folder_ / "names") << "subjectAltName=DNS:localhost,IP:127.0.0.1\n";
  for (const char* name : {"server", "client"}) {
    run("openssl",
        "req -subj /CN=" + std::string(name) + new_key + " -keyout " + at(name) + ".key -out " + at(name) + ".csr",
        folder_);
    run("openssl",
        "x509 -req -days 2 -CAcreateserial -in " + at(name) + ".csr -CA " + ca() + " -CAkey " + at("ca.key") +
            " -extfile " + at("names") + " -out " + at(name) + ".pem",
        folder_);
  }
}

void Mosquitto::write_config() const {
  std::ofstream file(folder_ / "mosquitto.conf");
  file << "listener " << port_ << " " << server_address() << "\n"
       << "allow_anonymous " << (options_.users.empty() ? "true" : "false") << "\n"
       << "max_queued_messages 0\n"
       << "log_type all\nlog_dest stderr\n";
  if (::geteuid() == 0) file << "user root\n";
  if (!options_.users.empty()) file << "password_file " << (folder_ / "passwords").string() << "\n";
  if (options_.persistence) file << "persistence true\npersistence_location " << folder_.string() << "/\n";
  if (options_.tls) {
    file << "cafile " << ca() << "\ncertfile " << (folder_ / "server.pem").string() << "\nkeyfile "
         << (folder_ / "server.key").string() << "\nrequire_certificate "
         << (options_.client_certificate ? "true" : "false") << "\n";
  }
  for (const auto& line : options_.config) file << line << "\n";
}

void Mosquitto::start() {
  if (running()) return;
  const auto program = find_program("mosquitto");
  if (program.empty()) throw std::runtime_error("mosquitto is not installed");
  write_config();
  process_ = spawn({program, "-c", (folder_ / "mosquitto.conf").string()}, folder_ / "mosquitto.log");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!accepts(port_)) {
    int status = 0;
    if (::waitpid(process_, &status, WNOHANG) == process_) process_ = -1;
    if (!running() || std::chrono::steady_clock::now() > deadline) {
      end(SIGKILL);
      throw std::runtime_error("mosquitto does not start:\n" + log());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void Mosquitto::end(int signal) {
  if (!running()) return;
  end_process(process_, signal);
  process_ = -1;
}

void Mosquitto::stop() {
  end(SIGTERM);
}

void Mosquitto::kill() {
  end(SIGKILL);
}

std::string Mosquitto::url() const {
  return std::string(options_.tls ? "mqtts://localhost" : "mqtt://" + server_address()) + ":" + std::to_string(port_);
}

std::string Mosquitto::log() const {
  return read_file(folder_ / "mosquitto.log");
}

}  // namespace weir::testing
