#include "tests/servers/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>
#include <stdexcept>
#include <thread>

extern char** environ;

namespace weir::testing {
namespace {

sockaddr_in local(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::inet_pton(AF_INET, server_address().c_str(), &address.sin_addr) != 1)
    throw std::runtime_error("WEIR_SERVER_ADDRESS is no IPv4 address");
  return address;
}

}  // namespace

std::string server_address() {
  const char* address = std::getenv("WEIR_SERVER_ADDRESS");
  return address == nullptr ? "127.0.0.1" : address;
}

std::string find_program(const std::string& name, const std::vector<std::string>& further_folders) {
  const char* path = std::getenv("PATH");
  std::istringstream list(std::string(path == nullptr ? "" : path) + ":/usr/sbin:/usr/local/sbin:/sbin");
  auto folders = further_folders;
  for (std::string folder; std::getline(list, folder, ':');) folders.push_back(folder);
  for (const auto& folder : folders) {
    const auto file = folder + "/" + name;
    if (!folder.empty() && ::access(file.c_str(), X_OK) == 0) return file;
  }
  return {};
}

std::uint16_t free_port() {
  // Below those that the system gives to connections: while a server is away, one of them could take its port, or a
  // client that tries to reach it could even be connected to itself.
  int first_given = 0;
  std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> first_given;
  const int end = first_given > 12'000 ? first_given : 32'768;
  static std::minstd_rand random{std::random_device{}()};
  for (int attempt = 0; attempt < 100; ++attempt) {
    const auto port = static_cast<std::uint16_t>(std::uniform_int_distribution<int>(10'000, end - 1)(random));
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto address = local(port);
    const bool bound = ::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(listener);
    if (bound) return port;
  }
  throw std::runtime_error("no free port on " + server_address());
}

bool accepts(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto address = local(port);
  const bool accepted = ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(socket);
  return accepted;
}

std::string server_user() {
  if (::geteuid() != 0) return {};
  for (const auto* name : {"postgres", "mysql", "nobody"}) {
    if (::getpwnam(name) != nullptr) return name;
  }
  return "nobody";
}

pid_t spawn(std::vector<std::string> arguments, const std::filesystem::path& output, const std::string& user) {
  std::vector<char*> raw;
  for (auto& argument : arguments) raw.push_back(argument.data());
  raw.push_back(nullptr);
  const auto* entry = user.empty() || ::geteuid() != 0 ? nullptr : ::getpwnam(user.c_str());
  const auto uid = entry == nullptr ? 0 : entry->pw_uid;
  const auto gid = entry == nullptr ? 0 : entry->pw_gid;
  const pid_t process = ::fork();
  if (process == 0) {
    const int file = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(file, STDOUT_FILENO);
    ::dup2(file, STDERR_FILENO);
    if (entry != nullptr && (::setgroups(0, nullptr) != 0 || ::setgid(gid) != 0 || ::setuid(uid) != 0)) ::_exit(126);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that dies leaves no server behind; a change of user resets it
    if (::chdir("/") != 0) ::_exit(126);
    ::execve(raw[0], raw.data(), environ);
    ::_exit(127);
  }
  if (process < 0) throw std::runtime_error("fork failed");
  return process;
}

void run(std::vector<std::string> arguments, const std::filesystem::path& folder, const std::string& user) {
  const auto output = folder / (std::filesystem::path(arguments[0]).filename().string() + ".log");
  int status = 0;
  ::waitpid(spawn(arguments, output, user), &status, 0);
  if (status != 0) throw std::runtime_error(arguments[0] + " fails:\n" + read_file(output));
}

std::filesystem::path temporary_folder(const std::string& prefix, const std::string& user) {
  auto name = (std::filesystem::temp_directory_path() / (prefix + "-XXXXXX")).string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
  if (const auto* entry = user.empty() ? nullptr : ::getpwnam(user.c_str()); entry != nullptr) {
    if (::chown(name.c_str(), entry->pw_uid, entry->pw_gid) != 0) throw std::runtime_error("cannot give away " + name);
  }
  return name;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

int end_process(pid_t process, int signal) {
  ::kill(process, signal);
  int status = 0;
  ::waitpid(process, &status, 0);
  return status;
}

void end(pid_t& process, int signal) {
  if (process <= 0) return;
  ::kill(process, signal);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  int status = 0;
  while (::waitpid(process, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > deadline) ::kill(process, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  process = -1;
}

}  // namespace weir::testing
