#include "conformance/program.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>
#include <vector>

#include "weir/conformance.h"

extern char** environ;

namespace weir::conformance {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPatience = std::chrono::seconds(60);
constexpr auto kPause = std::chrono::milliseconds(3);  ///< between two looks at a condition
constexpr std::size_t kLogShown = 4000;

std::string weir() {
  const char* build = std::getenv("WEIR_BUILD");
  return build == nullptr ? "weir" : std::string(build) + "/weir";
}

std::string contents(const std::filesystem::path& path, std::uintmax_t from = 0) {
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(from));
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

Program::Program() {
  auto name = (std::filesystem::temp_directory_path() / "weir-conformance-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
  folder_ = name;
}

Program::~Program() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void Program::set_flow(const std::string& yaml) const {
  std::ofstream(folder_ / "flow.yaml") << yaml;
}

void Program::start(bool until_idle) {
  std::error_code none_yet;
  const auto size = std::filesystem::file_size(folder_ / "log", none_yet);
  life_begins_ = none_yet ? 0 : size;
  port_ = 0;
  std::vector<std::string> arguments = {weir(), "run", "flow.yaml", "--data", "data", "--listen", "127.0.0.1:0"};
  if (until_idle) arguments.emplace_back("--until-idle");
  spawn(std::move(arguments));
}

int Program::check_connections() {
  spawn({weir(), "validate", "--connect", "flow.yaml"});
  const auto deadline = Clock::now() + std::chrono::seconds(40);
  while (running()) {
    if (Clock::now() > deadline) fail("weir validate --connect does not end within 40 s");
    std::this_thread::sleep_for(kPause);
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
}

void Program::spawn(std::vector<std::string> arguments) {
  std::vector<char*> raw;
  for (auto& argument : arguments) raw.push_back(argument.data());
  raw.push_back(nullptr);
  const auto log = (folder_ / "log").string();
  process_ = ::fork();
  if (process_ < 0) throw std::runtime_error("fork failed");
  if (process_ > 0) return;
  const int file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(file, STDOUT_FILENO);
  ::dup2(file, STDERR_FILENO);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::close_range(STDERR_FILENO + 1, ~0U, 0);  // else Weir would keep the port of a server in this process open
  if (::chdir(folder_.c_str()) != 0) ::_exit(126);
  ::execvpe(raw[0], raw.data(), environ);
  ::_exit(127);
}

void Program::kill() {
  if (process_ <= 0) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, &status_, 0);
  process_ = -1;
}

void Program::stop() {
  if (!running()) fail("weir has ended before it was told to");
  ::kill(process_, SIGTERM);
  await_end(std::chrono::seconds(15), "told to stop, weir");
}

void Program::finish() {
  await_end(std::chrono::seconds(90), "with --until-idle, weir");
}

std::string Program::how_it_ended() const {
  if (WIFSIGNALED(status_)) return "signal " + std::to_string(WTERMSIG(status_));
  return "exit status " + std::to_string(WEXITSTATUS(status_));
}

void Program::await_end(std::chrono::seconds within, const std::string& what) {
  const auto deadline = Clock::now() + within;
  while (running()) {
    if (Clock::now() > deadline) fail(what + " does not end within " + std::to_string(within.count()) + " s");
    std::this_thread::sleep_for(kPause);
  }
  if (status_ != 0) fail(what + " ends with " + how_it_ended());
}

bool Program::running() {
  if (process_ <= 0) return false;
  if (::waitpid(process_, &status_, WNOHANG) == process_) process_ = -1;
  return process_ > 0;
}

void Program::wait_until(const std::function<bool()>& holds, const std::string& condition) {
  const auto deadline = Clock::now() + kPatience;
  while (!holds()) {
    if (!running()) fail("weir ends before " + condition + ", with " + how_it_ended());
    if (Clock::now() > deadline) fail("after " + std::to_string(kPatience.count()) + " s, not yet: " + condition);
    std::this_thread::sleep_for(kPause);
  }
}

void Program::fail(const std::string& what) const {
  const auto all = log();
  throw Broken(what + "\n--- flow\n" + contents(folder_ / "flow.yaml") + "--- the end of weir's log\n" +
               all.substr(all.size() - std::min(all.size(), kLogShown)));
}

std::string Program::log() const {
  return contents(folder_ / "log");
}

std::string Program::get(const std::string& path, int& status) {
  status = 0;
  if (port_ == 0) {
    const auto text = contents(folder_ / "log", life_begins_);
    constexpr std::string_view kListens = "listening on http://127.0.0.1:";
    const auto at = text.find(kListens);
    if (at == std::string::npos || text.find('\n', at) == std::string::npos) return {};
    port_ = static_cast<std::uint16_t>(std::stoi(text.substr(at + kListens.size())));
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const auto request = "GET " + path + " HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
  std::string answer;
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      ::send(socket, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
    char buffer[16384];
    for (ssize_t n = 0; (n = ::recv(socket, buffer, sizeof buffer, 0)) > 0;)
      answer.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(socket);
  const auto body = answer.find("\r\n\r\n");
  const auto space = answer.find(' ');
  if (body == std::string::npos || space > body) return {};
  status = std::stoi(answer.substr(space));
  return answer.substr(body + 4);
}

double Program::metric(const std::string& name, const std::string& label) {
  int status = 0;
  std::istringstream text(get("/metrics", status));
  double sum = 0;
  for (std::string line; std::getline(text, line);) {
    if (!line.starts_with(name) || (line[name.size()] != '{' && line[name.size()] != ' ')) continue;
    if (line.find(label) == std::string::npos) continue;
    sum += std::stod(line.substr(line.rfind(' ')));
  }
  return sum;
}

void check_connection(Program& right, Program& wrong, Server& server, const std::string& name,
                      const std::string& secret) {
  if (right.check_connections() != 0) right.fail("weir validate --connect does not reach a server that is there");
  if (right.log().find(name + " reaches ") == std::string::npos) right.fail("it does not say what it reaches");
  if (wrong.check_connections() != 2) wrong.fail("weir validate --connect takes a wrong secret for a good one");
  if (wrong.log().find("error: " + name) == std::string::npos) wrong.fail("it does not name the processor");
  if (wrong.log().find(secret) != std::string::npos) wrong.fail("the secret is shown");
  server.stop_server();
  if (right.check_connections() != 2) right.fail("weir validate --connect reaches a server that is away");
  if (right.log().find("flow.yaml:3:") == std::string::npos && right.log().find("flow.yaml:1") == std::string::npos)
    right.fail("it does not name the line");
  server.start_server();
}

std::string Program::not_ready() {
  int status = 0;
  auto text = get("/readyz", status);
  return status == 503 ? text : std::string();
}

}  // namespace weir::conformance
