#pragma once
// FileSource: files, their lines or their records become FlowFiles.

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "discover.h"
#include "file_reader.h"
#include "weir/processor.h"

namespace weir::file {

struct FileSourceSettings {
  std::string path;
  bool recursive = false;
  std::string format = "lines";
  std::string emit = "chunk";
  std::uint64_t chunk_size = 1 * MiB;
  std::uint64_t max_line = 64 * MiB;
  bool decompress = true;
  bool tail = false;
  Duration interval = std::chrono::seconds(1);
  std::string sort = "name";
  bool ignore_hidden = true;
  Duration min_age{0};
  std::string after = "keep";
  std::optional<std::string> move_to;
};

const Spec<FileSourceSettings>& file_source_spec();

/// Its state has a Position for each file, under the file's path: what was emitted and what was read move together.
class FileSource final : public Source {
 public:
  explicit FileSource(FileSourceSettings settings);
  void start(Context& context) override;
  void poll(Session& session) override;
  void durable(std::uint64_t token) override;

 private:
  void load(Session& session);
  void work(Session& session);
  void read_some(Session& session);
  void search(Session& session);
  std::string nothing_found() const;
  void consider(Session& session, const Found& found);
  void follow_rotation(Session& session, const std::string& path, const Position& position, const Fd& fd);
  void forget_vanished(Session& session, const std::vector<Found>& found);
  std::optional<std::string> known_under_another_name(const struct stat& status, const Fd& fd) const;
  void keep(Session& session, const std::string& path, const Position& position);
  void forget(Session& session, const std::string& path);
  /// Deletes or moves what the durable epochs say is done with.
  void clear_away(Session& session);
  void clear_away(Session& session, const std::string& path);
  void warn(const std::string& message);
  void warn_once(const std::string& path, const std::string& message);

  FileSourceSettings settings_;
  FileReadOptions options_;
  Context context_;
  bool loaded_ = false;
  std::uint64_t sessions_ = 0;  ///< counts as state does: another number there means that a session was rolled back
  std::map<std::string, Position> positions_;                   ///< what state holds
  std::map<std::string, std::unique_ptr<FileReader>> readers_;  ///< open: the file under way, and those being tailed
  std::deque<std::string> to_read_;
  std::set<std::string> rotated_;  ///< renamed away while tailed: to be read to their end, and no further
  std::optional<std::int64_t> next_search_;
  bool scheduled_ = false;  ///< the author says when to look
  bool passed_ = false;     ///< what the last look found has been read
  bool waiting_for_age_ = false;
  std::set<std::string> warned_;

  std::map<std::uint64_t, std::string> awaiting_;  ///< token to the file that its epoch covers
  std::uint64_t next_token_ = 1;
  std::mutex durable_lock_;
  std::vector<std::uint64_t> durable_;  ///< under durable_lock_: tokens whose epochs are on disk
};

}  // namespace weir::file
