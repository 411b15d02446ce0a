#pragma once
// The files a FileSink has open, and what becomes of them: one for each rendered path, rolled and closed in time, and
// all of them as the last epoch knows them after a crash.
//
// How exactly-once comes about: bytes go to files whenever it suits; at the end of an epoch all files are synced and
// their lengths are put into the same epoch's state (commit). After a crash each file is truncated to the length in the
// recovered state, and what that epoch knows nothing of is taken back by the intent log. A file that is to appear
// complete is written under a hidden name and renamed once the epoch that ended it is durable.

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "intents.h"
#include "output_file.h"
#include "weir/session.h"

namespace weir::file {

struct OutputSetOptions {
  OutputOptions file;
  bool number_first = false;  ///< files are rolled: the first one has a number already
  bool in_place = true;       ///< plain files grow under their final name
  std::uint64_t roll_size = 0;
  std::uint64_t roll_count = 0;
  Duration roll_age{0};
  Duration close_idle{0};
  std::uint32_t max_open = 256;
};

/// Not thread-safe. What throws leaves it of no use: recover() makes it whole again.
class OutputSet {
 public:
  using Warn = std::function<void(const std::string&)>;

  OutputSet(OutputSetOptions options, const std::string& folder, Warn warn);

  /// Opens all files as the session's state has them, and takes back what it knows nothing of.
  void recover(Session& session);

  /// The file that records of this path go to now; valid until the next call of any function.
  OutputFile& at(const std::string& path, std::int64_t now);
  /// A file of its own, for one FlowFile: write it, then call end_separate().
  OutputFile& separate(const std::string& path, std::int64_t now);
  void end_separate();
  /// Ends the file last returned by at(), if it is full.
  void roll_if_full();

  /// Ends files that are too old or idle.
  void close_due(std::int64_t now);
  void close_all();
  /// When close_due will have something to do; none: never.
  std::optional<std::int64_t> next_due() const;

  /// Makes all files durable, and puts them into the session's state; returns the paths that were written.
  std::vector<std::string> commit(Session& session);
  /// Gives complete files their names, as far as epochs up to the token are durable. With no session, only that: state
  /// hears of it at the next start.
  void rename_complete(std::uint64_t durable_token, Session* session);
  bool renames_pending() const { return !complete_.empty(); }

  std::size_t open_count() const { return open_.size(); }
  std::size_t dirty_count() const { return dirty_.size(); }
  std::uint64_t last_token() const { return next_token_ - 1; }

 private:
  struct Open {
    std::string key;  ///< the rendered path
    OutputFile file;
    std::int64_t last_used;
    bool dirty = false;   ///< in dirty_
    bool closed = false;  ///< about to leave all lists
  };
  using List = std::list<Open>;
  struct Complete {
    std::string final_path;
    std::uint64_t inode;
    std::uint64_t token;  ///< of the epoch that ended it; 0: not yet committed
  };

  static void before_write(void* self);
  OutputFile open(const std::string& path, std::int64_t now);
  OutputFile open_in_place(OutputState state);
  OutputFile open_incomplete(OutputState state);
  bool reopen(const std::string& key, OutputState state, std::int64_t now);
  void insert(const std::string& key, OutputFile file, std::int64_t now);
  void take_back(const std::set<std::string>& known);
  void sync_separate();
  void begin_epoch(std::int64_t now);
  void completed(const OutputState& state);
  std::string rename_to(const std::string& part, const Complete& complete);
  void close(const std::vector<List::iterator>& files);
  bool name_taken(const std::string& final_path) const;
  std::string free_name(const std::string& path);

  OutputSetOptions options_;
  Warn warn_;
  IntentLog intents_;
  List open_;  ///< the one not used for longest first
  std::unordered_map<std::string_view, List::iterator> by_key_;
  std::vector<List::iterator> dirty_;
  std::vector<OutputFile> separate_;          ///< ended, and to be made durable
  std::set<std::string> closed_;              ///< keys to erase from state
  std::map<std::string, Complete> complete_;  ///< by incomplete name
  std::set<std::string> complete_names_;      ///< the final names of those
  std::vector<std::string> written_;          ///< since the last commit, and closed
  std::set<std::string> changed_directories_;
  std::unordered_map<std::string, std::uint64_t> next_numbers_;
  std::map<std::uint64_t, std::uint64_t> covered_by_token_;  ///< token to number of the last intent it covers
  std::uint64_t covered_ = 0;                                ///< in state
  std::uint64_t next_token_ = 1;
};

}  // namespace weir::file
