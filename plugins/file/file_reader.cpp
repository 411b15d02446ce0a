#include "file_reader.h"

#include <fcntl.h>

#include <ctime>

namespace weir::file {

namespace {

std::string utc_time(std::int64_t nanoseconds) {
  const std::time_t seconds = nanoseconds / 1'000'000'000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[40];
  const auto size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + size, sizeof text - size, ".%03dZ", static_cast<int>(nanoseconds % 1'000'000'000 / 1'000'000));
  return text;
}

}  // namespace

FileReader::FileReader(const FileReadOptions& options, std::string path, Position position)
    : options_(options), path_(std::move(path)), position_(position) {
  fd_ = open_file(path_, O_RDONLY);
  status_ = status(fd_, path_);
  position_.device = status_.st_dev;
  position_.inode = status_.st_ino;
  position_.done = false;
  name_ = name_of(path_);
  directory_ = directory_of(absolute(path_));
  if (directory_.back() != '/') directory_ += '/';
  const bool below = directory_.size() > options_.root.size() && directory_.starts_with(options_.root);
  relative_ = below ? directory_.substr(options_.root.size()) : "./";
  reader_.emplace(options_.content, static_cast<const Content&>(*this), Progress{position_.offset, position_.line});
}

bool FileReader::read(Session& session, bool last, const std::function<void(const std::string&)>& warn) {
  status_ = status(fd_, path_);
  position_.size = size();
  position_.modified = modified(status_);
  if (position_.start.length < Fingerprint::kLength) position_.start = fingerprint(fd_, path_);
  session.event("RECEIVE", file_uri(path_));
  const bool ended = reader_->read(session, last, warn);
  position_.offset = reader_->progress().offset;
  position_.line = reader_->progress().line;
  position_.done = ended || position_.done;
  return ended;
}

std::unique_ptr<ByteStream> FileReader::open(std::uint64_t offset) const {
  return open_stream(open_file(path_, O_RDONLY), path_, offset, options_.unpack);
}

void FileReader::describe(Session& session, FlowFile file) const {
  session.set(file, "absolute.path", directory_);
  session.set(file, "filename", name_);
  session.set(file, "path", relative_);
}

void FileReader::describe_chunk(Session& session, FlowFile file, std::uint64_t offset) const {
  session.set(file, "file.modified", utc_time(position_.modified));
  session.set(file, "file.offset", std::to_string(offset));
  session.set(file, "file.size", std::to_string(position_.size));
}

}  // namespace weir::file
