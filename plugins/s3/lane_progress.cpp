#include "lane_progress.h"

#include <charconv>
#include <random>
#include <utility>

#include "weir/errors.h"

namespace weir::s3 {

namespace {

constexpr std::string_view kFormat = "weir-lane 1";
constexpr int kMostTries = 5;  ///< at a claim, while others claim too
constexpr const char* kNobodys = "\"00000000000000000000000000000000\"";

std::string_view take(std::string_view& rest, char end) {
  const auto size = rest.find(end);
  const auto found = rest.substr(0, size);
  rest = size == std::string_view::npos ? std::string_view() : rest.substr(size + 1);
  return found;
}

template <class Number>
bool read(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

bool read(std::string_view text, ObjectCopy& copy) {
  if (!read(take(text, ' '), copy.pieces) || !read(take(text, ' '), copy.size)) return false;
  copy.name = uri_decode(text);
  return copy.pieces > 0 && !copy.name.empty();
}

bool read(std::string_view text, StagedObject& object) {
  if (!read(take(text, ' '), object.number)) return false;
  object.key = uri_decode(take(text, ' '));
  object.upload = uri_decode(take(text, ' '));
  while (!text.empty()) {
    auto part = take(text, ' ');
    const auto etag = take(part, ',');
    if (etag.empty()) return false;
    object.parts.push_back({uri_decode(etag), uri_decode(part)});
  }
  return !object.key.empty() && !object.upload.empty() && !object.parts.empty();
}

}  // namespace

ObjectOptions own_options(ObjectOptions options, const char* content_type) {
  std::erase_if(options.headers,
                [](const auto& header) { return !header.first.starts_with("x-amz-server-side-encryption"); });
  options.headers.emplace_back("Content-Type", content_type);
  return options;
}

std::string random_name(std::size_t size) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::random_device random;
  std::string name;
  while (name.size() < size) name += kDigits[random() % kDigits.size()];
  return name;
}

std::string LaneState::encode() const {
  std::string text = std::string(kFormat) + "\ngeneration " + std::to_string(generation) + "\nowner " + owner +
                     "\nversion " + std::to_string(version) + "\nlabel " + label + "\nnext " + std::to_string(next) +
                     "\nnumber " + std::to_string(number) + '\n';
  for (const auto& object : objects) {
    text += "object " + std::to_string(object.number) + ' ' + uri_encode(object.key) + ' ' + uri_encode(object.upload);
    for (const auto& part : object.parts) {
      text += ' ' + uri_encode(part.etag);
      if (!part.checksum.empty()) text += ',' + uri_encode(part.checksum);
    }
    text += '\n';
    const auto& copy = object.copy;
    if (copy.pieces == 0) continue;
    text +=
        "copy " + std::to_string(copy.pieces) + ' ' + std::to_string(copy.size) + ' ' + uri_encode(copy.name) + '\n';
  }
  return text;
}

std::optional<LaneState> LaneState::decode(std::string_view text) {
  if (take(text, '\n') != kFormat) return std::nullopt;
  LaneState state;
  state.next = -1;  // not there: what says nothing of it is not ours
  state.number = 0;
  bool good = true;
  while (!text.empty()) {
    auto line = take(text, '\n');
    const auto name = take(line, ' ');
    if (name == "generation") good = good && read(line, state.generation);
    if (name == "owner") state.owner = line;
    if (name == "version") good = good && read(line, state.version);
    if (name == "label") state.label = line;
    if (name == "next") good = good && read(line, state.next);
    if (name == "number") good = good && read(line, state.number);
    if (name == "object") good = good && read(line, state.objects.emplace_back());
    if (name == "copy") good = good && !state.objects.empty() && read(line, state.objects.back().copy);
  }
  if (!good || state.generation == 0 || state.label.empty() || state.next < 0 || state.number == 0) return std::nullopt;
  return state;
}

LaneProgress::LaneProgress(Client& client, std::string key, ObjectOptions options)
    : client_(client), key_(std::move(key)), options_(own_options(std::move(options), "text/plain")) {}

bool LaneProgress::replace(const LaneState& state) {
  const auto text = state.encode();
  auto etag = client_.replace(key_, text, options_, etag_);
  if (!etag) {  // it may be what an earlier attempt has written, whose answer was lost
    const auto there = client_.read(key_);
    if (!there || there->bytes != text) return false;
    etag = there->etag;
  }
  if (etag->empty())
    throw Misconfigured(client_.uri(key_) + ": the store gives objects no ETag, and so cannot say " +
                        "whether it is still this Weir's");
  etag_ = *etag;
  state_ = state;
  return true;
}

void LaneProgress::claim() {
  const auto owner = random_name(16);
  for (int tries = 0; tries < kMostTries; ++tries) {
    const auto there = client_.read(key_);
    auto state = there ? LaneState::decode(there->bytes) : LaneState{};
    if (!state)
      throw Misconfigured(client_.uri(key_) +
                          " is not what a lane has stored: set another progress_prefix, or remove it");
    if (!there) state->label = random_name(8);
    ++state->generation;
    ++state->version;
    state->owner = owner;
    etag_ = there ? there->etag : std::string();
    if (replace(*state)) return probe();
  }
  throw Unavailable(client_.uri(key_) + ": others claim it all the time");
}

/// What is there is written once more, on conditions that do not hold.
void LaneProgress::probe() {
  const auto text = state_.encode();
  for (const auto* etag : {kNobodys, ""}) {
    if (!client_.replace(key_, text, options_, etag)) continue;
    throw Misconfigured(client_.uri(key_) + ": the store writes over an object though " +
                        (*etag != '\0' ? "If-Match" : "If-None-Match") +
                        " forbids it, so it would take objects from a Weir that was cut off, too. In a flow that "
                        "scales out, exactly once needs a store that honours both, as Amazon S3 does; without "
                        "`delivery: exactly_once` any will do");
  }
}

bool LaneProgress::store(std::int64_t next, std::uint64_t number, const std::vector<StagedObject>& objects) {
  auto state = state_;
  ++state.version;
  state.next = next;
  state.number = number;
  state.objects = objects;
  return replace(state);
}

}  // namespace weir::s3
