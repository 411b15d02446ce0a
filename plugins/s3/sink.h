#pragma once
// S3Sink: FlowFiles, or their records, become objects of an S3-compatible store.

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "client.h"
#include "lane_sink.h"
#include "plugins/common/partitioned_sink.h"
#include "spool.h"
#include "uploader.h"

namespace weir::s3 {

struct SinkSettings : ConnectionSettings {
  std::string object_key;
  std::string format = "as_is";
  std::string mode = "append";
  std::string separator = "newline";
  std::string compression = "auto";
  std::int32_t level = 0;
  std::uint64_t roll_size = 128 * MiB;  ///< 0, as of the next two: never
  std::uint64_t roll_count = 0;
  Duration roll_age = std::chrono::minutes(5);
  Duration close_idle = std::chrono::minutes(1);
  std::uint32_t max_open = 256;
  std::uint64_t max_backlog = 1 * GiB;
  std::uint32_t uploads = 4;
  std::uint64_t part_size = 16 * MiB;
  std::uint64_t multipart_from = 32 * MiB;
  std::string checksum = "md5";
  std::string encryption = "none";
  std::optional<std::string> kms_key;
  std::optional<std::string> storage_class;
  std::optional<std::string> acl;
  std::optional<std::string> content_type;
  std::map<std::string, std::string> metadata;
  std::optional<std::string> progress_prefix;
  std::string keep_copies = "auto";
};

const Spec<SinkSettings>& sink_spec();

/// Writes in step to files in its own folder, and finishes the FlowFiles in flush, once those files are durable and in
/// the same epoch. Complete objects are uploaded in the background, after the epoch that says they are. In a flow that
/// scales out LaneSink does all that.
class S3Sink final : public file::PartitionedSink {
 public:
  explicit S3Sink(SinkSettings settings);
  void start(Context& context) override;
  void step(Batch batch, Session& session) override;
  void tick(Session& session) override;
  void flush(Session& session) override;
  void finish(Session& session) override;
  void durable(std::uint64_t token) override;
  void stop() override;

 private:
  std::unique_ptr<file::Outputs> open(Context& context) override;
  std::string objection_to_path(std::string_view path, std::size_t fixed) const override;
  UploadOptions upload_options() const;
  SpoolOptions spool_options(const std::string& owner) const;
  void start_in_lane(const Lane& lane);

  SinkSettings settings_;
  std::shared_ptr<CredentialChain> credentials_;
  std::unique_ptr<Uploader> uploader_;
  Spool* spool_ = nullptr;               ///< owned by the base class
  std::unique_ptr<LaneSink> lane_sink_;  ///< in a flow that scales out; nothing of the others then
  std::atomic<std::uint64_t> durable_token_{0};
  bool finishing_ = false;
};

/// The headers that the settings ask for. Throws Misconfigured where they contradict one another.
ObjectOptions object_options(const SinkSettings& settings);

}  // namespace weir::s3
