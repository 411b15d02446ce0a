// watchers: browsers that look at a Weir, and programs that ask its API, as cheap as they can be: one thread, answers
// read and counted, nothing parsed. --streams connections listen to the live events; every --ask RATE:PATH,PATH,… sends
// so many requests a second, each path in its turn, over connections that stay open. When they are all connected it
// says so in a line; on SIGTERM it tells what it did.
//
// It never sleeps, on a core of its own: to wake another core costs the one who sends to it, in a virtual machine as
// much as all else that a server does for a small request, and clients elsewhere do not cost that.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "tests/bench/measure.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kAskers = 24;  ///< connections for requests: some more than ever wait for an answer

struct Options {
  std::uint16_t port = 0;
  std::size_t streams = 50;
  std::vector<std::string> asks;
};

/// Requests of one kind of client.
struct Ask {
  Clock::duration every;
  std::vector<std::string> requests;
  std::size_t next = 0;
  Clock::time_point due;
};

struct Waiting {
  const std::string* request;
  Clock::time_point due;
};

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

class Socket {
 public:
  explicit Socket(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int one = 1;
    if (fd_ < 0 || ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) fail("connect");
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (::fcntl(fd_, F_SETFL, O_NONBLOCK) != 0) fail("fcntl");
  }
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int fd() const { return fd_; }
  /// Requests are small, and one is under way at a time: they fit into the socket's buffer.
  void send(std::string_view text) {
    if (::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) fail("send");
  }

 private:
  int fd_;
};

std::string request_for(std::string_view path) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n";
}

