#include "object_reader.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "weir/errors.h"

namespace weir::s3 {

namespace {

std::string get_piece(Client& client, const Object& object, std::uint64_t offset, std::uint64_t size, Metric& bytes) {
  const auto want = std::min(size, object.size - offset);
  auto piece = client.get(object.key, offset, want, object.etag);
  if (piece.changed) throw Replaced(client.uri(object.key) + " was removed or replaced while it was read");
  if (piece.bytes.size() != want)
    throw Unavailable(client.uri(object.key) + ": the store gave " + std::to_string(piece.bytes.size()) + " of " +
                      std::to_string(want) + " bytes, from byte " + std::to_string(offset) + " on");
  bytes.add(static_cast<double>(want));
  return std::move(piece.bytes);
}

/// The bytes of an object as they are stored, by ranged requests that insist on its ETag.
class ObjectStream final : public file::ByteStream {
 public:
  /// `first` holds the bytes before `offset`, as far as they are to be read.
  ObjectStream(std::shared_ptr<Client> client, const Object& object, std::uint64_t piece_size, std::uint64_t offset,
               std::string first, Metric bytes)
      : client_(std::move(client)),
        object_(object),
        piece_size_(piece_size),
        offset_(offset),
        bytes_(bytes),
        piece_(std::move(first)) {}

  std::size_t read(char* to, std::size_t size) override {
    std::size_t done = 0;
    while (done < size && fetch()) {
      const auto n = std::min(size - done, piece_.size() - taken_);
      std::memcpy(to + done, piece_.data() + taken_, n);
      taken_ += n;
      done += n;
    }
    return done;
  }
  bool compressed() const override { return false; }

 private:
  /// False at the object's end.
  bool fetch() {
    if (taken_ < piece_.size()) return true;
    if (offset_ >= object_.size) return false;
    piece_ = get_piece(*client_, object_, offset_, piece_size_, bytes_);
    offset_ += piece_.size();
    taken_ = 0;
    return true;
  }

  std::shared_ptr<Client> client_;
  Object object_;
  std::uint64_t piece_size_;
  std::uint64_t offset_;  ///< of the next piece
  Metric bytes_;
  std::string piece_;
  std::size_t taken_ = 0;
};

}  // namespace

std::string ObjectPosition::encode() const {
  return "1 " + std::to_string(progress.offset) + ' ' + std::to_string(progress.line) + (done ? " 1 " : " 0 ") + etag;
}

std::optional<ObjectPosition> ObjectPosition::decode(std::string_view text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  bool good = true;
  const auto take = [&](auto& number) {
    while (at != end && *at == ' ') ++at;
    const auto [next, error] = std::from_chars(at, end, number);
    good = good && error == std::errc{};
    at = next;
  };
  int version = 0;
  int done = 0;
  ObjectPosition position;
  take(version), take(position.progress.offset), take(position.progress.line), take(done);
  if (!good || version != 1 || at == end) return std::nullopt;
  position.done = done != 0;
  position.etag.assign(at + 1, end);
  return position;
}

ObjectReader::ObjectReader(const ObjectReadOptions& options, std::shared_ptr<Client> client, Object object,
                           std::string bucket, file::Progress progress, Metric bytes)
    : options_(options),
      client_(std::move(client)),
      object_(std::move(object)),
      bucket_(std::move(bucket)),
      uri_(client_->uri(object_.key)),
      filename_(object_.key.substr(object_.key.rfind('/') + 1)),
      bytes_(bytes),
      reader_(std::make_unique<file::ContentReader>(options_.content, *this, progress)) {}

std::unique_ptr<file::ByteStream> ObjectReader::open(std::uint64_t offset) const {
  const auto stream = [&](std::uint64_t where, std::string first) {
    return std::make_unique<ObjectStream>(client_, object_, options_.piece_size, where, std::move(first), bytes_);
  };
  if (!options_.unpack || object_.size == 0) return stream(offset, {});
  auto metric = bytes_;
  auto first = get_piece(*client_, object_, 0, options_.piece_size, metric);
  if (auto packed = file::unpacked(stream(first.size(), first), uri_, offset)) return packed;
  return offset < first.size() ? stream(first.size(), first.substr(offset)) : stream(offset, {});
}

bool ObjectReader::read(Session& session, const std::function<void(const std::string&)>& warn) {
  session.event("FETCH", uri_);
  return reader_->read(session, true, warn);
}

void ObjectReader::describe(Session& session, FlowFile file) const {
  session.set(file, "filename", filename_);
  session.set(file, "s3.bucket", bucket_);
  session.set(file, "s3.key", object_.key);
}

void ObjectReader::describe_chunk(Session& session, FlowFile file, std::uint64_t offset) const {
  session.set(file, "s3.etag", object_.etag);
  session.set(file, "s3.modified", object_.modified);
  session.set(file, "s3.offset", std::to_string(offset));
  session.set(file, "s3.size", std::to_string(object_.size));
}

}  // namespace weir::s3
