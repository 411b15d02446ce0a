#include "file_source.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "clear_away.h"
#include "weir/errors.h"
#include "weir/schedule.h"

namespace weir::file {

namespace {

constexpr std::string_view kFiles = "f/";  ///< state: Position, by path
constexpr std::string_view kFilesEnd = "f0";
constexpr std::string_view kSessions = "n";  ///< state: how often it was changed
constexpr std::size_t kOpenTails = 256;

std::string key_of(const std::string& path) {
  return std::string(kFiles) + path;
}

/// What `path` attributes are relative to: the directory of a file, or the part of a glob before its first wildcard.
std::string root_of(const std::string& path) {
  struct stat s{};
  std::string root = path;
  if (is_glob(path)) {
    root = directory_of(path.substr(0, path.find_first_of("*?[")));
  } else if (!status(path, s) || !S_ISDIR(s.st_mode)) {
    root = directory_of(path);
  }
  root = absolute(root);
  return root.back() == '/' ? root : root + '/';
}

Format format_of(const std::string& name) {
  if (name == "whole") return Format::whole;
  if (name == "ndjson") return Format::ndjson;
  return name == "json_array" ? Format::json_array : Format::lines;
}

}  // namespace

FileSource::FileSource(FileSourceSettings settings) : settings_(std::move(settings)) {
  if (settings_.after == "move" && !settings_.move_to)
    throw Misconfigured("after: move needs move_to, the directory to move files to");
  if (settings_.after != "move" && settings_.move_to) throw Misconfigured("move_to has no effect without after: move");
  if (settings_.tail && settings_.after != "keep")
    throw Misconfigured("tail: true reads files that go on growing: it cannot be combined with after: " +
                        settings_.after);
  if (settings_.tail && (settings_.format == "whole" || settings_.format == "json_array"))
    throw Misconfigured("tail: true needs format: lines or ndjson");
  options_.content.format = format_of(settings_.format);
  options_.content.each = settings_.emit == "each";
  options_.content.chunk_size = settings_.chunk_size;
  options_.content.max_line = settings_.max_line;
  options_.unpack = settings_.decompress;
}

void FileSource::start(Context& context) {
  context_ = context;
  options_.root = root_of(settings_.path);
  scheduled_ = is_scheduled(context);
  struct stat s{};
  if (status(settings_.path, s)) return;
  const auto message = settings_.path + " does not exist (in the directory " + absolute(".") + ")";
  // What was deleted or moved after it was read, or rotated away, may be missing for good reason.
  if (is_glob(settings_.path)) return;
  if (!settings_.tail && settings_.after == "keep") throw Misconfigured(message);
  context_.bulletin(Level::warning, message + ": waiting for it");
}

void FileSource::poll(Session& session) {
  load(session);
  loaded_ = false;  // until this session has got through: else what was read ahead no longer fits the state
  work(session);
  loaded_ = true;
}

void FileSource::work(Session& session) {
  clear_away(session);
  const auto interval = settings_.interval.count();
  const bool set_back = next_search_ && *next_search_ - session.now() > interval;
  if (set_back || (scheduled_ && passed_)) next_search_.reset();
  if (to_read_.empty() && (!next_search_ || session.now() >= *next_search_)) search(session);
  passed_ = to_read_.empty();
  if (!to_read_.empty()) {
    read_some(session);
    // What was found at its time is read to the end: it does not wait for the next time.
    return scheduled_ ? session.tick_at(session.now()) : session.again();
  }
  if (context_.until_idle() && awaiting_.empty() && !waiting_for_age_) return session.finished();
  if (!scheduled_) {
    session.tick_at(*next_search_);
  } else if (!awaiting_.empty() || waiting_for_age_) {
    session.tick_at(session.now() + interval);
  }
}

void FileSource::load(Session& session) {
  const auto kept = session.state(kSessions);
  const auto sessions = kept ? std::stoull(std::string(*kept)) : 0;
  if (loaded_ && sessions == sessions_) return;
  positions_.clear();
  readers_.clear();
  to_read_.clear();
  rotated_.clear();
  awaiting_.clear();
  next_search_.reset();
  session.scan_state(kFiles, kFilesEnd, [&](std::string_view key, std::string_view value) {
    if (const auto position = Position::decode(value)) positions_.emplace(key.substr(kFiles.size()), *position);
    return true;
  });
  sessions_ = sessions;
  loaded_ = true;
}

void FileSource::keep(Session& session, const std::string& path, const Position& position) {
  positions_[path] = position;
  session.set_state(key_of(path), position.encode());
  session.set_state(kSessions, std::to_string(++sessions_));
}

void FileSource::forget(Session& session, const std::string& path) {
  positions_.erase(path);
  session.erase_state(key_of(path));
  session.set_state(kSessions, std::to_string(++sessions_));
}

/// One file a session: its RECEIVE event names the file.
void FileSource::read_some(Session& session) {
  const auto path = to_read_.front();
  auto& reader = readers_[path];
  try {
    if (!reader) reader = std::make_unique<FileReader>(options_, path, positions_[path]);
  } catch (const Unavailable& error) {
    readers_.erase(path);
    to_read_.pop_front();
    struct stat s{};
    if (path == settings_.path && status(path, s)) throw;
    return warn_once(path, error.what());  // the other files go on; this one is tried again with the next search
  } catch (const Broken& error) {
    readers_.erase(path);
    to_read_.pop_front();
    auto position = positions_[path];
    position.done = true;
    keep(session, path, position);
    return warn(error.what());
  }
  const bool rotated = rotated_.count(path) != 0;
  const bool last = !settings_.tail || rotated || context_.until_idle();
  const bool ended = reader->read(session, last, [this](const std::string& message) { warn(message); });
  keep(session, path, reader->position());
  if (!ended) return;

  to_read_.pop_front();
  warned_.erase(path);
  if (!settings_.tail || rotated || readers_.size() > kOpenTails) readers_.erase(path);
  if (rotated) {
    rotated_.erase(path);
    struct stat s{};  // unless it can be found again under this name, its position is of no more use
    if (!status(path, s) || !positions_[path].same_inode(s)) forget(session, path);
    next_search_.reset();
  }
  if (settings_.after != "keep") {
    awaiting_.emplace(next_token_, path);
    session.when_durable(next_token_++);
  }
}

void FileSource::search(Session& session) {
  std::vector<std::string> problems;
  const auto found = find_files({.path = settings_.path,
                                 .recursive = settings_.recursive,
                                 .ignore_hidden = settings_.ignore_hidden,
                                 .by_modified = settings_.sort == "mtime"},
                                problems);
  for (const auto& problem : problems) warn_once(problem, problem);
  if (found.empty() && problems.empty() && positions_.empty()) warn_once(settings_.path, nothing_found());

  next_search_ = session.now() + settings_.interval.count();
  waiting_for_age_ = false;
  for (const auto& file : found) {
    const auto old_enough = modified(file.status) + settings_.min_age.count();
    if (settings_.min_age.count() > 0 && session.now() < old_enough) {
      waiting_for_age_ = true;
      next_search_ = std::min(*next_search_, old_enough);
    } else {
      consider(session, file);
    }
  }
  if (!found.empty()) forget_vanished(session, found);
}

/// Files may yet come, so this is no error; but who mistyped the path should not wait for them in vain.
std::string FileSource::nothing_found() const {
  struct stat s{};
  if (is_glob(settings_.path) || !status(settings_.path, s) || !S_ISDIR(s.st_mode))
    return "no file matches " + settings_.path + " (in the directory " + absolute(".") + ")";
  return "no file matches: there is none in the directory " + absolute(settings_.path) +
         (settings_.recursive ? " or below it" : "") +
         (context_.until_idle() ? "" : "; those that come into it will be read");
}

void FileSource::consider(Session& session, const Found& found) {
  const auto& path = found.path;
  const auto at = positions_.find(path);
  if (at != positions_.end() && at->second.unchanged(found.status)) {
    if (!at->second.done) {
      if (std::find(to_read_.begin(), to_read_.end(), path) == to_read_.end()) to_read_.push_back(path);
      return;
    }
    const auto awaited = [&](const auto& entry) { return entry.second == path; };
    if (settings_.after == "keep" || std::any_of(awaiting_.begin(), awaiting_.end(), awaited)) return;
    awaiting_.emplace(next_token_, path);  // from before a restart
    return session.when_durable(next_token_++);
  }
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    if (errno != ENOENT) to_read_.push_back(path);  // reading it says what is wrong
    return;
  }
  if (at == positions_.end()) {
    if (const auto old = known_under_another_name(found.status, fd)) {
      const auto position = positions_.at(*old);
      readers_.erase(*old);
      forget(session, *old);
      keep(session, path, position);
      if (!position.unchanged(found.status) || !position.done) to_read_.push_back(path);
      return;
    }
    return to_read_.push_back(path);
  }
  const auto position = at->second;
  switch (judge(position, found.status, fingerprint(fd, path, position.start.length))) {
    case Verdict::unchanged:
      return;
    case Verdict::grown:
      if (settings_.tail || !position.done) return to_read_.push_back(path);
      break;
    case Verdict::rewritten:
      if (settings_.tail || !position.done) warn(path + " was truncated or rewritten: reading it from its beginning");
      break;
    case Verdict::replaced:
      if (settings_.tail || !position.done) return follow_rotation(session, path, position, fd);
  }
  readers_.erase(path);
  positions_[path] = Position{};
  to_read_.push_back(path);
}

