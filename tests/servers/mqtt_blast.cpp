// mqtt_blast: an MQTT 3.1.1 publisher at QoS 1, faster than any client library, that never gives up a message.
//
// It publishes readings (tests/bench/reading.h), each with a unique "seq" and its time of publication "sent_us", keeps
// up to --window of them unacknowledged, and after a lost connection connects again and publishes what is still
// unacknowledged once more, with the DUP flag, in the old order. What the broker has acknowledged is in the file
// --acked: lines "FIRST LAST" of sequence numbers, both inclusive, ascending but for what was sent twice, written at
// most 0.1 s after the acknowledgement. So a checker may hold the receiving side to every number in it.
//
// SIGINT and SIGTERM end the publishing; acknowledgements under way are still awaited for a few seconds. At the end one
// line of JSON on stdout says what was done. Exit status: 0 all was acknowledged, 1 not, 2 the command line is wrong.
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/bench/measure.h"
#include "tests/bench/reading.h"

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using Seconds = std::chrono::duration<double>;

struct Options {
  std::string host = "127.0.0.1";
  std::string port = "1883";
  std::string client_id = "mqtt-blast";
  std::string topics = "sensors/s-%04d/readings";
  std::uint32_t sensors = 1000;
  std::uint64_t seed = 1;
  std::uint64_t count = 1'000'000;
  std::uint64_t first = 0;
  double rate = 0;
  std::uint32_t window = 4096;
  std::optional<std::int64_t> start_ms;
  double step_ms = 1;
  double give_up_seconds = 60;
  std::string acked;
};

volatile std::sig_atomic_t stop_requested = 0;

// MQTT 3.1.1, section 2.2.1: packet types in the high four bits, flags in the low four.
constexpr unsigned char connect_packet = 0x10;
constexpr unsigned char connack_packet = 0x20;
constexpr unsigned char publish_at_qos_1 = 0x32;
constexpr unsigned char dup_flag = 0x08;
constexpr unsigned char puback_packet = 0x40;
constexpr unsigned char disconnect_packet = 0xe0;

/// The broker is not there, or has left: connect again. Anything else that is thrown ends the program.
struct Disconnected : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void append_u16(std::string& out, std::size_t value) {
  out += static_cast<char>(value >> 8 & 0xff);
  out += static_cast<char>(value & 0xff);
}

void append_text(std::string& out, std::string_view text) {
  append_u16(out, text.size());
  out += text;
}

