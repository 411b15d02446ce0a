#include "record_content.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "content_pieces.h"
#include "json_scanner.h"
#include "path_matcher.h"

namespace weir::json {

namespace {

constexpr std::string_view kSpace = " \t\r\n";

std::string_view trim(std::string_view text) {
  const auto begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

/// Visits the records of a content that read_records() found to be sound.
template <class F>
void each_record(FlowFile file, F&& visit) {
  const auto content = file.content();
  const auto text = trim(content);
  if (text.empty()) return;
  PathMatcher matcher(std::nullopt, text.front(), false, [&](const Match& match) {
    visit(content.substr(match.begin, match.end - match.begin));
    return true;
  });
  JsonScanner scanner(matcher, matcher.report_depth());
  scanner.read(content);
  scanner.finish();
}

/// In pieces, so that what is large can go to a file while it is copied.
void append_pieces(Session& session, FlowFile to, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto piece = bytes.substr(0, ContentPieces::kPiece);
    session.append(to, piece);
    bytes.remove_prefix(piece.size());
  }
}

}  // namespace

RecordContent read_records(Session& session, FlowFile file) {
  ContentPieces pieces(session, file);
  RecordContent content;
  const char first = pieces.first();
  if (first == 0) throw InvalidJson("no JSON: the content is empty");
  content.array = first == '[';
  // Whether it is NDJSON as it stands is only asked of content in memory: from a file it is copied record by record.
  const bool in_memory = (session.raw()->item(file.handle())->flags & abi::kExternal) == 0;
  const auto text = in_memory ? file.content() : std::string_view();
  bool apart = in_memory && !content.array;  // just one line end between records
  std::uint64_t records = 0;
  std::uint64_t next = 0;  // where the next record then begins
  PathMatcher matcher(std::nullopt, first, false, [&](const Match& match) {
    ++records;
    apart = apart && match.begin == next && (next == 0 || text[next - 1] == '\n');
    next = match.end + 1;
    return true;
  });
  JsonScanner scanner(matcher, matcher.report_depth());
  pieces.read(0, [&](std::string_view piece) { return scanner.read(piece); });
  scanner.finish();
  if (records > std::numeric_limits<std::uint32_t>::max()) throw InvalidJson("more than 4,294,967,295 records");
  content.records = static_cast<std::uint32_t>(records);
  const bool ended = next == text.size() && apart && text.back() == '\n';
  if (apart && (ended || next == text.size() + 1)) {
    const auto line_ends = static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
    content.lines = line_ends == records - (ended ? 0 : 1) && text.find('\r') == std::string_view::npos;
  }
  return content;
}

void append_lines(Session& session, FlowFile to, FlowFile from, const RecordContent& content) {
  if (content.lines) {
    const auto text = from.content();
    append_pieces(session, to, text);
    if (!text.ends_with('\n')) session.append(to, "\n");
    return;
  }
  each_record(from, [&](std::string_view record) {
    if (record.find_first_of("\r\n") == std::string_view::npos) {
      session.append(to, record);
    } else {
      for (auto rest = record; !rest.empty();) {
        const auto part = rest.substr(0, rest.find_first_of("\r\n"));
        session.append(to, part);
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
      }
    }
    session.append(to, "\n");
  });
}

void append_elements(Session& session, FlowFile to, FlowFile from, const RecordContent& content, bool first) {
  if (content.records == 0) return;
  auto text = trim(from.content());
  if (content.array || content.records == 1) {
    if (content.array) text = trim(text.substr(1, text.size() - 2));
    if (!first) session.append(to, ",");
    return append_pieces(session, to, text);
  }
  each_record(from, [&](std::string_view record) {
    if (!first) session.append(to, ",");
    session.append(to, record);
    first = false;
  });
}

}  // namespace weir::json