/// `path` now names another file: what is left of the one before it is read first, wherever it went.
void FileSource::follow_rotation(Session& session, const std::string& path, const Position& position, const Fd&) {
  std::vector<std::string> problems;
  const auto siblings = find_files({.path = directory_of(path), .ignore_hidden = false}, problems);
  const auto moved = std::find_if(siblings.begin(), siblings.end(),
                                  [&](const Found& sibling) { return position.same_inode(sibling.status); });
  if (moved != siblings.end()) {
    const auto fd = open_file(moved->path, O_RDONLY);
    if (fingerprint(fd, moved->path, position.start.length) == position.start) {
      readers_.erase(path);
      forget(session, path);
      keep(session, moved->path, position);
      rotated_.insert(moved->path);
      to_read_.push_back(moved->path);
      return to_read_.push_back(path);
    }
  }
  if (readers_.count(path) != 0) {  // deleted, but still open here; the new one comes with the next search
    rotated_.insert(path);
    return to_read_.push_back(path);
  }
  if (position.offset < position.size || !position.done)
    warn(path +
         " was replaced, and the file before it is not in its directory any more: what was not read of it, from byte " +
         std::to_string(position.offset) + " on, is lost to this flow");
  positions_[path] = Position{};
  to_read_.push_back(path);
}

