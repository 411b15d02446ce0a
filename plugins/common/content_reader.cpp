#include "content_reader.h"

#include <algorithm>
#include <cstring>

#include "line_cutter.h"

namespace weir::file {

namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
constexpr std::uint64_t kPiece = 1 * MiB;     ///< of content too large for one piece
constexpr std::uint64_t kInMemory = 8 * MiB;  ///< content up to this size is read in one piece

}  // namespace

ContentReader::ContentReader(const ReadOptions& options, const Content& content, Progress progress)
    : options_(options), content_(content), position_(progress) {
  stream_ = content_.open(position_.offset);
  if (options_.format == Format::json_array) scanner_.emplace(position_.offset > 0);
  block_offset_ = position_.offset;
}

bool ContentReader::read(Session& session, bool last, const std::function<void(const std::string&)>& warn) {
  warn_ = warn;
  at_end_ = false;
  if (options_.format == Format::whole) {
    read_whole(session);
    return true;
  }
  if (position_.offset == 0 && carry_.empty() && block_.empty()) skip_byte_order_mark();
  bool more = true;
  while (more && !session.over_budget()) {
    more = options_.format == Format::json_array ? read_array(session) : read_lines(session, last);
  }
  return !more;
}

/// Reads from the stream; where compressed data breaks off, remembers why and is at the end.
std::size_t ContentReader::fill(char* to, std::size_t size) {
  std::size_t n = 0;
  if (damage_) {
    at_end_ = true;
    return n;
  }
  try {
    n = stream_->read(to, size);
    at_end_ = n < size;
    if (at_end_ && stream_->compressed()) stream_->read(to + n, size - n);  // nothing, or why there is no more
  } catch (const Broken& broken) {
    damage_ = broken.what();
    at_end_ = true;
  }
  return n;
}

void ContentReader::skip_byte_order_mark() {
  char start[3];
  const auto n = fill(start, sizeof start);
  if (std::string_view(start, n) == kByteOrderMark) {
    position_.offset += n;
    block_offset_ += n;
  } else if (scanner_) {
    block_.assign(start, n);
  } else {
    carry_.assign(start, n);
  }
}

/// Room for what is left of a plain file, and one byte more to see its end by; at most a chunk.
std::uint64_t ContentReader::next_room() const {
  if (stream_->compressed()) return std::max<std::uint64_t>(options_.chunk_size, carry_.size() + 1);
  const auto size = content_.size();
  const auto left = size > position_.offset ? size - position_.offset : 0;
  return std::max<std::uint64_t>(std::min(options_.chunk_size, left + 1), carry_.size() + 1);
}

bool ContentReader::read_lines(Session& session, bool last) {
  const auto undo_point = session.mark();
  const auto room = next_room();
  const auto file = session.create();
  char* const bytes = session.append(file, room);
  std::memcpy(bytes, carry_.data(), carry_.size());
  const auto size = carry_.size() + fill(bytes + carry_.size(), room - carry_.size());

  auto cut = whole_lines({bytes, size});
  if (cut == 0 && !at_end_) {
    carry_.clear();
    return read_long_line(session, file, {bytes, size}, last);
  }
  if (at_end_ && last && !damage_) cut = size;
  carry_.assign(bytes + cut, size - cut);
  if (cut == 0) {
    session.undo(undo_point);
  } else {
    emit_lines(session, file, bytes, cut);
  }
  if (!at_end_) return true;
  if (damage_) fail_rest(session, *damage_);
  return false;
}

/// `file` holds its beginning already.
bool ContentReader::read_long_line(Session& session, FlowFile file, std::string_view begin, bool last) {
  const auto line_start = position_;
  bool half = begin.ends_with('\r');  // it may be the first half of the line's end, which is cut off as a whole
  std::uint64_t size = begin.size() - (half ? 1 : 0);
  session.shrink(file, size);
  std::uint64_t end_size = 0;  // of its line's end
  bool ended = false;
  while (true) {
    char* const bytes = session.append(file, options_.chunk_size + 1);
    bytes[0] = '\r';
    const std::size_t before = half ? 1 : 0;
    const auto n = before + fill(bytes + before, options_.chunk_size);
    const auto line = first_line({bytes, n});
    ended = line.ends_with('\n');
    end_size = line.ends_with("\r\n") ? 2 : 1;
    half = !at_end_ && line.ends_with('\r');
    const bool more = !ended && !at_end_;
    if (!more) carry_.assign(bytes + line.size(), n - line.size());
    size += line.size() - (half ? 1 : 0);
    session.shrink(file, size);  // from here on `bytes` are no longer ours
    if (more) continue;
    if (!ended && !last && !damage_) {
      // Its end is still to be written: read it again then, from where it begins.
      position_ = line_start;
      session.drop(file, {});
      stream_ = content_.open(position_.offset);
      carry_.clear();
      return false;
    }
    break;
  }
  if (options_.each) {
    content_.describe(session, file);
  } else {
    describe(session, file);
  }
  position_.offset += size;
  position_.line += 1;
  std::optional<std::string> objection;
  if (!ended) objection = damage_;
  if (!objection && size > options_.max_line) {
    objection = "line " + std::to_string(position_.line) + " of " + content_.name() + " has " + std::to_string(size) +
                " bytes: longer than max_line, " + format_bytes(options_.max_line);
  }
  if (objection) {
    warn_(*objection);
    session.reject(file, *objection);
  } else {
    if (options_.each) session.shrink(file, size - end_size);
    session.transfer(file, kSuccess);
  }
  return !at_end_ || !carry_.empty() || (ended && damage_);
}

