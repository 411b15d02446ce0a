#pragma once
// One file being written: its buffer, its encoder, and the length to which it counts.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "encoder.h"
#include "posix_file.h"

namespace weir::file {

enum class Layout { bytes, lines, array };

struct OutputOptions {
  Layout layout = Layout::bytes;
  bool newline = true;  ///< of bytes: ends each FlowFile's content with a line's end, where it has none
  std::optional<Compression> compression;  ///< by the name's suffix, if not said
  int level = 0;
};

/// What the state of an epoch keeps of a file that is being written.
struct OutputState {
  std::string path;          ///< what is written: the final name, or the incomplete one's
  std::string final_path;    ///< what it will be called
  std::uint64_t length = 0;  ///< bytes that count
  Member member;
  std::uint64_t records = 0;
  std::int64_t created = 0;  ///< the flow's clock
  std::uint64_t inode = 0;

  std::string encode() const;
  static std::optional<OutputState> decode(std::string_view text);
  bool in_place() const { return path == final_path; }
};

/// Bytes are buffered, then written behind one another from `length` on, whatever lies there. Errors throw
/// Unavailable; the object is of no use then: open it again from the last state.
class OutputFile {
 public:
  static constexpr std::size_t kBuffer = 256 * 1024;
  static constexpr std::uint64_t kWriteBack = 4 * 1024 * 1024;  ///< the system is asked to write so much

  /// `before_write` is called ahead of each write(2). The file is locked against other writers; one that is locked
  /// throws Unavailable.
  OutputFile(const OutputOptions& options, OutputState state, Fd fd, void (*before_write)(void*), void* context);

  /// The first bytes of a file that holds nothing yet, its line ended; of one that does, nothing.
  void begin(std::string_view header);
  /// A JSON record, for `lines` and `array`. `one_line`: it has no line ends in it.
  void add_record(std::string_view json, bool one_line);
  /// Records, one a line, for `lines` and `array`.
  void add_lines(std::string_view lines);
  /// Content, in any number of pieces, for `bytes`; and its end.
  void add_bytes(std::string_view piece);
  void end_bytes(std::uint64_t records);

  /// Hands all bytes to the system.
  void write_out();
  /// Makes all that was added durable; state().length counts it afterwards.
  void commit();
  /// The same as far as this machine lives on: nothing is made durable.
  void put_aside();
  /// Ends what needs an end: the array, the compressed stream. Nothing can be added afterwards.
  void end();
  const OutputState& state() const { return state_; }
  /// Bytes of the file so far, as far as they are known: compression may still hold some back.
  std::uint64_t size() const { return written_ + buffer_.size(); }
  std::size_t buffered() const { return buffer_.size(); }
  bool dirty() const { return dirty_; }
  std::uint64_t records() const { return records_; }

  friend void commit_all(const std::vector<OutputFile*>& files);

 private:
  void put(std::string_view bytes);
  void start_writing_back();
  void end_foreign_line();
  void begin_commit();
  void end_commit();

  const OutputOptions& options_;
  OutputState state_;
  Fd fd_;
  void (*before_write_)(void*);
  void* context_;
  std::unique_ptr<Encoder> encoder_;
  std::string buffer_;   ///< what is to be written
  std::string scratch_;  ///< a record on its way to the encoder
  std::uint64_t written_ = 0;
  std::uint64_t writing_back_ = 0;  ///< up to here the system was asked to write to the disk
  std::uint64_t records_ = 0;
  char last_byte_ = '\n';       ///< of the FlowFile that is being added
  bool needs_newline_ = false;  ///< what was in the file before ends in the middle of a line
  bool dirty_ = false;
  bool begun_ = false;  ///< there is something in the file, or on its way there
};

/// Commits them all. Of many, each file system is synced as a whole (syncfs): 500 small files took 30 to 70 ms that
/// way, and 1.2 s or more by an fdatasync each.
void commit_all(const std::vector<OutputFile*>& files);

}  // namespace weir::file
