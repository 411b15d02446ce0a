#include "lane_copies.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <string_view>
#include <utility>

#include "plugins/common/posix_file.h"
#include "weir/errors.h"

namespace weir::s3 {

namespace {

constexpr std::uint64_t kFetched = 8 * MiB;  ///< at a time

/// Of the owner with this claim, or of one after it.
bool is_of(std::string_view name, const LaneState& claimed) {
  if (!name.starts_with(claimed.label + '-')) return false;
  name.remove_prefix(claimed.label.size() + 1);
  std::uint64_t generation = 0;
  std::from_chars(name.data(), name.data() + name.size(), generation);
  return generation >= claimed.generation;
}

/// Behind what the file has. False: it is not there.
bool fetch_piece(Client& client, const std::string& key, const file::Fd& fd, std::uint64_t& size,
                 const std::string& file) {
  std::uint64_t got = kFetched;
  for (std::uint64_t at = 0; got == kFetched; at += got) {
    const auto piece = client.get(key, at, kFetched, {});
    if (piece.changed) return false;
    got = piece.bytes.size();
    file::write_at(fd, piece.bytes, size, file);
    size += got;
  }
  return true;
}

}  // namespace

LaneCopies::LaneCopies(std::string folder, ObjectOptions options, Context context)
    : folder_(std::move(folder)), options_(std::move(options)), context_(context) {}

std::string LaneCopies::name_for(const LaneState& claimed, std::uint64_t object) {
  return claimed.label + '-' + std::to_string(claimed.generation) + '-' + std::to_string(object);
}

std::string LaneCopies::key_of(const std::string& name, unsigned piece) const {
  return folder_ + '/' + name + '/' + std::to_string(piece);
}

void LaneCopies::add(Client& client, ObjectCopy& copy, const Body& body) const {
  client.put(key_of(copy.name, copy.pieces + 1), body, options_, false);
  ++copy.pieces;
  copy.size += body.file < 0 ? body.bytes.size() : body.size;
}

bool LaneCopies::fetch(Client& client, const ObjectCopy& copy, const std::string& file) const {
  if (copy.pieces == 0) return false;
  try {
    const auto fd = file::open_file(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    std::uint64_t size = 0;
    bool there = true;
    for (unsigned number = 1; there && number <= copy.pieces; ++number)
      there = fetch_piece(client, key_of(copy.name, number), fd, size, file);
    if (there && size != copy.size)
      throw Unavailable(client.uri(folder_ + '/' + copy.name) + ": the store gives " + std::to_string(size) +
                        " bytes of it, and was given " + std::to_string(copy.size));
    if (!there) ::unlink(file.c_str());
    return there;
  } catch (...) {
    ::unlink(file.c_str());
    throw;
  }
}

void LaneCopies::remove(Client& client, ObjectCopy copy) const {
  for (; copy.pieces > 0; --copy.pieces) client.remove(key_of(copy.name, copy.pieces));
}

void LaneCopies::remove_used(Client& client, const ObjectCopy& copy) {
  std::vector<ObjectCopy> copies;
  {
    const std::lock_guard lock(mutex_);
    copies.swap(to_remove_);
  }
  if (copy.pieces > 0) copies.push_back(copy);
  for (auto at = copies.begin(); at != copies.end(); ++at) {
    try {
      remove(client, *at);
    } catch (const Misconfigured& error) {  // it would not be otherwise by a later call
      tell(error.what());
    } catch (const std::exception& error) {
      tell(error.what());
      const std::lock_guard lock(mutex_);
      to_remove_.insert(to_remove_.end(), at, copies.end());
      return;
    }
  }
}

void LaneCopies::tell(const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (!std::exchange(told_, true))
    context_.bulletin(Level::warning,
                      "copies of objects that are in the bucket cannot be removed, and stay beside them: " + why);
}

void LaneCopies::remove_left(Client& client, const LaneState& claimed) const {
  std::string token;
  do {
    const auto listing = client.list(folder_ + '/', {}, token);
    for (const auto& object : listing.objects) {
      const auto name = object.key.substr(folder_.size() + 1, object.key.rfind('/') - folder_.size() - 1);
      const bool listed =
          std::ranges::any_of(claimed.objects, [&](const StagedObject& staged) { return staged.copy.name == name; });
      if (!listed && !is_of(name, claimed)) client.remove(object.key);
    }
    token = listing.next;
  } while (!token.empty());
}

}  // namespace weir::s3
