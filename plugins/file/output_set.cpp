#include "output_set.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "plugins/common/output_name.h"
#include "weir/errors.h"

namespace weir::file {

namespace {

constexpr std::string_view kOpen = "g/";  ///< state: OutputState, by rendered path
constexpr std::string_view kOpenEnd = "g0";
constexpr std::string_view kComplete = "r/";  ///< state: final name and inode, by incomplete name
constexpr std::string_view kCompleteEnd = "r0";
constexpr std::string_view kGeneration = "v/";  ///< state: what a path's file holds, by rendered path
constexpr std::string_view kGenerationEnd = "v0";
constexpr std::string_view kCovered = "i";  ///< state: number of the last intent that the rest of it covers
constexpr std::size_t kSeparate = 128;      ///< files kept open until the epoch's end; each costs a descriptor
constexpr std::size_t kNumbers = 10'000;
constexpr std::size_t kMostBulletins = 1'000;
constexpr std::size_t kCopied = 1024 * 1024;  ///< bytes at a time

std::string key(std::string_view prefix, std::string_view path) {
  return std::string(prefix) + std::string(path);
}

/// How many bytes there were.
std::uint64_t copy_file(const std::string& from_path, const Fd& to, const std::string& to_path) {
  const auto from = open_file(from_path, O_RDONLY);
  std::string piece(kCopied, '\0');
  std::uint64_t length = 0;
  while (const auto n = read_at(from, piece.data(), piece.size(), length, from_path)) {
    write_at(to, std::string_view(piece).substr(0, n), length, to_path);
    length += n;
  }
  sync_data(to, to_path);
  return length;
}

}  // namespace

OutputSet::OutputSet(OutputSetOptions options, const std::string& folder,
                     const std::atomic<std::uint64_t>& durable_token, Warn warn)
    : options_(std::move(options)), durable_token_(durable_token), warn_(std::move(warn)), intents_(folder) {}

// --------------------------------------------------------------------------------------------------- recovery

void OutputSet::recover(Session& session) {
  by_key_.clear();
  dirty_.clear();
  open_.clear();
  separate_.clear();
  closed_.clear();
  complete_.clear();
  complete_names_.clear();
  written_.clear();
  covered_by_token_.clear();
  next_numbers_.clear();
  generations_.clear();
  begun_anew_.clear();
  next_order_ = 1;

  const auto covered = session.state(kCovered);
  covered_ = covered ? std::stoull(std::string(*covered)) : 0;
  intents_.raise(covered_);
  const auto token = next_token_++;
  std::set<std::string> known;
  session.scan_state(kComplete, kCompleteEnd, [&](std::string_view k, std::string_view value) {
    const auto split = value.rfind('\n');
    const std::string part(k.substr(kComplete.size()));
    const std::string final_path(value.substr(0, split));
    const std::string numbers(value.substr(split + 1));
    const auto space = numbers.find(' ');
    const std::uint64_t order = space == std::string::npos ? 0 : std::stoull(numbers.substr(space + 1));
    complete_[part] = {final_path, std::stoull(numbers), token, order};
    next_order_ = std::max(next_order_, order + 1);
    complete_names_.insert(final_path);
    known.insert(part);
    return true;
  });
  session.scan_state(kGeneration, kGenerationEnd, [&](std::string_view k, std::string_view value) {
    generations_[std::string(k.substr(kGeneration.size()))] = value;
    return true;
  });
  std::vector<std::pair<std::string, OutputState>> states;
  session.scan_state(kOpen, kOpenEnd, [&](std::string_view k, std::string_view value) {
    if (auto state = OutputState::decode(value)) {
      known.insert(state->path);
      states.emplace_back(k.substr(kOpen.size()), std::move(*state));
    }
    return true;
  });
  take_back(known);
  for (auto& [k, state] : states) {
    if (!reopen(k, std::move(state), session.now())) session.erase_state(key(kOpen, k));
  }
  covered_by_token_[token] = covered_;
  session.when_durable(token);
}

/// Of what was opened since the recovered epoch, nothing counts.
void OutputSet::take_back(const std::set<std::string>& known) {
  std::set<std::string> seen;
  for (const auto& intent : intents_.entries()) {
    if (intent.number <= covered_ || known.count(intent.path) != 0 || !seen.insert(intent.path).second) continue;
    struct stat s{};
    if (!status(intent.path, s)) continue;
    if (intent.created) {
      if (::unlink(intent.path.c_str()) != 0 && errno != ENOENT) fail("remove", intent.path, errno);
    } else if (static_cast<std::uint64_t>(s.st_size) > intent.length) {
      truncate_file(open_file(intent.path, O_RDWR), intent.length, intent.path);
    }
  }
}

/// False if the file is gone.
bool OutputSet::reopen(const std::string& k, OutputState state, std::int64_t now) {
  struct stat s{};
  if (!status(state.path, s)) {
    struct stat complete{};
    const bool was_renamed = !state.in_place() && status(state.final_path, complete) && complete.st_ino == state.inode;
    if (!was_renamed) {
      warn_(state.path + " is gone, with its " + std::to_string(state.length) +
            " bytes that were finished: beginning it anew");
      return false;
    }
    // Completed by an epoch that did not last.
    if (::rename(state.final_path.c_str(), state.path.c_str()) != 0) fail("rename", state.final_path, errno);
    sync_directory(directory_of(state.path));
    status(state.path, s);
  }
  if (s.st_ino != state.inode) {
    warn_(state.path + " is another file than the one that was being written: going on behind what is in it");
    return false;
  }
  const auto size = static_cast<std::uint64_t>(s.st_size);
  if (size < state.length) {
    throw Misconfigured(state.path + " has " + std::to_string(size) + " bytes, but " + std::to_string(state.length) +
                        " were finished: it was cut or restored from a copy. Restore the longer file, or move this "
                        "one away to begin anew");
  }
  auto fd = open_file(state.path, O_RDWR);
  if (size > state.length) truncate_file(fd, state.length, state.path);
  insert(k, OutputFile(options_.file, std::move(state), std::move(fd), before_write, this), now);
  return true;
}

// ---------------------------------------------------------------------------------------------------- opening

void OutputSet::before_write(void* self) {
  static_cast<OutputSet*>(self)->intents_.sync();
}

void OutputSet::insert(const std::string& k, OutputFile file, std::int64_t now) {
  open_.push_back({k, std::move(file), now});
  by_key_[open_.back().key] = std::prev(open_.end());
}

OutputFile& OutputSet::at(const std::string& path, std::int64_t now) {
  if (open_.empty() || open_.back().key != path) {
    const auto known = by_key_.find(path);
    if (known != by_key_.end()) {
      open_.splice(open_.end(), open_, known->second);
    } else {
      if (open_.size() >= options_.max_open) close({open_.begin()});
      insert(path, open(path, now), now);
    }
  }
  if (!open_.back().dirty) {
    begin_epoch(now);
    open_.back().dirty = true;
    dirty_.push_back(std::prev(open_.end()));
  }
  open_.back().last_used = last_use_ = now;
  return open_.back().file;
}

OutputFile* OutputSet::at_generation(const std::string& path, const std::string& generation, std::int64_t now) {
  auto& held = generations_[path];
  if (generation < held) {
    if (superseded_.size() < kMostBulletins && superseded_.insert(path).second)
      warn_(path + " holds generation " + held + ": what comes of " + generation + ", an older one, is left out");
    return nullptr;
  }
  if (generation != held) {
    held = generation;
    begun_anew_.insert(path);
    if (const auto known = by_key_.find(path); known != by_key_.end()) close({known->second});
    if (open_.size() >= options_.max_open) close({open_.begin()});
    OutputState state;
    state.path = path;
    state.created = now;
    insert(path, open_generation(std::move(state), false), now);
  }
  return &at(path, now);
}

/// Before the first write of an epoch: a file that was moved away or removed (by logrotate, say) is let go.
void OutputSet::begin_epoch(std::int64_t now) {
  const auto last = std::prev(open_.end());
  const auto& state = last->file.state();
  struct stat s{};
  if (!state.in_place() || (status(state.path, s) && s.st_ino == state.inode)) return;
  const auto path = last->key;
  close({last});
  insert(path, open(path, now), now);
}

OutputFile& OutputSet::separate(const std::string& path, std::int64_t now) {
  if (separate_.size() >= kSeparate) sync_separate();
  separate_.push_back(open(path, now));
  return separate_.back();
}

void OutputSet::end_separate() {
  separate_.back().end();
  separate_.back().write_out();
}

OutputFile OutputSet::open(const std::string& path, std::int64_t now) {
  OutputState state;
  state.path = path;
  state.created = now;
  if (options_.generations) return open_generation(std::move(state), true);
  const auto directory = directory_of(path);
  make_directories(directory);
  changed_directories_.insert(directory);
  return options_.in_place ? open_in_place(std::move(state)) : open_incomplete(std::move(state));
}

OutputFile OutputSet::open_in_place(OutputState state) {
  struct stat s{};
  const bool exists = status(state.path, s);
  if (exists && !S_ISREG(s.st_mode)) throw Rejected(state.path + " exists, and is no regular file");
  state.final_path = state.path;
  state.length = exists ? static_cast<std::uint64_t>(s.st_size) : 0;
  intents_.add(!exists, state.length, state.path);
  auto fd = open_file(state.path, O_RDWR | O_CREAT);
  state.inode = status(fd, state.path).st_ino;
  return {options_.file, std::move(state), std::move(fd), before_write, this};
}

OutputFile OutputSet::open_incomplete(OutputState state) {
  const auto path = state.path;
  while (true) {
    state.final_path = free_name(path);
    state.path = part_of(state.final_path);
    struct stat s{};
    if (status(state.path, s) && s.st_size != 0) {  // an empty one may be our own, from before a power cut
      warn_(state.path + " was left behind by something else: it is neither touched nor completed");
      next_numbers_[path] = std::max(next_numbers_[path], next_number(path));
      continue;
    }
    intents_.add(true, 0, state.path);
    auto fd = open_file(state.path, O_RDWR | O_CREAT);
    state.inode = status(fd, state.path).st_ino;
    return {options_.file, std::move(state), std::move(fd), before_write, this};
  }
}

/// What a complete array ends with goes, so that it can be gone on with.
void OutputSet::open_array(const Fd& fd, OutputState& state) {
  constexpr std::string_view kEnd = "\n]\n";
  std::string end(kEnd.size(), '\0');
  const bool filled = state.length > kEnd.size() &&
                      read_at(fd, end.data(), end.size(), state.length - end.size(), state.path) == end.size() &&
                      end == kEnd;
  state.length = filled ? state.length - kEnd.size() : 0;
  state.records = filled ? 1 : 0;  // or more: then a comma comes before the next
}

/// Under a name that no file had before: renames to the same path are told apart after a crash, too.
OutputFile OutputSet::open_generation(OutputState state, bool goes_on) {
  const auto path = state.path;
  const auto directory = directory_of(path);
  make_directories(directory);
  changed_directories_.insert(directory);
  struct stat s{};
  if (status(path, s) && !S_ISREG(s.st_mode)) throw Rejected(path + " exists, and is no regular file");
  state.final_path = path;
  auto number = intents_.last();
  do {
    state.path = part_of(numbered(path, ++number));
  } while (status(state.path, s) && s.st_size != 0);  // an empty one may be our own, from before a power cut
  const auto holder = goes_on ? holder_of(path) : std::string();
  if (goes_on && holder.empty()) warn_(path + " is gone, with what it held of its generation: beginning it anew");
  intents_.add(true, 0, state.path);
  auto fd = open_file(state.path, O_RDWR | O_CREAT);
  state.inode = status(fd, state.path).st_ino;
  if (!holder.empty()) {
    intents_.sync();
    state.length = copy_file(holder, fd, state.path);
    if (options_.file.layout == Layout::array) open_array(fd, state);
  }
  return {options_.file, std::move(state), std::move(fd), before_write, this};
}

/// The complete file of a path, which may still wait for its name; "" if there is none.
std::string OutputSet::holder_of(const std::string& path) const {
  const Complete* last = nullptr;
  struct stat s{};
  std::string holder = status(path, s) ? path : std::string();
  for (const auto& [part, complete] : complete_) {
    if (complete.final_path != path || (last != nullptr && last->order > complete.order)) continue;
    if (!status(part, s) || s.st_ino != complete.inode) continue;  // has its name already
    last = &complete;
    holder = part;
  }
  return holder;
}

bool OutputSet::name_taken(const std::string& final_path) const {
  struct stat s{};
  if (complete_names_.count(final_path) != 0 || status(final_path, s)) return true;
  const auto is_it = [&](const OutputState& state) { return state.final_path == final_path; };
  return std::any_of(separate_.begin(), separate_.end(), [&](const OutputFile& f) { return is_it(f.state()); }) ||
         std::any_of(open_.begin(), open_.end(), [&](const Open& o) { return is_it(o.file.state()); });
}

/// The path itself if it is free and files are not numbered, else with the next number.
std::string OutputSet::free_name(const std::string& path) {
  auto known = next_numbers_.find(path);
  if (known == next_numbers_.end() && !options_.number_first && !name_taken(path)) {
    struct stat s{};
    if (!status(part_of(path), s)) return path;
  }
  if (known == next_numbers_.end()) {
    if (next_numbers_.size() >= kNumbers) next_numbers_.clear();
    known = next_numbers_.emplace(path, 0).first;
  }
  auto& number = known->second;
  if (number == 0) number = std::max<std::uint64_t>(next_number(path), options_.number_first ? 1 : 2);
  while (name_taken(numbered(path, number))) ++number;
  return numbered(path, number++);
}

// ---------------------------------------------------------------------------------------------------- closing

void OutputSet::completed(const OutputState& state) {
  written_.push_back(state.final_path);
  if (state.in_place()) return;
  complete_[state.path] = {state.final_path, state.inode, 0, options_.generations ? next_order_++ : 0};
  complete_names_.insert(state.final_path);
}

void OutputSet::close(const std::vector<List::iterator>& files) {
  std::vector<OutputFile*> outputs;
  for (const auto file : files) {
    if (!file->file.state().in_place()) file->file.end();
    outputs.push_back(&file->file);
  }
  commit_all(outputs);
  for (const auto file : files) {
    completed(file->file.state());
    closed_.insert(file->key);
    by_key_.erase(file->key);
  }
  const auto closed = [](const List::iterator& file) { return file->closed; };
  for (const auto file : files) file->closed = true;
  dirty_.erase(std::remove_if(dirty_.begin(), dirty_.end(), closed), dirty_.end());
  for (const auto file : files) open_.erase(file);
}

void OutputSet::sync_separate() {
  std::vector<OutputFile*> outputs;
  for (auto& file : separate_) outputs.push_back(&file);
  commit_all(outputs);
  for (const auto& file : separate_) completed(file.state());
  separate_.clear();
}

void OutputSet::roll_if_full() {
  const auto last = std::prev(open_.end());
  const auto& file = last->file;
  if ((options_.roll_size != 0 && file.size() >= options_.roll_size) ||
      (options_.roll_count != 0 && file.records() >= options_.roll_count))
    close({last});
}

void OutputSet::close_due(std::int64_t now) {
  if (now < last_use_) {  // the clock was set back
    for (auto& file : open_) file.last_used = std::min(file.last_used, now);
    last_use_ = now;
  }
  std::vector<List::iterator> due;
  for (auto file = open_.begin(); file != open_.end(); ++file) {
    const bool idle = options_.close_idle.count() != 0 && now - file->last_used >= options_.close_idle.count();
    const auto age = now - file->file.state().created;
    const bool old = options_.roll_age.count() != 0 && (age >= options_.roll_age.count() || age < 0);
    if (idle || old) due.push_back(file);
    if (!idle && options_.roll_age.count() == 0) break;  // the rest was used later
  }
  close(due);
}

void OutputSet::close_all() {
  std::vector<List::iterator> all;
  for (auto file = open_.begin(); file != open_.end(); ++file) all.push_back(file);
  close(all);
}

std::optional<std::int64_t> OutputSet::next_due() const {
  std::optional<std::int64_t> due;
  if (open_.empty()) return due;
  if (options_.close_idle.count() != 0) due = open_.front().last_used + options_.close_idle.count();
  if (options_.roll_age.count() != 0) {
    for (const auto& file : open_) {
      const auto old = file.file.state().created + options_.roll_age.count();
      due = std::min(due.value_or(old), old);
    }
  }
  return due;
}

// ----------------------------------------------------------------------------------------------------- epochs

std::vector<std::string> OutputSet::commit(Session& session) {
  sync_separate();
  auto written = std::move(written_);
  written_.clear();
  const auto dirty = std::move(dirty_);
  dirty_.clear();
  std::vector<OutputFile*> outputs;
  for (const auto file : dirty) outputs.push_back(&file->file);
  commit_all(outputs);
  for (const auto file : dirty) {
    file->dirty = false;
    written.push_back(file->file.state().final_path);
    session.set_state(key(kOpen, file->key), file->file.state().encode());
  }
  for (const auto& directory : changed_directories_) sync_directory(directory);
  changed_directories_.clear();
  for (const auto& k : closed_) {
    if (by_key_.count(k) == 0) session.erase_state(key(kOpen, k));
  }
  closed_.clear();
  for (const auto& path : begun_anew_) session.set_state(key(kGeneration, path), generations_[path]);
  begun_anew_.clear();

  const auto token = next_token_++;
  bool wait = false;
  for (auto& [part, complete] : complete_) {
    if (complete.token != 0) continue;
    complete.token = token;
    auto value = complete.final_path + '\n' + std::to_string(complete.inode);
    if (complete.order != 0) value += ' ' + std::to_string(complete.order);
    session.set_state(key(kComplete, part), value);
    wait = true;
  }
  if (intents_.last() > covered_) {
    covered_ = intents_.last();
    session.set_state(kCovered, std::to_string(covered_));
    covered_by_token_[token] = covered_;
    wait = true;
  }
  if (wait) session.when_durable(token);
  for (auto& path : written) path = file_uri(path);
  return written;
}

std::optional<std::int64_t> OutputSet::next_advance(std::int64_t now) const {
  if (complete_.empty()) return std::nullopt;
  return now + 50'000'000;
}

void OutputSet::rename_complete(Session* session) {
  const auto durable_token = durable_token_.load();
  for (auto at = covered_by_token_.begin(); at != covered_by_token_.end() && at->first <= durable_token;) {
    intents_.covered(at->second);
    at = covered_by_token_.erase(at);
  }
  std::vector<std::map<std::string, Complete>::iterator> due;
  for (auto at = complete_.begin(); at != complete_.end(); ++at) {
    if (at->second.token != 0 && at->second.token <= durable_token) due.push_back(at);
  }
  std::stable_sort(due.begin(), due.end(), [](auto a, auto b) { return a->second.order < b->second.order; });
  std::set<std::string> directories;
  for (const auto at : due) {
    const auto& [part, complete] = *at;
    directories.insert(directory_of(options_.generations ? rename_over(part, complete) : rename_to(part, complete)));
    if (session != nullptr) session->erase_state(key(kComplete, part));
    complete_names_.erase(complete.final_path);
    complete_.erase(at);
  }
  for (const auto& directory : directories) sync_directory(directory);
}

std::string OutputSet::rename_to(const std::string& part, const Complete& complete) {
  auto target = complete.final_path;
  while (::renameat2(AT_FDCWD, part.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) != 0) {
    struct stat s{};
    const int error = errno;
    const bool exists = status(target, s);
    if (error == ENOENT) {  // done already, and only the state did not hear of it; or removed by someone
      if (!exists || s.st_ino != complete.inode) warn_(part + " is gone: it was complete, to be named " + target);
      break;
    }
    if (error == EEXIST) {
      target = numbered(complete.final_path, next_number(complete.final_path));
      warn_(complete.final_path + " was made by something else: the complete file is named " + target);
    } else if (error == EINVAL && !exists) {  // a file system that does not know RENAME_NOREPLACE
      if (::rename(part.c_str(), target.c_str()) != 0) fail("rename to " + target, part, errno);
      break;
    } else {
      fail("rename to " + target, part, error);
    }
  }
  return target;
}

/// Of generations: who reads the path sees the one before or this one, whole.
std::string OutputSet::rename_over(const std::string& part, const Complete& complete) {
  struct stat s{};
  if (status(part, s) && s.st_ino == complete.inode) {
    if (::rename(part.c_str(), complete.final_path.c_str()) != 0) fail("rename to " + complete.final_path, part, errno);
  } else if (!status(complete.final_path, s)) {  // else it was done already, and only the state did not hear of it
    warn_(part + " is gone: it was complete, to be named " + complete.final_path);
  }
  return complete.final_path;
}

}  // namespace weir::file
