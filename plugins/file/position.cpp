#include "position.h"

#include <algorithm>
#include <charconv>

namespace weir::file {

Fingerprint fingerprint(const Fd& fd, const std::string& path, std::uint32_t length) {
  char bytes[Fingerprint::kLength];
  const auto size = read_at(fd, bytes, std::min(length, Fingerprint::kLength), 0, path);
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (std::size_t i = 0; i < size; ++i) hash = (hash ^ static_cast<unsigned char>(bytes[i])) * 0x100000001b3U;
  return {static_cast<std::uint32_t>(size), hash};
}

std::string Position::encode() const {
  std::string text = "1";
  const auto add = [&text](auto number) { text += ' ' + std::to_string(number); };
  add(device), add(inode), add(start.length), add(start.hash), add(offset), add(size), add(modified), add(line);
  add(done ? 1 : 0);
  return text;
}

std::optional<Position> Position::decode(std::string_view text) {
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
  Position p;
  take(version), take(p.device), take(p.inode), take(p.start.length), take(p.start.hash), take(p.offset);
  take(p.size), take(p.modified), take(p.line), take(done);
  if (!good || version != 1 || at != end) return std::nullopt;
  p.done = done != 0;
  return p;
}

Verdict judge(const Position& position, const struct stat& status, const Fingerprint& start) {
  if (!position.same_inode(status)) return Verdict::replaced;
  if (position.unchanged(status)) return Verdict::unchanged;
  if (start != position.start || static_cast<std::uint64_t>(status.st_size) < position.size) return Verdict::rewritten;
  return Verdict::grown;
}

}  // namespace weir::file
