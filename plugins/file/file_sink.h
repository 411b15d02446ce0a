#pragma once
// FileSink: FlowFiles, or their records, become files.

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "output_set.h"
#include "plugins/common/partitioned_sink.h"

namespace weir::file {

struct FileSinkSettings {
  std::string path;
  std::string generation;
  std::string header;
  std::string format = "as_is";
  std::string mode = "append";
  std::string separator = "newline";
  std::string compression = "auto";
  std::int32_t level = 0;
  std::optional<std::uint64_t> roll_size;
  std::optional<std::uint64_t> roll_count;
  std::optional<Duration> roll_age;
  Duration close_idle = std::chrono::minutes(5);
  std::uint32_t max_open = 256;
  Duration sync_every = std::chrono::seconds(1);
};

const Spec<FileSinkSettings>& file_sink_spec();

class FileSink final : public PartitionedSink {
 public:
  explicit FileSink(FileSinkSettings settings);
  void durable(std::uint64_t token) override;
  void stop() override;

 private:
  std::unique_ptr<Outputs> open(Context& context) override;
  std::string objection_to_path(std::string_view path, std::size_t fixed) const override;

  OutputSetOptions options_;
  OutputSet* files_ = nullptr;  ///< owned by the base class
  std::atomic<std::uint64_t> durable_token_{0};
};

}  // namespace weir::file
