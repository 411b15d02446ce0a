#pragma once
// Structured logs on standard error: a line a message, with time, level, flow and processor; in JSON also the last
// durable epoch then.

#include <string_view>

#include "weir/abi.h"

namespace weir::engine {

class Instance;

enum class LogFormat { text, json, none };

/// Once, before anything logs.
void configure_log(LogFormat format, abi::Level least);
/// `instance` may be null. Thread-safe.
void log_line(abi::Level level, const Instance* instance, std::string_view message);

/// Rewrites the bottom line of the terminal that the log goes to, as wide as fits; log lines go above it. If the log
/// goes elsewhere, it is a line like any other, without time and level. Thread-safe.
void show_live_line(std::string_view text);
/// Leaves the live line as it is: what is written next begins a new line.
void end_live_line();

}  // namespace weir::engine