/// A packet: its type and flags, the length of `body` in MQTT's variable-length form, and `body`.
void append_packet(std::string& out, unsigned char type, std::string_view body) {
  out += static_cast<char>(type);
  auto length = body.size();
  do {
    out += static_cast<char>((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
    length >>= 7;
  } while (length > 0);
  out += body;
}

std::string connect_request(const std::string& client_id) {
  std::string body;
  append_text(body, "MQTT");
  body += '\x04';       // Protocol level: 3.1.1.
  body += '\x00';       // Keep the session: what is sent again after a reconnect is the same message.
  append_u16(body, 0);  // No keep-alive: a broker that dies closes its socket.
  append_text(body, client_id);
  std::string packet;
  append_packet(packet, connect_packet, body);
  return packet;
}

/// A non-blocking TCP connection to the broker, with an MQTT session opened on it.
class Connection {
 public:
  struct Packet {
    unsigned char type;
    std::string_view body;
  };

  explicit Connection(const Options& options) : fd_(open(options)) {
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::fcntl(fd_, F_SETFL, O_NONBLOCK);
    try {
      shake_hands(options.client_id);
    } catch (...) {
      ::close(fd_);
      throw;
    }
  }
  ~Connection() { ::close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Bytes accepted by `send` that the socket has not taken yet.
  [[nodiscard]] std::size_t unsent() const { return out_.size() - sent_; }

  /// Queues `bytes`; `exchange` sends them.
  void send(std::string_view bytes) { out_ += bytes; }

  /// Waits until the socket can work or `patience` is over, then sends and receives what it can.
  void exchange(std::chrono::nanoseconds patience) {
    pollfd ready{.fd = fd_, .events = POLLIN, .revents = 0};
    if (unsent() > 0) ready.events |= POLLOUT;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(patience);
    const timespec timeout{.tv_sec = seconds.count(), .tv_nsec = (patience - seconds).count()};
    if (::ppoll(&ready, 1, &timeout, nullptr) <= 0) return;
    if (ready.revents & POLLOUT) transmit();
    if (ready.revents & (POLLIN | POLLHUP | POLLERR)) receive();
  }

  /// Ends the session in MQTT's way, if the socket takes it at once; if not, the broker sees the socket close.
  void say_goodbye() {
    constexpr std::array<unsigned char, 2> packet{disconnect_packet, 0};
    if (unsent() == 0) std::ignore = ::send(fd_, packet.data(), packet.size(), MSG_NOSIGNAL);
  }

  /// The next whole packet that has come, valid until the next call to `exchange`.
  std::optional<Packet> next() {
    const auto rest = std::string_view(in_).substr(taken_);
    std::size_t length = 0;
    std::size_t at = 1;
    for (int shift = 0;; shift += 7, ++at) {
      if (shift > 21) throw Disconnected("the broker sent no MQTT");
      if (at >= rest.size()) return std::nullopt;
      const auto byte = static_cast<unsigned char>(rest[at]);
      length |= static_cast<std::size_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) break;
    }
    ++at;
    if (rest.size() - at < length) return std::nullopt;
    taken_ += at + length;
    return Packet{static_cast<unsigned char>(rest[0] & 0xf0), rest.substr(at, length)};
  }

 private:
  static int open(const Options& options) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int code = ::getaddrinfo(options.host.c_str(), options.port.c_str(), &hints, &found)) {
      throw Disconnected(options.host + ": " + ::gai_strerror(code));
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
    int error = 0;
    for (const auto* address = found; address; address = address->ai_next) {
      const int fd = ::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (fd < 0) throw std::system_error(errno, std::generic_category(), "socket");
      if (::connect(fd, address->ai_addr, address->ai_addrlen) == 0) return fd;
      error = errno;
      ::close(fd);
    }
    throw Disconnected(options.host + ":" + options.port + ": " + std::generic_category().message(error));
  }

  void shake_hands(const std::string& client_id) {
    send(connect_request(client_id));
    const auto deadline = Clock::now() + std::chrono::seconds(5);
    auto answer = next();
    for (; !answer && Clock::now() < deadline; answer = next()) exchange(milliseconds(100));
    if (!answer || answer->type != connack_packet || answer->body.size() != 2) {
      throw Disconnected("the broker did not answer CONNECT");
    }
    constexpr char server_unavailable = 3;
    const char code = answer->body[1];
    if (code == server_unavailable) throw Disconnected("the broker is unavailable");
    if (code != 0) throw std::runtime_error("the broker refused the connection with code " + std::to_string(code));
  }

  void transmit() {
    const auto put = ::send(fd_, out_.data() + sent_, unsent(), MSG_NOSIGNAL);
    if (put < 0) return throw_unless_busy();
    sent_ += static_cast<std::size_t>(put);
    if (unsent() > 0) return;
    out_.clear();
    sent_ = 0;
  }

  void receive() {
    in_.erase(0, taken_);
    taken_ = 0;
    const auto held = in_.size();
    in_.resize(held + 16 * 1024);
    const auto got = ::recv(fd_, in_.data() + held, in_.size() - held, 0);
    in_.resize(held + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) throw Disconnected("the broker closed the connection");
    if (got < 0) throw_unless_busy();
  }

  static void throw_unless_busy() {
    if (errno != EAGAIN && errno != EINTR) throw Disconnected(std::generic_category().message(errno));
  }

  int fd_;
  std::string out_;
  std::size_t sent_ = 0;
  std::string in_;
  std::size_t taken_ = 0;
};

/// The messages that are published but not acknowledged, at most `window` consecutive numbers, by packet identifier.
class InFlight {
 public:
  InFlight(std::uint64_t first, std::uint32_t window) : oldest_(first), end_(first), slots_(window) {}

  [[nodiscard]] bool full() const { return end_ - oldest_ == slots_.size(); }
  [[nodiscard]] bool empty() const { return end_ == oldest_; }
  [[nodiscard]] std::uint64_t end() const { return end_; }

  /// The identifier for the next message, which `add` then takes: never 0, and free as long as `full` is false.
  [[nodiscard]] std::uint16_t next_id() const { return static_cast<std::uint16_t>(end_ % slots_.size() + 1); }

  /// The buffer that holds the packet of the next message; its memory is used again and again.
  std::string& next_packet() { return slot(end_).packet; }

  void add() { slot(end_++).waiting = true; }

  /// The message that `id` acknowledges; nothing if it was acknowledged before.
  std::optional<std::uint64_t> acknowledge(std::uint16_t id) {
    if (id == 0 || id > slots_.size()) return std::nullopt;
    const auto distance = (id - 1 + slots_.size() - oldest_ % slots_.size()) % slots_.size();
    const auto sequence = oldest_ + distance;
    if (sequence >= end_ || !std::exchange(slot(sequence).waiting, false)) return std::nullopt;
    while (oldest_ < end_ && !slot(oldest_).waiting) ++oldest_;
    return sequence;
  }

  /// Sends everything again, in order, and returns how many that are.
  std::uint64_t resend(Connection& connection) {
    std::uint64_t count = 0;
    for (auto sequence = oldest_; sequence < end_; ++sequence) {
      auto& [packet, waiting] = slot(sequence);
      if (!waiting) continue;
      packet[0] = static_cast<char>(publish_at_qos_1 | dup_flag);
      connection.send(packet);
      ++count;
    }
    return count;
  }

 private:
  struct Slot {
    std::string packet;
    bool waiting = false;
  };
  Slot& slot(std::uint64_t sequence) { return slots_[sequence % slots_.size()]; }

  std::uint64_t oldest_;
  std::uint64_t end_;
  std::vector<Slot> slots_;
};

/// The file of acknowledged numbers.
class AckedFile {
 public:
  explicit AckedFile(const std::string& path) {
    if (path.empty()) return;
    fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), path);
  }
  ~AckedFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  AckedFile(const AckedFile&) = delete;
  AckedFile& operator=(const AckedFile&) = delete;

  void add(std::uint64_t sequence) {
    if (!ranges_.empty() && ranges_.back().second + 1 == sequence) {
      ranges_.back().second = sequence;
    } else {
      ranges_.emplace_back(sequence, sequence);
    }
  }

  /// Writes what was added, unless the last time is less than 0.1 s ago; `now` writes it in any case.
  void flush(bool now = false) {
    if (fd_ < 0 || ranges_.empty() || (!now && Clock::now() < due_)) return;
    std::string lines;
    for (const auto& [first, last] : ranges_) lines += std::to_string(first) + ' ' + std::to_string(last) + '\n';
    for (std::string_view rest = lines; !rest.empty();) {
      const auto put = ::write(fd_, rest.data(), rest.size());
      if (put < 0) throw std::system_error(errno, std::generic_category(), "writing the acknowledged numbers");
      rest.remove_prefix(static_cast<std::size_t>(put));
    }
    ranges_.clear();
    due_ = Clock::now() + milliseconds(100);
  }

 private:
  int fd_ = -1;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges_;
  Clock::time_point due_;
};

