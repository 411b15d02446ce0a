#include "split_json.h"

#include <charconv>

#include "bytes.h"
#include "content_pieces.h"
#include "json_scanner.h"

namespace weir::json {

namespace {

enum : std::uint32_t { kSplit, kOriginal };
constexpr std::size_t kRememberedElements = 64 * 1024;

/// Names a FlowFile for ever: connection:sequence.
std::string identifier_of(FlowFile file, Session& session) {
  std::string identifier(session.connection());
  identifier += ':';
  identifier += std::to_string(file.sequence());
  return identifier;
}

}  // namespace

const Spec<SplitJsonSettings>& split_json_spec() {
  static const auto spec =
      Spec<SplitJsonSettings>("SplitJson", "Makes a FlowFile of each element of an array, or each member of an object.")
          .description(
              "`path` says where the elements are. As a JSON Pointer (`/data/items`) or a JSONPath without wildcard "
              "(`$.data.items`) it names the array, or object, whose elements become FlowFiles. With wildcards "
              "(`$.sites[*].sensors[*]`, `$[*].reading`) it names the elements themselves. JSONPath is read as far as "
              "a scan in one direction goes: names (`.a`, `['a b']`), indexes (`[0]`) and wildcards (`[*]`, `.*`). "
              "Without `path` each record of the content becomes a FlowFile: each element of an array, else each "
              "line.\n\n"
              "A child shares the memory of its parent; its bytes are the parent's, digit for digit. Of members with "
              "the same name the last one counts.\n\n"
              "**All or nothing.** Every byte is checked, as JSON and as UTF-8, before the first child leaves: a "
              "document that breaks at its end goes to `failure` whole and unchanged, and has no children. This "
              "first pass also counts, so that `fragment.count` is known to each child. Content too large for one "
              "session is split in several, in bounded memory; a crash between them goes on with the next child.\n\n"
              "A path that leads nowhere, or to what is neither array nor object, is a failure; an empty array is "
              "not: the original then passes with a `fragment.count` of 0.")
          .example("type: SplitJson\npath: $.readings\n")
          .property("path", &SplitJsonSettings::path,
                    {.help = "JSON Pointer or JSONPath to the elements. Unset: the records of the content.",
                     .example = "$.sites[*].readings[*]"})
          .relationship({"split", "The elements, in their order."})
          .relationship({"original", "The content that was split, after its last element."})
          .relationship({"failure", "No JSON, or nothing at the path; unchanged."})
          .reads("filename", "Becomes segment.original.filename.")
          .writes("fragment.identifier",
                  "The same for all elements of one FlowFile, and for the original: the "
                  "connection and number it came by.")
          .writes("fragment.index", "Of an element: its place, from 0.")
          .writes("fragment.count", "How many elements there are; also on the original.")
          .writes("fragment.name", "Of a member of an object: its name.")
          .writes("segment.original.filename", "The filename of what was split.")
          .state("How far a FlowFile is that takes several sessions.");
  return spec;
}

std::string SplitJson::Progress::encode() const {
  std::string bytes;
  for (const auto value : {count, index, offset, std::uint64_t{containers.size()}}) put(bytes, value);
  bytes += containers;
  for (const auto& [begin, end] : void_ranges) put(bytes, begin), put(bytes, end);
  return bytes;
}

SplitJson::Progress SplitJson::Progress::decode(std::string_view bytes) {
  Progress progress;
  progress.count = take(bytes);
  progress.index = take(bytes);
  progress.offset = take(bytes);
  const auto containers = take(bytes);
  progress.containers = bytes.substr(0, containers);
  bytes.remove_prefix(progress.containers.size());
  while (!bytes.empty()) {
    const auto begin = take(bytes);
    progress.void_ranges[begin] = take(bytes);
  }
  return progress;
}

SplitJson::SplitJson(SplitJsonSettings settings) {
  if (settings.path) path_ = parse_path(*settings.path);
}

void SplitJson::start(Context& context) {
  elements_metric_ = context.counter("split_elements", "Elements that became FlowFiles.");
}

void SplitJson::step(Batch batch, Session& session) {
  for (auto file : batch) {
    if (session.over_budget()) return session.consume_until(file, file.offset());
    const auto mark = session.mark();
    const auto refuse = [&](std::string_view why) {
      session.undo(mark);
      session.reject(file, why);
    };
    try {
      if (!split(file, session)) return;
    } catch (const InvalidJson& error) {
      refuse(error.what());
    } catch (const Rejected& error) {
      refuse(error.what());
    }
  }
}

bool SplitJson::split(FlowFile file, Session& session) {
  const auto identifier = identifier_of(file, session);
  elements_complete_ = false;
  const auto kept = session.state(identifier);
  auto progress = kept ? Progress::decode(*kept) : survey(file, session);

  // What all children share is set on the parent, from which they inherit it: a hundred thousand times nothing.
  if (const auto filename = file.attribute("filename"))
    session.set(file, "segment.original.filename", std::string(*filename));
  session.set(file, "fragment.identifier", identifier);
  session.set(file, "fragment.count", std::to_string(progress.count));

  const auto first_index = progress.index;
  bool ended = true;
  if (elements_complete_) {
    for (; ended && progress.index < elements_.size(); ended = !session.over_budget()) {
      const auto& element = elements_[progress.index];
      emit(file, session, progress.index++, {element.begin, element.end, false, {}});
      progress.offset = element.end;
      progress.containers = containers_[element.around];
    }
    ended = progress.index == elements_.size();
  } else {
    ContentPieces pieces(session, file);
    PathMatcher matcher(path_, pieces.first(), false, [&](const Match& match) {
      emit(file, session, progress.index++, match);
      return !session.over_budget();
    });
    matcher.skip(progress.void_ranges);
    JsonScanner scanner(matcher, matcher.report_depth());
    if (kept) {
      matcher.resume(progress.containers);
      scanner.resume(progress.offset, progress.containers);
    }
    const bool at_end = pieces.read(progress.offset, [&](std::string_view piece) { return scanner.read(piece); });
    if (at_end) scanner.finish();
    progress.offset = scanner.offset();
    progress.containers = scanner.containers();
    ended = progress.index == progress.count;
    if (at_end && !ended) throw std::logic_error("the second scan found other elements than the first");
  }
  elements_metric_.add(static_cast<double>(progress.index - first_index));

  if (ended) {
    if (kept) session.erase_state(identifier);
    session.transfer(file, kOriginal);
    return true;
  }
  session.set_state(identifier, progress.encode());
  session.consume_until(file, progress.offset);
  return false;
}

/// Checks all of the content and finds out how many elements it has.
SplitJson::Progress SplitJson::survey(FlowFile file, Session& session) {
  elements_.clear();
  containers_.clear();
  elements_complete_ = true;
  ContentPieces pieces(session, file);
  const char first = pieces.first();
  if (first == 0) throw Rejected("no JSON: the content is empty");
  const JsonScanner* scanning = nullptr;
  PathMatcher matcher(path_, first, true, [&](const Match& match) {
    elements_complete_ = elements_complete_ && !match.named && elements_.size() < kRememberedElements;
    if (!elements_complete_) return true;
    if (containers_.empty() || containers_.back() != scanning->containers())
      containers_.emplace_back(scanning->containers());
    elements_.push_back({match.begin, match.end, static_cast<std::uint32_t>(containers_.size() - 1)});
    return true;
  });
  JsonScanner scanner(matcher, matcher.report_depth());
  scanning = &scanner;
  pieces.read(0, [&](std::string_view piece) { return scanner.read(piece); });
  scanner.finish();

  // What was remembered may be void.
  if (!matcher.void_ranges().empty()) elements_complete_ = false;
  Progress progress;
  progress.count = matcher.count();
  progress.void_ranges = matcher.void_ranges();
  return progress;
}

void SplitJson::emit(FlowFile file, Session& session, std::uint64_t index, const Match& match) {
  const auto child = session.create(file);
  session.share(child, file, match.begin, match.end - match.begin);
  char digits[20];
  const auto* end = std::to_chars(digits, digits + sizeof digits, index).ptr;
  session.set(child, "fragment.index", {digits, static_cast<std::size_t>(end - digits)});
  if (match.named) session.set(child, "fragment.name", match.name);
  session.transfer(child, kSplit);
}

}  // namespace weir::json
