#pragma once
// One object being read: its bytes, fetched piece by piece, become FlowFiles, and its position moves with them.

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "client.h"
#include "plugins/common/content_reader.h"
#include "weir/context.h"

namespace weir::s3 {

/// What S3Source keeps in its state for each object.
struct ObjectPosition {
  std::string etag;
  file::Progress progress;
  bool done = false;

  /// Text, versioned.
  std::string encode() const;
  static std::optional<ObjectPosition> decode(std::string_view text);
};

struct ObjectReadOptions {
  file::ReadOptions content;
  std::uint64_t piece_size = 8 * MiB;
  bool unpack = true;
};

/// The object is not the one that was listed any more.
class Replaced : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// After a session that failed, make another one from the position in state.
class ObjectReader final : public file::Content {
 public:
  ObjectReader(const ObjectReadOptions& options, std::shared_ptr<Client> client, Object object, std::string bucket,
               file::Progress progress, Metric bytes);

  /// Emits until the session's budget is used up or the object's end is reached; true: at the end. Throws Replaced,
  /// Unavailable and Misconfigured.
  bool read(Session& session, const std::function<void(const std::string&)>& warn);
  const file::Progress& progress() const { return reader_->progress(); }

  std::unique_ptr<file::ByteStream> open(std::uint64_t offset) const override;
  std::uint64_t size() const override { return object_.size; }
  const std::string& name() const override { return uri_; }
  void describe(Session& session, FlowFile file) const override;
  void describe_chunk(Session& session, FlowFile file, std::uint64_t offset) const override;

 private:
  const ObjectReadOptions& options_;
  std::shared_ptr<Client> client_;
  Object object_;
  std::string bucket_;
  std::string uri_;
  std::string filename_;
  Metric bytes_;
  std::unique_ptr<file::ContentReader> reader_;
};

}  // namespace weir::s3
