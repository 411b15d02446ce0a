#pragma once
// Log: shows what passes.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <re2/re2.h>

#include "weir/processor.h"
#include "weir/sql.h"

namespace weir::standard {

struct LogSettings {
  std::string level = "info";
  std::optional<std::string> message;
  std::string attributes = ".*";
  std::uint64_t max_bytes = 256;
  std::uint64_t sample = 1;
};

const Spec<LogSettings>& log_spec();

class Log final : public Processor {
 public:
  explicit Log(LogSettings settings);
  void start(Context& context) override;
  void step(Batch batch, Session& session) override;

 private:
  void write(FlowFile file, Session& session);
  /// A message that cannot be computed is replaced by the reason: a log never stops what it logs.
  void append_message(FlowFile file, Session& session);

  LogSettings settings_;
  Level level_;
  re2::RE2 attributes_;
  Context context_;
  Statement message_;
  std::uint64_t seen_ = 0;
  std::string line_;
  std::string content_;
  std::vector<std::uint32_t> everywhere_to_success_;
};

}  // namespace weir::standard
