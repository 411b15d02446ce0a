#pragma once
// Content being read, of a file or of anything else that is a stream of bytes: it becomes FlowFiles, chunk by chunk.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "byte_stream.h"
#include "json_scanner.h"
#include "weir/session.h"

namespace weir::file {

enum class Format { whole, lines, ndjson, json_array };

struct ReadOptions {
  Format format = Format::lines;
  bool each = false;  ///< a FlowFile a line or record instead of one a chunk
  std::uint64_t chunk_size = 1 * MiB;
  std::uint64_t max_line = 64 * MiB;
};

/// What is read.
class Content {
 public:
  virtual ~Content() = default;
  /// Its bytes, unpacked, from `offset` on.
  virtual std::unique_ptr<ByteStream> open(std::uint64_t offset) const = 0;
  /// Its bytes as stored, as far as they are known now.
  virtual std::uint64_t size() const = 0;
  /// For messages.
  virtual const std::string& name() const = 0;
  /// Sets the attributes that every FlowFile of it has: called millions of times a second with `each`.
  virtual void describe(Session& session, FlowFile file) const = 0;
  /// Sets those of a chunk that begins at `offset`.
  virtual void describe_chunk(Session& session, FlowFile file, std::uint64_t offset) const = 0;
};

/// How far content was read.
struct Progress {
  std::uint64_t offset = 0;  ///< unpacked bytes given out
  std::uint64_t line = 0;    ///< lines or records given out
};

/// Reads content from a position on. What it has read ahead is a cache: after a session that failed, make another
/// reader from the position in state.
class ContentReader {
 public:
  static constexpr std::uint32_t kSuccess = 0;
  static constexpr std::uint32_t kFailure = 1;

  /// `options` and `content` outlive it.
  ContentReader(const ReadOptions& options, const Content& content, Progress progress);

  /// Emits until the session's budget is used up or the content's present end is reached; true: at the end. With `last`
  /// a last line without a line's end counts, else it waits to be completed. `warn` gets what an operator should know.
  bool read(Session& session, bool last, const std::function<void(const std::string&)>& warn);

  const Progress& progress() const { return position_; }
  bool compressed() const { return stream_->compressed(); }

 private:
  void skip_byte_order_mark();
  /// Each reads one chunk; false: nothing more for now.
  bool read_lines(Session& session, bool last);
  bool read_array(Session& session);
  void read_whole(Session& session);

  std::size_t fill(char* to, std::size_t size);
  std::uint64_t next_room() const;
  /// A line longer than a chunk: the FlowFile that begins with it grows until its end.
  bool read_long_line(Session& session, FlowFile file, std::string_view begin, bool last);
  void emit_lines(Session& session, FlowFile chunk, char* begin, std::size_t size);
  void emit_records(Session& session, std::string_view lines, std::uint32_t count, std::uint64_t end);
  void fail_rest(Session& session, const std::string& why);
  void describe(Session& session, FlowFile file);

  const ReadOptions& options_;
  const Content& content_;
  Progress position_;
  std::unique_ptr<ByteStream> stream_;
  std::string carry_;  ///< read, and not yet given out: the beginning of a line
  bool at_end_ = false;
  std::optional<std::string> damage_;
  // Of a JSON array: what was read from the stream, and how far the scanner is.
  std::optional<ArrayScanner> scanner_;
  std::string block_;
  std::size_t scanned_ = 0;
  std::uint64_t block_offset_ = 0;
  std::function<void(const std::string&)> warn_;
};

}  // namespace weir::file
