#pragma once
// Structured logs on standard error: a line a message, with time, level, flow and processor.

#include <string_view>

#include "weir/abi.h"

namespace weir::engine {

class Instance;

enum class LogFormat { text, json, none };

/// Once, before anything logs.
void configure_log(LogFormat format, abi::Level least);
/// `instance` may be null. Thread-safe.
void log_line(abi::Level level, const Instance* instance, std::string_view message);

}  // namespace weir::engine
