#pragma once
// A file of content that is kept for replay: a sequence of pieces (piece.h), some of packed entries, each headed by the
// places where those entries went, some of large content, which entries behind them name by its offset.
//
// Written front to back and not synced: a kill leaves all of it, a power cut may take any of it, and whoever reads
// believes nothing but checksums. docs/storage.md describes the bytes.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "store/content_files.h"
#include "store/files.h"
#include "store/packing.h"
#include "store/store.h"

namespace weir::store {

/// FlowFiles of a connection that lie in a file; some between them may be missing.
struct KeptRange {
  std::uint32_t connection = 0;
  std::uint64_t first = 0;
  std::uint64_t next = 0;
};

/// Appends to a file. For one thread.
class RetainedFileWriter {
 public:
  /// A FlowFile larger than this is not kept: copying it would make every epoch wait.
  static constexpr std::uint64_t kLargestKept = 64ULL << 20;

  /// What lies in the file up to `end` stays.
  RetainedFileWriter(std::unique_ptr<File> file, std::uint64_t end) : file_(std::move(file)), end_(end) {}

  /// Adds what it keeps to `kept`. Throws DiskFull, IoError.
  void append(const RetainedBatch& batch, std::vector<KeptRange>& kept);
  /// Writes what was appended.
  void flush();
  /// Forgets what was appended behind `end`.
  void go_back(std::uint64_t end);
  std::uint64_t end() const { return end_ + buffer_.size(); }

 private:
  ContentName put_content(const abi::Item& item);
  void put_entries(const RetainedBatch& batch, std::vector<KeptRange>& kept);

  std::unique_ptr<File> file_;
  std::uint64_t end_;
  std::string buffer_;  ///< of pieces, to be written at end_
  Packer packer_;
  std::string copied_;
};

/// The entry in memory of its own, or in a content segment if it is large; null if the file does not have it. Throws
/// Malformed where the file is not what was written, IoError, DiskFull.
BatchRef read_retained(const File& file, std::uint64_t end, std::uint32_t connection, std::uint64_t sequence,
                       ContentFiles& content);

/// Reads all of it. Throws Malformed.
void check_retained(const File& file, std::uint64_t end, const std::vector<KeptRange>& kept);

}  // namespace weir::store
