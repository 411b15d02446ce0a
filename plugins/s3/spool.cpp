#include "spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>

#include "plugins/common/output_name.h"
#include "plugins/common/posix_file.h"
#include "weir/errors.h"

namespace weir::s3 {

namespace {

using file::OutputFile;
using file::OutputState;

// State. Numbers are in 20 digits, so that they stand in their order.
constexpr std::string_view kOpen = "o/";  ///< OutputState, by rendered path
constexpr std::string_view kOpenEnd = "o0";
constexpr std::string_view kComplete = "c/";  ///< size and key, by number
constexpr std::string_view kCompleteEnd = "c0";
constexpr std::string_view kNext = "n";     ///< the next number
constexpr std::size_t kSeparate = 128;      ///< files kept open until the epoch's end
constexpr std::size_t kLongestKey = 1024;   ///< bytes, that S3 allows
constexpr std::size_t kRoomForNumber = 40;  ///< of those, for label and number

std::string digits(std::uint64_t number) {
  const auto text = std::to_string(number);
  return std::string(20 - text.size(), '0') + text;
}

std::uint64_t number_in(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string key(std::string_view prefix, std::string_view rest) {
  return std::string(prefix) + std::string(rest);
}

}  // namespace

std::string objection_to_key(std::string_view path, std::size_t fixed) {
  if (path.size() + kRoomForNumber > kLongestKey)
    return "the key is too long: " + std::to_string(path.size()) + " bytes, and S3 allows " +
           std::to_string(kLongestKey) + " with " + std::to_string(kRoomForNumber) + " for a number";
  for (const char c : path.substr(std::min(fixed, path.size()))) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) return "the key has a control character in it";
  }
  for (std::size_t begin = 0; begin <= path.size();) {
    const auto end = std::min(path.find('/', begin), path.size());
    const auto segment = path.substr(begin, end - begin);
    if (segment.empty()) return "the key has an empty segment: " + std::string(path);
    if (segment == "." || segment == "..")
      return "the key has a segment '" + std::string(segment) + "': " + std::string(path);
    begin = end + 1;
  }
  return {};
}

Spool::Spool(SpoolOptions options, std::string folder, const std::atomic<std::uint64_t>& durable_token,
             Uploader& uploader, Warn warn)
    : options_(std::move(options)),
      folder_(std::move(folder) + "/objects"),
      durable_token_(durable_token),
      uploader_(uploader),
      warn_(std::move(warn)) {
  file::make_directories(folder_);
}

std::string Spool::file_of(std::uint64_t number) const {
  return folder_ + '/' + digits(number);
}

std::string key_of(const SpoolOptions& options, const std::string& path, std::uint64_t number) {
  if (options.exact_keys) return path;
  return file::numbered(file::before_extension(path, '-' + options.label), number);
}

bool is_full(const SpoolOptions& options, const OutputFile& output) {
  return (options.roll_size != 0 && output.size() >= options.roll_size) ||
         (options.roll_count != 0 && output.records() >= options.roll_count);
}

// --------------------------------------------------------------------------------------------------- recovery

void Spool::recover(Session& session) {
  open_.clear();
  by_path_.clear();
  separate_.clear();
  closed_.clear();
  written_.clear();
  dirty_ = 0;
  const auto before = std::exchange(complete_, {});
  const auto token = next_token_++;
  const auto next = session.state(kNext);
  next_number_ = stored_number_ = next ? number_in(*next) : 1;
  session.scan_state(kComplete, kCompleteEnd, [&](std::string_view k, std::string_view value) {
    const auto split = std::min(value.find(' '), value.size() - 1);
    const auto number = number_in(k.substr(kComplete.size()));
    auto& complete = complete_[number];
    complete = {std::string(value.substr(split + 1)), number_in(value.substr(0, split)), token, uploader_.has(number),
                true};
    uploaded_.erase(number);
    return true;
  });
  std::vector<std::pair<std::string, OutputState>> states;
  session.scan_state(kOpen, kOpenEnd, [&](std::string_view k, std::string_view value) {
    if (auto state = OutputState::decode(value)) states.emplace_back(k.substr(kOpen.size()), std::move(*state));
    return true;
  });
  for (auto& [number, at] : uploaded_) at = token;
  for (auto& [path, state] : states) {
    if (!reopen(path, std::move(state), session.now())) session.erase_state(key(kOpen, path));
  }
  remove_unknown();
  session.when_durable(token);
}

