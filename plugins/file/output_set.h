#pragma once
// The files a FileSink has open, and what becomes of them: one for each rendered path, rolled and closed in time, and
// all of them as the last epoch knows them after a crash.
//
// How exactly-once comes about: bytes go to files whenever it suits; at the end of an epoch all files are synced and
// their lengths are put into the same epoch's state (commit). After a crash each file is truncated to the length in the
// recovered state, and what that epoch knows nothing of is taken back by the intent log. A file that is to appear
// complete is written under a hidden name and renamed once the epoch that ended it is durable.

#include <atomic>
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
#include "plugins/common/partitioned_sink.h"
#include "weir/session.h"

namespace weir::file {

struct OutputSetOptions {
  OutputOptions file;
  bool number_first = false;  ///< files are rolled: the first one has a number already
  bool in_place = true;       ///< plain files grow under their final name
  bool generations = false;   ///< a path's file is replaced by one of a higher generation
  std::uint64_t roll_size = 0;
  std::uint64_t roll_count = 0;
  Duration roll_age{0};
  Duration close_idle{0};
  std::uint32_t max_open = 256;
};

class OutputSet final : public Outputs {
 public:
  using Warn = std::function<void(const std::string&)>;

  /// `durable_token`: of the last epoch that is on disk; may be raised by any thread.
  OutputSet(OutputSetOptions options, const std::string& folder, const std::atomic<std::uint64_t>& durable_token,
            Warn warn);

  void recover(Session& session) override;
  void advance(Session& session) override { rename_complete(&session); }
  std::optional<std::int64_t> next_advance(std::int64_t now) const override;
  OutputFile& at(const std::string& path, std::int64_t now) override;
  OutputFile* at_generation(const std::string& path, const std::string& generation, std::int64_t now) override;
  OutputFile& separate(const std::string& path, std::int64_t now) override;
  void end_separate() override;
  void roll_if_full() override;
  void close_due(std::int64_t now) override;
  void close_all() override;
  std::optional<std::int64_t> next_due() const override;
  std::vector<std::string> commit(Session& session) override;

  /// Gives complete files their names, as far as epochs are durable. With no session, only that: state hears of it at
  /// the next start.
  void rename_complete(Session* session);

  std::size_t open_count() const { return open_.size(); }
  std::size_t dirty_count() const override { return dirty_.size(); }
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
    std::uint64_t token;      ///< of the epoch that ended it; 0: not yet committed
    std::uint64_t order = 0;  ///< of generations: a later one is renamed after those before it
  };

  static void before_write(void* self);
  OutputFile open(const std::string& path, std::int64_t now);
  OutputFile open_in_place(OutputState state);
  OutputFile open_incomplete(OutputState state);
  OutputFile open_generation(OutputState state, bool goes_on);
  static void open_array(const Fd& fd, OutputState& state);
  std::string holder_of(const std::string& path) const;
  bool reopen(const std::string& key, OutputState state, std::int64_t now);
  void insert(const std::string& key, OutputFile file, std::int64_t now);
  void take_back(const std::set<std::string>& known);
  void sync_separate();
  void begin_epoch(std::int64_t now);
  void completed(const OutputState& state);
  std::string rename_to(const std::string& part, const Complete& complete);
  std::string rename_over(const std::string& part, const Complete& complete);
  void close(const std::vector<List::iterator>& files);
  bool name_taken(const std::string& final_path) const;
  std::string free_name(const std::string& path);

  OutputSetOptions options_;
  const std::atomic<std::uint64_t>& durable_token_;
  Warn warn_;
  IntentLog intents_;
  List open_;                  ///< the one not used for longest first
  std::int64_t last_use_ = 0;  ///< of any of them
  std::unordered_map<std::string_view, List::iterator> by_key_;
  std::vector<List::iterator> dirty_;
  std::vector<OutputFile> separate_;          ///< ended, and to be made durable
  std::set<std::string> closed_;              ///< keys to erase from state
  std::map<std::string, Complete> complete_;  ///< by incomplete name
  std::set<std::string> complete_names_;      ///< the final names of those
  std::vector<std::string> written_;          ///< since the last commit, and closed
  std::set<std::string> changed_directories_;
  std::unordered_map<std::string, std::uint64_t> next_numbers_;
  std::unordered_map<std::string, std::string> generations_;  ///< by path: what its file holds, or will
  std::set<std::string> begun_anew_;                          ///< paths whose generation is to be put into state
  std::set<std::string> superseded_;                          ///< paths that a bulletin was about
  std::uint64_t next_order_ = 1;
  std::map<std::uint64_t, std::uint64_t> covered_by_token_;  ///< token to number of the last intent it covers
  std::uint64_t covered_ = 0;                                ///< in state
  std::uint64_t next_token_ = 1;
};

}  // namespace weir::file
