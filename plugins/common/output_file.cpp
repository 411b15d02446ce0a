#include "output_file.h"

#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <map>

#include "json_scanner.h"
#include "line_cutter.h"
#include "weir/errors.h"

namespace weir::file {

std::string OutputState::encode() const {
  std::string text = "1";
  const auto add = [&text](auto number) { text += ' ' + std::to_string(number); };
  add(length), add(member.open ? 1 : 0), add(member.crc), add(member.size), add(records), add(created), add(inode);
  return text + '\n' + path + '\n' + final_path;
}

std::optional<OutputState> OutputState::decode(std::string_view text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  bool good = true;
  const auto take = [&](auto& number) {
    while (at != end && *at == ' ') ++at;
    const auto [next, error] = std::from_chars(at, end, number);
    good = good && error == std::errc{};
    at = next;
  };
  OutputState state;
  int version = 0;
  int open = 0;
  take(version), take(state.length), take(open), take(state.member.crc), take(state.member.size);
  take(state.records), take(state.created), take(state.inode);
  if (!good || version != 1 || at == end || *at != '\n') return std::nullopt;
  state.member.open = open != 0;
  const std::string_view paths(at + 1, static_cast<std::size_t>(end - at - 1));
  const auto split = paths.find('\n');
  if (split == std::string_view::npos) return std::nullopt;
  state.path = paths.substr(0, split);
  state.final_path = paths.substr(split + 1);
  return state;
}

OutputFile::OutputFile(const OutputOptions& options, OutputState state, Fd fd, void (*before_write)(void*),
                       void* context)
    : options_(options), state_(std::move(state)), fd_(std::move(fd)), before_write_(before_write), context_(context) {
  if (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    throw Unavailable(state_.path + " is being written by another processor or another Weir: give each its own path");
  const auto compression = options_.compression.value_or(compression_of(state_.final_path));
  encoder_ = make_encoder(compression, options_.level);
  written_ = writing_back_ = state_.length;
  records_ = state_.records;
  buffer_ = open_end(compression, state_.member);
  dirty_ = !buffer_.empty();
  begun_ = state_.length > 0;
  if (state_.in_place() && options_.newline && state_.length > 0) {
    char last = '\n';
    read_at(fd_, &last, 1, state_.length - 1, state_.path);
    needs_newline_ = last != '\n';
  }
}

void OutputFile::begin(std::string_view header) {
  if (begun_ || header.empty()) return;
  put(header);
  if (header.back() != '\n') put("\n");
}

void OutputFile::put(std::string_view bytes) {
  dirty_ = true;
  begun_ = true;
  if (encoder_) {
    encoder_->write(bytes, buffer_);
  } else if (bytes.size() >= kBuffer) {  // not through the buffer: one copy less
    write_out();
    before_write_(context_);
    write_at(fd_, bytes, written_, state_.path);
    written_ += bytes.size();
    start_writing_back();
    return;
  } else {
    buffer_ += bytes;
  }
  if (buffer_.size() >= kBuffer) write_out();
}

/// A file that someone else began may lack the end of its last line.
void OutputFile::end_foreign_line() {
  if (!needs_newline_) return;
  needs_newline_ = false;
  put("\n");
}

void OutputFile::add_record(std::string_view json, bool one_line) {
  ++records_;
  end_foreign_line();
  if (options_.layout == Layout::lines && !encoder_) {
    dirty_ = true;
    begun_ = true;
    if (one_line) {
      buffer_ += json;
      buffer_ += '\n';
    } else {
      append_as_line(buffer_, json);
    }
    if (buffer_.size() >= kBuffer) write_out();
    return;
  }
  scratch_.clear();
  if (options_.layout == Layout::array) scratch_ = records_ == 1 ? "[\n" : ",\n";
  append_as_line(scratch_, json);
  if (options_.layout == Layout::array) scratch_.pop_back();
  put(scratch_);
}

void OutputFile::add_lines(std::string_view lines) {
  if (options_.layout == Layout::lines) {
    end_foreign_line();
    records_ += count_line_ends(lines);
    put(lines);
    if (!lines.empty() && lines.back() != '\n') {
      ++records_;
      put("\n");
    }
    return;
  }
  while (!lines.empty()) {
    const auto line = first_line(lines);
    lines.remove_prefix(line.size());
    if (!is_blank(line)) add_record(line, false);
  }
}

void OutputFile::add_bytes(std::string_view piece) {
  if (piece.empty()) return;
  end_foreign_line();
  put(piece);
  last_byte_ = piece.back();
}

void OutputFile::end_bytes(std::uint64_t records) {
  records_ += records;
  if (options_.newline && last_byte_ != '\n') put("\n");
  last_byte_ = '\n';
}

void OutputFile::write_out() {
  if (buffer_.empty()) return;
  before_write_(context_);
  write_at(fd_, buffer_, written_, state_.path);
  written_ += buffer_.size();
  buffer_.clear();
  start_writing_back();
}

void OutputFile::start_writing_back() {
  if (written_ - writing_back_ < kWriteBack) return;
  write_back(fd_, writing_back_, written_ - writing_back_);
  writing_back_ = written_;
}

void OutputFile::begin_commit() {
  if (encoder_) encoder_->checkpoint(buffer_);
  write_out();
}

void OutputFile::end_commit() {
  state_.length = written_;
  state_.records = records_;
  state_.member = encoder_ ? encoder_->member() : Member{};
  dirty_ = false;
}

void OutputFile::commit() {
  if (!dirty_) return;
  begin_commit();
  sync_data(fd_, state_.path);
  end_commit();
}

void OutputFile::put_aside() {
  begin_commit();
  end_commit();
}

void OutputFile::end() {
  if (options_.layout == Layout::array) put(records_ == 0 ? "[]\n" : "\n]\n");
  if (encoder_) {
    encoder_->end(buffer_);
    dirty_ = dirty_ || !buffer_.empty();
  }
}

void commit_all(const std::vector<OutputFile*>& files) {
  constexpr std::size_t kMany = 32;
  if (files.size() < kMany || !sync_file_system_reports_errors()) {
    for (auto* file : files) file->commit();
    return;
  }
  std::map<std::uint64_t, const OutputFile*> one_of_device;
  for (auto* file : files) {
    if (!file->dirty_) continue;
    file->begin_commit();
    one_of_device.emplace(status(file->fd_, file->state_.path).st_dev, file);
  }
  for (const auto& [device, file] : one_of_device) sync_file_system(file->fd_, file->state_.path);
  for (auto* file : files) {
    if (file->dirty_) file->end_commit();
  }
}

}  // namespace weir::file