/// False if the file is gone.
bool Spool::reopen(const std::string& path, OutputState state, std::int64_t now) {
  const auto number = number_in(state.path);
  state.path = file_of(number);
  struct stat s{};
  if (!file::status(state.path, s)) {
    warn_(state.path + " is gone, with " + std::to_string(state.length) + " bytes for " + state.final_path +
          " that were not uploaded");
    return false;
  }
  const auto size = static_cast<std::uint64_t>(s.st_size);
  if (size < state.length)
    throw Misconfigured(state.path + " has " + std::to_string(size) + " bytes, but " + std::to_string(state.length) +
                        " were finished: it was cut or restored from a copy. Restore the longer file, or remove this "
                        "one to begin " +
                        state.final_path + " anew");
  auto fd = file::open_file(state.path, O_RDWR);
  if (size > state.length) file::truncate_file(fd, state.length, state.path);
  open_.push_back(
      {path, number, OutputFile(options_.output, std::move(state), std::move(fd), before_write, nullptr), now});
  by_path_[path] = std::prev(open_.end());
  return true;
}

/// Of what was begun since the recovered epoch, nothing counts.
void Spool::remove_unknown() {
  std::set<std::string> known;
  const auto add = [&](std::uint64_t number) { known.insert({digits(number), digits(number) + ".upload"}); };
  for (const auto& [number, complete] : complete_) add(number);
  for (const auto& [number, token] : uploaded_) add(number);
  for (const auto& output : open_) add(output.number);
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(folder_.c_str()), ::closedir);
  if (!directory) file::fail("list", folder_, errno);
  std::vector<std::string> unknown;
  while (const auto* entry = ::readdir(directory.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != ".." && !known.contains(name)) unknown.push_back(name);
  }
  for (const auto& name : unknown) {
    const auto path = folder_ + '/' + name;
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) file::fail("remove", path, errno);
  }
}

// ---------------------------------------------------------------------------------------------------- opening