/// The topic of every sensor: `topics` with its number instead of "%04d".
std::vector<std::string> sensor_topics(const Options& options) {
  constexpr std::string_view place = "%04d";
  const auto at = options.topics.find(place);
  std::vector<std::string> topics;
  for (std::uint32_t sensor = 0; sensor < options.sensors; ++sensor) {
    auto topic = options.topics.substr(0, at);
    if (at != std::string::npos) {
      weir::bench::ReadingStream::append_padded(topic, sensor, 4);
      topic += options.topics.substr(at + place.size());
    }
    topics.push_back(std::move(topic));
  }
  return topics;
}

std::int64_t unix_us() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

class Publisher {
 public:
  explicit Publisher(const Options& options)
      : options_(options),
        readings_(options.seed, options.sensors),
        topics_(sensor_topics(options)),
        in_flight_(options.first, options.window),
        acked_file_(options.acked) {}

  /// Publishes everything; true if all that was published is acknowledged.
  bool run() {
    while (!finished()) {
      try {
        if (!connection_) connect();
        publish_due();
        connection_->exchange(patience());
        take_acknowledgements();
      } catch (const Disconnected& reason) {
        lost(reason);
      }
      acked_file_.flush();
    }
    if (connection_) connection_->say_goodbye();
    acked_file_.flush(true);
    return in_flight_.empty() && (stop_requested || in_flight_.end() == options_.first + options_.count);
  }

