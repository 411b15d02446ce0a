#pragma once
// One file being read: its bytes become FlowFiles, chunk by chunk, and its position moves with them.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "plugins/common/byte_stream.h"
#include "plugins/common/json_scanner.h"
#include "position.h"
#include "weir/session.h"

namespace weir::file {

enum class Format { whole, lines, ndjson, json_array };

struct ReadOptions {
  Format format = Format::lines;
  bool each = false;  ///< a FlowFile a line or record instead of one a chunk
  std::uint64_t chunk_size = 1 * MiB;
  std::uint64_t max_line = 64 * MiB;
  bool unpack = true;  ///< gzip and zstd
  bool tail = false;
  std::string root;  ///< what `path` attributes are relative to
};

/// Reads one file from a position on. What it has read ahead is a cache: after a session that failed, make another
/// reader from the position in state.
class FileReader {
 public:
  static constexpr std::uint32_t kSuccess = 0;
  static constexpr std::uint32_t kFailure = 1;

  /// Opens the file; of a position that is not its own (another inode) only the offset is used.
  FileReader(const ReadOptions& options, std::string path, Position position);

  /// Emits until the session's budget is used up or the file's present end is reached; true: at the end. With `last`
  /// a last line without a line's end counts, else it waits to be completed. `warn` gets what an operator should know.
  bool read(Session& session, bool last, const std::function<void(const std::string&)>& warn);

  const Position& position() const { return position_; }
  const std::string& path() const { return path_; }
  bool compressed() const { return stream_->compressed(); }

 private:
  struct Chunk;

  void skip_byte_order_mark();
  /// Each reads one chunk; false: nothing more for now.
  bool read_lines(Session& session, bool last);
  bool read_array(Session& session);
  void read_whole(Session& session);

  std::size_t fill(char* to, std::size_t size);
  std::uint64_t next_room() const;
  /// A line longer than a chunk: the FlowFile that begins with it grows until its end.
  bool read_long_line(Session& session, FlowFile file, std::uint64_t size, bool last);
  void emit_lines(Session& session, FlowFile chunk, char* begin, std::size_t size);
  void emit_records(Session& session, std::string_view lines, std::uint32_t count, std::uint64_t end);
  void fail_rest(Session& session, const std::string& why);
  void describe(Session& session, FlowFile file);
  void describe_place(Session& session, FlowFile file);

  const ReadOptions& options_;
  std::string path_;
  Position position_;
  std::string name_;  ///< attributes that stay the same
  std::string directory_;
  std::string relative_;
  struct stat status_{};
  Fd fd_;  ///< for looking at the file; the stream reads by its own
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
