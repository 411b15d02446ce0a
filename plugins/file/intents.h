#pragma once
// A log of the files that are about to be written to, ahead of the epoch that will know them.
//
// The state of a durable epoch says to what length each open file counts; it cannot say anything about a file that was
// opened since. So before the first byte goes to such a file, its name and the length it had are on disk here. After a
// crash, what the recovered state does not know is taken back: new files are removed, others truncated.

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/common/posix_file.h"

namespace weir::file {

struct Intent {
  std::uint64_t number;  ///< ascending; state says up to which they are covered
  bool created;          ///< the file did not exist
  std::uint64_t length;  ///< that it had
  std::string path;      ///< without line ends
};

class IntentLog {
 public:
  /// Opens, or creates, the log in a directory. A last line that was not written to its end is left out.
  explicit IntentLog(const std::string& directory);

  const std::vector<Intent>& entries() const { return entries_; }
  std::uint64_t last() const { return last_; }
  /// Numbers go on behind this one, too.
  void raise(std::uint64_t last);
  /// Notes a file, before it is created: from here on, a kill of the process is covered. Nothing may be written to the
  /// file before the next sync(), which covers a power cut.
  void add(bool created, std::uint64_t length, const std::string& path);
  /// Puts what was added on disk, if it is not there yet.
  void sync();
  /// The epoch that covers the numbers up to this one is durable: they may go, once there are many.
  void covered(std::uint64_t number);

 private:
  std::string path_;
  Fd fd_;
  std::vector<Intent> entries_;
  std::uint64_t last_ = 0;
  std::uint64_t size_ = 0;
  bool synced_ = true;
};

}  // namespace weir::file