  void report() const {
    const auto wall = measurement_.wall_seconds();
    std::printf(R"({"name":"blast","first":%llu,"published":%llu,"acked":%llu,"payload_bytes":%llu,"resent":%llu,)"
                R"("reconnects":%llu,"wall_s":%.4f,"cpu_s":%.4f,"rate":%.0f,"peak_rss_kib":%lld})"
                "\n",
                static_cast<unsigned long long>(options_.first),
                static_cast<unsigned long long>(in_flight_.end() - options_.first),
                static_cast<unsigned long long>(acked_), static_cast<unsigned long long>(payload_bytes_),
                static_cast<unsigned long long>(resent_), static_cast<unsigned long long>(reconnects_), wall,
                measurement_.cpu_seconds(), static_cast<double>(acked_) / wall,
                static_cast<long long>(weir::bench::peak_rss_kib()));
  }

 private:
  [[nodiscard]] bool published_all() const {
    return stop_requested || in_flight_.end() == options_.first + options_.count;
  }

  /// All is acknowledged, or the broker has been silent for too long, or it was told to stop and has waited enough.
  bool finished() {
    const auto now = Clock::now();
    if (in_flight_.empty()) heard_ = std::max(heard_, connection_ ? now : heard_);
    if (stop_requested && !stopping_since_) stopping_since_ = now;
    if (stopping_since_ && now - *stopping_since_ > std::chrono::seconds(5)) return true;
    if (Seconds(now - heard_).count() > options_.give_up_seconds) {
      std::cerr << "mqtt_blast: no acknowledgement for " << options_.give_up_seconds << " s, giving up"
                << (connection_ ? "" : "; " + last_error_) << '\n';
      return true;
    }
    return published_all() && in_flight_.empty();
  }

  void connect() {
    connection_ = std::make_unique<Connection>(options_);
    resent_ += in_flight_.resend(*connection_);
  }

  void lost(const Disconnected& reason) {
    if (connection_) {
      std::cerr << "mqtt_blast: " << reason.what() << "; connecting again\n";
      ++reconnects_;
    }
    last_error_ = reason.what();
    connection_.reset();
    std::this_thread::sleep_for(milliseconds(50));
  }

  /// When the next message is to be published, with --rate; what an outage held up follows at once.
  [[nodiscard]] Clock::time_point due() const {
    if (options_.rate <= 0) return Clock::time_point::min();
    const auto after = Seconds(static_cast<double>(in_flight_.end() - options_.first) / options_.rate);
    return started_ + std::chrono::duration_cast<Clock::duration>(after);
  }

  void publish_due() {
    // Enough for the socket to be busy while the next ones are made.
    constexpr std::size_t enough = 64 * 1024;
    while (connection_->unsent() < enough && !published_all() && !in_flight_.full() && due() <= Clock::now()) {
      auto& packet = in_flight_.next_packet();
      make_message(in_flight_.end(), in_flight_.next_id(), packet);
      connection_->send(packet);
      in_flight_.add();
    }
  }

  void make_message(std::uint64_t sequence, std::uint16_t id, std::string& packet) {
    const auto sent_us = unix_us();
    payload_.clear();
    readings_.append(payload_, sequence, event_time(sequence, sent_us));
    payload_.back() = ',';
    payload_ += R"("seq":)";
    weir::bench::ReadingStream::append_integer(payload_, static_cast<std::int64_t>(sequence));
    payload_ += R"(,"sent_us":)";
    weir::bench::ReadingStream::append_integer(payload_, sent_us);
    payload_ += '}';
    payload_bytes_ += payload_.size();

    body_.clear();
    append_text(body_, topics_[readings_.sensor(sequence)]);
    append_u16(body_, id);
    body_ += payload_;
    packet.clear();
    append_packet(packet, publish_at_qos_1, body_);
  }

