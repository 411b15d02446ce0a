#pragma once
// The objects that an S3Sink has open or to upload: files in its own folder until the store has them.
//
// How exactly-once comes about: an object gets its key when it is begun, and the key, the number and the length that
// counts are part of each epoch's state. An epoch that ends an object is its manifest: once it is durable, the bytes
// and the key are fixed for ever, and only then is it uploaded. However often that happens, it is the same object under
// the same key. After a crash, files are cut off at the length in the recovered state; what it knows nothing of is
// removed.

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "plugins/common/partitioned_sink.h"
#include "uploader.h"

namespace weir::s3 {

struct SpoolOptions {
  file::OutputOptions output;
  std::string bucket;
  std::string label;        ///< of this sink in this data directory; part of numbered keys
  std::string owner;        ///< the same, written with each object
  bool exact_keys = false;  ///< the path is the key, and what is there is replaced; else it gets label and number
  std::uint64_t roll_size = 0;
  std::uint64_t roll_count = 0;
  Duration roll_age{0};
  Duration close_idle{0};
  std::uint32_t max_open = 256;
};

/// The key of the object with this number.
std::string key_of(const SpoolOptions& options, const std::string& path, std::uint64_t number);
/// Whether it is complete, by what it has.
bool is_full(const SpoolOptions& options, const file::OutputFile& output);

class Spool final : public file::Outputs {
 public:
  using Warn = std::function<void(const std::string&)>;

  /// `durable_token`: of the last epoch that is on disk; may be raised by any thread.
  Spool(SpoolOptions options, std::string folder, const std::atomic<std::uint64_t>& durable_token, Uploader& uploader,
        Warn warn);

  void recover(Session& session) override;
  void advance(Session& session) override;
  std::optional<std::int64_t> next_advance(std::int64_t) const override { return std::nullopt; }
  file::OutputFile& at(const std::string& path, std::int64_t now) override;
  file::OutputFile& separate(const std::string& path, std::int64_t now) override;
  void end_separate() override;
  void roll_if_full() override;
  void close_due(std::int64_t now) override;
  void close_all() override;
  std::optional<std::int64_t> next_due() const override;
  std::size_t dirty_count() const override { return dirty_; }
  std::vector<std::string> commit(Session& session) override;

  /// Whether there are complete objects that the store may not have, or files of those that it has.
  bool busy() const { return !complete_.empty() || !uploaded_.empty(); }

 private:
  struct Open {
    std::string path;  ///< rendered
    std::uint64_t number;
    file::OutputFile output;
    std::int64_t last_used;
    bool dirty = false;
  };
  using List = std::list<Open>;
  /// Complete, and to be uploaded.
  struct Complete {
    std::string key;
    std::uint64_t size = 0;
    std::uint64_t token = 0;  ///< of the epoch that says so; 0: not yet committed
    bool submitted = false;
    bool again = false;  ///< an earlier run may have uploaded it
  };

  static void before_write(void*) {}
  std::string file_of(std::uint64_t number) const;
  Open open(const std::string& path, std::int64_t now);
  bool reopen(const std::string& path, file::OutputState state, std::int64_t now);
  void close(const std::vector<List::iterator>& outputs);
  void complete(const Open& output);
  void end_all_separate();
  void remove_unknown();
  void submit(std::uint64_t number, Complete& complete);
  void remove_durable(std::uint64_t durable);

  SpoolOptions options_;
  std::string folder_;
  const std::atomic<std::uint64_t>& durable_token_;
  Uploader& uploader_;
  Warn warn_;
  List open_;  ///< the one not used for longest first
  std::unordered_map<std::string, List::iterator> by_path_;
  List separate_;  ///< ended, and to be made durable
  std::size_t dirty_ = 0;
  std::set<std::string> closed_;  ///< rendered paths to erase from state
  std::map<std::uint64_t, Complete> complete_;
  std::map<std::uint64_t, std::uint64_t> uploaded_;  ///< number to the token after which its file can go
  std::vector<std::string> written_;                 ///< URIs since the last commit, of what was closed
  bool created_ = false;                             ///< files since the folder was last synced
  std::uint64_t next_number_ = 1;
  std::uint64_t stored_number_ = 1;  ///< in state
  std::uint64_t next_token_ = 1;
};

/// Why data cannot be given this key, or "". `fixed` is the length of the author's own text at its beginning.
std::string objection_to_key(std::string_view key, std::size_t fixed);

}  // namespace weir::s3
