#pragma once
// Envelope: any FlowFile, JSON or not, as one JSON record that says what it is.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/json.h"
#include "weir/processor.h"

namespace weir::envelope {

struct EnvelopeSettings {
  std::vector<std::pair<std::string, std::string>> fields;
  std::string content = "content";
  std::uint64_t max_size = 16 * MiB;
};

const Spec<EnvelopeSettings>& envelope_spec();

class Envelope final : public Processor {
 public:
  explicit Envelope(EnvelopeSettings settings);
  void process(FlowFile file, Session& session) override;

 private:
  void add(std::string_view name, std::optional<std::string_view> value);

  EnvelopeSettings settings_;
  JsonObject checker_;  ///< of what was written: finds text that is not UTF-8
  std::string record_;  ///< kept, so that its memory is
};

}  // namespace weir::envelope
