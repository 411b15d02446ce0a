#pragma once
// What was found of the quality of data, kept over restarts: DATA/quality.ndjson, written anew each minute. A line a
// processor, and after it a line for each of its keys.

#include <filesystem>

#include "engine/quality.h"

namespace weir::api {

class QualityFile {
 public:
  /// Reads what an earlier run left, and gives it to the ledgers. What cannot be read begins anew. Both outlive it.
  QualityFile(engine::QualityLedgers& ledgers, const std::filesystem::path& data);
  /// What cannot be written is said in the log, once.
  void save();

 private:
  void load();

  engine::QualityLedgers& ledgers_;
  const std::filesystem::path file_;
  bool broken_ = false;
};

}  // namespace weir::api
