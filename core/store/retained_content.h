#pragma once
// Content of sources, kept for replay: which files hold it, and how long they stay.
//
// What a source puts out is appended to a file of its own under <data>/retained/, before the epoch that it belongs to
// is written, without a sync; how far a file counts is a row that commits with the epoch. So a kill loses nothing that
// a durable epoch holds, a power cut may lose the last seconds, and neither ever brings up content of an epoch that was
// not. Files are removed whole, oldest first, a few with each epoch. Nothing but replay needs them.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "store/content_files.h"
#include "store/database.h"
#include "store/encoding.h"
#include "store/files.h"
#include "store/retained_file.h"
#include "store/store.h"

namespace weir::store {

/// A row of the table `retained`: a file as of an epoch.
struct RetainedFile {
  std::uint32_t processor = 0;
  std::uint64_t bytes = 0;  ///< how far it counts
  std::int64_t begun = 0;   ///< nanoseconds since 1970
  std::int64_t until = 0;   ///< when the last of it is too old; the largest number: never
  std::vector<KeptRange> kept;
};

/// By the number of the file. Throws Malformed, DatabaseError.
std::map<std::uint64_t, RetainedFile> read_retained_files(Database& database);
std::filesystem::path retained_name(std::uint64_t number);
/// 0: it is none of ours.
std::uint64_t retained_number(const std::filesystem::path& file);

class RetainedContent {
 public:
  /// Takes over what the rows name, and removes the other files. Where `has_room` says no, nothing is kept.
  RetainedContent(Database& database, std::filesystem::path folder, Files& files, std::function<bool()> has_room);

  /// How much of a source's content is kept from now on. Any thread.
  void retain(std::uint32_t processor, const Retention& retention);
  /// Any thread. Throws NotRetained, IoError, DiskFull.
  BatchRef read(std::uint32_t connection, std::uint64_t sequence, const std::string& name, ContentFiles& content);
  /// Of all files.
  std::uint64_t bytes() const;

  // For the committer: write() before the transaction, write_rows() inside it, then committed() or rolled_back().
  /// A full disk is no reason to stop: then nothing is kept. Throws IoError.
  void write(std::span<const RetainedBatch> batches);
  void write_rows();
  void committed();
  void rolled_back();
  /// Removes the oldest file at once, where the disk is short. False: there is none.
  bool give_up_oldest();

 private:
  struct Tail {
    std::uint64_t number = 0;
    std::optional<RetainedFileWriter> writer;
    RetainedFile empty;  ///< what it is before any epoch with it is durable
  };
  const RetainedFile& known(const Tail& tail) const;
  void open_tail(std::uint32_t processor, const Retention& retention, std::int64_t now);
  void reopen(Tail& tail, const RetainedFile& file);
  void trim(std::int64_t now);
  std::filesystem::path path(std::uint64_t number) const { return folder_ / retained_name(number); }

  const std::filesystem::path folder_;
  Files& files_;
  const std::function<bool()> has_room_;
  Statement put_row_;
  Statement delete_row_;
  bool has_folder_ = false;
  std::uint64_t last_ = 0;
  std::map<std::uint32_t, Tail> tails_;            ///< by processor: the file that grows
  std::map<std::uint64_t, RetainedFile> pending_;  ///< changed in the epoch under way
  std::vector<std::uint64_t> removing_;            ///< in the epoch under way
  Encoder packed_;

  mutable std::mutex mutex_;
  std::map<std::uint64_t, RetainedFile> durable_;  ///< the committer alone changes it
  std::map<std::uint32_t, Retention> retentions_;
};

}  // namespace weir::store