Spool::Open Spool::open(const std::string& path, std::int64_t now) {
  const auto number = next_number_++;
  OutputState state;
  state.path = file_of(number);
  state.final_path = key_of(options_, path, number);
  state.created = now;
  auto fd = file::open_file(state.path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  created_ = true;
  return {path, number, OutputFile(options_.output, std::move(state), std::move(fd), before_write, nullptr), now};
}

OutputFile& Spool::at(const std::string& path, std::int64_t now) {
  if (open_.empty() || open_.back().path != path) {
    const auto known = by_path_.find(path);
    if (known != by_path_.end()) {
      open_.splice(open_.end(), open_, known->second);
    } else {
      if (open_.size() >= options_.max_open) close({open_.begin()});
      open_.push_back(open(path, now));
      by_path_[path] = std::prev(open_.end());
    }
  }
  auto& last = open_.back();
  if (!last.dirty) ++dirty_;
  last.dirty = true;
  last.last_used = now;
  return last.output;
}

OutputFile& Spool::separate(const std::string& path, std::int64_t now) {
  if (separate_.size() >= kSeparate) end_all_separate();
  separate_.push_back(open(path, now));
  return separate_.back().output;
}

void Spool::end_separate() {
  separate_.back().output.end();
  separate_.back().output.write_out();
}

void Spool::end_all_separate() {
  std::vector<OutputFile*> outputs;
  for (auto& output : separate_) outputs.push_back(&output.output);
  file::commit_all(outputs);
  for (const auto& output : separate_) complete(output);
  separate_.clear();
}

// ---------------------------------------------------------------------------------------------------- closing

void Spool::complete(const Open& output) {
  const auto& state = output.output.state();
  complete_[output.number] = {state.final_path, state.length, 0, false, false};
  written_.push_back("s3://" + options_.bucket + '/' + state.final_path);
}

void Spool::close(const std::vector<List::iterator>& outputs) {
  std::vector<OutputFile*> files;
  for (const auto output : outputs) {
    output->output.end();
    files.push_back(&output->output);
  }
  file::commit_all(files);
  for (const auto output : outputs) {
    complete(*output);
    closed_.insert(output->path);
    by_path_.erase(output->path);
    if (output->dirty) --dirty_;
    open_.erase(output);
  }
}

void Spool::roll_if_full() {
  const auto last = std::prev(open_.end());
  if (is_full(options_, last->output)) close({last});
}

void Spool::close_due(std::int64_t now) {
  std::vector<List::iterator> due;
  for (auto output = open_.begin(); output != open_.end(); ++output) {
    const bool idle = options_.close_idle.count() != 0 && now - output->last_used >= options_.close_idle.count();
    const auto age = now - output->output.state().created;
    if (idle || (options_.roll_age.count() != 0 && age >= options_.roll_age.count())) due.push_back(output);
  }
  close(due);
}

void Spool::close_all() {
  std::vector<List::iterator> all;
  for (auto output = open_.begin(); output != open_.end(); ++output) all.push_back(output);
  close(all);
}

std::optional<std::int64_t> Spool::next_due() const {
  std::optional<std::int64_t> due;
  const auto consider = [&due](std::int64_t when) { due = std::min(due.value_or(when), when); };
  for (const auto& output : open_) {
    if (options_.close_idle.count() != 0) consider(output.last_used + options_.close_idle.count());
    if (options_.roll_age.count() != 0) consider(output.output.state().created + options_.roll_age.count());
  }
  return due;
}

// ----------------------------------------------------------------------------------------------------- epochs

std::vector<std::string> Spool::commit(Session& session) {
  end_all_separate();
  std::vector<OutputFile*> outputs;
  for (auto& output : open_) {
    if (output.dirty) outputs.push_back(&output.output);
  }
  file::commit_all(outputs);
  if (std::exchange(created_, false)) file::sync_directory(folder_);
  for (auto& output : open_) {
    if (!std::exchange(output.dirty, false)) continue;
    auto state = output.output.state();
    written_.push_back("s3://" + options_.bucket + '/' + state.final_path);
    state.path = digits(output.number);  // the data directory may be moved
    session.set_state(key(kOpen, output.path), state.encode());
  }
  dirty_ = 0;
  for (const auto& path : closed_) {
    if (!by_path_.contains(path)) session.erase_state(key(kOpen, path));
  }
  closed_.clear();
  if (next_number_ != stored_number_) session.set_state(kNext, std::to_string(next_number_));
  stored_number_ = next_number_;

  const auto token = next_token_++;
  bool wait = false;
  for (auto& [number, complete] : complete_) {
    if (complete.token != 0) continue;
    complete.token = token;
    session.set_state(key(kComplete, digits(number)), std::to_string(complete.size) + ' ' + complete.key);
    wait = true;
  }
  if (wait) session.when_durable(token);
  return std::exchange(written_, {});
}

void Spool::submit(std::uint64_t number, Complete& complete) {
  complete.submitted = true;
  uploader_.submit({number, complete.key, file_of(number), options_.owner + '/' + std::to_string(number), complete.size,
                    !options_.exact_keys, complete.again});
}

void Spool::advance(Session& session) {
  const auto durable = durable_token_.load();
  remove_durable(durable);
  bool wait = false;
  for (const auto& result : uploader_.take_results()) {
    const auto at = complete_.find(result.number);
    if (at == complete_.end()) continue;
    wait = true;
    const auto state = key(kComplete, digits(result.number));
    if (!result.taken) {
      session.erase_state(state);
      uploaded_[result.number] = next_token_;
      complete_.erase(at);
      continue;
    }
    auto& complete = at->second;
    warn_("s3://" + options_.bucket + '/' + complete.key + " belongs to somebody else: the object gets another key");
    complete = {file::numbered(complete.key, next_number_++), complete.size, next_token_, false, false};
    session.set_state(state, std::to_string(complete.size) + ' ' + complete.key);
    session.set_state(kNext, std::to_string(next_number_));
    stored_number_ = next_number_;
  }
  if (wait) session.when_durable(next_token_++);
  for (auto& [number, complete] : complete_) {
    if (!complete.submitted && complete.token != 0 && complete.token <= durable) submit(number, complete);
  }
}

/// Files whose upload a durable epoch knows of.
void Spool::remove_durable(std::uint64_t durable) {
  for (auto at = uploaded_.begin(); at != uploaded_.end();) {
    if (at->second > durable) {
      ++at;
      continue;
    }
    const auto path = file_of(at->first);
    for (const auto& name : {path, path + ".upload"}) {
      if (::unlink(name.c_str()) != 0 && errno != ENOENT) file::fail("remove", name, errno);
    }
    at = uploaded_.erase(at);
  }
}

}  // namespace weir::s3
