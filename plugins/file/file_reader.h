#pragma once
// One file being read: its bytes become FlowFiles, chunk by chunk, and its position moves with them.

#include <functional>
#include <optional>
#include <string>

#include "plugins/common/content_reader.h"
#include "position.h"

namespace weir::file {

struct FileReadOptions {
  ReadOptions content;
  bool unpack = true;  ///< gzip and zstd
  std::string root;    ///< what `path` attributes are relative to
};

/// Reads one file from a position on. What it has read ahead is a cache: after a session that failed, make another
/// reader from the position in state.
class FileReader final : private Content {
 public:
  /// Opens the file; of a position that is not its own (another inode) only the offset is used.
  FileReader(const FileReadOptions& options, std::string path, Position position);
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;

  /// As ContentReader::read.
  bool read(Session& session, bool last, const std::function<void(const std::string&)>& warn);

  const Position& position() const { return position_; }
  const std::string& path() const { return path_; }
  bool compressed() const { return reader_->compressed(); }

 private:
  std::unique_ptr<ByteStream> open(std::uint64_t offset) const override;
  std::uint64_t size() const override { return static_cast<std::uint64_t>(status_.st_size); }
  const std::string& name() const override { return path_; }
  void describe(Session& session, FlowFile file) const override;
  void describe_chunk(Session& session, FlowFile file, std::uint64_t offset) const override;

  const FileReadOptions& options_;
  std::string path_;
  Position position_;
  std::string name_;  ///< attributes that stay the same
  std::string directory_;
  std::string relative_;
  struct stat status_{};
  Fd fd_;  ///< for looking at the file; the stream reads by its own
  std::optional<ContentReader> reader_;
};

}  // namespace weir::file