Ask ask_of(std::string_view text) {
  const auto colon = text.find(':');
  double rate = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + std::min(colon, text.size()), rate);
  if (colon == std::string_view::npos || parsed.ec != std::errc{} || rate <= 0)
    throw std::runtime_error("--ask takes RATE:PATH,PATH,…");
  Ask ask{std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / rate)), {}, 0, Clock::now()};
  for (auto rest = text.substr(colon + 1); !rest.empty();) {
    const auto end = std::min(rest.find(','), rest.size());
    ask.requests.push_back(request_for(rest.substr(0, end)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (ask.requests.empty()) throw std::runtime_error("--ask names no path");
  return ask;
}

struct Totals {
  std::uint64_t asked = 0, answered = 0, refused = 0, answer_bytes = 0;
  std::uint64_t events = 0, event_bytes = 0, streams = 0;
  std::vector<double> milliseconds;  ///< from when a request was due to the end of its answer
};

/// One connection: of a stream, or for one request after the other.
class Client {
 public:
  Client(std::uint16_t port, bool stream, Totals& totals) : socket_(port), stream_(stream), totals_(totals) {
    if (stream) socket_.send(request_for("/api/v1/events"));
  }
  int fd() const { return socket_.fd(); }
  bool free() const { return !stream_ && !busy_; }
  void ask(const Waiting& waiting) {
    busy_ = true;
    due_ = waiting.due;
    socket_.send(*waiting.request);
    ++totals_.asked;
  }
  void take(std::string_view bytes) {
    if (stream_) {
      take_events(bytes);
    } else {
      take_answer(bytes);
    }
  }

 private:
  void take_events(std::string_view bytes) {
    if (!begun_) {
      begun_ = true;
      if (!bytes.starts_with("HTTP/1.1 200")) throw std::runtime_error("it will not send its events");
      ++totals_.streams;
    }
    totals_.event_bytes += bytes.size();
    // A piece may end within the word: one event more or less in thousands.
    for (auto at = bytes.find("event: "); at != std::string_view::npos; at = bytes.find("event: ", at + 1))
      ++totals_.events;
  }

  void take_answer(std::string_view bytes) {
    totals_.answer_bytes += bytes.size();
    if (left_ == 0) {
      header_ += bytes;
      const auto end = header_.find("\r\n\r\n");
      if (end == std::string::npos) return;
      constexpr std::string_view kLength = "\r\nContent-Length: ";
      const auto length = header_.find(kLength);
      if (length == std::string::npos || length > end) throw std::runtime_error("an answer without its length");
      std::size_t body = 0;
      std::from_chars(header_.data() + length + kLength.size(), header_.data() + end, body);
      if (!header_.starts_with("HTTP/1.1 200")) ++totals_.refused;
      left_ = end + 4 + body - header_.size();
      header_.clear();
    } else {
      left_ -= bytes.size();
    }
    if (left_ > 0) return;
    busy_ = false;
    ++totals_.answered;
    totals_.milliseconds.push_back(std::chrono::duration<double, std::milli>(Clock::now() - due_).count());
  }

  Socket socket_;
  const bool stream_;
  Totals& totals_;
  bool begun_ = false;
  bool busy_ = false;
  Clock::time_point due_;
  std::string header_;
  std::size_t left_ = 0;
};

class Watchers {
 public:
  explicit Watchers(const Options& options) : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    if (epoll_ < 0 || ::sigprocmask(SIG_BLOCK, &ending, nullptr) != 0) fail("start");
    ending_ = ::signalfd(-1, &ending, SFD_CLOEXEC);
    watch(ending_, nullptr);
    for (const auto& text : options.asks) asks_.push_back(ask_of(text));
    for (std::size_t i = 0; i < options.streams + (asks_.empty() ? 0 : kAskers); ++i) {
      clients_.push_back(std::make_unique<Client>(options.port, i < options.streams, totals_));
      watch(clients_.back()->fd(), clients_.back().get());
    }
    wanted_streams_ = options.streams;
  }
  ~Watchers() {
    ::close(ending_);
    ::close(epoll_);
  }
  Watchers(const Watchers&) = delete;
  Watchers& operator=(const Watchers&) = delete;

  void run() {
    bool said = false;
    while (!over_) {
      if (!said && totals_.streams == wanted_streams_) {
        said = true;
        std::puts("watching");
        std::fflush(stdout);
      }
      ask();
      std::array<epoll_event, 64> events;
      const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
      for (int i = 0; i < count; ++i) read(static_cast<Client*>(events[static_cast<std::size_t>(i)].data.ptr));
    }
  }

  void report() {
    auto& times = totals_.milliseconds;
    std::sort(times.begin(), times.end());
    const auto quantile = [&](double share) {
      return times.empty() ? 0.0 : times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))];
    };
    std::printf(R"({"asked":%llu,"answered":%llu,"refused":%llu,"answer_bytes":%llu,"events":%llu,"event_bytes":%llu,)"
                R"("wall_s":%.4f,"cpu_s":%.4f,"p50_ms":%.3f,"p99_ms":%.3f})"
                "\n",
                static_cast<unsigned long long>(totals_.asked), static_cast<unsigned long long>(totals_.answered),
                static_cast<unsigned long long>(totals_.refused), static_cast<unsigned long long>(totals_.answer_bytes),
                static_cast<unsigned long long>(totals_.events), static_cast<unsigned long long>(totals_.event_bytes),
                measurement_.wall_seconds(), measurement_.cpu_seconds(), quantile(0.5), quantile(0.99));
  }

 private:
  void watch(int fd, Client* client) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = client;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
  }

  /// Sends what is due; what finds no free connection waits, and counts from when it was due.
  void ask() {
    const auto now = Clock::now();
    for (auto& ask : asks_) {
      for (; ask.due <= now; ask.due += ask.every)
        waiting_.push_back({&ask.requests[ask.next++ % ask.requests.size()], ask.due});
    }
    for (const auto& client : clients_) {
      if (waiting_.empty()) return;
      if (!client->free()) continue;
      client->ask(waiting_.front());
      waiting_.pop_front();
    }
  }

  void read(Client* client) {
    if (client == nullptr) {
      over_ = true;
      return;
    }
    const auto size = ::recv(client->fd(), buffer_.data(), buffer_.size(), 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size < 0) fail("recv");
    if (size == 0 && client->free()) {  // it has been idle for long: the others are enough
      std::erase_if(clients_, [&](const auto& other) { return other.get() == client; });
      return;
    }
    if (size == 0) throw std::runtime_error("it hung up");
    client->take({buffer_.data(), static_cast<std::size_t>(size)});
  }

  const int epoll_;
  int ending_ = -1;
  Totals totals_;
  std::vector<Ask> asks_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::deque<Waiting> waiting_;
  std::size_t wanted_streams_ = 0;
  std::vector<char> buffer_ = std::vector<char>(256 * 1024);
  bool over_ = false;
  weir::bench::Measurement measurement_;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Browsers and programs that ask a Weir, for a benchmark"};
  Options options;
  app.add_option("--port", options.port, "where Weir listens, on 127.0.0.1")->required();
  app.add_option("--streams", options.streams, "how many listen to the live events")->capture_default_str();
  app.add_option("--ask", options.asks, "RATE:PATH,PATH,…: so many requests a second");
  CLI11_PARSE(app, argc, argv);
  try {
    Watchers watchers(options);
    watchers.run();
    watchers.report();
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "watchers: " << error.what() << '\n';
    return 1;
  }
}
