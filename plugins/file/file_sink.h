#pragma once
// FileSink: FlowFiles, or their records, become files.

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "output_set.h"
#include "path_template.h"
#include "weir/processor.h"
#include "weir/sql.h"

namespace weir::file {

struct FileSinkSettings {
  std::string path;
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

/// Writes in step, holds what it wrote, and finishes it in flush, once all files are durable and their lengths are in
/// the same epoch. After an error everything is as the state says: files are cut off there, and what is held is
/// written again.
class FileSink final : public Processor {
 public:
  explicit FileSink(FileSinkSettings settings);
  void start(Context& context) override;
  void step(Batch batch, Session& session) override;
  void tick(Session& session) override;
  void flush(Session& session) override;
  void finish(Session& session) override;
  void durable(std::uint64_t token) override;
  void stop() override;

 private:
  /// Runs `work` on files that are as the session expects them; if it throws, they count for nothing.
  template <class F>
  void guarded(Session& session, F&& work);
  void write_records(Session& session, Batch batch);
  void write_files(Session& session, Batch batch);
  void write_again(Session& session, FlowFile held);
  void write_record(const Row& row, std::int64_t now);
  void write_file(FlowFile file, const std::string& path, std::int64_t now);
  void write_content(FlowFile file, OutputFile& output);
  bool path_of(const Row& row, std::string& objection);
  /// Makes everything durable and finishes what is held; unless it can wait.
  void commit(Session& session, bool may_wait);
  void ask_for_tick(Session& session);

  FileSinkSettings settings_;
  PathTemplate template_;
  OutputSetOptions options_;
  Context context_;
  Statement paths_;
  std::unique_ptr<OutputSet> files_;
  bool sound_ = false;  ///< files_ is what the session's state and the held FlowFiles say
  std::uint32_t held_ = 0;
  std::uint64_t held_bytes_ = 0;
  std::int64_t last_commit_ = 0;
  bool ending_ = false;
  std::string path_;     ///< of the record at hand
  std::string records_;  ///< scratch: the records of one FlowFile, as lines
  std::atomic<std::uint64_t> durable_token_{0};
};

}  // namespace weir::file