  [[nodiscard]] std::int64_t event_time(std::uint64_t sequence, std::int64_t sent_us) const {
    if (!options_.start_ms) return sent_us / 1000;
    return *options_.start_ms + static_cast<std::int64_t>(static_cast<double>(sequence) * options_.step_ms);
  }

  void take_acknowledgements() {
    while (const auto packet = connection_->next()) {
      if (packet->type != puback_packet || packet->body.size() < 2) continue;
      const auto high = static_cast<unsigned char>(packet->body[0]);
      const auto low = static_cast<unsigned char>(packet->body[1]);
      const auto sequence = in_flight_.acknowledge(static_cast<std::uint16_t>(high << 8 | low));
      if (!sequence) continue;
      acked_file_.add(*sequence);
      ++acked_;
      heard_ = Clock::now();
    }
  }

  /// How long to wait for the socket: until the next message is due, and not so long that a signal goes unseen.
  [[nodiscard]] std::chrono::nanoseconds patience() const {
    constexpr std::chrono::nanoseconds longest = milliseconds(50);
    if (options_.rate <= 0 || published_all() || in_flight_.full()) return longest;
    return std::clamp<std::chrono::nanoseconds>(due() - Clock::now(), std::chrono::nanoseconds(0), longest);
  }

  Options options_;
  weir::bench::ReadingStream readings_;
  std::vector<std::string> topics_;
  InFlight in_flight_;
  AckedFile acked_file_;
  std::unique_ptr<Connection> connection_;
  std::string last_error_;
  std::string payload_;
  std::string body_;

  weir::bench::Measurement measurement_;
  Clock::time_point started_ = Clock::now();
  Clock::time_point heard_ = started_;
  std::optional<Clock::time_point> stopping_since_;
  std::uint64_t acked_ = 0;
  std::uint64_t payload_bytes_ = 0;
  std::uint64_t resent_ = 0;
  std::uint64_t reconnects_ = 0;
};

}  // namespace

int main(int argc, char** argv) try {
  Options options;
  CLI::App app{"Publishes readings over MQTT at QoS 1, and publishes again what was not acknowledged."};
  app.add_option("--host", options.host)->capture_default_str();
  app.add_option("--port", options.port)->capture_default_str();
  app.add_option("--client-id", options.client_id)->capture_default_str();
  app.add_option("--topics", options.topics, "Topic; %04d is the sensor's number")->capture_default_str();
  app.add_option("--sensors", options.sensors)->capture_default_str()->check(CLI::Range(1, 10000));
  app.add_option("--seed", options.seed)->capture_default_str();
  app.add_option("--count", options.count, "Messages to publish")->capture_default_str();
  app.add_option("--first", options.first, "Sequence number of the first message")->capture_default_str();
  app.add_option("--rate", options.rate, "Messages a second; 0 is as fast as the broker takes them")
      ->capture_default_str();
  app.add_option("--window", options.window, "Messages in flight")->capture_default_str()->check(CLI::Range(1, 65535));
  app.add_option("--start-ms", options.start_ms, "Event time of message 0, Unix milliseconds; without it, the clock's");
  app.add_option("--step-ms", options.step_ms, "Event time from one message to the next, with --start-ms")
      ->capture_default_str();
  app.add_option("--give-up", options.give_up_seconds, "Seconds without an acknowledgement after which to give up")
      ->capture_default_str();
  app.add_option("--acked", options.acked, "File for the numbers that the broker acknowledged");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  std::signal(SIGINT, [](int) { stop_requested = 1; });
  std::signal(SIGTERM, [](int) { stop_requested = 1; });
  Publisher publisher(options);
  const bool complete = publisher.run();
  publisher.report();
  return complete ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << "mqtt_blast: " << error.what() << '\n';
  return 1;
}
