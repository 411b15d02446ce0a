#include "engine/log.h"

#include <simdjson.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>

#include "engine/instance.h"

namespace weir::engine {

namespace {

std::atomic<LogFormat> g_format{LogFormat::text};

spdlog::level::level_enum spdlog_level(abi::Level level) {
  switch (level) {
    case abi::Level::debug:
      return spdlog::level::debug;
    case abi::Level::info:
      return spdlog::level::info;
    case abi::Level::warning:
      return spdlog::level::warn;
    case abi::Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

/// Standard error, with the live line at its end if it is a terminal.
class StandardError final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void show(std::string_view text) {
    const std::lock_guard lock(mutex_);
    if (!terminal_) return write(std::string(text) + "\n");
    live_ = text;
    write(kClear + fitting());
  }
  void end() {
    const std::lock_guard lock(mutex_);
    if (!live_.empty()) write("\n");
    live_.clear();
  }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    std::string text(line.data(), line.size());
    write(live_.empty() ? text : kClear + text + fitting());
  }
  void flush_() override {}

  /// A live line that the terminal broke in two could not be cleared.
  std::string fitting() const {
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return live_;
    return live_.substr(0, size.ws_col - 1);
  }
  /// In one call, so that what others write to the terminal does not come in between.
  static void write(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stderr); }

  static constexpr const char* kClear = "\r\033[K";
  const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  std::string live_;
};

const std::shared_ptr<StandardError>& standard_error() {
  static const auto sink = std::make_shared<StandardError>();
  return sink;
}

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("weir", standard_error());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
    return made;
  }();
  return *instance;
}

/// As the inside of a JSON string; also keeps a device's message from writing lines of its own into the log, from
/// speaking to the terminal (C1, too), and from making a line of JSON none because it is not UTF-8.
std::string escaped(std::string_view text, bool json) {
  const bool is_utf8 = simdjson::validate_utf8(text.data(), text.size());
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if (json && (c == '"' || c == '\\')) {
      out += {'\\', c};
    } else if (byte < 0x20 || byte == 0x7f) {
      out += c == '\n' && !json ? "\n    " : fmt::format("\\u{:04x}", byte);
    } else if (byte >= 0x80 && !is_utf8) {
      out += fmt::format("\\u{:04x}", byte);
    } else if (byte == 0xc2 && next < 0xa0) {
      out += fmt::format("\\u{:04x}", next);
      ++i;
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

void configure_log(LogFormat format, abi::Level least) {
  g_format = format;
  logger().set_level(format == LogFormat::none ? spdlog::level::off : spdlog_level(least));
  if (format == LogFormat::json)
    logger().set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})", spdlog::pattern_time_type::utc);
}

void log_line(abi::Level level, const Instance* instance, std::string_view message) {
  const auto spd = spdlog_level(level);
  if (!logger().should_log(spd)) return;
  if (g_format == LogFormat::json) {
    const auto where = instance == nullptr ? std::string()
                                           : fmt::format(R"("flow":"{}","processor":"{}","epoch":{},)",
                                                         escaped(instance->flow_name(), true),
                                                         escaped(instance->processor_name(), true), instance->epoch());
    logger().log(spd, R"({}"message":"{}")", where, escaped(message, true));
  } else {
    logger().log(spd, "{}{}", instance == nullptr ? std::string() : instance->full_name() + ": ",
                 escaped(message, false));
  }
}

void show_live_line(std::string_view text) {
  standard_error()->show(text);
}

void end_live_line() {
  standard_error()->end();
}

}  // namespace weir::engine
