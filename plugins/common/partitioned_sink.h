#pragma once
// The front half of sinks that write FlowFiles, or their records, to outputs named by a path over the data: FileSink's
// files, S3Sink's objects.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "output_file.h"
#include "path_template.h"
#include "weir/processor.h"
#include "weir/sql.h"

namespace weir::file {

/// Where the data of a path goes. Used from one thread at a time.
class Targets {
 public:
  virtual ~Targets() = default;

  /// The output that records of this path go to now; valid until the next call of any function.
  virtual OutputFile& at(const std::string& path, std::int64_t now) = 0;
  /// The same, where a path holds one generation at a time: a higher one than it holds begins it anew. Null for a lower
  /// one, whose time is over.
  virtual OutputFile* at_generation(const std::string& path, const std::string& generation, std::int64_t now);
  /// An output of its own, for one FlowFile: write it, then call end_separate().
  virtual OutputFile& separate(const std::string& path, std::int64_t now) = 0;
  virtual void end_separate() = 0;
  /// Ends the output last returned by at(), if it is full.
  virtual void roll_if_full() = 0;
};

/// What is open, one output for each rendered path, and what becomes of it. What throws leaves it of no use: recover()
/// makes it whole again.
class Outputs : public Targets {
 public:
  /// Opens everything as the session's state has it, and takes back what it knows nothing of.
  virtual void recover(Session& session) = 0;
  /// Does what the epochs that are durable by now allow.
  virtual void advance(Session& session) = 0;
  /// When advance() has to be called again, whatever comes; none: when there is a step.
  virtual std::optional<std::int64_t> next_advance(std::int64_t now) const = 0;

  /// Ends what is too old or idle.
  virtual void close_due(std::int64_t now) = 0;
  virtual void close_all() = 0;
  /// When close_due will have something to do; none: never.
  virtual std::optional<std::int64_t> next_due() const = 0;

  virtual std::size_t dirty_count() const = 0;
  /// Makes everything durable, and puts it into the session's state; returns the URIs that were written to.
  virtual std::vector<std::string> commit(Session& session) = 0;
};

struct PartitionedSettings {
  std::string path;        ///< templated
  std::string generation;  ///< templated; "": a path is never begun anew
  std::string header;      ///< templated: how each output begins
  std::string format = "as_is";
  bool each = false;  ///< an output a FlowFile
  bool rolls = false;
  OutputOptions output;
  Duration sync_every = std::chrono::seconds(1);
};

/// What the three templates of the settings ask for together.
PathTemplate inspect(const PartitionedSettings& settings);

/// `lines` for records and where the format says so.
Layout layout_of(const std::string& format, bool per_record);
/// Nothing for "auto".
std::optional<Compression> compression_named(const std::string& name);

/// Writes in step, holds what it wrote, and finishes it in flush, once all outputs are durable and what they hold is in
/// the same epoch. After an error everything is as the state says: outputs are cut off there, and what is held is
/// written again.
class PartitionedSink : public Processor {
 public:
  void start(Context& context) override;
  void step(Batch batch, Session& session) override;
  void tick(Session& session) override;
  void flush(Session& session) override;
  void finish(Session& session) override;

 protected:
  explicit PartitionedSink(PartitionedSettings settings);

  /// Null for one that does not use step(), tick(), flush() and finish() from here.
  virtual std::unique_ptr<Outputs> open(Context& context) = 0;
  /// Why data cannot be given this path, or "". `fixed` is the length of the author's own text at its beginning.
  virtual std::string objection_to_path(std::string_view path, std::size_t fixed) const = 0;

  /// Writes a FlowFile, which may be held. What cannot be written is told: which record, or the first if none can, and
  /// why.
  using Refuse = std::function<void(std::uint32_t record, std::string why)>;
  void write(Session& session, FlowFile file, Targets& to, const Refuse& refuse);
  /// Each record has a path of its own.
  bool by_record() const { return template_.per_record; }

  /// Lets go of all outputs, in stop().
  void close() { outputs_.reset(); }

  Context context_;

 private:
  /// Runs `work` on outputs that are as the session expects them; if it throws, they count for nothing.
  template <class F>
  void guarded(Session& session, F&& work);
  void write_records(Session& session, Batch batch);
  void write_files(Session& session, Batch batch);
  void write_record(const Row& row, Targets& to, std::int64_t now);
  void write_file(FlowFile file, Targets& to, std::int64_t now);
  OutputFile* output(Targets& to, std::int64_t now);
  void write_content(FlowFile file, OutputFile& output);
  bool path_of(const Row& row, std::string& objection);
  bool generation_of(const Row& row, std::string& objection);
  /// Makes everything durable and finishes what is held; unless it can wait.
  void commit(Session& session, bool may_wait);
  void ask_for_tick(Session& session);

  PartitionedSettings settings_;
  PathTemplate template_;
  Statement paths_;
  std::unique_ptr<Outputs> outputs_;
  bool sound_ = false;  ///< outputs_ is what the session's state and the held FlowFiles say
  std::uint32_t held_ = 0;
  std::uint64_t held_bytes_ = 0;
  std::int64_t last_commit_ = 0;
  bool ending_ = false;
  std::string path_;        ///< of the record at hand
  std::string generation_;  ///< likewise
  std::string header_;      ///< likewise
  std::string records_;     ///< scratch: the records of one FlowFile, as lines
  bool as_lines_ = false;   ///< they are in records_; else as the FlowFile has them
};

}  // namespace weir::file