std::optional<std::string> FileSource::known_under_another_name(const struct stat& s, const Fd& fd) const {
  for (const auto& [path, position] : positions_) {
    if (!position.same_inode(s)) continue;
    struct stat there{};
    if (status(path, there) && position.same_inode(there)) continue;  // a hard link: another file to the user
    if (fingerprint(fd, path, position.start.length) == position.start) return path;
  }
  return std::nullopt;
}

/// State does not grow for ever: what is not found any more is forgotten. Not when nothing at all is found, which
/// may be a file system that is not mounted.
void FileSource::forget_vanished(Session& session, const std::vector<Found>& found) {
  if (positions_.size() <= found.size() && to_read_.empty()) return;
  std::set<std::string> present(to_read_.begin(), to_read_.end());
  for (const auto& file : found) present.insert(file.path);
  for (const auto& [token, path] : awaiting_) present.insert(path);
  std::vector<std::string> vanished;
  for (const auto& [path, position] : positions_) {
    if (present.count(path) == 0) vanished.push_back(path);
  }
  for (const auto& path : vanished) {
    readers_.erase(path);
    forget(session, path);
  }
}

void FileSource::durable(std::uint64_t token) {
  {
    const std::lock_guard lock(durable_lock_);
    durable_.push_back(token);
  }
  context_.wake();
}

void FileSource::clear_away(Session& session) {
  std::vector<std::uint64_t> tokens;
  {
    const std::lock_guard lock(durable_lock_);
    tokens.swap(durable_);
  }
  for (const auto token : tokens) {
    const auto at = awaiting_.find(token);
    if (at == awaiting_.end()) continue;
    const auto path = at->second;
    awaiting_.erase(at);
    clear_away(session, path);
  }
}

void FileSource::clear_away(Session& session, const std::string& path) {
  struct stat s{};
  const auto at = positions_.find(path);
  if (at == positions_.end()) return;
  if (!status(path, s)) return forget(session, path);
  if (!at->second.unchanged(s)) return;  // the next search reads it again
  if (settings_.after == "delete") {
    delete_file(path);
  } else {
    move_file(path, *settings_.move_to);
  }
  forget(session, path);
}

void FileSource::warn(const std::string& message) {
  context_.bulletin(Level::warning, message);
}

void FileSource::warn_once(const std::string& path, const std::string& message) {
  if (warned_.insert(path).second) warn(message);
}

}  // namespace weir::file