void ContentReader::emit_lines(Session& session, FlowFile chunk, char* begin, std::size_t size) {
  const bool drop_blank = options_.format == Format::ndjson;
  const auto lines = count_lines(begin, size, drop_blank);
  session.shrink(chunk, lines.size);
  const bool as_chunk = !options_.each && lines.size > 0;
  if (as_chunk) {
    describe(session, chunk);
    session.records(chunk, static_cast<std::uint32_t>(lines.count));
    session.transfer(chunk, kSuccess);
  }
  position_.offset += size;
  position_.line += lines.seen;
  if (as_chunk) return;
  std::uint64_t offset = 0;
  for (std::string_view rest(begin, lines.size); !rest.empty();) {
    const auto line = first_line(rest);
    rest.remove_prefix(line.size());
    auto content = line.size();
    if (content > 0 && line[content - 1] == '\n') --content;
    if (content > 0 && line[content - 1] == '\r') --content;
    const auto file = session.create();
    session.share(file, chunk, offset, content);
    content_.describe(session, file);
    session.transfer(file, kSuccess);
    offset += line.size();
  }
  session.drop(chunk, {});
}

bool ContentReader::read_array(Session& session) {
  std::string lines;
  std::uint32_t count = 0;
  auto end = position_.offset;     // in the stream, behind the last whole element
  std::size_t element = scanned_;  // where the element that is being scanned begins, in block_
  const auto broken = [&](const std::string& why, std::size_t at) {
    emit_records(session, lines, count, end);
    fail_rest(session, content_.name() + " " + why + ", at byte " + std::to_string(block_offset_ + at));
    return false;
  };
  while (lines.size() < options_.chunk_size) {
    const auto step = scanner_->next(block_, scanned_);
    scanned_ = step.position;
    switch (step.event) {
      case ArrayScanner::Event::begin:
        element = step.position;
        break;
      case ArrayScanner::Event::end:
        append_as_line(lines, std::string_view(block_).substr(element, step.position - element));
        ++count;
        end = block_offset_ + step.position;
        element = step.position;
        break;
      case ArrayScanner::Event::closed:
        end = block_offset_ + step.position;
        break;
      case ArrayScanner::Event::broken:
        return broken(scanner_->what(), step.position);
      case ArrayScanner::Event::more: {
        if (scanner_->in_element() && block_.size() - element > options_.max_line)
          return broken("has an element larger than max_line, " + format_bytes(options_.max_line), element);
        if (at_end_) {
          if (damage_) return broken("cannot be read further: " + *damage_, block_.size());
          if (!scanner_->closed()) return broken("ends inside its array", block_.size());
          emit_records(session, lines, count, end);
          return false;
        }
        const auto keep = scanner_->in_element() ? element : block_.size();
        block_.erase(0, keep);
        block_offset_ += keep;
        scanned_ -= keep;
        element = 0;
        const auto old = block_.size();
        block_.resize(old + kPiece / 4);
        block_.resize(old + fill(block_.data() + old, kPiece / 4));
      }
    }
  }
  emit_records(session, lines, count, end);
  return true;
}

/// An element may be too large for memory: what was appended is not looked at again.
void ContentReader::emit_records(Session& session, std::string_view lines, std::uint32_t count, std::uint64_t end) {
  if (count > 0 && !options_.each) {
    const auto chunk = session.create();
    session.append(chunk, lines);
    describe(session, chunk);
    session.records(chunk, count);
    session.transfer(chunk, kSuccess);
  }
  for (auto rest = options_.each ? lines : std::string_view(); !rest.empty();) {
    const auto line = first_line(rest);
    rest.remove_prefix(line.size());
    const auto file = session.create();
    session.append(file, line.substr(0, line.size() - 1));
    content_.describe(session, file);
    session.transfer(file, kSuccess);
  }
  position_.line += count;
  position_.offset = end;
}

void ContentReader::fail_rest(Session& session, const std::string& why) {
  warn_(why);
  if (!carry_.empty() && damage_) {
    const auto file = session.create();
    session.append(file, carry_);
    describe(session, file);
    session.reject(file, why);
    position_.offset += carry_.size();
    carry_.clear();
    return;
  }
  if (damage_ && !scanner_) return;
  const auto rest = content_.open(position_.offset);
  const auto file = session.create();
  std::uint64_t size = 0;
  try {
    for (std::size_t n = kPiece; n == kPiece; size += n) {
      n = rest->read(session.append(file, kPiece), kPiece);
      session.shrink(file, size + n);
    }
  } catch (const Broken&) {
    session.shrink(file, size);
  }
  describe(session, file);
  if (size == 0) return session.drop(file, {});
  session.reject(file, why);
  position_.offset += size;
}

void ContentReader::read_whole(Session& session) {
  const auto file = session.create();
  const auto known = content_.size();
  const auto piece = !stream_->compressed() && known < kInMemory ? known + 1 : kPiece;
  std::uint64_t size = 0;
  while (!at_end_) {
    const auto n = fill(session.append(file, piece), piece);
    session.shrink(file, size + n);
    size += n;
  }
  describe(session, file);
  position_.offset = size;
  if (!damage_) return session.transfer(file, kSuccess);
  warn_(*damage_);
  session.reject(file, *damage_);
}

void ContentReader::describe(Session& session, FlowFile file) {
  content_.describe(session, file);
  content_.describe_chunk(session, file, position_.offset);
  if (options_.format != Format::whole) session.set(file, "fragment.index", std::to_string(position_.line));
}

}  // namespace weir::file
